"""Group commit: the queue between callers and the ledger.

One committer takes everything that has queued and commits it in one transaction; meanwhile the next batch gathers.
Alone, a call commits at once; under load batches grow by themselves. A caller waits no longer than the deadline: its
call stays queued, and its receipt says `unknown`.
"""

import asyncio
from collections import deque
from datetime import timedelta
from itertools import islice

import structlog

from app.telemetry import Counters
from app.tracking.ledger import Ledger, LedgerUnavailableError, Outcome
from app.tracking.receipt import ReceiptStatus
from app.tracking.twins import Pair

log = structlog.get_logger(__name__)

MAX_BATCH = 1_000
MAX_QUEUED = 50_000
"""About 250 MB of calls: what a process holds while MongoDB is away. Later calls are dropped and counted."""
RETRY_SECONDS = 0.25
ATTEMPT_SECONDS = 5.0
"""How long one attempt at a commit may take. The callers' deadline is shorter and does not depend on it."""
DRAIN_SECONDS = 10.0
ALARM_SECONDS = 0.005
"""How much longer than the deadline a caller may wait, so that one timer serves many."""
SECONDS_BETWEEN_WARNINGS = 1.0

_UNKNOWN = Outcome(ReceiptStatus.UNKNOWN)
_DROPPED = Outcome(ReceiptStatus.DROPPED, reason="the queue is full")
_STOPPED = Outcome(ReceiptStatus.DROPPED, reason="tracking has been stopped")

_Waiting = tuple[Pair, "asyncio.Future[Outcome]"]


class Writer:
    """Takes pairs from any number of callers and commits them in batches, in the order of their arrival."""

    def __init__(self, ledger: Ledger, *, deadline: timedelta, counters: Counters) -> None:
        self._ledger = ledger
        self._deadline = deadline.total_seconds()
        self._counters = counters
        self._queue: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._held: deque[tuple[float, asyncio.Future[Outcome]]] = deque()
        """Callers by the time at which they stop waiting; all wait equally long, so the first is always next."""
        self._alarm: asyncio.TimerHandle | None = None
        self._late = 0
        """Callers released by the deadline since the last warning."""
        self._warned_at = 0.0
        self._refused = 0
        """Calls refused since the last warning."""
        self._warned_of_refusals_at = 0.0
        self._closing = False
        self._committer: asyncio.Task[None] | None = None
        # kept, because asking for the running loop asks the system for the process id each time
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        self._committer = asyncio.create_task(self._run(), name="twinmeter-committer")

    @property
    def queued(self) -> int:
        """Calls that wait for a commit."""
        return len(self._queue)

    async def write(self, pair: Pair) -> Outcome:
        """Queue `pair` and wait for its outcome, no longer than the deadline. Never raises but when cancelled."""
        if self._closing or self._committer is None:
            return self._refuse(_STOPPED)
        if len(self._queue) >= MAX_QUEUED:
            return self._refuse(_DROPPED)
        answer: asyncio.Future[Outcome] = self._loop.create_future()
        self._queue.append((pair, answer))
        self._arrived.set()
        self._held.append((self._loop.time() + self._deadline, answer))
        if self._alarm is None:
            self._alarm = self._loop.call_later(self._deadline, self._release_overdue)
        return await answer

    async def close(self) -> None:
        """Refuse new calls and commit what has queued, for ten seconds at most. What is left is counted as dropped."""
        self._closing = True
        self._arrived.set()
        if self._committer is not None:
            await asyncio.wait({self._committer}, timeout=DRAIN_SECONDS)
            self._committer.cancel()
            await asyncio.gather(self._committer, return_exceptions=True)
        if self._alarm is not None:
            self._alarm.cancel()
        self._release_all()

    def _refuse(self, outcome: Outcome) -> Outcome:
        self._counters.count(outcome.status)
        self._refused += 1
        now = self._loop.time()
        if now - self._warned_of_refusals_at >= SECONDS_BETWEEN_WARNINGS:
            log.warning("tracking.dropped", calls=self._refused, reason=outcome.reason)
            self._refused, self._warned_of_refusals_at = 0, now
        return outcome

    async def _run(self) -> None:
        while self._queue or not self._closing:
            if not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            batch = list(islice(self._queue, MAX_BATCH))
            await self._commit(batch)
            # only now: what is cancelled half-way is still in the queue, and is counted at the end
            for _ in batch:
                self._queue.popleft()

    async def _commit(self, batch: list[_Waiting]) -> None:
        pairs = [pair for pair, _ in batch]
        started = self._loop.time()
        attempt = 0
        while True:
            try:
                outcomes = await self._ledger.commit(pairs, seconds=ATTEMPT_SECONDS, again=attempt > 0)
            except LedgerUnavailableError as error:
                attempt += 1
                log.warning("ledger.unavailable", attempt=attempt, queued=len(self._queue), error=str(error)[:200])
                await asyncio.sleep(RETRY_SECONDS)
            except Exception as error:  # a fault of our own must not end the committer for all who follow
                log.exception("ledger.failed", calls=len(batch))
                failed = Outcome(ReceiptStatus.REJECTED, reason=f"internal error: {type(error).__name__}")
                outcomes = [failed] * len(batch)
                break
            else:
                break
        self._report(batch, outcomes, milliseconds=(self._loop.time() - started) * 1000)

    def _report(self, batch: list[_Waiting], outcomes: list[Outcome], *, milliseconds: float) -> None:
        totals: dict[str, int] = {}
        for (_, answer), outcome in zip(batch, outcomes, strict=True):
            totals[outcome.status] = totals.get(outcome.status, 0) + 1
            if not answer.done():
                answer.set_result(outcome)
        for status, calls in totals.items():
            self._counters.count(status, calls)
        log.info("ledger.committed", calls=len(batch), milliseconds=round(milliseconds, 1), **totals)

    def _release_overdue(self) -> None:
        now = self._loop.time()
        while self._held and (self._held[0][1].done() or self._held[0][0] <= now):
            _, answer = self._held.popleft()
            if not answer.done():
                answer.set_result(_UNKNOWN)
                self._counters.count(_UNKNOWN.status)
                self._late += 1
        self._alarm = None
        if self._held:
            self._alarm = self._loop.call_at(max(self._held[0][0], now + ALARM_SECONDS), self._release_overdue)
        if self._late and now - self._warned_at >= SECONDS_BETWEEN_WARNINGS:
            log.warning("tracking.deadline_passed", calls=self._late, deadline_ms=self._deadline * 1000)
            self._late, self._warned_at = 0, now

    def _release_all(self) -> None:
        lost = [answer for _, answer in self._queue]
        self._queue.clear()
        for answer in lost:
            if not answer.done():
                answer.set_result(_STOPPED)
        if lost:
            self._counters.count(ReceiptStatus.DROPPED, len(lost))
            log.error("tracking.calls_lost", calls=len(lost), reason="MongoDB was away while tracking stopped")
