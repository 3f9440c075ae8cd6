"""Delivers what waits in the spool, oldest first, when MongoDB is back and at every start.

What is in a page may be in the ledger already, from a commit whose response was lost or from a replay that was killed:
ids decide, so nothing counts twice. Of several processes with one data folder, the one that holds the lock replays.
"""

import asyncio
import contextlib
import fcntl
from collections import Counter
from pathlib import Path
from typing import IO

import pymongo
from pymongo.errors import PyMongoError

from app.database import Database
from app.database.session_files import SessionFiles
from app.ledger.ledger import Ledger, LedgerUnavailableError
from app.ledger.outcomes import Outcome, ReceiptStatus
from app.observability.logs import Log
from app.observability.metrics import Counters
from app.spool.breaker import Breaker
from app.spool.journal import Spool, Spooled, SpoolError
from app.spool.spooler import Spooler

log = Log(__name__)

PAGE = 1_000
ATTEMPT_SECONDS = 5.0
END_SECONDS = 1.0
RETRY_SECONDS = 0.25
"""Between attempts while MongoDB is away."""
LOOK_SECONDS = 1.0
"""Between attempts otherwise, for what other processes have spooled."""


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
        lock: Path,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._spooler = spooler
        self._breaker = breaker
        self._sessions = sessions
        self._counters = counters
        self._lock_path = lock
        self._lock: IO[bytes] | None = None

    async def run(self) -> None:
        """Replay until cancelled."""
        try:
            while True:
                await self._try()
                if self._breaker.is_open or self._spooler.depth.calls:
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._spooler.arrived.wait(), LOOK_SECONDS)
                self._spooler.arrived.clear()
        finally:
            self._unlock()

    async def drain(self) -> None:
        """Deliver all that waits. Raises LedgerUnavailableError and SpoolError."""
        while page := await self._spooler.do(lambda spool: spool.page(PAGE)):
            outcomes = await self._committed(page)
            self._breaker.close()
            await self._settle(page, outcomes)
        await self._spooler.look()

    async def _committed(self, page: list[Spooled]) -> list[Outcome]:
        """An unforeseen failure must not block all that follow: the call is isolated and set aside."""
        try:
            return await self._ledger.commit([each.pair for each in page], seconds=ATTEMPT_SECONDS, again=True)
        except LedgerUnavailableError:
            raise
        except Exception as error:
            log.exception("replay.failed", calls=len(page))
            if len(page) == 1:
                return [Outcome(ReceiptStatus.REJECTED, reason=f"internal error: {type(error).__name__}")]
        return [outcome for each in page for outcome in await self._committed([each])]

    async def _try(self) -> None:
        """One attempt. Failures are logged, and retried."""
        try:
            if (await self._spooler.look()).calls and self._locked():
                await self.drain()
                await self._spooler.do(Spool.shrink)
            elif self._breaker.is_open and await self._database.answers():
                self._breaker.close()
        except LedgerUnavailableError as error:
            self._breaker.open(str(error))
            await self._clear_the_way()
        except SpoolError as error:
            log.error("spool.failed", error=str(error))  # noqa: TRY400 - says all there is
        except Exception:  # a bug of ours must not let the spool fill up
            log.exception("replay.failed")

    async def _clear_the_way(self) -> None:
        """End transactions that would block their ids for a minute: those of ended processes of the folder, and our
        writer's, if MongoDB froze in its middle. The writer has no other: the breaker is open.
        """
        with contextlib.suppress(PyMongoError, OSError), pymongo.timeout(END_SECONDS):
            await self._sessions.end_stale(self._database, own=True)

    async def _settle(self, page: list[Spooled], outcomes: list[Outcome]) -> None:
        refused = []
        for each, outcome in zip(page, outcomes, strict=True):
            if outcome.status is ReceiptStatus.REJECTED:
                log.error("replay.refused", id=str(each.pair.id), reason=outcome.reason)
                refused.append((each, outcome.reason or ""))
            elif outcome.conflicting:
                log.warning("replay.conflicting", id=str(each.pair.id))
        await self._spooler.do(lambda spool: spool.settle(page, refused))
        await self._spooler.look()
        self._counters.replayed(Counter(str(outcome.status) for outcome in outcomes))
        log.info("replay.delivered", calls=len(page) - len(refused), waiting=self._spooler.depth.calls)

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

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
