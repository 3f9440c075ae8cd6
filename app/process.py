"""How a process runs: background tasks, and the garbage collector."""

import asyncio
import gc
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from app.observability.logs import Log

COLLECT_AFTER = 20_000
"""Objects. A batch of waiting calls is some ten thousand, which Python's 700 would have walked over and over."""

log = Log(__name__)


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


def tune_garbage_collector() -> None:
    """Tune the garbage collector: exclude what lives for ever, and raise the threshold for a busy tracker.

    The price tables are 300,000 objects. Call it once, when everything has been loaded. A host application that embeds
    the tracker may do the same.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)
