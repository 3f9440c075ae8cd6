"""Whether the rollups can answer, and how fresh they are."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.errors import RollupsNotReadyError
from app.reports.queries import readiness
from app.reports.reader import Document, Reader, first
from app.reports.rows import Row

REBUILD = "python -m scripts.rebuild_rollups"


class Freshness(Row):
    """How far reads lag behind writes. Reports are exact at once; only the views lag."""

    last_commit: datetime | None
    views_lag_seconds: Decimal
    """The age of the oldest commit that is not in the cells yet."""
    pending_deltas: int
    set_aside_deltas: int
    """Deltas that could not be read: until they are recounted, reports may lack their calls."""


class Rollups(NamedTuple):
    """The rollups as one session sees them."""

    state: Document
    freshness: Freshness


async def checked(read: Reader, zone: ZoneInfo) -> Rollups:
    """The state of the rollups. Raises RollupsNotReadyError where reports from them would be wrong."""
    state = first(await read.cells(readiness.state()))
    if not state:
        raise RollupsNotReadyError("there are no rollups yet: start the service once, or open tracking")
    if state["timezone"] != zone.key:
        raise RollupsNotReadyError(
            f"the rollups count days in {state['timezone']}, but TWINMETER_TIMEZONE is {zone.key}: "
            f"set it back, or rebuild them with `{REBUILD}`"
        )
    if not state["complete"]:
        raise RollupsNotReadyError(f"the ledger is older than its rollups: build them with `{REBUILD}`")
    waiting = first(await read.cells(readiness.waiting(zone.key)))
    if waiting.get("foreign"):
        raise RollupsNotReadyError("calls counted in another time zone are being sorted into days; try again shortly")
    return Rollups(state, _freshness(state, waiting))


def _freshness(state: Document, waiting: Document) -> Freshness:
    commits = [commit for commit in (state.get("lastCommit"), waiting.get("newest")) if commit is not None]
    oldest, now = waiting.get("oldest"), state["now"]
    lag = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
    return Freshness(
        last_commit=max(commits, default=None),
        views_lag_seconds=round(Decimal(lag), 3),
        pending_deltas=waiting.get("count", 0),
        set_aside_deltas=waiting.get("setAside", 0),
    )
