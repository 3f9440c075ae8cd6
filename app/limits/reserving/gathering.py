"""Group commit: what is asked for while others are being answered is answered together."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MOST = 512
"""At once."""


class Gathering(Generic[Item, Answer]):
    """Does `work` for many at once: its answers are in order. One that raises raises in all who asked."""

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        pause: float = 0.0,
        unheard: Callable[[Item, Answer], None] = lambda _item, _answer: None,
        most: int = MOST,
    ) -> None:
        """`pause`: for how many seconds at least it rests after it has answered several; who asks alone never waits.
        `unheard` is given the answers for which nobody waits any more.
        """
        self._work = work
        self._pause = pause
        self._unheard = unheard
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._working: asyncio.Task[None] | None = None
        self._ended = -math.inf

    async def ask(self, item: Item, until: float = math.inf) -> Answer:
        """The answer for one. Who is cancelled no longer waits for it. Raises TimeoutError where it is not there by
        `until`, by the loop's clock.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((item, answer))
        if self._working is None:
            # it works for others, too: not within the time limits of whoever came first
            self._working = loop.create_task(self._run(loop), context=Context())
        timer = None if until == math.inf else loop.call_at(until, _too_late, answer)
        try:
            return await answer
        except asyncio.CancelledError:
            # it may have been there already, and not been heard
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                self._unheard(item, answer.result())
            raise
        finally:
            if timer is not None:
                timer.cancel()

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while self._waiting:
                if (rest := self._ended + self._pause - loop.time()) > 0:
                    await asyncio.sleep(rest)
                taken, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._answer([(item, answer) for item, answer in taken if not answer.done()])
                if len(taken) > 1:
                    self._ended = loop.time()
        finally:
            self._working = None

    async def _answer(self, asked: list[tuple[Item, "asyncio.Future[Answer]"]]) -> None:
        if not asked:
            return
        try:
            answers = await self._work([item for item, _ in asked])
        except Exception as error:  # noqa: BLE001 - whatever it is, those who asked are told
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (item, answer), one in zip(asked, answers, strict=True):
            if answer.done():
                self._unheard(item, one)
            else:
                answer.set_result(one)


def _too_late(answer: "asyncio.Future[Any]") -> None:
    # not by cancelling who waits: that might come when the answer is there already
    if not answer.done():
        answer.set_exception(TimeoutError())
