"""Streams of server-sent events as they pass: whole events are sent on as they are, at once. None is parsed but the few
that begin a stream, tell its usage or end it, which are known by words that nothing else has outside of a text.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from app.gateway.formats import skim
from app.gateway.formats.base import Wanted
from app.gateway.formats.told import Told, failure_in, text_bytes_in

BIG = 262_144
"""Bytes of an event from which on it is sent on in pieces, as it comes."""
_KEPT = 16
"""Events that are kept of each kind: the first and the last that tell something."""
_MOST_KEPT = 65_536
"""Bytes of an event that is kept."""
_SAMPLES = 8
_MARK = b"data:"
_EVENT_END = re.compile(rb"\n\r?\n")
_BEGINNING = 4_096
"""Bytes of an event that has its name, or the `type` of its data."""
_TYPE = re.compile(rb'"type"\s*:\s*"([\w.]+)"')
_NAME = re.compile(rb"(?:\A|\n)event: ?([^\r\n]*)")
_DATA = re.compile(rb"(?:\A|\n)data: ?([^\r\n]*)")


class Event:
    """One event as it came."""

    __slots__ = ("_name", "payload", "whole")

    def __init__(self, whole: bytes) -> None:
        self.whole = whole
        self.payload = payload_of(whole)
        self._name: bytes | None = None

    @property
    def name(self) -> bytes:
        """By its own line, else by the `type` of its data; empty where it has none."""
        if self._name is None:
            self._name = _name_of(self.whole, self.payload)
        return self._name


class EventReading:
    """A stream of events. What each API adds is in its subclass."""

    needles: ClassVar[tuple[bytes, ...]] = ()
    """Without any of these, nothing in an event needs to be looked at once output has begun."""

    def __init__(self, wanted: Wanted) -> None:
        self.complete = False
        self.output_begun = False
        self.failure: str | None = None
        self.told = False
        """Whether the usage is the final one."""
        self._wanted = wanted
        self._rest = b""
        self._held: bytes | None = None
        """From the first byte of what ends the stream on; None before that."""
        self._cut_head = b""
        """Of an end that was too long to be held: how it began."""
        self._in_big: bytearray | None = None
        self._bytes = self._events = 0
        self._first: deque[bytes] = deque(maxlen=_KEPT)
        self._last: deque[bytes] = deque(maxlen=_KEPT)
        self._large: list[dict[str, Any]] = []
        self._sample = self._newest = b""
        """The last events with output that were sent on unseen, and the last event after them that was looked at."""

    # As it passes

    def feed(self, chunk: bytes) -> bytes:
        """See `Reading`."""
        self._bytes += len(chunk)
        if self._held is not None:
            return self._hold(chunk)
        data = self._rest + chunk if self._rest else chunk
        if self._in_big is not None:
            return self._pass_big(data)
        end = len(data) if data.endswith(b"\n\n") else max(data.rfind(b"\n\n") + 2, data.rfind(b"\n\r\n") + 3)
        if end < 3:  # noqa: PLR2004 - neither was found
            return self._begin_big(data) if len(data) > BIG else self._wait(data)
        whole, self._rest = (data, b"") if end == len(data) else (data[:end], data[end:])
        self._events += whole.count(_MARK)
        if self.output_begun and (passed := self._unseen(whole)) is not None:
            self._newest = b""
            if 2 * len(whole) >= len(self._sample):  # a sign of life has no text, and is shorter than what has
                self._sample = whole
            return passed
        return self._look_at(whole)

    def end(self) -> bytes:
        """See `Reading`."""
        rest, self._rest = self._rest, b""
        if self._held is not None:
            held, self._held = self._held + rest, b""
            self._see_held(held)
            self.complete = self.complete and (not self._cut_head or held.endswith(b"\n"))
            return held
        if rest and self._in_big is None and _is_whole(rest):  # a last event without an empty line behind it
            rest = self._look_at(rest)
            if self._held is not None:
                rest, self._held = rest + self._held, b""
        return rest

    def _unseen(self, data: bytes) -> bytes | None:
        """What is sent on of events in which nothing needs to be looked at; None where something does."""
        for needle in self.needles:
            if needle in data:
                return None
        return data

    def _wait(self, data: bytes) -> bytes:
        self._rest = data
        return b""

    def _look_at(self, data: bytes) -> bytes:
        """Event by event."""
        passed: list[bytes] = []
        at = 0
        for event in events_in(data):
            at += len(event)
            seen = Event(event)
            if self._ends(seen):
                rest, self._rest = self._rest, b""
                return b"".join(passed) + self._hold(data[at - len(event) :] + rest)
            passed.append(self._pass(seen))
        return b"".join(passed)

    def _pass(self, event: Event) -> bytes:
        self._note(event)
        return event.whole

    def _note(self, event: Event) -> None:
        """Look for what an event says of the whole: that output begins, an error, usage."""
        self._newest = event.whole
        if b'"error"' in event.payload and (failure := failure_in(event.payload, event.name)) is not None:
            self.failure = failure
        elif not self.output_begun:
            self.output_begun = self._begins(event)
            self._sample = event.whole
            self._bytes, self._events = len(event.whole), 1  # what came before says nothing
        if self._tells(event):
            self._keep(event.payload)

    def _keep(self, payload: bytes) -> None:
        if len(payload) > _MOST_KEPT:
            self._large.append(skim.around(payload[: skim.HEAD], payload[-skim.TAIL :]))
            del self._large[_KEPT:]
        elif len(self._first) < _KEPT:
            self._first.append(payload)
        else:
            self._last.append(payload)

    # What is large

    def _begin_big(self, data: bytes) -> bytes:
        self._rest = b""
        if self._ends(Event(data)):
            return self._hold(data)
        self.output_begun = True
        self._in_big = bytearray(data[: skim.HEAD])
        self._big_tail = data[-skim.TAIL :]
        return data

    def _pass_big(self, data: bytes) -> bytes:
        """An event that is sent on in pieces."""
        self._rest = b""
        seam = self._big_tail[-2:] + data
        found = _EVENT_END.search(seam)
        end = len(data) if found is None else found.end() - len(seam) + len(data)
        self._big_tail = (self._big_tail + data[:end])[-skim.TAIL :]
        if found is None:
            return data
        self._large.append(skim.around(bytes(self._in_big or b""), self._big_tail))
        self._in_big = None
        return data[:end] + (self.feed(data[end:]) if end < len(data) else b"")

    def _hold(self, data: bytes) -> bytes:
        """All from here on is the end. Of one that is very long, the last part is enough to hold."""
        held = self._held + data if self._held else data
        if len(held) <= BIG:
            self._held = held
            return b""
        if not self._cut_head:
            self._cut_head = held[: skim.HEAD]
        self._held = held[-skim.TAIL :]
        return held[: -skim.TAIL]

    def _see_held(self, held: bytes) -> None:
        if self._cut_head:
            self._large.append(skim.around(self._cut_head, held))
            self.told = not skim.USAGES.isdisjoint(self._large[-1])
            return
        for event in events_in(held):
            self._note(Event(event))

    # What each API has of its own

    def _ends(self, event: Event) -> bool:
        """Whether this is how its streams end. Sets `complete`."""
        raise NotImplementedError

    def _begins(self, event: Event) -> bool:
        """Whether it is output."""
        raise NotImplementedError

    def _tells(self, event: Event) -> bool:
        """Whether it tells usage, or else what matters for the bill. Sets `told`."""
        raise NotImplementedError

    # Afterwards

    def reported(self, provider: str | None = None, model: str | None = None) -> dict[str, Any]:
        """See `Reading`."""
        if self._held:  # of a stream that broke off in its end
            self._see_held(self._held)
        kept = [
            *self._first,
            *self._last,
            *([] if self.told else map(payload_of, events_in(self._newest or self._sample))),
        ]
        events = [event for payload in kept if (event := _object(payload)) is not None]
        told = Told(self._wanted, provider, model or self._wanted.model)
        if self.failure is not None and not self.output_begun:
            return told.failed([*events, *self._large])
        return told.of_stream([*events, *self._large], self._text_bytes(), exact=self.told)

    def _text_bytes(self) -> int:
        """About how many bytes of text have passed: of some events it is looked up what surrounds the text."""
        if not self.output_begun:
            return 0
        samples = [event for event in events_in(self._sample) if _MARK in event][:_SAMPLES]
        texts = sum(text_bytes_in(_object(payload_of(event))) for event in samples)
        if not texts:
            return 0
        around = (sum(map(len, samples)) - texts) // len(samples)
        return max(self._bytes - self._events * around, texts)


def events_in(data: bytes) -> Iterator[bytes]:
    """Each with the empty line that ends it; what is left at the end as well."""
    at = 0
    for found in _EVENT_END.finditer(data):
        if found.start() >= at:
            yield data[at : found.end()]
            at = found.end()
    if at < len(data):
        yield data[at:]


def _is_whole(event: bytes) -> bool:
    payload = payload_of(event)
    return payload == b"[DONE]" or _object(payload) is not None


def payload_of(event: bytes) -> bytes:
    """The data of an event."""
    if event.startswith(b"data: ") and event.find(b"\n") >= len(event) - 2:
        return event[6:].rstrip()
    lines = _DATA.findall(event)
    return lines[0] if len(lines) == 1 else b"\n".join(lines)


def _name_of(event: bytes, payload: bytes) -> bytes:
    if (found := _NAME.search(event)) is not None:
        return found[1]
    if len(event) > _BEGINNING:
        beginning = _TYPE.search(event[:_BEGINNING])
        return b"" if beginning is None else beginning[1]
    told = _object(payload)
    name = told.get("type") if told is not None else None
    return name.encode() if isinstance(name, str) else b""


def _object(payload: bytes) -> dict[str, Any] | None:
    try:
        found = skim.decoded(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
