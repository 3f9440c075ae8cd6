"""How a process runs: background tasks, long work on its event loop, and the garbage collector."""

import asyncio
import gc
import os
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Sized
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

from app.observability.logs import Log

COLLECT_AFTER = 10_000
"""Objects. A batch of waiting calls is some ten thousand, which Python's 700 would have walked over and over."""
COLLECT_OLDER_AFTER = 1
"""More than so many such collections. Their survivors and what is young are then 30,000 objects at most, which takes up
to 20 ms on a busy machine: with more, one walk holds the loop too long.
"""
COLLECT_ALL_AFTER = 250
"""Of those in turn. Then everything is walked, also what large reports hold just now; few objects are in cycles."""
COLLECT_ALL_IDLE_AFTER = 20
"""As many suffice where nothing is in hand, so that there is little to walk."""

IDLE_SECONDS = 1.0
"""How often it is looked whether nothing is in hand."""

SWITCH_SECONDS = 0.001
"""How long a thread of Python may go on while another one wants its turn. With Python's own 5 ms a loop beside one that
computes came back after 20 ms and more, with this after 4 to 12 (p90, busy machine); a call costs 2 to 4 % more CPU.
"""

TURN_SECONDS = 0.005
"""How long work may hold the event loop before others get their turn."""

Item = TypeVar("Item")

log = Log(__name__)


async def in_turns(items: Iterable[Item]) -> AsyncIterator[Item]:
    """`items`, between which others get their turn as soon as making and handling them has held the loop for 5 ms."""
    until = time.perf_counter() + TURN_SECONDS
    for item in items:
        yield item
        if time.perf_counter() >= until:
            await asyncio.sleep(0)
            until = time.perf_counter() + TURN_SECONDS


def taken(items: list[Item]) -> Iterator[Item]:
    """`items` from the first on. The list lets go of each: to free many at once holds the loop as any work does."""
    items.reverse()
    while items:
        yield items.pop()


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Do `work` in the background for the length of a block."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(ended, Exception):
            log.error("background.failed", task=name, exc_info=ended)


def leave(status: int) -> NoReturn:
    """End this process at once, when all that it did has been closed.

    Python would wait for the driver's threads, and those for as long as they take to give up on a frozen MongoDB.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


async def collect_when_idle(in_hand: Sized) -> None:
    """Collect all garbage while nothing is `in_hand`, so that it is seldom done while a large report is. Never ends."""
    while True:
        await asyncio.sleep(IDLE_SECONDS)
        if not in_hand and gc.get_count()[2] >= COLLECT_ALL_IDLE_AFTER:
            gc.collect()


def hold_garbage_collector() -> None:
    """Collect nothing until `tune_garbage_collector`: what a start makes lives for ever, and walking it costs time."""
    gc.disable()


def tune_threads() -> None:
    """Let the event loop wait less for threads that compute, as those do that put reports together."""
    sys.setswitchinterval(SWITCH_SECONDS)


def tune_garbage_collector() -> None:
    """Tune the garbage collector: exclude what lives for ever, and raise the threshold for a busy tracker.

    The price tables are 300,000 objects. Call it once, when everything has been loaded. A host application that embeds
    the tracker may do the same.
    """
    gc.freeze()  # of 150,000 objects that a start makes, the 2,000 that nobody needs are not worth a walk over all
    gc.set_threshold(COLLECT_AFTER, COLLECT_OLDER_AFTER, COLLECT_ALL_AFTER)
    gc.enable()
