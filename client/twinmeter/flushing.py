"""Functions that leave nothing behind, where a process is frozen or ended between two of its tasks."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Callable, TypeVar, cast

from twinmeter.client import FLUSH_SECONDS
from twinmeter.life import flush_all

Handler = TypeVar("Handler", bound=Callable[..., Any])

RESERVE_SECONDS = 0.25
"""Of what the platform leaves a handler: for its answer."""


def flushed(handler: Handler) -> Handler:
    """Decorate a function, or coroutine function, so that what it reports has been sent when it returns, or raises.

    For AWS Lambda and its like, which freeze a process then, and for jobs of processes that are ended by a signal or
    by `os._exit`, as those of RQ and of `multiprocessing.Pool.terminate`. It takes `FLUSH_SECONDS` at most, and no
    more than the platform leaves (`context.get_remaining_time_in_millis()` of any argument). An event loop goes on
    meanwhile.
    """
    if iscoroutinefunction(handler):

        @wraps(handler)
        async def flushed_later(*arguments: Any, **named: Any) -> Any:
            try:
                return await handler(*arguments, **named)
            finally:
                await flush_beside(_seconds_left(*arguments, *named.values()))

        return cast("Handler", flushed_later)

    @wraps(handler)
    def flushed_at_once(*arguments: Any, **named: Any) -> Any:
        try:
            return handler(*arguments, **named)
        finally:
            flush_all(_seconds_left(*arguments, *named.values()))

    return cast("Handler", flushed_at_once)


def _seconds_left(*arguments: Any) -> float:
    left = FLUSH_SECONDS
    for argument in arguments:
        with suppress(Exception):  # it has no such method, or another one of this name
            left = min(left, argument.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS)
    return max(0.0, left)


async def flush_beside(seconds: float) -> None:
    """Flush in a thread of its own: the loop's executor is the application's."""
    from asyncio import get_running_loop  # noqa: PLC0415 - who awaits has it already

    try:
        loop = get_running_loop()
    except RuntimeError:  # trio's
        flush_all(seconds)
        return
    ended = loop.create_future()

    def end() -> None:
        if not ended.done():
            ended.set_result(None)

    def flush() -> None:
        flush_all(seconds)
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(end)

    try:
        threading.Thread(target=flush, name="twinmeter-flush", daemon=True).start()
    except RuntimeError:  # no thread can be started
        flush_all(seconds)
        return
    await ended
