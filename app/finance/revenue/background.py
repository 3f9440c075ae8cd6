"""What is stored already about entries that are to be booked: read at once for all of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.database import Database, Session
from app.database.connection import VERSIONS
from app.finance.revenue.rates import KnownRates, Rates
from app.limits.stored_definitions import read
from app.process import in_turns
from models.fields import OLDEST
from models.plans import SUBSCRIPTIONS, Subscription
from models.revenue import REVENUE, SENT, STATE, NewRevenue, Revenue, RevenueKind

AT_ONCE = 200
"""Documents that are decoded or encoded in one go, for which the driver keeps Python's lock."""


@dataclass
class Background:
    """As of one transaction."""

    sequence: int
    """Of the newest entry."""
    closed_until: datetime
    """Before it, months are closed."""
    entries: dict[str, Revenue]
    """By id: those that are sent again, and those that refunds take back."""
    refunds: dict[str, list[Revenue]]
    """By what they take back."""
    paid: dict[str, list[Revenue]]
    """By user: what was paid for subscriptions."""
    subscriptions: dict[str, Subscription]
    """By id."""
    rates: KnownRates

    def add(self, entry: Revenue) -> None:
        """Know one that is booked now, for those behind it."""
        self.sequence = entry.sequence
        self.entries[entry.id] = entry
        if entry.refunds is not None:
            self.refunds.setdefault(entry.refunds, []).append(entry)
        if entry.kind is RevenueKind.SUBSCRIPTION and entry.user_id is not None:
            self.paid.setdefault(entry.user_id, []).append(entry)


async def background_of(database: Database, entries: Mapping[str, NewRevenue], session: Session | None) -> Background:
    """What there is to know of some, by their ids. Raises PyMongoError."""
    stored = database.writes[REVENUE]
    state = await database.writes[VERSIONS].find_one(STATE, session=session) or {}

    async def found(condition: Mapping[str, Any]) -> list[Revenue]:
        cursor = stored.find(condition, session=session, batch_size=AT_ONCE)
        found: list[Revenue] = []
        while some := await cursor.to_list(AT_ONCE):
            found += [one async for each in in_turns(some) if (one := read(Revenue, each)) is not None]
        return found

    new = list(entries.values())
    ids = entries.keys() | _named(entry.refunds for entry in new)
    background = Background(
        sequence=state.get("sequence", 0),
        closed_until=state.get("closedUntil", OLDEST),
        entries={one.id: one for one in await found(_among("_id", ids))},
        refunds={},
        paid={},
        subscriptions=await _subscriptions(database, _named(entry.subscription_id for entry in new), session),
        rates=await Rates(database).known({entry.currency for entry in new}, session),
    )
    if users := _named(entry.user_id for entry in new if may_overlap(entry)):
        for one in await found(_among("userId", users) | {"kind": RevenueKind.SUBSCRIPTION.value}):
            background.paid.setdefault(one.user_id or "", []).append(one)
    paid = {one.id for of_user in background.paid.values() for one in of_user}
    if refunded := paid | _named(entry.refunds for entry in new):
        for one in await found(_among("refunds", refunded)):
            background.refunds.setdefault(one.refunds or "", []).append(one)
    return background


def may_overlap(entry: NewRevenue) -> bool:
    """Whether it is told where another subscription is paid for in the same time: of what people send."""
    return entry.kind is RevenueKind.SUBSCRIPTION and entry.source in SENT and not entry.overlaps


async def _subscriptions(database: Database, ids: set[str], session: Session | None) -> dict[str, Subscription]:
    cursor = database.writes[SUBSCRIPTIONS].find(_among("_id", ids), session=session)
    found = [read(Subscription, one) for one in await cursor.to_list(None)]
    return {one.id: one for one in found if one is not None}


def _named(names: Iterable[str | None]) -> set[str]:
    return {name for name in names if name is not None}


def _among(field: str, values: Iterable[str]) -> dict[str, Any]:
    return {field: {"$in": sorted(values)}}
