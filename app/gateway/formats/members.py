"""A request's JSON object, member by member: what is needed is decoded, all else stays bytes that nobody looks at."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from app.gateway.formats.base import GatewayError
from models.fields import MAX_NAME

Span = tuple[int, int]

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_KEY = re.compile(rb'[ \t\r\n]*("(?:[^"\\]|\\.)*")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
_NEXT = re.compile(rb"[ \t\r\n]*([,}])")
_FOLLOWING = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*")
_FIRST = re.compile(rb"[ \t\r\n]*\{")
_NULL = b"null"
MOST_MEMBERS = 1_000
MOST_VALUE = 65_536
"""Bytes of a member that is decoded: what is larger is a text, or nothing that any API has."""
_LARGE = 1_048_576
_MOST_OBJECTS, _MOST_QUOTES = 200_000, 1_000_000
"""In a large body: each object is one of ours while it is read, of some hundred bytes."""


class Members:
    """The members of the object that a body is. Raises GatewayError (400) for every other body, and for one that names
    a member twice: who reads the first of them would run another call than who reads the last.
    """

    __slots__ = ("_body", "_raw", "_spans")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._raw = _decoded(body)
        self._spans = _spans_in(body, self._raw)

    def __contains__(self, name: str) -> bool:
        """Whether it has a member of that name that is not null."""
        return name in self._raw and bytes(self._raw[name]) != _NULL

    def is_null(self, name: str) -> bool:
        """Whether it has a member of that name that is null."""
        return name in self._raw and bytes(self._raw[name]) == _NULL

    def items(self) -> Iterable[tuple[str, Raw]]:
        """All members, each as it is."""
        return self._raw.items()

    def raw(self, name: str) -> Raw | None:
        """A member as it is; None where it is not there, or null."""
        return self._raw[name] if name in self else None

    def value(self, name: str) -> Any:
        """A member, decoded: None where it is not there."""
        raw = self._raw.get(name)
        if raw is None:
            return None
        if len(memoryview(raw)) > MOST_VALUE:
            raise invalid(name, f"has more than {MOST_VALUE} bytes")
        return decoded(raw, name)

    def word(self, name: str) -> str | None:
        """A short text of one line. Raises GatewayError for anything else."""
        value = self.value(name)
        return None if value is None else checked_word(value, name)

    def flag(self, name: str) -> bool:
        """Raises GatewayError for what is neither true nor false."""
        value = self.value(name)
        if value is not None and type(value) is not bool:
            raise invalid(name, "must be true or false")
        return bool(value)

    def count(self, name: str, *, least: int = 0, most: int = 1_000_000_000) -> int | None:
        """A whole number. Raises GatewayError for anything else."""
        value = self.value(name)
        if value is None:
            return None
        if type(value) is not int or not least <= value <= most:
            raise invalid(name, f"must be a whole number from {least} to {most}")
        return value

    def replaced(self, values: Mapping[str, bytes]) -> bytes:
        """The body with other values, as JSON, of some members: those that it has in their places, new ones in front.
        All else keeps its bytes.
        """
        body = self._body
        start = body.index(b"{") + 1
        parts, at = [body[:start]], start
        for name, value in values.items():
            if name not in self._spans:
                parts.append(msgspec.json.encode(name) + b":" + value + (b"," if self._spans else b""))
        for name in sorted(values.keys() & self._spans.keys(), key=self._spans.__getitem__):
            begin, end = self._spans[name]
            parts += [body[at:begin], values[name]]
            at = end
        return b"".join([*parts, body[at:]])

    def without(self, name: str) -> bytes:
        """The body without one member, which it has, and without the comma that sets it apart."""
        names = list(self._spans)
        number = names.index(name)
        if number:
            begin, end = self._spans[names[number - 1]][1], self._spans[name][1]
        else:
            key = _KEY.match(self._body, self._body.index(b"{") + 1)
            begin = key.start(1) if key is not None else 0
            end = self._spans[name][1]
            if len(names) > 1 and (following := _FOLLOWING.match(self._body, end)) is not None:
                end = following.end()
        return self._body[:begin] + self._body[end:]


def invalid(name: str, message: str) -> GatewayError:
    """For a member that cannot be used."""
    return GatewayError(400, "invalid_request", f"{name} {message}", param=name)


def checked_word(value: object, name: str) -> str:
    """A short text of one line. Raises GatewayError for anything else."""
    if not isinstance(value, str):
        raise invalid(name, "must be a string")
    if not 0 < len(value) <= MAX_NAME or not value.isprintable():
        raise invalid(name, f"must be 1 to {MAX_NAME} printable characters")
    return value


def decoded(raw: Raw, name: str) -> Any:
    """Raises GatewayError for what is no JSON."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise invalid(name, "is no valid JSON") from None


def _decoded(body: bytes) -> dict[str, Raw]:
    if not body.strip():
        raise _not_json("the request has no body; send a JSON object")
    if len(body) > _LARGE and (body.count(b"{") > _MOST_OBJECTS or body.count(b'"') > _MOST_QUOTES):
        raise _not_json("the request's body has too many values")
    try:
        members = _OBJECT.decode(body)
    except RecursionError:
        raise _not_json("the request's body is nested too deeply") from None
    except msgspec.ValidationError:
        raise _not_json("the request's body must be a JSON object") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _not_json("the request's body is no valid JSON") from None
    if len(members) > MOST_MEMBERS:
        raise _not_json(f"the request's body has more than {MOST_MEMBERS} members")
    return members


def _not_json(message: str) -> GatewayError:
    return GatewayError(400, "invalid_json", message)


def _spans_in(body: bytes, members: dict[str, Raw]) -> dict[str, Span]:
    """Where each value stands. Walked beside what was decoded: a name that comes twice is not where it should be."""
    spans: dict[str, Span] = {}
    begin = _FIRST.match(body)
    at = begin.end() if begin is not None else 0
    for name, raw in members.items():
        key = _KEY.match(body, at)
        value = bytes(raw)
        if key is None or _text(key[1]) != name or not body.startswith(value, key.end()):
            raise _twice()
        end = key.end() + len(value)
        after = _NEXT.match(body, end)
        if after is None:
            raise _twice()
        spans[name] = (key.end(), end)
        at = after.end()
    if members and body[at - 1 : at] != b"}":
        raise _twice()
    return spans


def _text(key: bytes) -> str:
    return key[1:-1].decode() if b"\\" not in key else str(msgspec.json.decode(key))


def _twice() -> GatewayError:
    return GatewayError(400, "invalid_json", "the request's body names a member twice")
