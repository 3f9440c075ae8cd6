"""Background mode: a caller that does not want to wait leaves its call in a bounded queue and continues.

Pricing and building the documents happen later, in slices between other work.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from bson import ObjectId

from app.ledger.common import CommonCall
from app.ledger.outcomes import ReceiptStatus
from app.ledger.twins import Pair
from app.observability.logs import Log
from app.observability.metrics import Counters
from app.tracking.home import STOPPED, AwayError, Home
from app.tracking.receipt import TrackReceipt
from app.tracking.writer import QUEUE_IS_FULL, Writer
from models.call import AICall
from models.faults import Fault

log = Log(__name__)

MAX_CALLS = 50_000
YIELD_FROM = 10_000
"""From this length on, each report yields to the event loop once, so that a tight loop lets the queue drain."""
SLICE = 20
"""Calls that are priced and built in one go, about 2 ms."""
CLOSE_SECONDS = 10.0
DOOR = "background"


class Posted(NamedTuple):
    """A call that waits for its documents."""

    call: AICall | CommonCall
    now: datetime
    id: ObjectId


class Background:
    """The queue in front of the writer. `build` makes the documents of a call. Any thread may put calls into it."""

    def __init__(
        self,
        home: Home,
        writer: Writer,
        build: Callable[[Posted], Pair],
        id_of: Callable[[AICall | CommonCall, datetime], ObjectId],
        counters: Counters,
    ) -> None:
        self._home = home
        self._writer = writer
        self._build = build
        self._id_of = id_of
        self._counters = counters
        self._queue: deque[Posted] = deque()
        self._passed = 0
        """How many have been passed to the writer."""
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._entrance = threading.Lock()
        """So that nothing comes in when it has been closed: it would stay there."""

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def waiting(self) -> float:
        """For how many seconds the oldest of them has waited."""
        return (datetime.now(UTC) - self._queue[0].now).total_seconds() if self._queue else 0.0

    async def post(self, call: AICall | CommonCall) -> TrackReceipt:
        """Accept `call`, or return that it was dropped."""
        receipt = self._put(call)
        self._begin()
        if len(self._queue) >= YIELD_FROM:
            await asyncio.sleep(0)
        return receipt

    def post_from_elsewhere(self, call: AICall) -> TrackReceipt:
        """The same from any thread. Raises AwayError where it was dropped because the loop is away."""
        self._home.require()
        receipt = self._put(call)
        with suppress(AwayError):  # it went away just now: the end of the process looks for the call
            self._home.tell(self._begin)
        return receipt

    async def passed_on(self) -> None:
        """Wait until what is queued now has been passed to the writer."""
        last = self._passed + len(self._queue)
        while self._passed < last:
            self._moved.clear()
            await self._moved.wait()

    async def close(self) -> None:
        """Pass everything queued to the writer, for ten seconds at most. What is left is counted as dropped."""
        with self._entrance:
            self._closing = True
        self._begin()
        if self._task is None:
            return
        task = self._task
        await asyncio.wait({task}, timeout=CLOSE_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if self._queue:
            self._counters.count(DOOR, ReceiptStatus.DROPPED, len(self._queue))
            log.error("tracking.calls_lost", calls=len(self._queue), reason="they were still queued at the stop")

    def leave(self) -> None:
        """Pass nothing on any more."""
        if self._task is not None:
            self._task.cancel()

    def give_up(self) -> list[Pair]:
        """All that is queued, where the loop is closed."""
        with self._entrance:
            self._closing = True
        return [self._build(posted) for posted in self._queue]

    def _put(self, call: AICall | CommonCall) -> TrackReceipt:
        now = datetime.now(UTC)
        with self._entrance:
            if self._closing or len(self._queue) >= MAX_CALLS:
                self._counters.count(DOOR, ReceiptStatus.DROPPED)
                reason = STOPPED if self._closing else QUEUE_IS_FULL
                return TrackReceipt(ReceiptStatus.DROPPED, errors=(Fault("", reason),))
            posted = Posted(call, now, self._id_of(call, now))
            self._queue.append(posted)
        return TrackReceipt(ReceiptStatus.QUEUED, str(posted.id))

    def _begin(self) -> None:
        # one that is done was cancelled, with all other tasks of its loop
        if self._queue and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name="twinmeter-background")

    async def _run(self) -> None:
        while self._queue:
            await self._writer.has_room(DOOR)
            for _ in range(min(SLICE, len(self._queue))):
                posted = self._queue.popleft()
                try:
                    self._writer.post(self._build(posted), DOOR)
                except Exception:  # a bug of ours must not end the queue for all that follow
                    log.exception("tracking.failed")
                    self._counters.count(DOOR, "failed")
                self._passed += 1
            self._moved.set()
            await asyncio.sleep(0)
        self._task = None
