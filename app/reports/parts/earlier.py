"""What calls came to in an earlier period, of which the last day may count only up to a time.

Days are read from cells, and so are the complete hours of the last day. What clocks showed of its hour that is not
complete is read from the ledger: that is exact, and an hour of calls at most.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import time
from typing import Any

from bson import Decimal128

from app.reports.parts.figures import K, grouped, summed
from app.reports.parts.user_days import rows_of_user
from app.reports.parts.user_sheets import UserSheets
from app.reports.queries import ledger, rollups
from app.reports.query import ReportQuery
from app.reports.reader import Document, Documents, Reader
from app.reports.rows import Earlier
from app.reports.windows import DAY
from models.money import from_units, stored_units
from models.rollups import HOUR_TOTALS, OTHER, PART, USER_TOTALS


async def parts(read: Reader, query: ReportQuery) -> Documents:
    """As `rollups.by_part`, of which there may be several rows for a part: where the query ends at a time, with
    HOUR_TOTALS alone.
    """
    if query.until is None:
        return await _whole_days(read, query)
    first, last = query.window.bounds
    days = await _whole_days(read, query.over(first, last - DAY)) if first < last else []
    of_last_day = await _hours(read, replace(query.over(last, last), until=None))
    begun = query.window.of_last_day(time(query.until.hour), query.until)
    complete = [
        {"_id": row["_id"], **figures}
        for row in of_last_day
        for hours in row["hours"]
        for hour, figures in hours.items()
        if int(hour) < query.until.hour
    ]
    running = await read.ledger(ledger.parts_within(query, begun)) if begun and of_last_day else []
    return [*days, *complete, *_as_kept(running, of_last_day)]


def earlier_by(rows: Documents, key: Callable[[Document], K]) -> dict[K, Earlier | None]:
    """What each group of parts had."""
    return {name: Earlier.from_stored(figures) for name, figures in grouped(rows, key, HOUR_TOTALS)}


async def users(
    read: Reader, query: ReportQuery, sheets: UserSheets, among: Iterable[str]
) -> dict[str, Earlier | None]:
    """What each of these users had."""
    names = sorted(among)
    if not names:
        return {}
    whole = replace(query, until=None)
    found: dict[str, Documents] = {name: [] for name in names}
    for row in await read.cells(rollups.merged_users(whole, names)):
        found[row["_id"]].append(row)
    for row in await sheets.waiting(whole):
        if (of_user := found.get(row["_id"]["user"])) is not None:
            of_user.append(row)
    if query.until is not None:
        later = query.window.of_last_day(query.until)
        for row in await read.ledger(ledger.users_within(query, later, names)) if later else []:
            found[row["_id"]].append(_negative(row))
    return {name: Earlier.from_stored(summed(rows, USER_TOTALS)) for name, rows in found.items()}


async def _whole_days(read: Reader, query: ReportQuery) -> Documents:
    if query.filters.user_id is None:
        return await read.cells(rollups.by_part(query))
    return _of_user(await rows_of_user(read, query))


async def _hours(read: Reader, query: ReportQuery) -> Documents:
    if query.filters.user_id is None:
        return await read.cells(rollups.hours_by_part(query))
    return [{**row, "hours": [row["hours"]]} for row in _of_user(await rows_of_user(read, query))]


def _of_user(rows: Documents) -> Documents:
    return [{**row, "_id": {name: row[name] for name in PART}} for row in rows]


def _as_kept(rows: Documents, kept: Documents) -> Documents:
    """Under the names that cells have: those beyond a client's cap are `other`."""
    names = {name: {row["_id"][name] for row in kept} for name in PART}
    return [
        {**row, "_id": {name: value if value in names[name] else OTHER for name, value in row["_id"].items()}}
        for row in rows
    ]


def _negative(row: Document) -> Document:
    def negated(value: Any) -> Any:
        return from_units(-stored_units(value)) if isinstance(value, Decimal128) else -value

    return {name: negated(row[name]) for name in USER_TOTALS}
