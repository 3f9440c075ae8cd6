"""Group commit: the queue between callers and the ledger.

One committer takes everything that has queued and commits it in one transaction; meanwhile the next batch gathers.
Alone, a call commits at once; under load batches grow by themselves. What MongoDB has not committed when most of a
caller's deadline is over goes to the spool, and so does all that follows, until MongoDB is back.

A call's way, and what a failure leaves behind at each step:
1. `write` queues it. Where the queue is full or closing, it is refused with its reason: nothing is stored.
2. The committer takes a batch. What waits in the spool already stands: the later one is its duplicate.
3. The ledger commits the batch. Where MongoDB is away, the whole batch and the queue go to the spooler, which journals
   them with what they are: ids decide later what had been committed all the same. Those that meet another fault go
   there too, and the breaker stays closed: the replayer finds out whether they or all are at fault.
4. Callers are told. One whose call was not committed in time is told `spooled` by the journal, or `unknown` at its
   deadline; the call goes on, and what becomes of it later changes nothing that its caller was told.
5. At the stop `drain` commits what has queued, and `close` spools what is left; what the disk does not take is counted.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

from app.database.outages import reason_of
from app.errors import OverloadedError
from app.ledger.ledger import Ledger, LedgerUnavailableError
from app.ledger.outcomes import Outcome, ReceiptStatus
from app.ledger.twins import Pair
from app.observability.logs import Log
from app.observability.metrics import Counters
from app.observability.troubles import Code, Troubles
from app.spool.breaker import Breaker
from app.spool.journal import SpoolError
from app.spool.spooler import Spooler
from app.spool.waiting import Waiting, settle_all

log = Log(__name__)

MAX_BATCH = 1_000
MAX_QUEUED = 50_000
"""About 250 MB of calls: what a process holds in memory. Later ones are dropped and counted."""
PATIENCE = 0.7
"""The share of a caller's deadline after which its call goes to the spool; the rest is for the disk."""
ATTEMPT_SECONDS = 5.0
"""How long one attempt at a commit may take. The callers' deadline is shorter and does not depend on it."""
DRAIN_SECONDS = 10.0
ALARM_SECONDS = 0.005
"""How much longer than the deadline a caller may wait, so that one timer serves many."""
SECONDS_BETWEEN_WARNINGS = 1.0
QUEUE_IS_FULL = "the queue is full"

_LATE = Outcome(ReceiptStatus.UNKNOWN, reason="the deadline passed first")
_FULL = Outcome(ReceiptStatus.DROPPED, reason=QUEUE_IS_FULL)
_STOPPED = Outcome(ReceiptStatus.DROPPED, reason="tracking has been stopped")


