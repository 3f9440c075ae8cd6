"""Delivers what waits in the spool, oldest first, when MongoDB is back and at every start.

What is in a page may be in the ledger already, from a commit whose response was lost or from a replay that was killed:
ids decide, so nothing counts twice. Of several processes with one data folder, the one that holds the lock replays.

Nothing blocks what follows it:
- A row that is no call is set aside as it is.
- A call that meets a fault, and not MongoDB's absence, is passed over. When others were stored in the same pass and it
  fails once more, alone, it is set aside with the reason; while none is stored, all of them stay and are tried again.
- A call that was delivered and cannot be removed, because the disk is full, is remembered and passed over.
- A page that takes too long is made smaller.

Nor does it hold up live calls: while those wait, it takes a quarter of the time, so that it goes on all the same.
"""

import asyncio
import contextlib
import fcntl
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import IO

import pymongo
from bson import ObjectId
from pymongo.errors import PyMongoError

from app.database import Database
from app.database.blocking import OwnThread
from app.database.outages import reason_of
from app.database.session_files import SessionFiles
from app.ledger.ledger import Ledger, LedgerUnavailableError
from app.ledger.outcomes import Outcome, ReceiptStatus
from app.observability.logs import Log
from app.observability.metrics import Counters
from app.observability.troubles import Code, Troubles
from app.spool.breaker import Breaker
from app.spool.journal import Spool, SpoolError
from app.spool.rows import Page, Spooled
from app.spool.salvage import not_salvaged, salvage
from app.spool.spooler import Spooler

log = Log(__name__)

PAGE = 1_000
PRESSED_PAGE = 200
"""While live calls wait."""
ATTEMPT_SECONDS = 5.0
END_SECONDS = 1.0
RETRY_SECONDS = 0.25
"""Between attempts while MongoDB is away, and after the first that met a fault."""
LONGEST_RETRY_SECONDS = 10.0
"""Between attempts that meet faults, after some."""
LOOK_SECONDS = 1.0
"""Between attempts otherwise, for what other processes have spooled."""
REST = 3.0
"""How many times as long as a page has taken it rests while live calls wait."""
SALVAGE_SECONDS = 30.0
"""Between attempts to salvage a damaged file, where one failed."""

Tried = tuple[Spooled, Outcome]


class _Pass:
    """One way through the spool, from the oldest call to the newest."""

    def __init__(self, renewals: int) -> None:
        self.renewals = renewals
        self.after = 0
        """The place up to which it has come."""
        self.stored_any = False
        self.hindered: list[Spooled] = []
        """Calls that met a fault."""


