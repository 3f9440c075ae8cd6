"""How many users were active."""

from app.reports import cells
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import Reader, first
from app.reports.windows import DAY
from models.active_days import ActiveDay, StoredDays, new_users
from models.rollups import ACTIVE_USERS, EVERYONE, USER_MONTHS


async def active_in(read: Reader, queries: list[ReportQuery]) -> list[int]:
    """Users of each window, which is a day, or a month from its first day on.

    The cells have the number of users of each day and month; those of the deltas are looked up, and counted where they
    are new. The users themselves are counted where that would mislead: with demo data among real data a user may be in
    both, and a month may have calls behind the window's end.
    """
    if any(query.synthetic is Synthetic.INCLUDE for query in queries):
        return [await active_users(read, query) for query in queries]
    synthetic = queries[0].synthetic is Synthetic.ONLY
    scope = queries[0].filters.client_id or EVERYONE
    periods = [_period(query) for query in queries]
    later = [day for query in queries for day in _days_behind(query)]
    ids = [{"period": period, "scope": scope, "synthetic": synthetic} for period in [*periods, *later]]
    counted = {row["_id"]["period"]: row["users"] for row in await read.find(ACTIVE_USERS, {"_id": {"$in": ids}})}
    if not counted.keys().isdisjoint(later):
        return [await active_users(read, query) for query in queries]
    longest = max(queries, key=lambda query: len(query.window.days))
    pending = [ActiveDay(**row["_id"]) for row in await read.cells(cells.pending_active_users(longest))]
    new = new_users(pending, await _stored_days(read, pending)) if pending else {}
    return [counted.get(period, 0) + new.get((period, scope, synthetic), 0) for period in periods]


async def active_users(read: Reader, query: ReportQuery) -> int:
    """Users of any window, counted one by one."""
    count: int = first(await read.cells(cells.active_users(query))).get("count", 0)
    return count


async def _stored_days(read: Reader, pending: list[ActiveDay]) -> StoredDays:
    condition = {
        "_id.user": {"$in": list({day.user for day in pending})},
        "_id.month": {"$in": list({day.month for day in pending})},
    }
    found: StoredDays = {}
    for month in await read.find(USER_MONTHS, condition, {"days": 1}):
        key = month["_id"]
        found.setdefault((key["month"], key["synthetic"], key["user"]), {})[key["client"]] = month["days"]
    return found


def _days_behind(query: ReportQuery) -> list[str]:
    """The days of the month behind a window that is part of a month."""
    first, last = query.window.first, query.window.last
    if first == last:
        return []
    days = (last + n * DAY for n in range(1, 31))
    return [day.isoformat() for day in days if day.month == last.month]


def _period(query: ReportQuery) -> str:
    window = query.window
    return window.first.isoformat() if window.first == window.last else window.first.isoformat()[:7]
