"""Entries as they are listed: the newest by when they came due, page by page."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any, NamedTuple

from app.database import Database
from app.database.listing import After, following, newest_first
from app.database.outages import answering
from app.limits.stored_definitions import read
from app.reports.query import Synthetic
from models.revenue import REVENUE, Revenue, RevenueKind, RevenueSource

SECONDS = 5.0
BATCH = 200
MAX_ROWS = 100_000
"""Of a download."""


class Wanted(NamedTuple):
    """Which entries: those that match all that is given."""

    client_id: str | None = None
    user_id: str | None = None
    plan: str | None = None
    subscription_id: str | None = None
    kind: RevenueKind | None = None
    source: RevenueSource | None = None
    start: datetime | None = None
    """They came due then or later."""
    end: datetime | None = None
    """They came due before."""
    synthetic: Synthetic = Synthetic.EXCLUDE

    def conditions(self) -> dict[str, Any]:
        """As MongoDB matches them. `$eq` prevents a string from being read as an operator."""
        stored = {
            "clientId": self.client_id,
            "userId": self.user_id,
            "plan": self.plan,
            "subscriptionId": self.subscription_id,
            "kind": self.kind,
            "source": self.source,
        }
        found: dict[str, Any] = {name: {"$eq": value} for name, value in stored.items() if value is not None}
        between = {"$gte": self.start, "$lt": self.end}
        if given := {name: moment for name, moment in between.items() if moment is not None}:
            found["at"] = given
        if self.synthetic is not Synthetic.INCLUDE:
            found["synthetic"] = self.synthetic is Synthetic.ONLY
        return found


async def page(database: Database, wanted: Wanted, *, after: After | None, size: int) -> list[Revenue]:
    """So many, behind the one that `after` names. Raises DatabaseUnavailableError."""
    chosen = {"$and": [wanted.conditions(), following("at", after)]}
    with answering(SECONDS):
        cursor = database.reads[REVENUE].find(chosen).sort(newest_first("at")).limit(size)
        return [one for stored in await cursor.to_list(None) if (one := read(Revenue, stored)) is not None]


async def batches(database: Database, wanted: Wanted) -> AsyncGenerator[list[Revenue], None]:
    """All of them, some at a time, up to `MAX_ROWS` and one more that says there are more. The first ones are read
    before it is answered. Raises DatabaseUnavailableError, then or later.
    """
    first = await page(database, wanted, after=None, size=BATCH)

    async def found() -> AsyncGenerator[list[Revenue], None]:
        rows, left = first, MAX_ROWS + 1
        while rows:
            yield rows
            left -= len(rows)
            rows = await page(database, wanted, after=(rows[-1].at, rows[-1].id), size=min(BATCH, left)) if left else []

    return found()
