"""Calls that a command writes itself, a page at a time: priced like every other, in the same transactions."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, time

from pymongo.errors import PyMongoError

from app.database import Database, Session
from app.errors import DatabaseUnavailableError
from app.ledger.ledger import Ledger, LedgerUnavailableError
from app.ledger.outcomes import Outcome
from app.ledger.recording import Recorder
from app.ledger.twins import Pair
from app.pricing.price_book import PriceBook
from app.rollups.local_time import LocalTime
from app.rollups.merging import merging
from app.rollups.state import STATE_KEY, RollupState
from app.settings import Settings
from app.tracking import ReceiptStatus
from models.rollups import DELTAS, STATE
from scripts.toolkit import command

COMMIT_SECONDS = 30.0
ATTEMPTS = 5
PAUSE_SECONDS = 1.0


class Store:
    """Records calls, and writes them. Without `ledger` it only looks."""

    def __init__(self, database: Database, settings: Settings, ledger: Ledger | None) -> None:
        self._database = database
        self._ledger = ledger
        self._book = PriceBook(database)
        self.recorder = Recorder.of(settings, self._book)
        self._whole_from: datetime | None = None

    async def refresh(self) -> None:
        """Reread prices that administrators changed, and what retention deleted. Raises PyMongoError."""
        await self._book.refresh()
        stored = await self._database.writes[STATE].find_one(STATE_KEY)
        state = None if stored is None else RollupState.of(stored)
        if state is not None and state.whole_from is not None:
            self._whole_from = datetime.combine(state.whole_from, time(), state.zone)

    def deleted_before(self, pair: Pair) -> date | None:
        """The day from which the ledger is complete, where `pair` is before it: totals may count it already."""
        if self._whole_from is None or pair.entry["createdAt"] >= self._whole_from:
            return None
        return self._whole_from.date()

    async def commit(self, pairs: Sequence[Pair]) -> list[Outcome]:
        """Write `pairs`, each once, and return their outcomes. Raises DatabaseUnavailableError."""
        assert self._ledger is not None  # noqa: S101 - see storing
        for attempt in range(ATTEMPTS):
            try:
                outcomes = await self._ledger.commit(pairs, seconds=COMMIT_SECONDS, again=attempt > 0)
            except LedgerUnavailableError as error:
                if attempt == ATTEMPTS - 1:
                    raise DatabaseUnavailableError(f"MongoDB did not take the calls: {error}") from error
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                for outcome in outcomes:
                    if outcome.fault is not None:  # it comes back however often this is tried
                        message = f"MongoDB did not take the calls: {outcome.fault}"
                        raise DatabaseUnavailableError(message) from outcome.fault
                return outcomes
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def look(self, pairs: Sequence[Pair]) -> list[Outcome]:
        """What `commit` would return, given the ledger as it is now. Raises PyMongoError."""
        known = {"_id": {"$in": [pair.id for pair in pairs]}}
        stored = {entry["_id"]: entry async for entry in self._database.ledger.find(known)}
        return [_outcome(pair, stored) for pair in pairs]

    async def merge(self) -> None:
        """Merge what was written into the cells, where no server does. Raises PyMongoError."""
        async with merging(self._database) as compactor:
            with command.progress("calls merged, in two steps", await self._unmerged()) as advance:
                await compactor.merge_all(advance)

    async def _unmerged(self) -> int:
        """How many calls have each of both steps before them."""
        figures = {"$sum": {"$cond": ["$merged", 0, "$calls"]}}
        group = {"$group": {"_id": None, "subjects": {"$sum": "$calls"}, "figures": figures}}
        found = await self._database.writes[DELTAS].aggregate([group]).to_list(1)
        return sum(each["subjects"] + each["figures"] for each in found)


@asynccontextmanager
async def storing(database: Database, settings: Settings, *, execute: bool) -> AsyncIterator[Store]:
    """A store for the length of a block; without `execute` one that writes nothing. Raises AppError."""
    async with database.committer_session() as session:
        store = Store(database, settings, await _ledger(database, settings, session) if execute else None)
        await store.refresh()
        yield store


async def _ledger(database: Database, settings: Settings, session: Session | None) -> Ledger:
    try:
        return Ledger(database, session, LocalTime((await RollupState.open(database, settings.zone)).zone))
    except PyMongoError as error:
        raise DatabaseUnavailableError(f"MongoDB did not take the state of the rollups: {error}") from error


def _outcome(pair: Pair, stored: dict[object, dict[str, object]]) -> Outcome:
    if (entry := stored.get(pair.id)) is None:
        return Outcome(ReceiptStatus.COMMITTED)
    return Outcome(ReceiptStatus.DUPLICATE, conflicting=pair.conflicts_with(entry))
