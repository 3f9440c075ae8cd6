"""Where in the ledger the calls of a provider, model or feature are: in which pairs of a feature and a model.

The ledger has one index for all three filters, by feature, model and time. The rollups know which pairs there are in a
window: each is one stretch of that index, in order of time, however rare its calls are.
"""

from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.errors import RollupsNotReadyError
from app.reports.queries import rollups
from app.reports.query import ReportQuery
from app.reports.reader import Document, Reader
from app.reports.readiness import checked
from models.rollups import OTHER

MOST_PLACES = 100
"""Stretches of an index that are read side by side. Calls in more places than these are not rare."""


class Place(NamedTuple):
    """A feature, and a model that was called for it."""

    feature: str
    model: str

    def conditions(self) -> Document:
        return {"feature": {"$eq": self.feature}, "aiModel": {"$eq": self.model}}


Places = frozenset[Place]


async def places_of(read: Reader, query: ReportQuery, zone: ZoneInfo) -> Places | None:
    """Every place in which a call of the query can be; None where that is not known, or would not help."""
    if not query.filters.any_part() or query.filters.user_id is not None:
        return None
    try:
        state = await checked(read, zone)
    except RollupsNotReadyError:
        return None
    if state.freshness.set_aside_deltas:
        return None
    rows = [row["_id"] for row in await read.cells(rollups.places(query))]
    if len(rows) > MOST_PLACES or any(OTHER in row.values() for row in rows):
        return None
    return frozenset(Place(row["feature"], row["model"]) for row in rows)
