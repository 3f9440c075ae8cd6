"""Timing a model call and reporting it, whatever its outcome, without changing the caller's own code."""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from app.tracking.receipt import TrackReceipt
from app.tracking.reservation import INTERRUPTED, AIReservation, current
from app.usage.responses import reported_of, reported_of_stream, text_of, unless_told
from models import CallStatus

TOO_MANY_REQUESTS = 429

Params = ParamSpec("Params")
Result = TypeVar("Result")
Chunk = TypeVar("Chunk")
Track = Callable[..., Awaitable[TrackReceipt]]


class TrackedCall:
    """One model call, created by `track_ai_call`. As a decorator, the template of many."""

    def __init__(self, track: Track, known: dict[str, Any], asks: Mapping[str, Any] | None = None) -> None:
        """`asks`: what to hold before the call is made, as fields of `Ask`; None to ask for nothing."""
        self._track = track
        self._known = known
        """Fields of `AICall` that apply whatever the provider answers."""
        self._asks = asks
        self._room: AIReservation | None = None
        """What is held for this call: by itself, or by the block around it."""
        self._facts: dict[str, Any] = {}
        self._events: list[Any] | None = None
        self._stream_ended = False
        self._started = 0.0
        self._first_token: float | None = None
        self.receipt: TrackReceipt | None = None
        """The outcome of the report, once the block has ended."""

    def __call__(self, function: Callable[Params, Awaitable[Result]]) -> Callable[Params, Awaitable[Result]]:
        """Decorate a coroutine function that returns the provider's response: each of its calls is reported."""

        @wraps(function)
        async def tracked(*args: Params.args, **kwargs: Params.kwargs) -> Result:
            async with TrackedCall(self._track, self._known, self._asks) as call:
                response = await function(*args, **kwargs)
                call.record(response)
                return response

        return tracked

    async def __aenter__(self) -> Self:
        if self._asks is None:
            self._room = current()
        else:
            self._room = AIReservation(self._asks)
            await self._room.take()
        self._started = time.perf_counter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Report the call. What the block raised propagates to the caller."""
        facts = {"request_duration": self._since_start(time.perf_counter())}
        if self._first_token is not None:
            facts["time_to_first_token"] = self._since_start(self._first_token)
        reported = {**facts, **unless_told(self._read(), self._known), **self._outcome(error)}
        room = self._room
        if room is None:
            self.receipt = await self._track(**reported)
            return
        try:
            self.receipt = await self._track(**room.settled_by(reported))
            room.told(self.receipt)
        finally:
            if self._asks is not None:
                await room.end()

    def record(self, response: Any, **facts: Any) -> None:
        """Take the usage of a complete response. `facts` are further fields of `AICall`, and come first."""
        self._facts = unless_told(reported_of(response, *self._told()), facts)

    async def stream(self, chunks: AsyncIterable[Chunk]) -> AsyncIterator[Chunk]:
        """Pass the events of a stream through untouched, and record their usage."""
        self._events = events = []
        async for chunk in chunks:
            if self._first_token is None and text_of(chunk):
                self._first_token = time.perf_counter()
            events.append(chunk)
            yield chunk
        self._stream_ended = True

    def _read(self) -> dict[str, Any]:
        if self._events is None:
            return self._facts
        return unless_told(reported_of_stream(self._events, *self._told()), self._facts)

    def _told(self) -> tuple[str | None, str | None]:
        return self._known.get("provider"), self._known.get("model")

    def _outcome(self, error: BaseException | None) -> dict[str, Any]:
        if error is not None:
            return {"status": _status_of(error), "error_message": _described(error)}
        if self._events is not None and not self._stream_ended:
            return {"status": CallStatus.ERROR, "error_message": INTERRUPTED}
        return {}

    def _since_start(self, moment: float) -> float:
        return (moment - self._started) * 1000


def _status_of(error: BaseException) -> CallStatus:
    """From what the SDKs of all providers have in common: a time-out in the name, 429 as the status."""
    if isinstance(error, TimeoutError) or "timeout" in type(error).__name__.lower():
        return CallStatus.TIMEOUT
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    if status == TOO_MANY_REQUESTS or "ratelimit" in type(error).__name__.lower():
        return CallStatus.RATE_LIMITED
    return CallStatus.ERROR


def _described(error: BaseException) -> str:
    """Only the kind of error: a provider's message may quote the prompt."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return INTERRUPTED
    return type(error).__name__
