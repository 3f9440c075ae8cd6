"""How many users were active."""

import asyncio
from collections import Counter
from functools import reduce
from operator import or_
from typing import NamedTuple

from app.reports.parts.known_users import KnownUsers, Numbers, Scope, Token, periods_of, token_of
from app.reports.parts.user_sheets import UserSheets
from app.reports.queries import rollups
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import Document, Documents, Reader, first
from app.reports.windows import DAY, TimeWindow
from models.active_days import ActiveDay, NewUsers, StoredDays, bit_of, masks, new_users
from models.rollups import ACTIVE_USERS, EVERYONE, USER_MONTHS


class ActiveUsers(NamedTuple):
    """How many users were active on each day, and in each of some windows."""

    by_day: dict[str, int]
    """By day, as `2026-11-21`; days without any may be absent, other days and months may be there."""
    in_windows: list[int]


async def active_by_day(
    read: Reader,
    query: ReportQuery,
    windows: list[TimeWindow],
    known: KnownUsers,
    epoch: int,
    *,
    sheets: UserSheets | None = None,
) -> ActiveUsers:
    """Users of each day of the query, and of `windows` within it. The `epoch` is that of the rollups.

    The cells have the number of each day. The users' own days are counted where that would mislead: a user may be in
    both demo data and real data, and there are no numbers by provider, model and feature.
    """
    if query.synthetic is Synthetic.INCLUDE or query.filters.any_part():
        return await _from_days(read, query, windows, sheets)
    counted, new = await _counts(read, query, periods_of(query.window))
    scope = _scope(query)
    numbers = {period: counted.get(period, 0) + new.get((period, *scope), 0) for period in periods_of(query.window)}
    tokens = {window: token_of(window, numbers, epoch) for window in windows}
    found = {window: _at_hand(window, scope, numbers, known, tokens[window]) for window in windows}
    missing = [window for window, users in found.items() if users is None]
    for window, count in (await _of_windows(read, query, missing, sheets)).items():
        known.remember(scope, window, tokens[window], count)
        found[window] = count
    return ActiveUsers(numbers, [users for window in windows if (users := found[window]) is not None])


def _at_hand(window: TimeWindow, scope: Scope, numbers: Numbers, known: KnownUsers, token: Token) -> int | None:
    if window.first == window.last:
        return numbers[window.first.isoformat()]
    return known.get(scope, window, token)


async def _of_windows(
    read: Reader, query: ReportQuery, windows: list[TimeWindow], sheets: UserSheets | None
) -> dict[TimeWindow, int]:
    """One by one, but in a single query."""
    if not windows:
        return {}
    if sheets is not None and (distinct := await sheets.distinct(query, windows)) is not None:
        return dict(zip(windows, distinct.in_windows, strict=True))
    if len(windows) == 1:  # for a single one a filter will do, which is faster
        return {windows[0]: await active_users(read, query.over(windows[0].first, windows[0].last))}
    counted = first(await read.cells(rollups.active_users_of(query, windows)))
    return {window: counted.get(f"w{position}", 0) for position, window in enumerate(windows)}


async def _from_days(
    read: Reader, query: ReportQuery, windows: list[TimeWindow], sheets: UserSheets | None
) -> ActiveUsers:
    """From the days of each user, which are kept by part, in sheets and in months."""
    if sheets is not None and (distinct := await sheets.distinct(query, windows)) is not None:
        return ActiveUsers(*distinct)
    months = await read.cells(rollups.active_bits(query))
    pending = await read.cells(rollups.pending_active_users(query))
    # in a thread, because there may be as many months as there are users
    return await asyncio.to_thread(_counted, windows, months, pending)


