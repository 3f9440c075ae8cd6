"""Group commit: the queue between callers and the ledger.

One committer takes what has queued, from all senders in turn, and commits it in one transaction; meanwhile the next
batch gathers. Alone, a call commits at once (`arrivals.py`); under load batches grow, up to what takes 60 ms. Whoever
reports little waits for none of those: see `beside.py`.

A long queue of ours is no outage. Whoever waits has a deadline: what cannot be committed before it goes to the spool,
and it alone. Everything goes there only while MongoDB is away: it failed, or answers no ping.

A call's way, and what a failure leaves behind at each step:
1. `write` queues it. Where there is no room, or the queue is closing, it is refused with its reason: nothing is stored.
   Where it would be committed too late, it waits beside the queue, so that none that can be in time is late for it.
2. The committer takes a batch. What waits in the spool already stands: the later one is its duplicate.
3. The ledger commits the batch. Where MongoDB is away, the whole batch and the queue go to the spooler, which journals
   them with what they are: ids decide later what had been committed all the same. Where it answers, but the batch took
   too long, the batch is committed again in halves. Those that meet another fault go to the spooler, and the breaker
   stays closed: the replayer finds out whether they or all are at fault.
4. Callers are told. One whose call was not committed in time is told `spooled` by the journal, or `unknown` at its
   deadline; the call goes on, and what becomes of it later changes nothing that its caller was told.
5. At the stop `drain` commits what has queued, and `close` spools what is left; what the disk does not take is counted.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import partial

from bson import ObjectId

from app.database.outages import reason_of
from app.ledger.ledger import Ledger, LedgerUnavailableError
from app.ledger.outcomes import Outcome, ReceiptStatus
from app.ledger.twins import Pair
from app.observability.logs import Log
from app.observability.metrics import Counters
from app.observability.troubles import Code, Troubles
from app.spool.breaker import Breaker
from app.spool.spooler import Spooler
from app.spool.waiting import Waiting, settle_all
from app.tracking.admission import Admission, OnceASecond, seconds_to_commit
from app.tracking.arrivals import Arrivals
from app.tracking.batches import Batches
from app.tracking.beside import Beside
from app.tracking.deadlines import ALARM_SECONDS, LATE, Alarm, Spooling
from app.tracking.fair_queue import FairQueue
from app.tracking.home import STOPPED
from app.tracking.not_spooled import NotSpooled
from app.tracking.pace import Pace
from app.tracking.presence import Presence

log = Log(__name__)

POSTED_SECONDS = 10.0
"""How long a call for which nobody waits may wait in memory."""
ATTEMPT_SECONDS = 5.0
"""How long one attempt at a commit may take. The callers' deadlines do not depend on it."""
PRESSED_SECONDS = 0.1
"""Where a call waits for so long, those of the spool come after it."""
DRAIN_SECONDS = 10.0
QUEUE_IS_FULL = "the queue is full"

_FULL = Outcome(ReceiptStatus.DROPPED, reason=QUEUE_IS_FULL)
_STOPPED = Outcome(ReceiptStatus.DROPPED, reason=STOPPED)


