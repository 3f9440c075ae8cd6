"""When folds are made: soon after what this process commits, before a refusal, and for processes that died."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar

from pymongo.errors import PyMongoError

from app.database import Database
from app.database.blocking import OwnThread
from app.database.outages import is_outage
from app.limits.counting.crossings import Crossings
from app.limits.counting.fold_steps import Fold, Folded, FoldSteps
from app.observability.logs import Log

log = Log(__name__)

GATHER_SECONDS = 0.05
"""After a commit, so that one fold has what several commits add."""
UNLIMITED_SECONDS = 1.0
"""The same where no limit waits for it."""
IDLE_SECONDS = 2.0
"""How often it is looked for what others left."""
STUCK_SECONDS = 0.3
"""After which a fold that another process has begun is taken over."""
IMPATIENT_SECONDS = 0.03
"""The same where somebody waits."""
POLLS = 6
"""How often it is looked meanwhile."""


_IN_FOLD: ContextVar[bool] = ContextVar("in_fold", default=False)


class LaterError(Exception):
    """What a fold needs cannot be had before it has ended."""


class Folding:
    """The folds of one process."""

    def __init__(
        self,
        database: Database,
        crossings: Crossings,
        wanted: Callable[[], bool],
    ) -> None:
        """`wanted` says whether any limit waits for it."""
        self._steps = FoldSteps(database)
        self._crossings = crossings
        self._wanted = wanted
        self._thread = OwnThread("fold")
        self._one_at_a_time = asyncio.Lock()
        self._begun = self._done = 0
        """Rounds of this process."""
        self._woken = asyncio.Event()
        self._tasks: set[asyncio.Task[bool]] = set()
        self._seen: tuple[int, float] = (-1, 0.0)
        """The fold of another process that is in progress, and since when."""

    def wake(self) -> None:
        """Something was committed here. For the event loop of this object."""
        self._woken.set()

    async def now(self) -> None:
        """Count all that was committed before. Raises PyMongoError, and LaterError within a fold."""
        if _IN_FOLD.get():
            raise LaterError
        round_ = self._begun + 1
        while self._done < round_:
            async with self._one_at_a_time:
                if self._done >= round_:
                    return
                self._begun += 1
                begun = self._begun
                await self._round(IMPATIENT_SECONDS)
                self._done = begun

    async def run(self) -> None:
        """Fold in the background, until cancelled."""
        while True:
            with suppress(asyncio.TimeoutError):
                # not wait_for, which before Python 3.12 may swallow that this task is cancelled
                async with asyncio.timeout(IDLE_SECONDS * random.uniform(0.75, 1.25)):  # noqa: S311
                    await self._woken.wait()
            self._woken.clear()
            # in no step with other processes, so that mostly one does the work of all
            await asyncio.sleep(self._pause * random.uniform(0.75, 1.25))  # noqa: S311
            try:
                async with self._one_at_a_time:
                    await self._round(STUCK_SECONDS)
                await self._tell_changed()
            except PyMongoError as error:
                if not is_outage(error):
                    log.exception("limits.fold_failed")
                await asyncio.sleep(IDLE_SECONDS)
                self._woken.set()

    async def _tell_changed(self) -> None:
        try:
            await self._crossings.tell_changed()
        except PyMongoError:
            raise
        except Exception:
            log.exception("limits.crossings_failed")

    @property
    def _pause(self) -> float:
        return GATHER_SECONDS if self._wanted() else UNLIMITED_SECONDS

    async def _round(self, patience: float) -> None:
        """Fold until a fold has ended that began after this was called, and took all that waited."""
        first: int | None = None
        while (fold := await self._thread.run(self._steps.begin)) is not None:
            if first is None:
                first = fold.number if fold.is_ours else fold.number + 1
            if not fold.is_ours and not self._is_stuck(fold, patience):
                await asyncio.sleep(patience / POLLS)
                continue
            await self._complete(fold)
            if fold.number >= first and not fold.is_full:
                return

    async def _complete(self, fold: Fold) -> None:
        folded = await self._thread.run(lambda: self._steps.apply(fold, wanted=self._wanted()))
        within = _IN_FOLD.set(True)
        try:
            is_told = await self._tell(folded)
        finally:
            _IN_FOLD.reset(within)
        await self._thread.run(lambda: self._steps.finish(fold))
        if not is_told:
            self._tasks.add(task := asyncio.create_task(self._tell(folded), name="twinmeter-crossings"))
            task.add_done_callback(self._tasks.discard)

    async def _tell(self, folded: Folded) -> bool:
        """False where it needs a fold of its own, and so comes after this one."""
        try:
            await self._crossings.tell(folded)
        except LaterError:
            return False
        except PyMongoError:
            raise
        except Exception:
            # what is used is true all the same, and is told with the next call
            log.exception("limits.crossings_failed")
        return True

    def _is_stuck(self, fold: Fold, patience: float) -> bool:
        """Whether its process has had time enough."""
        now = asyncio.get_running_loop().time()
        number, since = self._seen
        if number != fold.number:
            self._seen = fold.number, now
            return False
        return now - since >= patience
