"""A request's multipart form: its short fields are read, its files are not looked at, and nothing of it is copied."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from app.gateway.formats.base import GatewayError
from app.gateway.formats.members import checked_word, invalid

MOST_PARTS = 200
_MOST_HEAD = 2_048
_MOST_PADDING = 100
_MOST_VALUE = 65_536
"""Bytes of a field that is read: a prompt may be long, but is not needed."""
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,70})"?', re.IGNORECASE)
_NAME = re.compile(rb'content-disposition:[^\r\n]*?[;\s]name="([^"\r\n]*)"', re.IGNORECASE)
_PLAIN_NAME = re.compile(rb"content-disposition:[^\r\n]*?[;\s]name=([^\";\s]+)", re.IGNORECASE)
_FILE = re.compile(rb"content-disposition:[^\r\n]*?[;\s]filename\*?=", re.IGNORECASE)


class Part(NamedTuple):
    """Where the value of a part stands."""

    name: str
    begin: int
    end: int
    is_file: bool


class Form:
    """The parts of a form. Raises GatewayError (400) for a body that is none, and for a field that comes twice."""

    __slots__ = ("_body", "_fields", "files")

    def __init__(self, content_type: str, body: bytes) -> None:
        found = _BOUNDARY.search(content_type)
        if found is None:
            raise _broken("names no boundary")
        self._body = body
        self._fields: dict[str, Part] = {}
        self.files: list[Part] = []
        for part in _parts(body, b"--" + found[1].encode()):
            if part.is_file:
                self.files.append(part)
            elif part.name in self._fields and not part.name.endswith("[]"):
                raise invalid(part.name, "is told twice")
            else:
                self._fields[part.name] = part

    def text(self, name: str) -> str | None:
        """A field of the form; None where it is not there, or empty."""
        part = self._fields.get(name)
        if part is None or part.begin == part.end:
            return None
        if part.end - part.begin > _MOST_VALUE:
            raise invalid(name, "is too long")
        try:
            return self._body[part.begin : part.end].decode()
        except UnicodeDecodeError:
            raise invalid(name, "must be text in UTF-8") from None

    def word(self, name: str) -> str | None:
        """A short text of one line. Raises GatewayError for anything else."""
        text = self.text(name)
        return None if text is None else checked_word(text, name)

    def count(self, name: str, *, least: int = 0, most: int = 1_000_000_000) -> int | None:
        """A whole number. Raises GatewayError for anything else."""
        text = self.text(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):  # noqa: PLR2004
            raise invalid(name, f"must be a whole number from {least} to {most}")
        return int(text)

    def flag(self, name: str) -> bool:
        """Raises GatewayError for what is neither true nor false."""
        text = (self.text(name) or "false").lower()
        if text not in {"true", "false", "1", "0"}:
            raise invalid(name, "must be true or false")
        return text in {"true", "1"}

    def size(self, part: Part) -> int:
        """Bytes of a part."""
        return part.end - part.begin

    def head(self, part: Part) -> bytes:
        """The first bytes of a file."""
        return self._body[part.begin : min(part.end, part.begin + 64)]

    @property
    def text_bytes(self) -> int:
        """Of all fields that are no files."""
        return sum(part.end - part.begin for part in self._fields.values())

    def replaced(self, values: Mapping[str, bytes]) -> bytes:
        """The body with other values of some fields that it has. All else keeps its bytes."""
        parts, at = [], 0
        for name in sorted(values, key=lambda name: self._fields[name].begin):
            part = self._fields[name]
            parts += [self._body[at : part.begin], values[name]]
            at = part.end
        return b"".join([*parts, self._body[at:]])


def _parts(body: bytes, mark: bytes) -> list[Part]:
    parts: list[Part] = []
    line, ends = _next_mark(body, mark, 0, at_start=True)
    while not ends:
        begin = _after(body.find(b"\r\n", line + len(mark)), 2)
        stop = _after(body.find(b"\r\n\r\n", begin, begin + _MOST_HEAD), 0)
        head, value = body[begin:stop], stop + 4
        if body.startswith(mark, value):
            raise _broken("has a part that begins with its boundary")  # which some take for the end of an empty part
        name = _NAME.search(head) or _PLAIN_NAME.search(head)
        if name is None:
            raise _broken("has a part without a name")
        line, ends = _next_mark(body, mark, value)
        parts.append(Part(name[1].decode(errors="replace"), value, line - 2, _FILE.search(head) is not None))
        if len(parts) > MOST_PARTS:
            raise _broken(f"has more than {MOST_PARTS} parts")
    return parts


def _next_mark(body: bytes, mark: bytes, at: int, *, at_start: bool = False) -> tuple[int, bool]:
    """Where the next boundary is that stands alone in its line, and whether it is the last."""
    line = 0 if at_start and body.startswith(mark) else _after(body.find(b"\r\n" + mark, at), 2)
    while True:
        after = line + len(mark)
        if body.startswith(b"--", after):
            return line, True
        if body[after : after + _MOST_PADDING].lstrip(b" \t").startswith(b"\r\n"):
            return line, False
        line = _after(body.find(b"\r\n" + mark, after), 2)


def _after(found: int, more: int) -> int:
    if found < 0:
        raise _broken("does not end as its boundary says")
    return found + more


def _broken(what: str) -> GatewayError:
    return GatewayError(400, "invalid_form", f"the request's multipart form {what}")
