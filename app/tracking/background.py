"""Background mode: a caller that does not want to wait leaves its call in a bounded queue and continues.

Pricing and building the documents happen later, in slices between other work.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from bson import ObjectId

from app.ledger.common import CommonCall
from app.ledger.outcomes import ReceiptStatus
from app.ledger.twins import Pair
from app.observability.logs import Log
from app.observability.metrics import Counters
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
    """The queue in front of the writer. `build` makes the documents of a call."""

    def __init__(
        self,
        writer: Writer,
        build: Callable[[Posted], Pair],
        id_of: Callable[[AICall | CommonCall, datetime], ObjectId],
        counters: Counters,
    ) -> None:
        self._writer = writer
        self._build = build
        self._id_of = id_of
        self._counters = counters
        self._queue: deque[Posted] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def waiting(self) -> float:
        """For how many seconds the oldest of them has waited."""
        return (datetime.now(UTC) - self._queue[0].now).total_seconds() if self._queue else 0.0

    async def post(self, call: AICall | CommonCall) -> TrackReceipt:
        """Accept `call`, or return that it was dropped."""
        if self._closing or len(self._queue) >= MAX_CALLS:
            self._counters.count(DOOR, ReceiptStatus.DROPPED)
            reason = "tracking has been stopped" if self._closing else QUEUE_IS_FULL
            return TrackReceipt(ReceiptStatus.DROPPED, errors=(Fault("", reason),))
        now = datetime.now(UTC)
        posted = Posted(call, now, self._id_of(call, now))
        self._queue.append(posted)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="twinmeter-background")
        if len(self._queue) >= YIELD_FROM:
            await asyncio.sleep(0)
        return TrackReceipt(ReceiptStatus.QUEUED, str(posted.id))

    async def close(self) -> None:
        """Pass everything queued to the writer, for ten seconds at most. What is left is counted as dropped."""
        self._closing = True
        if self._task is None:
            return
        task = self._task
        await asyncio.wait({task}, timeout=CLOSE_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if self._queue:
            self._counters.count(DOOR, ReceiptStatus.DROPPED, len(self._queue))
            log.error("tracking.calls_lost", calls=len(self._queue), reason="they were still queued at the stop")

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
            await asyncio.sleep(0)
        self._task = None
