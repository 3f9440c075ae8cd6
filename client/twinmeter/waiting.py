"""Waiting in an event loop for what another thread tells, while the loop goes on."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from threading import Event


async def waited(ended: Event, listen: Callable[[Callable[[], object]], object], seconds: float) -> bool:
    """Wait until it has ended, or so many seconds are over. `listen` takes what is to be called at the end.

    False in a loop that is not asyncio's: then nobody has waited.
    """
    from asyncio import get_running_loop  # noqa: PLC0415 - who awaits has it already

    try:
        loop = get_running_loop()
    except RuntimeError:  # trio's
        return False
    future: Any = loop.create_future()

    def end() -> None:
        if not future.done():
            future.set_result(None)

    def wake() -> None:
        with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            loop.call_soon_threadsafe(end)

    timer = loop.call_later(seconds, end)
    listen(wake)
    if ended.is_set():  # in between, perhaps before there was a listener
        end()
    try:
        await future
    finally:
        timer.cancel()
    return True
