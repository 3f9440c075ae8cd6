"""How much a body holds, before anything in it is made: for the time and the memory that this would take.

A message of two bytes becomes an object of a hundred. Eight megabytes of them hold the interpreter, whose lock the
decoders keep, for a quarter of a second, and half a gigabyte. So the spans of a body are counted first, and in JSON
they are decoded one by one.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from app.errors import BodyTooLargeError, InvalidRequestError

NO_OBJECT = "the body is not an OTLP trace export: a JSON object with resourceSpans is expected"
MAX_SPANS = 10_000
MAX_FIELDS = 500_000
"""Of an export, its resources, scopes and spans together: fifty a span."""
MAX_INNER_FIELDS = 1_000_000
"""Those of the attributes, events and links within them as well: a hundred a span."""
SMALL_BYTES = 2 * MAX_INNER_FIELDS
"""A body that cannot hold more of them: a field has two bytes at least."""
SMALLER_BYTES = 2 * MAX_FIELDS
"""A body that cannot hold more of the others either: its spans are counted, and not looked into."""
MAX_DEPTH = 100
"""Messages within messages that a parser of protobuf takes."""
MAX_BRACKETS = 1_000_000
"""Objects and lists of a body in JSON: a hundred a span. Even to skip millions of them takes its time."""
MAX_PART_BYTES = 128_000
"""What is decoded in one go. Of a larger span only its attributes are, one by one; no usage is as large."""

Content = dict[str, Any]

_SIZES = {1: 8, 5: 4}
"""Bytes of a field by its wire type, where that says them."""
_VARINT, _DELIMITED = 0, 2

_array = msgspec.json.Decoder(
    msgspec.defstruct(
        "_Array", [(f"item_{n}", msgspec.Raw, msgspec.Raw()) for n in range(MAX_SPANS + 1)], array_like=True
    )
)
"""A list of any length: what comes after the last is skipped, where a list would first be made of all."""
_list = msgspec.json.Decoder(list[msgspec.Raw])
_plain = msgspec.json.Decoder()


class _Message(NamedTuple):
    """A kind of message: what it holds by the number of the field, as far as that are messages."""

    holds: dict[int, "_Message"]
    is_inner: bool = True


_VALUE = _Message({})
_ATTRIBUTE = _Message({2: _VALUE})
_VALUE.holds.update({5: _Message({1: _VALUE}), 6: _Message({1: _ATTRIBUTE})})
_RESOURCE = _Message({1: _ATTRIBUTE, 3: _Message({})})
_SCOPE = _Message({3: _ATTRIBUTE})
_EVENT, _LINK, _STATUS = _Message({3: _ATTRIBUTE}), _Message({4: _ATTRIBUTE}), _Message({})
_SPAN = _Message({9: _ATTRIBUTE, 11: _EVENT, 13: _LINK, 15: _STATUS}, is_inner=False)
_SCOPE_SPANS = _Message({1: _SCOPE, 2: _SPAN}, is_inner=False)
_RESOURCE_SPANS = _Message({1: _RESOURCE, 2: _SCOPE_SPANS}, is_inner=False)
_EXPORT = _Message({1: _RESOURCE_SPANS}, is_inner=False)


def check_protobuf(body: bytes) -> None:
    """Raises BodyTooLargeError for more spans or fields than an export may have. What is no protobuf passes."""
    outer = inner = spans = 0
    at, end, message = 0, len(body), _EXPORT
    is_small, is_smaller = end <= SMALL_BYTES, end <= SMALLER_BYTES
    around: list[tuple[int, int, _Message]] = []
    """Where to go on, and in what, after the end of this message."""
    with contextlib.suppress(IndexError):  # it ends in the middle: the parser says so
        while True:
            if at >= end:
                at, end, message = around.pop()
                continue
            if message.is_inner:
                inner += 1
            else:
                outer += 1
            tag, at = _varint(body, at)
            kind = tag & 7
            if kind == _DELIMITED:
                size, at = _varint(body, at)
                held = message.holds.get(tag >> 3)
                spans += held is _SPAN
                if held is None or (is_small and held.is_inner) or (is_smaller and held is _SPAN):
                    at += size
                else:
                    around.append((at + size, end, message))
                    end, message = min(at + size, end), held
                    if len(around) > MAX_DEPTH:
                        return  # the parser says so
            elif kind == _VARINT:
                _, at = _varint(body, at)
            else:
                at += _SIZES.get(kind, 0)
            if spans > MAX_SPANS or outer > MAX_FIELDS or inner > MAX_INNER_FIELDS:
                raise too_many()


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    number = body[at]
    if number < 128:  # noqa: PLR2004 - as nearly all are
        return number, at + 1
    number, shift = number & 127, 7
    while (byte := body[at + 1]) >= 128:  # noqa: PLR2004
        number |= (byte & 127) << shift
        shift, at = shift + 7, at + 1
        if shift > 63:  # noqa: PLR2004 - longer than any: the parser says so
            raise IndexError
    return number | byte << shift, at + 2


def _object(*names: str) -> msgspec.json.Decoder[Any]:
    """A decoder of objects of which these members are read; others are skipped."""
    return msgspec.json.Decoder(msgspec.defstruct("_Object", [(name, msgspec.Raw, msgspec.Raw()) for name in names]))


# protobuf's JSON has two names for each field
_export = _object("resourceSpans", "resource_spans")
_resource_spans = _object("resource", "scopeSpans", "scope_spans")
_scope_spans = _object("scope", "spans")
_FACTS = (
    *("traceId", "trace_id", "spanId", "span_id", "parentSpanId", "parent_span_id", "name", "status"),
    *("startTimeUnixNano", "start_time_unix_nano", "endTimeUnixNano", "end_time_unix_nano"),
)
_span = _object(*_FACTS, "attributes")
_attribute = _object("key")


class JSONExport:
    """The content of one export in JSON, with as many spans as one may have."""

    def __init__(self) -> None:
        self._spans = self._parts = 0

    def content(self, body: bytes) -> Content:
        """As a plain decoder has it, but for what nothing reads.

        Raises InvalidRequestError, BodyTooLargeError, UnicodeDecodeError, RecursionError, and msgspec.DecodeError or
        for a wrong type its ValidationError.
        """
        if body.count(b"{") + body.count(b"[") > MAX_BRACKETS:
            raise too_many()
        try:
            export = _export.decode(body)
        except msgspec.ValidationError:
            raise InvalidRequestError(NO_OBJECT) from None
        return {
            "resourceSpans": [
                self._of_resource(each) for each in self._items(export.resourceSpans, export.resource_spans)
            ]
        }

    def _of_resource(self, raw: msgspec.Raw) -> Content:
        found = _resource_spans.decode(raw)
        scopes = [self._of_scope(each) for each in self._items(found.scopeSpans, found.scope_spans)]
        return {**_given(resource=found.resource), "scopeSpans": scopes}

    def _of_scope(self, raw: msgspec.Raw) -> Content:
        found = _scope_spans.decode(raw)
        spans = []
        for each in self._items(found.spans):
            self._spans += 1
            if self._spans > MAX_SPANS:
                raise too_many()
            spans.append(_span_of(each))
        return {**_given(scope=found.scope), "spans": spans}

    def _items(self, *lists: msgspec.Raw) -> Iterator[msgspec.Raw]:
        for each in lists:
            for item in _items(each):
                self._parts += 1
                if self._parts > 3 * MAX_SPANS:
                    raise too_many()
                yield item


def _items(raw: msgspec.Raw) -> list[msgspec.Raw]:
    if len(raw) in {0, 4} and bytes(raw) in {b"", b"null"}:
        return []
    if len(raw) <= MAX_PART_BYTES:
        return _list.decode(raw)
    items = [item for item in msgspec.structs.astuple(_array.decode(raw)) if len(item)]
    if len(items) > MAX_SPANS:
        raise too_many()
    return items


def _span_of(raw: msgspec.Raw) -> Any:
    if len(raw) <= MAX_PART_BYTES:
        return _plain.decode(raw)
    found = _span.decode(raw)
    facts = _given(**{name: getattr(found, name) for name in _FACTS})
    return {**facts, "attributes": [_attribute_of(each) for each in _items(found.attributes)]}


def _attribute_of(raw: msgspec.Raw) -> Any:
    """One that is very long, as a prompt may be, is there without its value, which nothing reads."""
    if len(raw) <= MAX_PART_BYTES:
        return _plain.decode(raw)
    return {**_given(key=_attribute.decode(raw).key), "value": {"arrayValue": {}}}


def _given(**members: msgspec.Raw) -> Content:
    """Those that are there, decoded. Raises InvalidRequestError for one that is far too large to be what it says."""
    found = {name: member for name, member in members.items() if len(member)}
    if too_large := [name for name, member in found.items() if len(member) > MAX_PART_BYTES]:
        raise InvalidRequestError(f"the {too_large[0]} of an export has at most {MAX_PART_BYTES:,} bytes")
    return {name: _plain.decode(member) for name, member in found.items()}


def too_many() -> BodyTooLargeError:
    """The error for an export of too many spans, or of far too much beside them."""
    return BodyTooLargeError(f"an export has at most {MAX_SPANS:,} spans; send it in parts")
