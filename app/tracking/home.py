"""The event loop on which a tracker was opened, and how it is reached from another loop, another thread or an exit."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")

HELD_UP_SECONDS = 1.0
"""How much longer than its deadline whoever comes from elsewhere waits for a call that the loop has begun with: it
keeps deadlines itself."""
NOT_RUNNING = (
    "the event loop on which tracking was opened is not running any more: leave the block of `tracking()` before its "
    "loop ends, and open it on one that stays"
)
STOPPED = "tracking has been stopped"
FORKED = (
    "this process was forked from the one that opened tracking, and has nothing of it: open `tracking()` after the "
    "fork (gunicorn: post_fork; Celery: worker_process_init), or report with the client (`import twinmeter`)"
)


class AwayError(Exception):
    """The loop cannot be reached. The message is for whoever reports a call."""


class Home:
    """The loop that runs where this is made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._entrance = threading.Lock()
        """So that what was handed over is there before the end begins."""
        self.is_left_behind = False
        """Whether this process was forked from the one that has the loop."""

    @property
    def is_here(self) -> bool:
        """Whether this code runs on it. To ask for the running loop instead would ask the system, for each call."""
        return threading.get_ident() == self._thread and self._loop.is_running()

    def has_moved_here(self) -> bool:
        """Whether it runs here now, on another thread than before."""
        if self.is_left_behind or asyncio.get_running_loop() is not self._loop:
            return False
        self._thread = threading.get_ident()
        return True

    def leave_behind(self) -> None:
        """In a forked child: the loop is its parent's."""
        self.is_left_behind, self._thread = True, 0

    def tell(self, work: Callable[[], object]) -> None:
        """Do something there, soon. Raises AwayError."""
        self.require()
        with self._entrance:
            if self._is_closed:
                raise AwayError(STOPPED)
            try:
                self._loop.call_soon_threadsafe(work)
            except RuntimeError as error:  # it was closed just now
                raise AwayError(NOT_RUNNING) from error

    def require(self) -> None:
        """Raises AwayError where the loop cannot be reached."""
        if self.is_left_behind:
            raise AwayError(FORKED)
        if not self._loop.is_running():
            raise AwayError(NOT_RUNNING)

    def close(self) -> None:
        """Let nothing more be handed over."""
        with self._entrance:
            self._is_closed = True

    async def arrivals(self) -> None:
        """Wait until what was handed over is there, and has begun."""
        for _ in range(2):
            await asyncio.sleep(0)

    async def run(self, work: Callable[[], Coroutine[Any, Any, Result]], seconds: float) -> Result:
        """What `work` returns there, for a caller on another loop. Once handed over it goes on, whether its caller
        leaves or not. Raises AwayError, and TimeoutError for what has not ended in time.
        """
        handed = _Handed(work)
        self.tell(lambda: self._begin(handed))
        answer = asyncio.wrap_future(handed.answer)
        try:
            await asyncio.wait({answer}, timeout=seconds)
            if not answer.done() and handed.has_begun:
                await asyncio.wait({answer}, timeout=HELD_UP_SECONDS)
            if not answer.done():
                raise TimeoutError
            return answer.result()
        finally:
            answer.cancel()  # else it would be answered on a loop that may be closed by then

    def complete(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Do `work` there, from plain code, and wait for its end: where the loop is not running, run it for that.

        Raises AwayError where it is closed, and TimeoutError.
        """

        async def all_of_it() -> None:
            async with asyncio.timeout(seconds):
                await work()

        if self._loop.is_running():
            handed = _Handed(all_of_it)
            self._loop.call_soon_threadsafe(self._begin, handed)
            handed.answer.result(seconds + HELD_UP_SECONDS)
        elif self._loop.is_closed():
            raise AwayError(NOT_RUNNING)
        else:
            self._loop.run_until_complete(all_of_it())

    def _begin(self, handed: "_Handed[Any]") -> None:
        handed.has_begun = True
        task = self._loop.create_task(handed.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Handed(Generic[Result]):
    """Work on its way to another loop. It cannot be withdrawn: what becomes of it has to be known."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> None:
        self.answer: Future[Result] = Future()
        self.answer.set_running_or_notify_cancel()
        self.has_begun = False
        self._work = work

    async def run(self) -> None:
        try:
            self.answer.set_result(await self._work())
        except asyncio.CancelledError:
            # its loop is ended around it, which is not its caller's cancellation: the end is not known
            self.answer.set_exception(TimeoutError())
            raise
        except BaseException as error:
            self.answer.set_exception(error)
            raise
