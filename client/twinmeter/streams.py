"""Streams are passed through untouched: every event as it came, when it came, and whatever it raised."""

from __future__ import annotations

import atexit
import weakref
from typing import TYPE_CHECKING, Any, Callable

from twinmeter.observation import Observation, guarded

if TYPE_CHECKING:
    from typing_extensions import Self


def _nothing(*_: Any) -> None:
    return None


class Watched:
    """An iterator, sync or async as what it is made of, that tells of each event before it passes it on."""

    def __init__(
        self,
        events: Any,
        observation: Observation,
        ended: Callable[[], Any],
        failed: Callable[[BaseException], Any] = _nothing,
        *,
        hides: Callable[[Any], bool | None] = _nothing,
    ) -> None:
        """`hides`: whether an event is none of the caller's. It has been told of before."""
        self._events = events
        self._iterator: Any = None
        self._chunk = observation.chunk
        self._ended = ended
        self._failed = failed
        self._hides = hides
        self._observation = observation

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._iterator is None:
            self._iterator = iter(self._events)
        while True:
            self._observation.is_pulling = True
            try:
                event = next(self._iterator)
            except StopIteration:
                self._ended()
                raise
            except BaseException as error:
                self._failed(error)
                raise
            finally:
                self._observation.is_pulling = False
            self._chunk(event)
            if not self._hides(event):
                return event

    async def __anext__(self) -> Any:
        if self._iterator is None:
            self._iterator = self._events.__aiter__()
        while True:
            self._observation.is_pulling = True
            try:
                event = await self._iterator.__anext__()
            except StopAsyncIteration:
                self._ended()
                raise
            except BaseException as error:
                self._failed(error)
                raise
            finally:
                self._observation.is_pulling = False
            self._chunk(event)
            if not self._hides(event):
                return event

    def __getattr__(self, name: str) -> Any:
        """What else the iterator has: `close`, `aclose`, `send`."""
        if name.startswith("__") or "_events" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self._events, name)


def watched(events: Any, observation: Observation, *, hides: Callable[[Any], bool | None] = _nothing) -> Watched:
    """The events of a stream whose end is the end of the call."""
    observation.streams()
    return Watched(events, observation, observation.ended, observation.failed, hides=hides)


@guarded
def until_closed(response: Any, observation: Observation) -> None:
    """Where the HTTP response is closed between two events, the stream was left before its end."""
    own = vars(response)
    close, aclose = getattr(response, "close", None), getattr(response, "aclose", None)

    def left(name: str) -> None:
        own.pop(name, None)
        if not observation.is_pulling:
            observation.interrupted()

    def closing() -> Any:
        left("close")
        return close()  # type: ignore[misc]

    def closing_async() -> Any:
        left("aclose")
        return aclose()  # type: ignore[misc]

    if close is not None:
        own["close"] = closing
    if aclose is not None:
        own["aclose"] = closing_async


@guarded
def until_collected(stream: Any, observation: Observation) -> None:
    """Where a stream is forgotten, or still open at the interpreter's end, it was left before its end."""

    def forgotten(reference: Any) -> None:
        _open.pop(id(reference), None)
        observation.interrupted()

    reference = weakref.ref(stream, forgotten)
    _open[id(reference)] = (reference, observation)


_open: dict[int, tuple[Any, Observation]] = {}
"""Streams that somebody still holds, each with its call. One that is left in the middle may live until the exit."""


def _end_open() -> None:
    for _, observation in list(_open.values()):
        observation.interrupted()


atexit.register(_end_open)  # later than that of the clients, and so it runs before: they send what is told here
