"""One user's calls, summed by day, client and part: from the days that are kept of busy users, else from the ledger."""

import asyncio
from collections.abc import Callable, Container
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

from app.reports.parts.figures import summed
from app.reports.queries import ledger, readiness, user_days
from app.reports.queries.rollup_rows import synthetic_of
from app.reports.query import ReportQuery, Wanted, passes
from app.reports.reader import Document, Documents, Reader, first
from app.reports.windows import DAY, TimeWindow, midnight
from models import CallStatus
from models.user_days import rows_of
from models.user_sheets import build_of


async def rows_of_user(read: Reader, query: ReportQuery) -> Documents:
    """One row for each day, client and part of what the query matches, as a delta has them."""
    found = await _kept(read, query)
    left = _spans(query.window, found)
    steps = await read.ledger(ledger.in_steps_of(query, left)) if left else []
    # in a thread: there may be nearly as many as calls
    return await asyncio.to_thread(_rows, query, found, steps)


async def _kept(read: Reader, query: ReportQuery) -> dict[str, Document]:
    """By day: what is kept, unless something of it waits in a delta."""
    state, user, zone = first(await read.cells(readiness.state())), query.filters.user_id, query.window.zone
    if user is None or state.get("timezone") != zone.key:
        return {}
    whole_from = state.get("wholeFrom", "")
    days = [name for day in query.window.days if whole_from <= (name := day.isoformat()) < state["today"]]
    found = {row["_id"]["day"]: row for row in await read.cells(user_days.kept(user, days, build_of(state)))}
    if not found:
        return {}
    changing = {row["_id"] for row in await read.cells(user_days.changing(user, list(found), zone.key))}
    return {} if None in changing else {day: row for day, row in found.items() if day not in changing}


def _spans(window: TimeWindow, kept: Container[str]) -> list[tuple[datetime, datetime]]:
    """The instants of a window's other days, each from, up to before."""
    spans: list[tuple[datetime, datetime]] = []
    for day in window.days:
        if day.isoformat() not in kept:
            start, end = midnight(day, window.zone), midnight(day + DAY, window.zone)
            if spans and spans[-1][1] == start:
                spans[-1] = spans[-1][0], end
            else:
                spans.append((start, end))
    return spans


def _rows(query: ReportQuery, kept: dict[str, Document], steps: Documents) -> Documents:
    of_days = [row for day in kept.values() for row in day["usage"] if _matches(row, query)]
    return of_days + rows_of(steps, _local_time(query.window.zone))


def _matches(row: Document, query: ReportQuery) -> bool:
    filters = query.filters
    names: dict[str, Wanted] = {
        "client": filters.client_id,
        "provider": filters.provider,
        "model": filters.model,
        "feature": filters.feature,
    }
    return row["synthetic"] in synthetic_of(query.synthetic) and all(
        passes(wanted, row[name]) for name, wanted in names.items()
    )


def _local_time(zone: ZoneInfo) -> Callable[[datetime], tuple[str, str]]:
    @cache
    def day_and_hour(moment: datetime) -> tuple[str, str]:
        local = moment.astimezone(zone)
        return local.date().isoformat(), str(local.hour)

    return day_and_hour


def by_day_and_name(rows: Documents, name: str) -> Documents:
    """As `rollups.by_day_and_name`; several rows may be of one day and name."""
    return [{**row, "_id": {"day": row["day"], "name": row[name]}} for row in rows]


def by_day(rows: Documents) -> Documents:
    """As `day_rows.from_cells`: one row for each day."""
    of_days: dict[str, Documents] = {}
    for row in rows:
        of_days.setdefault(row["day"], []).append(row)
    return [
        {
            "_id": day,
            **summed(of_day),
            **{f"status_{status}": sum(row["statuses"].get(status, 0) for row in of_day) for status in CallStatus},
            "hours": [row["hours"] for row in of_day],
            "latency": [row["latency"] for row in of_day],
        }
        for day, of_day in sorted(of_days.items())
    ]
