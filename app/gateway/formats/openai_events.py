"""Streams of OpenAI's API: chats, responses, pictures and sounds."""

import re
from typing import ClassVar

import msgspec
from msgspec import Raw, Struct

from app.gateway.formats.base import GatewayError, Operation, Wanted
from app.gateway.formats.events import BIG, Event, EventReading
from app.gateway.formats.members import Members

_DONE = b"[DONE]"
_COMPACT_NULL = b',"usage":null'
_NULL_USAGE = re.compile(rb'[,{]\s*"usage"\s*:\s*null')
_COMMA = ord(",")
_AFTER = re.compile(rb'(?:\s*,\s*"\w+"\s*:\s*(?:"[^"\\]*"|null|[\w.]+))*\s*\}\s*\Z')
"""What may follow the usage up to the end of an event so that it is surely the event's own, and not of a part of it."""
_FINISHED = re.compile(rb'"finish_reason"\s*:\s*"')


class _Chunk(Struct):
    choices: Raw = Raw(b"null")
    usage: Raw = Raw(b"null")
    x_groq: Raw = Raw(b"null")


class _Choice(Struct):
    delta: dict[str, object] | None = None
    finish_reason: object = None


_CHUNK = msgspec.json.Decoder(_Chunk)
_CHOICES = msgspec.json.Decoder(list[_Choice] | None)
_NO_CHOICES = frozenset({b"[]", b"null"})
_LONG = 64
_SILENT: tuple[object, ...] = (None, "", [], {})
_ROLE = frozenset({"role"})


class ChatReading(EventReading):
    """A chat. The usage that the client has not asked for is taken out again."""

    needles = (_DONE, b'"usage":{', b'"usage": {', b'"usage" ', b'"error"', b'"finish_reason":"', b'"finish_reason": "')

    def __init__(self, wanted: Wanted) -> None:
        super().__init__(wanted)
        self._finished = False
        self._takes_out = not wanted.asks_usage

    def _unseen(self, data: bytes) -> bytes | None:
        if super()._unseen(data) is None:
            return None
        if not self._takes_out or b'"usage"' not in data:
            return data
        is_one = data.find(b"\n\n") == len(data) - 2 and len(data) <= BIG
        without = without_null(data) if is_one else data
        return None if without is data else without

    def _ends(self, event: Event) -> bool:
        if event.payload[:6] != _DONE:
            return False
        self.complete = True
        return True

    def _pass(self, event: Event) -> bytes:
        self._note(event)
        if not self._takes_out or b'"usage"' not in event.payload or len(event.whole) > BIG:
            return event.whole
        if (without := without_null(event.whole)) is not event.whole:
            return without
        return b"" if _is_usage_alone(event.payload) else event.whole

    def _begins(self, event: Event) -> bool:
        try:
            choices = _CHOICES.decode(_CHUNK.decode(event.payload).choices) or ()
        except (msgspec.DecodeError, RecursionError):
            return False
        return any(
            choice.finish_reason is not None
            or any(value not in _SILENT for name, value in (choice.delta or {}).items() if name not in _ROLE)
            for choice in choices
        )

    def _tells(self, event: Event) -> bool:
        payload = event.payload
        self._finished = self._finished or _FINISHED.search(payload) is not None
        has_usage = b'"usage"' in payload and _has_usage(payload)
        # some tell with each chunk what was used so far
        self.told = self.told or (has_usage and (self._finished or _is_usage_alone(payload)))
        return has_usage or (not self._first and payload[:1] == b"{")

    def end(self) -> bytes:
        """See `Reading`. Not all that is compatible says `[DONE]`."""
        held = super().end()
        self.complete = self.complete or (self._finished and self.failure is None)
        return held


def without_null(event: bytes) -> bytes:
    """A chunk without `"usage":null`, which OpenAI adds to each where usage is asked for; else the same."""
    begin = event.find(_COMPACT_NULL)
    end = begin + len(_COMPACT_NULL)
    if begin >= 0 and event.startswith(b"}\n", end):
        return event[:begin] + event[end:]
    found = _NULL_USAGE.search(event)
    if found is None:
        return event
    if event[found.start()] == _COMMA and _AFTER.match(event, found.end()) is not None:
        return event[: found.start()] + event[found.end() :]
    return _without_member(event)


def _without_member(event: bytes) -> bytes:
    """The same where what follows is no plain words: by the members of the object, one by one."""
    begin = event.find(b"{")
    body = event[begin:].rstrip()
    try:
        members = Members(body)
    except GatewayError:
        return event
    if not members.is_null("usage"):
        return event
    return event[:begin] + members.without("usage") + event[begin + len(body) :]


def _has_usage(payload: bytes) -> bool:
    try:
        chunk = _CHUNK.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return False
    return _is_object(chunk.usage) or b'"usage"' in bytes(chunk.x_groq)


def _is_usage_alone(payload: bytes) -> bool:
    try:
        chunk = _CHUNK.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return False
    beginning = bytes(memoryview(chunk.choices)[:_LONG])
    return b"".join(beginning.split()) in _NO_CHOICES and _is_object(chunk.usage)


def _is_object(raw: Raw) -> bool:
    return memoryview(raw)[:1].tobytes() == b"{"


class ResponseReading(EventReading):
    """A response."""

    needles = (b"response.completed", b"response.incomplete", b"response.failed", b'"error"')
    _ENDS: ClassVar = frozenset({b"response.completed", b"response.incomplete", b"response.failed"})
    _BEGINS: ClassVar = frozenset({b"response.created", b"response.in_progress", b"response.queued", b"error", b""})

    def _ends(self, event: Event) -> bool:
        self.complete = event.name in self._ENDS
        return self.complete

    def _begins(self, event: Event) -> bool:
        return event.name not in self._BEGINS

    def _tells(self, event: Event) -> bool:
        if self._held is not None:
            self.told = True
            return True
        return not self._first and event.payload[:1] == b"{"


class MediaReading(EventReading):
    """Pictures as they are drawn, sound as it is spoken, words as they are heard: each ends with one event."""

    needles = (b".completed", b".done", b'"error"')
    _ENDS: ClassVar = frozenset({b"speech.audio.done", b"transcript.text.done"})
    _PICTURES: ClassVar = frozenset({b"image_generation.completed", b"image_edit.completed"})

    def __init__(self, wanted: Wanted) -> None:
        super().__init__(wanted)
        self._missing = int(wanted.asked.get("images") or 1)

    def _ends(self, event: Event) -> bool:
        name = event.name
        if name in self._PICTURES:
            self._missing -= 1
            self.complete = self._missing <= 0
        elif name in self._ENDS:
            self.complete = True
        return self.complete

    def _begins(self, event: Event) -> bool:
        return event.name != b"error"

    def _tells(self, event: Event) -> bool:
        if event.name not in self._ENDS | self._PICTURES:
            return False
        self.told = True
        return True


def stream_of(wanted: Wanted) -> EventReading:
    """By what was asked for."""
    if wanted.operation is Operation.CHAT:
        return ChatReading(wanted)
    return ResponseReading(wanted) if wanted.operation is Operation.RESPONSES else MediaReading(wanted)
