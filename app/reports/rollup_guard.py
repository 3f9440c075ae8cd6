"""Whether the rollups can answer, and how fresh they are."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from app.errors import RollupsNotReadyError
from app.reports import cells
from app.reports.reader import Document, Reader, first
from app.reports.rows import Freshness
from models.rollups import DELTAS, STATE

REBUILD = "python -m scripts.rebuild_rollups"


async def checked_state(read: Reader, zone: ZoneInfo) -> Document:
    """The state of the rollups. Raises RollupsNotReadyError where they would answer wrongly."""
    state = first(await read.find(STATE, {"_id": "rollups"}))
    if not state:
        raise RollupsNotReadyError("there are no rollups yet: start the service once, or open tracking")
    if state["timezone"] != zone.key:
        raise RollupsNotReadyError(
            f"the rollups count days in {state['timezone']}, but TWINMETER_TIMEZONE is {zone.key}: "
            f"set it back, or build them anew with `{REBUILD}`"
        )
    if not state["complete"]:
        raise RollupsNotReadyError(f"the ledger is older than its rollups: build them with `{REBUILD}`")
    if await read.find(DELTAS, {"timezone": {"$ne": zone.key}}, {"_id": 1}):
        raise RollupsNotReadyError("calls counted in another time zone are being sorted into days; ask again shortly")
    return state


async def freshness(read: Reader, state: Document) -> Freshness:
    """How far the views lie behind."""
    pending = first(await read.cells(cells.freshness()))
    commits = [commit for commit in (state.get("lastCommit"), pending.get("newest")) if commit is not None]
    lag = max(0.0, (datetime.now(UTC) - pending["oldest"]).total_seconds()) if pending else 0.0
    return Freshness(
        last_commit=max(commits, default=None),
        views_lag_seconds=round(Decimal(lag), 3),
        pending_deltas=pending.get("count", 0),
    )
