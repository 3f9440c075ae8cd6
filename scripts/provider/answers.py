"""What was asked, and what is answered: pure, so that the same question always has the same answer."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from enum import StrEnum
from functools import cached_property
from typing import Any, cast
from urllib.parse import parse_qsl

Json = dict[str, Any]
JSON = "application/json"
EVENTS = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"


class Api(StrEnum):
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"


class End(StrEnum):
    """How the connection is left when an answer was sent, or the part of it that is to be sent."""

    PROPER = "proper"
    CUT = "cut"
    """Closed, without the end of the body."""
    RESET = "rst"
    SILENCE = "silence"
    """Held open, and nothing more is said."""


@dataclass(frozen=True)
class Asked:
    """One request, of which `path` begins after the flavour."""

    method: str
    path: str
    query: str
    heard: tuple[tuple[str, str], ...]
    """Those of its headers that an answer depends on; their names are in small letters."""
    body: bytes
    flavour: str = ""

    @cached_property
    def headers(self) -> Mapping[str, str]:
        return dict(self.heard)

    @cached_property
    def form(self) -> dict[str, str | bytes]:
        """The fields of a multipart body; files are bytes."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        fields: dict[str, str | bytes] = {}
        for part in BytesParser(policy=HTTP).parsebytes(head + self.body).iter_parts():
            content = cast("bytes", part.get_payload(decode=True))
            name = str(part.get_param("name", header="content-disposition"))
            fields[name] = content if part.get_filename() else content.decode()
        return fields

    @cached_property
    def fields(self) -> Json:
        """The body, JSON or a form; {} if it is neither."""
        if self.headers.get("content-type", "").startswith("multipart/form-data"):
            return dict(self.form)
        try:
            fields = json.loads(self.body)
        except ValueError:
            return {}
        return fields if isinstance(fields, dict) else {}

    @property
    def streams(self) -> bool:
        """True as JSON, `true` in a form."""
        return self.fields.get("stream") in {True, "true"}

    @property
    def parameters(self) -> dict[str, str]:
        return dict(parse_qsl(self.query))


@dataclass(frozen=True)
class Answer:
    """A whole body, or the events of a stream, and how it is sent."""

    status: int = 200
    content_type: str = JSON
    body: bytes = b""
    events: tuple[bytes, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    late_ms: float = 0
    """How long nothing is said at first."""
    slow_ms: float = 0
    """How long nothing is said before each event but the first."""
    repeats: int = 1
    """How often the middle event is sent: a huge stream needs no memory."""
    end: End = End.PROPER
    sends: int | None = None
    """How many events, or bytes of a body, before it ends otherwise than properly; None: all. -1: not even a status."""
    extra_length: int = 0
    """How much more a Content-Length promises than there is."""


def answer(
    value: Any, *, indent: int | None = None, status: int = 200, headers: Iterable[tuple[str, str]] = ()
) -> Answer:
    separators = (",", ": ") if indent else (",", ":")
    body = json.dumps(value, indent=indent, separators=separators, ensure_ascii=False).encode()
    return Answer(status, JSON, body + b"\n" * bool(indent), headers=tuple(headers))


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def data_events(values: Iterable[Any], *, end: bytes = b"") -> Answer:
    """Server-sent events that have no names."""
    events = [b"data: %b\n\n" % compact(value) for value in values]
    return Answer(content_type=EVENTS, events=(*events, end) if end else tuple(events))


def named_events(values: Iterable[Json]) -> Answer:
    """Server-sent events, each named by its type."""
    events = [b"event: %b\ndata: %b\n\n" % (value["type"].encode(), compact(value)) for value in values]
    return Answer(content_type=EVENTS, events=tuple(events))