class Replayer:
    """Runs beside the writer, with its own session."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        spooler: Spooler,
        breaker: Breaker,
        sessions: SessionFiles,
        *,
        counters: Counters,
        troubles: Troubles,
        lock: Path,
        pressed: Callable[[], bool],
    ) -> None:
        """`pressed` says whether live calls wait."""
        self._database = database
        self._ledger = ledger
        self._spooler = spooler
        self._breaker = breaker
        self._sessions = sessions
        self._counters = counters
        self._troubles = troubles
        self._lock_path = lock
        self._pressed = pressed
        self._lock: IO[bytes] | None = None
        self._thread = OwnThread("replayer")
        self._pass = _Pass(0)
        self._size = PAGE
        self._delivered: set[ObjectId] = set()
        """What MongoDB has and the disk does not let us remove."""
        self._pause = RETRY_SECONDS
        self._salvage_from = 0.0

    async def run(self) -> None:
        """Replay until cancelled."""
        try:
            while True:
                well = await self._try()
                self._pause = RETRY_SECONDS if well else min(2 * self._pause, LONGEST_RETRY_SECONDS)
                if not well or self._breaker.is_open or self._spooler.depth.calls:
                    await asyncio.sleep(self._pause)
                else:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_SECONDS):
                            await self._spooler.arrived.wait()
                self._spooler.arrived.clear()
        finally:
            self.let_go()

    async def _try(self) -> bool:
        """One attempt. Failures are reported, and retried. Returns whether all was well, or MongoDB is away."""
        try:
            damaged = await self._thread.run(partial(not_salvaged, self._spooler.path))
            if ((await self._spooler.look()).calls or damaged) and self._locked():
                await self._salvage(damaged)
                well = await self._go_on()
                await self._spooler.do(Spool.shrink)
            else:
                self._troubles.gone(Code.DELIVERY)
                well = True
            if self._breaker.is_open and await self._database.answers():
                self._breaker.close()
        except LedgerUnavailableError as error:
            await self._slow_or_away(error)
            await self._clear_the_way()
            return True
        except SpoolError:  # the watch says so
            return False
        except Exception as error:  # noqa: BLE001 - a bug of ours must not let the spool fill up
            self._troubles.report(Code.DELIVERY, reason_of(error), error=error)
            return False
        return well

    async def _go_on(self) -> bool:
        """Go on with the pass, to its end if all is well. Returns that.

        Raises LedgerUnavailableError and SpoolError.
        """
        if self._delivered:
            await self._remove(())
        while (page := await self._next()) is not None:
            started = time.monotonic()
            if not await self._deliver(page):
                return False
            if self._pressed():
                await asyncio.sleep(REST * (time.monotonic() - started))
        if self._pass.stored_any:
            await self._isolate(self._pass.hindered)
        well = self._pass.stored_any or not self._pass.hindered
        self._pass = _Pass(self._pass.renewals)
        if well:
            self._troubles.gone(Code.DELIVERY)
        await self._spooler.look()
        return well and not self._delivered

    async def _next(self) -> Page | None:
        size = min(self._size, PRESSED_PAGE) if self._pressed() else self._size
        rows, renewals = await self._spooler.do(lambda spool: (spool.rows(size, self._pass.after), spool.renewals))
        if renewals == self._pass.renewals:
            # not in the spool's thread: what is to be written there has callers who wait
            return await self._thread.run(partial(Page.of, rows)) if rows else None
        self._pass = _Pass(renewals)
        return await self._next()

    async def _deliver(self, page: Page) -> bool:
        """Deliver what can be delivered. Returns whether to go on: not where every call met a fault."""
        if page.unreadable:
            with contextlib.suppress(SpoolError):  # the disk is full: they are passed over
                await self._spooler.do(lambda spool: spool.set_aside(page.unreadable))
        calls = [each for each in page.calls if each.pair.id not in self._delivered]
        tried = list(zip(calls, await self._committed(calls), strict=True))
        hindered = [(each, outcome) for each, outcome in tried if outcome.fault is not None]
        await self._settle([(each, outcome) for each, outcome in tried if outcome.fault is None])
        self._pass.after = page.last
        self._pass.hindered += [each for each, _ in hindered]
        if hindered:
            reason, fault = hindered[0][1].reason or "", hindered[0][1].fault
            self._troubles.report(Code.DELIVERY, reason, count=len(self._pass.hindered), error=fault)
        self._pass.stored_any |= len(tried) > len(hindered)
        self._size = min(2 * self._size, PAGE)
        return not hindered or len(tried) > len(hindered)

    async def _isolate(self, hindered: Iterable[Spooled]) -> None:
        """Calls that met a fault while others were stored: what fails alone once more is set aside."""
        for each in hindered:
            (outcome,) = await self._committed([each])
            if outcome.fault is not None:
                said = f"{outcome.reason} ({outcome.fault})" if str(outcome.fault) else outcome.reason
                outcome = Outcome(ReceiptStatus.REJECTED, reason=said)
            await self._settle([(each, outcome)])

    async def _committed(self, calls: list[Spooled]) -> list[Outcome]:
        if not calls:
            return []
        outcomes = await self._ledger.commit([each.pair for each in calls], seconds=ATTEMPT_SECONDS, again=True)
        if any(outcome.fault is None for outcome in outcomes):
            self._breaker.close()
        return outcomes

    async def _settle(self, tried: list[Tried]) -> None:
        refused = {}
        for each, outcome in tried:
            if outcome.status is ReceiptStatus.REJECTED:
                log.error("replay.refused", id=str(each.pair.id), reason=outcome.reason)
                refused[each.pair.id] = outcome.reason or ""
            elif outcome.conflicting:
                log.warning("replay.conflicting", id=str(each.pair.id))
        await self._remove([each.pair.id for each, _ in tried if each.pair.id not in refused], refused)
        await self._spooler.look()
        self._counters.replayed(Counter(str(outcome.status) for _, outcome in tried))
        log.info("replay.delivered", calls=len(tried) - len(refused), waiting=self._spooler.depth.calls)

    async def _remove(self, ids: Iterable[ObjectId], refused: dict[ObjectId, str] | None = None) -> None:
        """Remove what MongoDB has from the spool, now or, where the disk is full, later."""
        delivered = [*self._delivered, *ids]
        try:
            await self._spooler.do(lambda spool: spool.settle(delivered, refused or {}))
        except SpoolError as error:
            self._delivered.update(delivered)
            try:
                await self._spooler.do(lambda spool: spool.settle_on_a_full_disk(delivered))
            except SpoolError:
                self._troubles.report(Code.SETTLE, str(error), count=len(self._delivered))
                return
        self._delivered.clear()
        self._troubles.gone(Code.SETTLE)

    async def _salvage(self, damaged: list[Path]) -> None:
        if damaged and time.monotonic() >= self._salvage_from:
            try:
                await self._thread.run(partial(_salvaged, self._spooler.path, self._spooler.max_bytes, damaged))
            except (SpoolError, OSError) as error:
                self._salvage_from = time.monotonic() + SALVAGE_SECONDS
                log.error("spool.not_salvaged", error=str(error))  # noqa: TRY400 - says all there is
            await self._spooler.look()

    async def _slow_or_away(self, error: LedgerUnavailableError) -> None:
        """A page that took too long, while MongoDB answers, is tried in parts; a single call is passed over."""
        if not error.slow or not await self._database.answers():
            self._breaker.open(str(error))
        elif self._size > 1:
            self._size //= 2
        elif (page := await self._spooler.do(lambda spool: spool.page(1, self._pass.after))) is not None:
            self._pass.after = page.last

    async def _clear_the_way(self) -> None:
        """End transactions that would block their ids for a minute: those of ended processes of the folder, and our
        writer's, if MongoDB froze in its middle. The writer has no other: the breaker is open.
        """
        with contextlib.suppress(PyMongoError, OSError), pymongo.timeout(END_SECONDS):
            await self._sessions.end_stale(self._database, own=self._breaker.is_open)

    def _locked(self) -> bool:
        """Whether this process is the one that replays. It stays the one until it ends."""
        if self._lock is not None:
            return True
        file = self._lock_path.open("wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._lock = file
        return True

    def let_go(self) -> None:
        """Let another process replay. In a forked child its parent still does."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _salvaged(path: Path, max_bytes: int, damaged: Iterable[Path]) -> None:
    """With a connection of its own, so that nobody who spools waits for it. Raises SpoolError and OSError."""
    spool = Spool(path, max_bytes)
    try:
        for file in damaged:
            salvage(file, spool)
    finally:
        spool.close()
