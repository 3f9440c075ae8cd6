"""The tracker: from what a caller reports to a receipt. It never raises into its caller."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from bson import ObjectId
from cachetools import LRUCache
from pydantic import ValidationError

from app.ledger.common import CommonCall, by_own_names
from app.ledger.ledger import Commits
from app.ledger.outcomes import Outcome, ReceiptStatus
from app.ledger.recording import Recorded, Recorder
from app.ledger.settlements import Settlements
from app.ledger.twins import Pair
from app.limits import Limits
from app.observability.logs import Log
from app.observability.metrics import Counters
from app.observability.troubles import Trouble, Troubles
from app.pricing.costs import Cost
from app.pricing.price_book import PriceBook
from app.process import in_turns, taken
from app.spool.spooler import SpoolStanding
from app.spool.watch import Watch
from app.tracking.asking import Asking
from app.tracking.background import DOOR as BACKGROUND
from app.tracking.background import Background, Posted
from app.tracking.elsewhere import FUNCTION, Elsewhere, client_of
from app.tracking.home import Home
from app.tracking.intake import Intake, Place
from app.tracking.life import Life
from app.tracking.receipt import Flushed, TrackReceipt, receipt_of
from app.tracking.refusals import Refusals
from app.tracking.writer import Writer
from models import CostSource
from models.call import DEFAULT_CLIENT, AICall
from models.faults import Fault, faults_of

log = Log(__name__)

Call = AICall | CommonCall
"""A valid one."""
_Queued = tuple[Pair, Cost, "asyncio.Future[Outcome]"]

MOST_REASONS = 1_000
"""Why calls had no price, that are in the log already: later ones make room for others."""


class TrackingStanding(NamedTuple):
    """The status of the calls that a process has accepted."""

    queued: int
    """In memory."""
    room: int
    """How many more it accepts."""
    away_seconds: float | None
    """For how long calls have gone to the spool; None while MongoDB accepts them."""
    spool: SpoolStanding
    troubles: list[Trouble]


class Tracker:
    """Validates, maps, prices and writes calls. One of a server; an application may have several.

    `track`, `post` and `flush` may be called from any thread and event loop, all else on its own loop.
    """

    life: Life
    """What the write path knows of it, which is made after it."""
    beside: object = None
    """What was opened with it, which an exit without an end is not to take apart."""
    asking: Asking | None = None
    """Who is asked before calls are made; see `enforce`."""

    def __init__(
        self,
        *,
        deadline: timedelta,
        writer: Writer,
        recorder: Recorder,
        price_book: PriceBook,
        refusals: Refusals,
        watch: Watch,
        counters: Counters,
        troubles: Troubles,
        settlements: Sequence[Settlements],
        commits: Commits,
    ) -> None:
        self.writer = writer
        self._commits = commits
        self.price_book = price_book
        self.counters = counters
        self.troubles = troubles
        self._recorder = recorder
        self._refusals = refusals
        self._watch = watch
        self._settlements = settlements
        self._told_reasons: LRUCache[str, bool] = LRUCache(MOST_REASONS)
        self.home = Home()
        self.intake = Intake(writer.admission, asyncio.get_running_loop())
        self.background = Background(self.home, writer, self._build, recorder.id_of, counters)
        self._deadline = deadline.total_seconds()
        self.elsewhere = Elsewhere(self, self._deadline)
        # bound once: an event at a level that is off then costs a fraction of a microsecond
        self._log = Log(__name__, bound=True)

    def enforce(self, limits: Limits) -> None:
        """Let callers ask these limits, and calls settle what they were given."""
        self.asking = Asking(self._recorder, limits, self._deadline)
        limits.spool_waits = lambda: self.spool_waits
        self._commits.listen(limits.fold.wake)
        self._commits.count = lambda: not limits.definitions.never_any
        for settlements in self._settlements:
            settlements.leased = limits.leases

    @property
    def spool_waits(self) -> bool:
        """Whether calls wait on disk, or for it."""
        return self.writer.spooler.pending > 0 or self.writer.spooler.depth.calls > 0

    async def track(self, **reported: Any) -> TrackReceipt:
        """Report one call by the fields of `AICall`. What cannot be stored comes back `rejected`, with its faults."""
        if not self.home.is_here:
            return await self.elsewhere.track(reported)
        if isinstance(call := self._validated(reported, FUNCTION), TrackReceipt):
            return call
        queued = self._queued(call, FUNCTION, by_user=False, key_id=None, sender="", within=None)
        del call, reported
        return await self._told(queued, FUNCTION)

    async def post(self, **reported: Any) -> TrackReceipt:
        """The same without any wait: the receipt says `queued`, and the outcome is only counted."""
        if not self.home.is_here:
            return await self.elsewhere.post(reported)
        call = self._validated(reported, BACKGROUND)
        return call if isinstance(call, TrackReceipt) else await self.background.post(call)

    async def flush(self, seconds: float = 5.0) -> Flushed:
        """Wait until all that was reported before is committed or spooled, for so many seconds at most."""
        return await (self.life if self.home.is_here else self.elsewhere).flush(seconds)

    def _validated(self, reported: dict[str, Any], door: str) -> Call | TrackReceipt:
        try:
            return self._recorder.common(reported) or AICall.model_validate(reported)
        except ValidationError as error:
            return self.rejected(faults_of(error), door, client_of(reported))
        except Exception as error:  # noqa: BLE001 - the promise: tracking never raises into an AI endpoint
            return self.failed(error, door)

    def admit(self, sender: str, calls: int, within: float) -> None:
        """Ask, before anything of a request is handled, whether so many calls of a sender can be committed within so
        many seconds. Raises OverloadedError.
        """
        self.writer.admission.admit(sender, calls, within)

    def accepts(self, sender: str, calls: int, within: float) -> bool:
        """Whether `admit` would let them in, where somebody else is asked next: nothing is counted."""
        return self.writer.admission.accepts(sender, calls, within)

    def common(self, reported: Mapping[str, Any]) -> CommonCall | None:
        """The call with these fields of `AICall`, where it is of the common shape and known to be valid; else `AICall`
        decides.
        """
        return self._recorder.common(reported)

    def common_sent(self, sent: Mapping[str, Any]) -> CommonCall | None:
        """The same for fields by their names over HTTP."""
        reported = by_own_names(sent)
        return None if reported is None else self._recorder.common(reported)

    def common_span(self, fields: Mapping[str, Any]) -> CommonCall | None:
        """The same for a span's fields of `AICall`; in any thread."""
        return self._recorder.common_span(fields)

    def new_id(self, client_id: str, request_id: str | None) -> ObjectId:
        """What the entry of a call will be that is reported later: for who has to name it before."""
        return self._recorder.new_id(client_id, request_id)

    async def track_call(
        self,
        call: Call,
        door: str,
        *,
        by_user: bool = False,
        key_id: str | None = None,
        sender: str = "",
        within: float | None = None,
        entry_id: ObjectId | None = None,
    ) -> TrackReceipt:
        """Report one validated call. `door` is its ingest channel, for the counters.

        `by_user` says that the call's own user reports it, with a token of theirs: its request id is then theirs alone.
        `key_id` names the API key that reports it.
        `entry_id` is what `new_id` said that the entry will be.
        `sender` is who is queued fairly, and `within` for how many seconds it waits; None for the deadline in process.
        """
        queued = self._queued(
            call, door, by_user=by_user, key_id=key_id, sender=sender, within=within, entry_id=entry_id
        )
        del call  # under load many calls wait at once: what a waiting one no longer needs is released
        return await self._told(queued, door)

    async def track_calls(
        self,
        calls: Sequence[Call],
        door: str,
        *,
        by_user: bool = False,
        key_id: str | None = None,
        place: Place | None = None,
    ) -> list[TrackReceipt]:
        """Report many validated calls, for which `place` was kept. Receipts are in the same order."""
        if place is None:
            queued = [
                self._queued(call, door, by_user=by_user, key_id=key_id, sender="", within=None)
                async for call in in_turns(calls)
            ]
        else:
            queued, within = [], place.seconds
            async for call in in_turns(calls):
                place.enters()
                queued.append(
                    self._queued(call, door, by_user=by_user, key_id=key_id, sender=place.sender, within=within)
                )
            place.leave()
        return [await self._told(each, door) async for each in in_turns(taken(queued))]

    def _queued(
        self,
        call: Call,
        door: str,
        *,
        by_user: bool,
        key_id: str | None,
        sender: str,
        within: float | None,
        entry_id: ObjectId | None = None,
    ) -> _Queued | TrackReceipt:
        try:
            now = datetime.now(UTC)
            pair, cost = self._recorded(call, now, entry_id, by_user=by_user, key_id=key_id)
            self._refusals.note_late(call, door)
            return pair, cost, self.writer.write(pair, door, sender, within)
        except Exception as error:  # noqa: BLE001 - as above
            return self.failed(error, door)

    async def _told(self, queued: _Queued | TrackReceipt, door: str) -> TrackReceipt:
        if isinstance(queued, TrackReceipt):
            return queued
        pair, cost, answer = queued
        try:
            outcome = await answer
            cached = cost.source is CostSource.CACHED
            status, feature = outcome.status, pair.feature
            self._log.debug("call.tracked", status=status, feature=feature, cost=cost.cost, cached=cached)
            return receipt_of(pair, cost, outcome)
        except Exception as error:  # noqa: BLE001 - as above
            return self.failed(error, door)

    @property
    def room(self) -> int:
        """How many more calls this process accepts now."""
        return self.writer.admission.room

    async def standing(self) -> TrackingStanding:
        """What waits in this process and in its spool, and whether MongoDB accepts it."""
        spool = await self._watch.look()
        return TrackingStanding(
            self.writer.queued, self.room, self.writer.breaker.seconds, spool, self.troubles.current
        )

    def waiting(self) -> float:
        """For how many seconds the oldest call in memory has waited."""
        return max(self.writer.waiting, self.background.waiting)

    def rejected(self, faults: Sequence[Fault], door: str, client: str | None = None) -> TrackReceipt:
        """The receipt of a report that is not a valid call, which is counted by reason; `client` is whose it is."""
        self.counters.count(door, ReceiptStatus.REJECTED)
        self._refusals.count(client or DEFAULT_CLIENT, door, faults)
        self._log.warning("tracking.rejected", errors=[f"{field}: {message}" for field, message in faults])
        return TrackReceipt(ReceiptStatus.REJECTED, errors=tuple(faults))

    def _recorded(
        self,
        call: Call,
        now: datetime,
        entry_id: ObjectId | None = None,
        *,
        by_user: bool = False,
        key_id: str | None = None,
    ) -> Recorded:
        recorded = self._recorder.record(call, now, entry_id=entry_id, by_user=by_user, key_id=key_id)
        if recorded.cost.cost is None:
            self.counters.unpriced.inc()
            self._tell_once(recorded.cost.unpriced_reason or "")
        return recorded

    def _tell_once(self, reason: str) -> None:
        """Why calls have no price, in the log: each reason once, as long as it is remembered."""
        if reason not in self._told_reasons:
            log.warning("call.unpriced", reason=reason)
        self._told_reasons[reason] = True

    def _build(self, posted: Posted) -> Pair:
        self._refusals.note_late(posted.call, BACKGROUND)
        return self._recorded(*posted).pair

    def failed(self, error: Exception, door: str) -> TrackReceipt:
        """An unforeseen error is logged for us, not raised to the caller."""
        self._log.error("tracking.failed", exc_info=error)
        self.counters.count(door, "failed")
        return TrackReceipt(ReceiptStatus.DROPPED, errors=(Fault("", f"internal error: {type(error).__name__}"),))
