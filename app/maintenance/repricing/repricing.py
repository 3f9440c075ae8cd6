"""Repricing: the costs of stored calls are recomputed in ledger, events and rollups at once.

One transaction changes the entries of a page and their events, and inserts a correction, so that all three agree at
every moment. Counters of limits in USD follow with the next fold, and a threshold that it passes is told. The former
cost stays on the entry. A cost is never replaced by none: a call that today's prices do not cover keeps its cost.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from bson import ObjectId

from app.database import Database, Session
from app.database.transactions import transact
from app.database.updates import apply_updates
from app.ledger.invariants import missing_in
from app.maintenance.repricing.price_versions import Prices
from app.maintenance.repricing.stored_calls import is_reported
from app.maintenance.uncounted import tell_limits
from app.pricing.costs import Cost
from app.rollups.corrections import correction
from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from models import AI_GENERATION
from models.documents import Document
from models.money import stored_usd
from models.rollups import DELTAS

KEPT = 10
"""Former costs that an entry keeps: the first, which is what the call was recorded with, and the latest."""

_PARTS = ("inputCost", "outputCost", "generationCost")
_FIGURES = ("cost", "savedCost", "costSource", *_PARTS)
_FORMER = ("cost", "savedCost", "costSource", "priceVersion")


class Change(NamedTuple):
    """One entry whose cost changes."""

    before: Document
    after: Document


class Looked(NamedTuple):
    """The findings about some entries."""

    changes: list[Change]
    kept: Counter[str]
    """Why others stay as they are: `unchanged`, `reported`, `unpriced` (they have no cost, and get none), `unknown`
    (they have one, and these prices have none), `damaged` (nobody can count them, nor price them)."""


class Repricing:
    """Reprices entries."""

    def __init__(self, database: Database, zone: ZoneInfo, prices: Prices) -> None:
        self._database = database
        self._prices = prices
        self._local_time = LocalTime(zone)
        self._caps = NameCaps(database)

    def look(self, entries: Sequence[Document]) -> Looked:
        """What repricing these entries would change."""
        now = datetime.now(UTC)
        looked = [self._look(entry, now) for entry in entries]
        kept = Counter(each for each in looked if isinstance(each, str))
        return Looked([each for each in looked if isinstance(each, Change)], kept)

    async def reprice(self, ids: Sequence[ObjectId]) -> Looked:
        """Change those of these entries whose cost differs. Raises PyMongoError."""

        async def work(session: Session | None) -> Looked:
            # as they are now: another command may have changed or removed some since they were listed
            found = self._database.ledger.find({"_id": {"$in": list(ids)}}, session=session)
            looked = self.look(await found.sort([("createdAt", 1), ("_id", 1)]).to_list(None))
            if looked.changes:
                await self._store(looked.changes, session)
            return looked

        return await transact(self._database, work)

    def day_of(self, entry: Document) -> str:
        """The day of a call in the zone of the rollups."""
        return self._local_time(entry["createdAt"])[0]

    def _look(self, entry: Document, now: datetime) -> Change | str:
        if missing_in(entry):
            return "damaged"
        cost = self._prices(entry)
        if cost is None:
            return "reported" if is_reported(entry) else "unpriced" if entry["cost"] is None else "unknown"
        after = _repriced(entry, cost, now)
        # where a newer table gives the same figures, the version that they were computed with stays
        same = all(after.get(name) == entry.get(name) for name in _FIGURES)
        return "unchanged" if same else Change(entry, after)

    async def _store(self, changes: list[Change], session: Session | None) -> None:
        before, after = [change.before for change in changes], [change.after for change in changes]
        entries = [{"q": {"_id": entry["_id"]}, "u": entry} for entry in after]
        events = [
            {"q": {"_id": entry["_id"], "event": AI_GENERATION}, "u": {"$set": {"properties.cost": entry["cost"]}}}
            for entry in after
        ]
        await apply_updates(self._database, self._database.ledger.name, entries, session)
        await apply_updates(self._database, self._database.events.name, events, session)
        delta = await correction(before, after, self._local_time, self._caps)
        await self._database.writes[DELTAS].insert_one(delta, session=session)
        await tell_limits(self._database, before, after, session)


def _kept(former: list[Document]) -> list[Document]:
    return former if len(former) <= KEPT else [former[0], *former[1 - KEPT :]]


def _repriced(entry: Document, cost: Cost, now: datetime) -> Document:
    """The entry with its new cost, and with the former one."""
    former: dict[str, Any] = {name: entry[name] for name in _FORMER if name in entry}
    kept = {name: value for name, value in entry.items() if name not in {*_PARTS, "priceVersion", "unpricedReason"}}
    after = kept | {
        "cost": None if cost.cost is None else stored_usd(cost.cost),
        "savedCost": stored_usd(cost.saved_cost),
        "costSource": str(cost.source),
        "priceVersion": cost.price_version,
        "repriced": _kept([*entry.get("repriced", ()), {**former, "at": now}]),
    }
    if cost.parts is not None:
        after |= dict(zip(_PARTS, map(stored_usd, cost.parts), strict=True))
    return after
