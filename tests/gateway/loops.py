"""Tests on both event loops: ours in production is uvloop, whose transports are not those of asyncio."""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from tests.patience import patience


def on_each_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test on a loop of its own, of either kind."""

    @functools.wraps(test)
    def run(*, new_loop: Callable[[], asyncio.AbstractEventLoop], **arguments: Any) -> None:
        loop = new_loop()
        try:
            loop.run_until_complete(_within(patience(20), test(**arguments)))
        finally:
            loop.run_until_complete(_end_the_rest())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    signature = inspect.signature(test)
    by_loop = inspect.Parameter("new_loop", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), by_loop])  # type: ignore[attr-defined]
    loops = {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}
    marked: Callable[..., None] = pytest.mark.parametrize("new_loop", loops.values(), ids=loops)(run)
    return marked


async def _within(seconds: float, test: Awaitable[None]) -> None:
    async with asyncio.timeout(seconds):
        await test


async def _end_the_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
