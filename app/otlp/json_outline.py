"""From an export in JSON to its outline: what is plainly written is taken as it is, and protobuf's own parser decides
on the rest, span by span. It makes an object of each value, and looks at each a dozen times: 250 µs a span.
"""

import base64
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.otlp.outline import Outline
from app.otlp.skeleton import Content

MAX_DEPTH = 100
"""Messages within messages that the parser takes."""
REMEMBERED = 8_192
MAX_REMEMBERED = 64
"""Characters of an attribute: see `attributes.read`."""
_ID_FIELDS = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")
_IDS = {"traceId": "trace_id", "spanId": "span_id", "parentSpanId": "parent_span_id"}
_TIMES = {"startTimeUnixNano": "start_time_unix_nano", "endTimeUnixNano": "end_time_unix_nano"}
_TEXTS = frozenset({"name", "traceState"})
_LISTS = frozenset({"events", "links"})
_NUMBERS = {
    **dict.fromkeys(("droppedAttributesCount", "droppedEventsCount", "droppedLinksCount", "flags"), 2**32),
    "kind": 6,
}
"""What each is below."""
_CODES = 3
_64_BITS = 2**64
_MOST_DIGITS = 18


class _OddError(Exception):
    """Not plainly written: the parser decides."""


def outline_of(content: Content) -> Any:
    """The outline of what `JSONExport` gave. Raises nearly anything where a part has a wrong shape or type."""
    outline = Outline()
    for resource_spans in content["resourceSpans"]:
        of_resource = outline.resource_spans.add()
        if (resource := resource_spans.get("resource")) is not None:
            of_resource.resource.MergeFromString(_parsed(resource, Resource(), around=2))
        for scope_spans in resource_spans["scopeSpans"]:
            of_scope = of_resource.scope_spans.add()
            if (scope := scope_spans.get("scope")) is not None:
                of_scope.scope.MergeFromString(_parsed(scope, InstrumentationScope(), around=3))
            for span in scope_spans["spans"]:
                try:
                    of_scope.spans.add(**_plain(span))
                except _OddError:
                    for holder in _holders_of_ids(span):
                        _decode_ids(holder)
                    of_scope.spans.add().MergeFromString(_parsed(span, Span(), around=3))
    return outline


def _parsed(content: Any, message: Message, *, around: int) -> bytes:
    """In protobuf; within so many messages."""
    if content is None:
        raise json_format.ParseError("null is not allowed in a list")
    json_format.ParseDict(content, message, ignore_unknown_fields=True, max_recursion_depth=MAX_DEPTH - around)
    parsed: bytes = message.SerializeToString()
    return parsed


def _plain(span: Any) -> dict[str, Any]:
    """Fields of an outline's span. Raises _OddError."""
    if type(span) is not dict:
        raise _OddError
    fields: dict[str, Any] = {}
    for name, value in span.items():
        if name == "attributes":
            if type(value) is not list:
                raise _OddError
            fields[name] = [_attribute(each) for each in value]
        elif name in _IDS:
            fields[_IDS[name]] = _id(value)
        elif name in _TIMES:
            fields[_TIMES[name]] = _time(value)
        elif name == "status":
            fields[name] = _status(value)
        elif not (
            (name in _NUMBERS and type(value) is int and 0 <= value < _NUMBERS[name])
            or (name in _TEXTS and type(value) is str)
            or (name in _LISTS and value == [])
        ):
            raise _OddError
    return fields


def _id(value: Any) -> bytes:
    """OTLP's JSON has ids in hexadecimal."""
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        raise _OddError from None


def _time(value: Any) -> int:
    """An integer, as a string where it comes from JavaScript."""
    if type(value) is str and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS + 1:
        value = int(value)
    if type(value) is int and 0 <= value < _64_BITS:
        return value
    raise _OddError


def _status(value: Any) -> dict[str, int]:
    if type(value) is not dict or not value.keys() <= {"code", "message"}:
        raise _OddError
    code = value.get("code", 0)
    if type(code) is not int or not 0 <= code < _CODES or type(value.get("message", "")) is not str:
        raise _OddError
    return {"code": code}


def _attribute(attribute: Any) -> bytes:
    """A `KeyValue` in protobuf."""
    if type(attribute) is not dict or len(attribute) != 2:  # noqa: PLR2004 - a key and a value
        raise _OddError
    key, kind, value = attribute.get("key"), *_typed(attribute.get("value"))
    if type(key) is not str:
        raise _OddError
    if kind == "array_value":
        if type(value) is not dict or not value.keys() <= {"values"} or type(value.get("values", [])) is not list:
            raise _OddError
        values = [AnyValue(**{kind: _scalar(kind, item)}) for kind, item in map(_typed, value.get("values", ()))]
        return _bytes_of(key, kind, ArrayValue(values=values))
    value = _scalar(kind, value)
    size = len(key) + (len(value) if type(value) is str else 0)
    # -0.0 equals 0.0
    return (_bytes_of if size > MAX_REMEMBERED or type(value) is float else _remembered)(key, kind, value)


_KINDS = {
    "stringValue": "string_value",
    "intValue": "int_value",
    "doubleValue": "double_value",
    "boolValue": "bool_value",
    "arrayValue": "array_value",
}


def _typed(value: Any) -> tuple[str, Any]:
    """The kind of an `AnyValue`, and what it holds."""
    if type(value) is dict and len(value) == 1:
        for name, held in value.items():
            if name in _KINDS:
                return _KINDS[name], held
    raise _OddError


def _scalar(kind: str, value: Any) -> Any:
    what = type(value)
    if kind == "string_value" and what is str:
        return value
    if kind == "int_value":
        if what is str and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
            return int(value)
        if what is int and -_64_BITS // 2 <= value < _64_BITS // 2:
            return value
    if (kind == "double_value" and what is float) or (kind == "bool_value" and what is bool):
        return value
    raise _OddError


def _bytes_of(key: str, kind: str, value: Any) -> bytes:
    made: bytes = KeyValue(key=key, value=AnyValue(**{kind: value})).SerializeToString()
    return made


_remembered = lru_cache(REMEMBERED)(_bytes_of)
"""1 and True are of different kinds."""


def _holders_of_ids(span: Any) -> Iterator[dict[str, Any]]:
    """A span, and every link of it. Anything of another shape is left for the parser to refuse."""
    if isinstance(span, dict):
        yield span
        links = span.get("links")
        if isinstance(links, list):
            yield from (link for link in links if isinstance(link, dict))


def _decode_ids(holder: dict[str, Any]) -> None:
    """In protobuf's JSON they are base64. One that is not hexadecimal stays as it is."""
    for field in _ID_FIELDS:
        value = holder.get(field)
        if isinstance(value, str):
            try:
                holder[field] = base64.b64encode(bytes.fromhex(value)).decode()
            except ValueError:
                continue
