"""Bodies of answers that the caller reads himself, as `with_streaming_response` and raw streams are for."""

from __future__ import annotations

import json
from typing import Any, Callable

from twinmeter.observation import Observation, guarded
from twinmeter.streams import until_closed, until_collected

MOST_BYTES = 32_000_000
"""Of a body that the caller reads piece by piece; of a larger one, the usage is not read."""
PLAIN = "application/json"
EVENTS = "text/event-stream"


def _nothing(_: Any) -> None:
    return None


def kind_of(http: Any) -> str:
    """The media type of a response."""
    return str(http.headers.get("content-type", "")).partition(";")[0].strip().lower()


def read_body(body: bytes) -> Any:
    """What a body of JSON says; None of one that is none."""
    try:
        return json.loads(body)
    except ValueError:
        return None


class Body:
    """A body that the caller reads, whichever way."""

    def __init__(
        self, http: Any, observation: Observation, hides: Callable[[Any], Any], facts: dict[str, Any] | None
    ) -> None:
        """`facts`: what of the bill the request tells; None where the response does."""
        self._http = http
        self._observation = observation
        self._kind = kind_of(http)
        self._events = ServerSentEvents(observation, hides) if self._kind == EVENTS else None
        self._facts = facts
        self._pieces: list[bytes] | None = [] if self._kind == PLAIN else None
        self._size = 0

    def watch(self) -> None:
        """Tell the observation what the caller reads, and when he has done with it."""
        own = vars(self._http)
        # all else that reads a body is made of these
        level = "bytes" if self._http.headers.get("content-encoding") else "raw"
        own[f"iter_{level}"] = self._reading(getattr(self._http, f"iter_{level}"))
        own[f"aiter_{level}"] = self._reading_async(getattr(self._http, f"aiter_{level}"))
        if self._events is not None:
            self._observation.streams()
        elif self._facts is not None:
            self._observation.knows(self._facts)
        until_closed(self._http, self._observation)
        until_collected(self._http, self._observation)

    def _reading(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def iter_bytes(*args: Any, **kwargs: Any) -> Any:
            pieces = original(*args, **kwargs)
            while True:
                self._observation.is_pulling = True
                try:
                    piece = next(pieces, None)
                except BaseException as error:
                    self._observation.failed(error)
                    raise
                finally:
                    self._observation.is_pulling = False
                if passed := self._rest() if piece is None else self._take(piece):
                    yield passed
                if piece is None:
                    return

        return iter_bytes

    def _reading_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def aiter_bytes(*args: Any, **kwargs: Any) -> Any:
            pieces = original(*args, **kwargs)
            while True:
                self._observation.is_pulling = True
                try:
                    piece = await pieces.__anext__()
                except StopAsyncIteration:
                    piece = None
                except BaseException as error:
                    self._observation.failed(error)
                    raise
                finally:
                    self._observation.is_pulling = False
                if passed := self._rest() if piece is None else self._take(piece):
                    yield passed
                if piece is None:
                    return

        return aiter_bytes

    def _take(self, piece: bytes) -> bytes:
        """What of a piece is the caller's now."""
        passed = self._taken(piece)
        return piece if passed is None else passed

    @guarded
    def _taken(self, piece: bytes) -> bytes | None:
        if self._events is not None:
            return self._events.feed(piece)
        self._size += len(piece)
        if self._pieces is not None:
            self._pieces.append(piece)
            if self._size > MOST_BYTES:
                self._pieces = None
        return piece

    def _rest(self) -> bytes:
        self._ended()
        return b"" if self._events is None else self._events.rest()

    @guarded
    def _ended(self) -> None:
        if self._events is not None:
            self._observation.ended()
        elif self._facts is None:
            self._observation.returned(None if self._pieces is None else read_body(b"".join(self._pieces)))
        else:
            self._observation.over()


class ServerSentEvents:
    """The events of a body that comes in pieces, for a caller who reads the body itself."""

    def __init__(self, observation: Observation, hides: Callable[[Any], bool | None] = _nothing) -> None:
        self._observation = observation
        self._hides = hides
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        """Take a piece, and return what of all pieces is the caller's: whole events, without those that are hidden."""
        begin = max(0, len(self._rest) - 3)  # a blank line may have come in part
        self._rest += piece
        passed = []
        while (end := _end_of_event(self._rest, begin)) > 0:
            event, self._rest, begin = self._rest[:end], self._rest[end:], 0
            if not self._is_hidden(event):
                passed.append(event)
        return b"".join(passed)

    @guarded
    def _is_hidden(self, event: bytes) -> bool | None:
        data = b"\n".join(line[5:].strip() for line in event.splitlines() if line.startswith(b"data:"))
        if data.startswith(b"[DONE]"):  # nothing comes after it, and a client may close without looking
            self._observation.ended()
        if not data.startswith(b"{"):
            return False
        chunk = json.loads(data)
        self._observation.chunk(chunk)
        return self._hides(chunk)

    def rest(self) -> bytes:
        """What is left at the end of the body."""
        rest, self._rest = self._rest, b""
        return rest


def _end_of_event(body: bytes, begin: int) -> int:
    blanks = (b"\n\n", b"\r\n\r\n", b"\r\r")
    return min((found + len(blank) for blank in blanks if (found := body.find(blank, begin)) >= 0), default=-1)