class Writer:
    """Takes pairs from any number of callers and commits them in batches, in the order of their arrival."""

    def __init__(
        self,
        ledger: Ledger,
        spooler: Spooler,
        breaker: Breaker,
        *,
        answers: Callable[[], Awaitable[bool]],
        deadline: timedelta,
        counters: Counters,
        troubles: Troubles,
    ) -> None:
        """`answers` says whether MongoDB does."""
        self.spooler = spooler
        self.breaker = breaker
        self._ledger = ledger
        self._deadline = deadline.total_seconds()
        self._patience = self._deadline * PATIENCE
        self._answers = answers
        self._asking: asyncio.Task[None] | None = None
        self._counters = counters
        self._troubles = troubles
        self._queue: deque[Waiting] = deque()
        self._batch: list[Waiting] = []
        """What is being committed."""
        self._arrived = asyncio.Event()
        self._late: deque[Waiting] = deque()
        """Calls given to the spooler, whose callers are released at their deadline; the first is always next."""
        self._alarm: asyncio.TimerHandle | None = None
        self._refused = 0
        """Calls refused since the last warning."""
        self._warned_at = 0.0
        self._closing = False
        self._committer: asyncio.Task[None] | None = None
        # kept, because asking for the running loop asks the system for the process id each time
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        self._committer = asyncio.create_task(self._run(), name="twinmeter-committer")

    @property
    def queued(self) -> int:
        """Calls in memory that wait for a commit or for the disk."""
        return len(self._queue) + len(self._batch) + self.spooler.pending

    @property
    def waiting(self) -> float:
        """For how many seconds the oldest of them has waited."""
        oldest = [calls[0].since for calls in (self._queue, self._batch) if calls]
        oldest += [] if self.spooler.first is None else [self.spooler.first.since]
        return self._loop.time() - min(oldest) if oldest else 0.0

    @property
    def room(self) -> int:
        """How many more calls the queue accepts."""
        return MAX_QUEUED - self.queued

    def admit(self, sender: str, calls: int, within: float) -> None:  # noqa: ARG002 - for what is to come
        """Raises OverloadedError where so many calls of a sender could not be committed within so many seconds."""
        if self.room < calls:
            raise OverloadedError(1.0)

    def write(
        self,
        pair: Pair,
        door: str,
        sender: str = "",  # noqa: ARG002
        within: float | None = None,  # noqa: ARG002
    ) -> "asyncio.Future[Outcome]":
        """Queue `pair`. Its outcome is there by the deadline at the latest; nothing is ever raised."""
        answer: asyncio.Future[Outcome] = self._loop.create_future()
        self._take(Waiting(pair, door, self._loop.time(), answer))
        return answer

    def post(self, pair: Pair, door: str) -> None:
        """Queue `pair`, for which nobody waits."""
        self._take(Waiting(pair, door, self._loop.time(), None))

    async def has_room(self) -> None:
        """Wait until the queue accepts another call."""
        while self.room <= 0:
            self.spooler.left.clear()
            await self.spooler.left.wait()

    async def drain(self) -> None:
        """Refuse new calls and commit what has queued, for ten seconds at most."""
        self._closing = True
        self._arrived.set()
        if self._committer is not None:
            await asyncio.wait({self._committer}, timeout=DRAIN_SECONDS)

    async def close(self) -> None:
        """Spool what could not be committed. To be called after `drain`."""
        if self._committer is not None:
            self._committer.cancel()
            await asyncio.gather(self._committer, return_exceptions=True)
        self._spool([*self._batch, *self._queue])
        self._queue.clear()
        await self.spooler.close()
        if self._alarm is not None:
            self._alarm.cancel()
        if self._asking is not None:
            self._asking.cancel()

    def _take(self, call: Waiting) -> None:
        if self._closing or self._committer is None:
            self._refuse(call, _STOPPED)
        elif self.room <= 0:
            self._refuse(call, _FULL)
        elif self.breaker.is_open:
            self._spool([call])
        else:
            self._queue.append(call)
            self._arrived.set()
            if self._alarm is None:
                self._alarm = self._loop.call_later(self._patience, self._look_for_late_calls)

    def _refuse(self, call: Waiting, outcome: Outcome) -> None:
        self._tell([(call, outcome)])
        self._refused += 1
        now = self._loop.time()
        if now - self._warned_at >= SECONDS_BETWEEN_WARNINGS:
            log.warning("tracking.dropped", calls=self._refused, reason=outcome.reason)
            self._refused, self._warned_at = 0, now

    async def _run(self) -> None:
        while self._queue or not self._closing:
            if not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            self._batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]
            try:
                if batch := await self._not_spooled(self._batch):
                    await self._commit(batch)
            except LedgerUnavailableError as error:
                self.breaker.open(str(error))
                self._spool([*self._batch, *self._queue])
                self._queue.clear()
            except Exception as error:  # noqa: BLE001 - a bug of ours must not end the committer for all that follow
                self._troubles.report(Code.COMMIT, reason_of(error), count=len(self._batch), error=error)
                self._spool(self._batch)
            # only now: what is cancelled half-way is spooled at the end
            self._batch = []
            self.spooler.left.set()

    async def _not_spooled(self, batch: list[Waiting]) -> list[Waiting]:
        """What is to be committed of `batch`: a request that waits in the spool was there first, and stands."""
        if not self.spooler.depth.calls:
            return batch
        try:
            known = await self.spooler.waiting_here([id_ for call in batch for id_ in call.pair.ids])
        except SpoolError:  # which the watch reports; then the ledger alone decides which was first
            return batch
        waiting = {id_: pair.entry for id_, pair in known.items()}
        first = [call.pair.first_in(waiting) for call in batch]
        self._tell(
            (call, Outcome.duplicate(call.pair, entry))
            for call, entry in zip(batch, first, strict=True)
            if entry is not None and not call.spooling
        )
        return [call for call, entry in zip(batch, first, strict=True) if entry is None]

    async def _commit(self, batch: list[Waiting]) -> None:
        for call in batch:
            call.offered = True
        started = self._loop.time()
        outcomes = await self._ledger.commit([call.pair for call in batch], seconds=ATTEMPT_SECONDS)
        seconds = self._loop.time() - started
        if hindered := [(call, outcome) for call, outcome in zip(batch, outcomes, strict=True) if outcome.fault]:
            self._troubles.report(
                Code.COMMIT, hindered[0][1].reason or "", count=len(hindered), error=hindered[0][1].fault
            )
            self._spool([call for call, _ in hindered])
        else:
            self._troubles.gone(Code.COMMIT)
        if not (stored := len(batch) - len(hindered)):
            return
        self.breaker.close()
        told = settle_all(pair for pair in zip(batch, outcomes, strict=True) if pair[1].fault is None)
        self._counters.count_told(told)
        self._counters.committed(stored, seconds)
        statuses = {f"{door}.{status}": calls for (door, status), calls in told.items()}
        log.info("ledger.committed", calls=stored, milliseconds=round(seconds * 1000, 1), **statuses)

    def _look_for_late_calls(self) -> None:
        now = self._loop.time()
        late = [call for call in self._uncommitted() if call.since + self._patience <= now]
        while self._queue and self._queue[0].since + self._patience <= now:
            late.append(self._queue.popleft())
        if late:
            self._spool(late)
            if self._asking is None and not self.breaker.is_open:
                self._asking = asyncio.create_task(self._open_if_away(), name="twinmeter-asking")
        while self._late and (self._late[0].settled or self._late[0].since + self._deadline <= now):
            self._tell([(self._late.popleft(), _LATE)])
        self._set_alarm(now)

    async def _open_if_away(self) -> None:
        """A late commit may only be a large one of one client: nobody else's calls go straight to the spool for it."""
        if not await self._answers():
            self.breaker.open("no commit within the callers' deadline, and no answer")
        self._asking = None

    def _set_alarm(self, now: float) -> None:
        """For the next call to reach its patience or its deadline."""
        due = [call.since + self._patience for call in self._uncommitted()[:1]]
        due += [self._queue[0].since + self._patience] if self._queue else []
        due += [self._late[0].since + self._deadline] if self._late else []
        self._alarm = None
        if due:
            self._alarm = self._loop.call_at(max(min(due), now + ALARM_SECONDS), self._look_for_late_calls)

    def _uncommitted(self) -> list[Waiting]:
        """What is being committed and is nowhere else yet."""
        return [call for call in self._batch if not (call.settled or call.spooling)]

    def _spool(self, calls: list[Waiting]) -> None:
        new = [call for call in calls if not (call.settled or call.spooling)]
        self.spooler.take(new)
        self._late.extend(call for call in new if call.answer is not None)
        if self._late and self._alarm is None:
            self._set_alarm(self._loop.time())

    def _tell(self, outcomes: Iterable[tuple[Waiting, Outcome]]) -> None:
        self._counters.count_told(settle_all(outcomes))