def _counted(windows: list[TimeWindow], months: Documents, pending: Documents) -> ActiveUsers:
    bits: dict[tuple[str, str], int] = {}
    for row in months:
        key = row["month"], row["user"]
        bits[key] = reduce(or_, row["bits"], bits.get(key, 0))
    for row in pending:
        key = row["_id"]["day"][:7], row["_id"]["user"]
        bits[key] = bits.get(key, 0) | bit_of(row["_id"]["day"])
    # many users are active on the same days
    patterns = Counter((month, days) for (month, _), days in bits.items())
    by_day: Counter[str] = Counter()
    for (month, days), users in patterns.items():
        for number in range(1, days.bit_length() + 1):
            if days >> (number - 1) & 1:
                by_day[f"{month}-{number:02}"] += users
    return ActiveUsers(by_day, [_in_window(bits, window) for window in windows])


def _in_window(bits: dict[tuple[str, str], int], window: TimeWindow) -> int:
    wanted = masks(window.first, window.last)
    return len({user for (month, user), days in bits.items() if days & wanted.get(month, 0)})


async def active_in(read: Reader, queries: list[ReportQuery]) -> list[int]:
    """Users of each window, which is a day, or a month from its first day on.

    The cells have the number of users of each day and month; those of the deltas are looked up, and counted where they
    are new. The users themselves are counted where that would mislead: a user may be in both demo data and real data,
    and a month may have calls after the window's end.
    """
    if any(query.synthetic is Synthetic.INCLUDE for query in queries):
        return [await active_users(read, query) for query in queries]
    periods = [_period(query) for query in queries]
    later = [day for query in queries for day in _days_behind(query)]
    longest = max(queries, key=lambda query: len(query.window.days))
    counted, new = await _counts(read, longest, [*periods, *later])
    if not counted.keys().isdisjoint(later):
        return [await active_users(read, query) for query in queries]
    scope, synthetic = _scope(longest)
    return [counted.get(period, 0) + new.get((period, scope, synthetic), 0) for period in periods]


async def active_users(read: Reader, query: ReportQuery, sheets: UserSheets | None = None) -> int:
    """Users of any window, counted one by one."""
    if sheets is not None and (users := await sheets.count(query)) is not None:
        return users
    if query.filters.any_part():
        return (await _from_days(read, query, [query.window], None)).in_windows[0]
    count: int = first(await read.cells(rollups.active_users(query))).get("count", 0)
    return count


async def _counts(read: Reader, query: ReportQuery, periods: list[str]) -> tuple[dict[str, int], NewUsers]:
    """By period: the users that the cells count, and those of the deltas that are new to them."""
    scope, synthetic = _scope(query)
    ids = [{"period": period, "scope": scope, "synthetic": synthetic} for period in periods]
    counted = {row["_id"]["period"]: row["users"] for row in await read.find(ACTIVE_USERS, {"_id": {"$in": ids}})}
    pending = [ActiveDay(**row["_id"]) for row in await read.cells(rollups.pending_active_users(query))]
    return counted, new_users(pending, await _stored_days(read, pending)) if pending else {}


def _scope(query: ReportQuery) -> Scope:
    return query.filters.client_id or EVERYONE, query.synthetic is Synthetic.ONLY


async def _stored_days(read: Reader, pending: list[ActiveDay]) -> StoredDays:
    condition: Document = {
        "_id.user": {"$in": list({day.user for day in pending})},
        "_id.month": {"$in": list({day.month for day in pending})},
    }
    found: StoredDays = {}
    for month in await read.find(USER_MONTHS, condition, {"days": 1}):
        key = month["_id"]
        found.setdefault((key["month"], key["synthetic"], key["user"]), {})[key["client"]] = month["days"]
    return found


def _days_behind(query: ReportQuery) -> list[str]:
    """The days of the month after a window that is part of a month."""
    first, last = query.window.first, query.window.last
    if first == last:
        return []
    days = (last + n * DAY for n in range(1, 31))
    return [day.isoformat() for day in days if day.month == last.month]


def _period(query: ReportQuery) -> str:
    window = query.window
    return window.first.isoformat() if window.first == window.last else window.first.isoformat()[:7]