class Writer:
    """Takes pairs from any number of callers and commits them in batches: each sender's in the order of arrival."""

    def __init__(
        self,
        ledger: Ledger,
        beside: Ledger | None,
        spooler: Spooler,
        breaker: Breaker,
        *,
        answers: Callable[[], Awaitable[bool]],
        is_fresh: Callable[[ObjectId], bool],
        deadline: timedelta,
        counters: Counters,
        troubles: Troubles,
    ) -> None:
        """`beside` is for short commits beside a long one; None where the server has no transactions, without which two
        would be in each other's way. `answers` says whether MongoDB does; `is_fresh` whether nobody can have reported a
        call with this id before; `deadline` is that of callers who name none.
        """
        # kept, because asking for the running loop asks the system for the process id each time
        self._loop = asyncio.get_running_loop()
        self.spooler = spooler
        self.breaker = breaker
        self._ledger = ledger
        self._deadline = deadline.total_seconds()
        self._to_commit = seconds_to_commit(self._deadline)
        self._answers = answers
        self._not_spooled = NotSpooled(spooler, is_fresh, self._tell)
        self._counters = counters
        self._troubles = troubles
        self._queue = FairQueue()
        self._pace = Pace()
        self.admission = Admission(self._queue, self._pace, counters, lambda: self.queued, self._loop.time)
        self._arrivals = Arrivals(self._loop, self._queue)
        self._batches = Batches(self._queue, self._pace)
        commit_beside = None if beside is None else partial(self._commit_beside, beside)
        self._beside = Beside(self._queue, commit_beside, self._arrivals.look_again)
        self._spooling = Spooling(spooler)
        self._alarm = Alarm(self._loop, self._look_for_late_calls)
        self.presence = Presence(answers, self._open)
        self._warning = OnceASecond("tracking.dropped", self._loop.time)
        self._closing = False
        self._committer: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._committer = asyncio.create_task(self._run(), name="twinmeter-committer")

    @property
    def queued(self) -> int:
        """Calls in memory that wait for a commit or for the disk."""
        in_queue = len(self._queue) + len(self._queue.in_vain)
        return in_queue + len(self._batches) + len(self._beside) + self.spooler.pending

    @property
    def in_memory(self) -> list[Waiting]:
        """They."""
        taken = [*self._batches.calls, *self._beside.current, *self.spooler.waiting]
        return [*taken, *self._queue, *self._queue.in_vain]

    @property
    def waiting(self) -> float:
        """For how many seconds the oldest of them has waited."""
        spooled = (call.since for call in self.spooler.waiting[:1])
        oldest = min(self._queue.since, self._batches.since, *spooled)
        return max(0.0, self._loop.time() - oldest)

    def write(self, pair: Pair, door: str, sender: str = "", within: float | None = None) -> "asyncio.Future[Outcome]":
        """Queue `pair`, whose sender waits for so many seconds; None for the deadline. Its outcome is there by then;
        nothing is ever raised.
        """
        now, answer = self._loop.time(), self._loop.create_future()
        if within is None:
            call = Waiting(pair, door, sender, now, now + self._to_commit, now + self._deadline, answer)
        else:
            call = Waiting(pair, door, sender, now, now + seconds_to_commit(within), now + within, answer)
        self._take(call, may_be_in_vain=within is None)
        return answer

    def post(self, pair: Pair, door: str) -> None:
        """Queue `pair`, for which nobody waits."""
        now = self._loop.time()
        self._take(Waiting(pair, door, door, now, now + POSTED_SECONDS, math.inf, None), may_be_in_vain=False)

    @property
    def is_pressed(self) -> bool:
        """Whether calls wait longer than usual, whoever sends them, or in vain."""
        return bool(self._queue.in_vain) or self.admission.backlog > PRESSED_SECONDS

    async def has_room(self, sender: str) -> None:
        """Wait until the queue accepts another call of a sender."""
        while not self.admission.holds(sender):
            self.spooler.left.clear()
            await self.spooler.left.wait()

    async def drain(self) -> None:
        """Refuse new calls and commit what has queued, for ten seconds at most."""
        self._closing = True
        self._arrivals.end()
        if self._committer is not None:
            await asyncio.wait({self._committer}, timeout=DRAIN_SECONDS)
        await self._beside.end(ATTEMPT_SECONDS)

    async def close(self) -> None:
        """Spool what could not be committed. To be called after `drain`."""
        if self._committer is not None:
            self._committer.cancel()
            await asyncio.gather(self._committer, return_exceptions=True)
        await self._beside.stop()
        self._spool_everything()
        await self.spooler.close()
        self._alarm.stop()
        self.presence.stop()

    def leave(self) -> list[Waiting]:
        """Refuse new calls and commit none of those in memory, which are returned: nobody waits for `drain`."""
        self._closing = True
        if self._committer is not None:
            self._committer.cancel()
        self._beside.cancel()
        self._alarm.stop()
        self.presence.stop()
        return self.in_memory

    def _take(self, call: Waiting, *, may_be_in_vain: bool) -> None:
        if self._closing or self._committer is None:
            self._refuse(call, _STOPPED)
        elif not self.admission.holds(call.sender):
            self._refuse(call, _FULL)
        elif self.breaker.is_open:
            self._spool([call])
        elif may_be_in_vain and self.admission.is_in_vain(call):
            self._queue.in_vain.append(call)
            self._alarm.set(call.spool_at)
        else:
            self._queue.put(call)
            self._arrivals.came()
            self._alarm.set(call.spool_at)
            self._beside.look(call.sender)

    def _refuse(self, call: Waiting, outcome: Outcome) -> None:
        self._tell([(call, outcome)])
        self._warning.warn(1, reason=outcome.reason)

    async def _run(self) -> None:
        while self._batches.waits or len(self._queue) or not self._closing:
            if not self._batches.waits:
                await self._arrivals.one()
            await self._arrivals.company()
            if not self._batches.waits:
                continue
            started = self._loop.time()
            again = self._batches.take()
            current = self._batches.current
            self.admission.busy(started, len(current))
            self.presence.begins(started)
            self._alarm.set(self.presence.due)
            try:
                if batch := await self._not_spooled.among(current):
                    seconds = await self._commit(self._ledger, batch, again=again)
                    if seconds is not None:
                        self._arrivals.answered(len(batch))
                        self._batches.committed(seconds)
                        self._pace.note(len(batch), self._loop.time() - started)
            except LedgerUnavailableError as error:
                await self._slow_or_away(error)
            except Exception as error:  # noqa: BLE001 - a bug of ours must not end the committer for all that follow
                self._troubles.report(Code.COMMIT, reason_of(error), count=len(current), error=error)
                self._spool(current)
            # only now: what is cancelled half-way is spooled at the end
            self._batches.end()
            self.presence.ends()
            self.admission.idle()
            self.spooler.left.set()

    async def _commit_beside(self, ledger: Ledger, calls: list[Waiting]) -> None:
        try:
            if batch := await self._not_spooled.among(calls):
                await self._commit(ledger, batch, again=False)
        except LedgerUnavailableError as error:
            if error.slow and await self._answers():
                self._spool(calls)
            else:
                self._open(str(error))
        except Exception as error:  # noqa: BLE001 - as above
            self._troubles.report(Code.COMMIT, reason_of(error), count=len(calls), error=error)
            self._spool(calls)
        self.spooler.left.set()

    async def _commit(self, ledger: Ledger, batch: list[Waiting], *, again: bool) -> float | None:
        """Returns the seconds that it took; None where nothing was stored."""
        for call in batch:
            call.offered = True
        offered = self._loop.time()
        outcomes = await ledger.commit([call.pair for call in batch], seconds=ATTEMPT_SECONDS, again=again)
        seconds = self._loop.time() - offered
        if hindered := [(call, outcome) for call, outcome in zip(batch, outcomes, strict=True) if outcome.fault]:
            reason, fault = hindered[0][1].reason or "", hindered[0][1].fault
            self._troubles.report(Code.COMMIT, reason, count=len(hindered), error=fault)
            self._spool([call for call, _ in hindered])
        else:
            self._troubles.gone(Code.COMMIT)
        if not (stored := len(batch) - len(hindered)):
            return None
        self.breaker.close()
        self.presence.committed()
        told = settle_all(pair for pair in zip(batch, outcomes, strict=True) if pair[1].fault is None)
        self._counters.count_told(told)
        self._counters.committed(stored, seconds)
        statuses = {f"{door}.{status}": calls for (door, status), calls in told.items()}
        log.info("ledger.committed", calls=stored, milliseconds=round(seconds * 1000, 1), **statuses)
        return seconds

    async def _slow_or_away(self, error: LedgerUnavailableError) -> None:
        """A batch that took too long, while MongoDB answers, is committed again in halves; one call goes to the spool,
        which is delivered beside the others.
        """
        if not error.slow or not await self._answers():
            self._open(str(error))
        elif (calls := len(self._batches.current)) == 1:
            self._spool(self._batches.current)
        else:
            self._pace.note(calls, ATTEMPT_SECONDS)
            self._batches.halve()

    def _look_for_late_calls(self, now: float) -> None:
        late = [*self._batches.overdue(now), *self._beside.overdue(now), *self._queue.take_late(now)]
        self._spool(late)
        if not self.breaker.is_open and (now >= self.presence.due or any(call.offered for call in late)):
            self.presence.ask(now)
        self._tell((call, LATE) for call in self._spooling.late(now))
        self._set_alarm(now)

    def _set_alarm(self, now: float) -> None:
        due = [self._batches.due, self._beside.due, self._queue.due, self._spooling.due(now)]
        due += [] if self.breaker.is_open else [self.presence.due]
        if (earliest := min(due)) < math.inf:
            self._alarm.set(max(earliest, now + ALARM_SECONDS))

    def _open(self, reason: str) -> None:
        """MongoDB is away: what waits for it goes to the spool."""
        self.breaker.open(reason)
        self._spool_everything()

    def _spool_everything(self) -> None:
        self._spool([*self._batches.give_up(), *self._beside.current, *self._queue.take_all()])

    def _spool(self, calls: list[Waiting]) -> None:
        new = [call for call in calls if call.is_open]
        self.spooler.take(new)
        self._spooling.add(new)
        now = self._loop.time()
        self._alarm.set(max(self._spooling.due(now), now + ALARM_SECONDS))

    def _tell(self, outcomes: Iterable[tuple[Waiting, Outcome]]) -> None:
        self._counters.count_told(settle_all(outcomes))
