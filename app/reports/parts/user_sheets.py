"""Users of any window and filter, from the sheets of days that are over and the cells of the others.

Where no day of a window has a sheet, everything is left to the cells.
"""

import asyncio
from collections import defaultdict
from collections.abc import Hashable, Iterable
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from bson import Decimal128

from app.reports.parts.known_cells import KnownCells
from app.reports.queries import rollups, sheets
from app.reports.query import Filters, ReportQuery, Wanted, passes
from app.reports.reader import Document, Documents, Reader
from app.reports.windows import TimeWindow
from models.money import stored_units
from models.rollups import unescaped
from models.user_sheets import COLUMNS, NUMBERS, USERS, bits, bits_of, build_of, figures, numbers

MAX_KNOWN = 200_000
MOST_RANKINGS = 8
LAST_DAY = "lastDay"

Who = int | str
"""A user's number, or the name of one who has none yet."""
Values = dict[Who, Any]
Model = tuple[str, str]
"""Provider and model."""


class KnownNumbers:
    """What one process knows of the numbers of one build. They never change."""

    def __init__(self) -> None:
        self.past: dict[Hashable, Values] = {}
        """Sums of sheets, of the latest rankings."""
        self._build: int | None = None
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}

    async def of(self, read: Reader, users: Iterable[str], build: int) -> dict[str, int]:
        """The numbers of those `users` who have one."""
        known = self._of_build(build)
        if new := [user for user in users if user not in known]:
            self._remember(await read.cells(sheets.numbers_of(new, build)))
        return self._numbers

    async def names(self, read: Reader, of_users: Iterable[int], build: int) -> dict[int, str]:
        """The users whom numbers name."""
        self._of_build(build)
        if new := [number for number in of_users if number not in self._names]:
            self._remember(await read.cells(sheets.names_of(new, build)))
        return self._names

    def remember_past(self, key: Hashable, past: Values) -> None:
        """Keep the sums of a ranking, until there are many others."""
        if len(self.past) >= MOST_RANKINGS:
            self.past.pop(next(iter(self.past)))
        self.past[key] = past

    def _of_build(self, build: int) -> dict[str, int]:
        if build != self._build or len(self._numbers) > MAX_KNOWN:
            self._build, self._numbers, self._names = build, {}, {}
        return self._numbers

    def _remember(self, rows: Documents) -> None:
        for row in rows:
            user, number = row["_id"]["user"], row["number"]
            self._numbers[user], self._names[number] = number, user


class Distinct(NamedTuple):
    """How many users."""

    by_day: dict[str, int]
    in_windows: list[int]


class Differing(NamedTuple):
    """Users whose figures differ."""

    names: list[str]
    users: int
    """How many were active at all."""


class UserSheets:
    """The sheets as one session sees them."""

    def __init__(self, read: Reader, state: Document, known: KnownNumbers, cells: KnownCells) -> None:
        self._read = read
        self._state = state
        self._build = build_of(state)
        self._known = known
        self._cells = cells
        self._counted: dict[ReportQuery, int] = {}
        """Users of what has been ranked."""
        self._waiting: dict[ReportQuery, Documents] = {}

    async def ranked(
        self, query: ReportQuery, order: str, *, descending: bool, skip: int, limit: int
    ) -> list[str] | None:
        """`limit` users after the first `skip`, by a figure or their last day, and then by name."""
        if (days := await self._other_days(query)) is None:
            return None
        values = await self._of_sheets(query, order, days)
        ordered = await asyncio.to_thread(sorted, values.items(), key=lambda each: each[1], reverse=descending)
        self._counted[query] = len(ordered)
        return await self._page(ordered, descending=descending, skip=skip, limit=limit)

    async def differing(self, query: ReportQuery, earlier: ReportQuery, order: str, limit: int) -> Differing:
        """The users whose figure differs most between two windows, and then by name."""
        by_user = await self._by_user(query, order), await self._by_user(earlier, order)
        # who had no number when the one was read may have become known by it since
        numbered = await self._known.of(self._read, [], self._build)
        now, before = ({numbered.get(str(who), who): value for who, value in values.items()} for values in by_user)
        differences = await asyncio.to_thread(_differences, now, before)
        ordered = await asyncio.to_thread(sorted, differences.items(), key=lambda each: each[1], reverse=True)
        names = await self._page(ordered, descending=True, skip=0, limit=limit)
        return Differing(names, len(now.keys() | before.keys()))

    async def _by_user(self, query: ReportQuery, order: str) -> Values:
        """The figure of every user. Where no day has a sheet, MongoDB sums it from the cells."""
        if (days := await self._other_days(query)) is not None:
            return await self._of_sheets(query, order, days)
        rows = await self._read.cells(rollups.users(query))
        known = await self._known.of(self._read, [row["_id"] for row in rows], self._build)
        by_day = [{"_id": {"user": row["_id"], "day": row["lastDay"]}, order: row[order]} for row in rows]
        return await asyncio.to_thread(_values, order, {}, by_day, known)

    async def _of_sheets(self, query: ReportQuery, order: str, days: list[str]) -> Values:
        past = await self._past(query, order, tuple(days))
        rows = await self._rows(query, days)
        known = await self._known.of(self._read, [row["_id"]["user"] for row in rows], self._build)
        return await asyncio.to_thread(_values, order, past, rows, known)

    async def _past(self, query: ReportQuery, order: str, other_days: tuple[str, ...]) -> Values:
        """By user: the sum of the sheets, which change only where past days do."""
        key = self._state["late"], other_days, query, order
        if (past := self._known.past.get(key)) is None:
            columns = () if order == LAST_DAY else COLUMNS[order]
            found = await self._read.cells(sheets.sheets(query, self._build, (NUMBERS, *columns)))
            # in a thread, as below: there are as many rows as users and days, and others must not wait for them
            past = await asyncio.to_thread(_past, order, found)
            self._known.remember_past(key, past)
        return past

    async def _page(self, ordered: list[tuple[Who, Any]], *, descending: bool, skip: int, limit: int) -> list[str]:
        """The names of a page. Users with equal values are in order of their names, which only those of a page need."""
        if skip >= len(ordered):
            return []
        values = [value for _, value in ordered]
        first, last = values[skip], values[min(skip + limit, len(values)) - 1]
        begin = values.index(first)
        end = len(values) - values[::-1].index(last)
        near = ordered[begin:end]
        names = await self._known.names(self._read, [who for who, _ in near if isinstance(who, int)], self._build)
        named = [(who if isinstance(who, str) else names[who], value) for who, value in near]
        in_order = sorted(sorted(named), key=lambda each: each[1], reverse=descending)
        return [name for name, _ in in_order[skip - begin : skip - begin + limit]]

    async def count(self, query: ReportQuery) -> int | None:
        """Users of a window."""
        if query in self._counted:
            return self._counted[query]
        distinct = await self.distinct(query, [query.window])
        return None if distinct is None else distinct.in_windows[0]

    async def distinct(self, query: ReportQuery, windows: list[TimeWindow]) -> Distinct | None:
        """Users of each day of the query, and of `windows` within it."""
        if (days := await self._other_days(query)) is None:
            return None
        found = await self._read.cells(sheets.sheets(query, self._build, (USERS,)))
        rows = await self._rows(query, days)
        known = await self._known.of(self._read, [row["_id"]["user"] for row in rows], self._build)
        return await asyncio.to_thread(_distinct, windows, found, rows, known)

    async def by_model(self, query: ReportQuery) -> dict[tuple[str, str], int] | None:
        """Users by provider and model."""
        if (days := await self._other_days(query)) is None:
            return None
        found = await self._read.cells(sheets.sheets(query, self._build, (USERS,), by_part=True))
        cells = await self._cells.rows(self._read, sheets.parts_of_days(query, days), self._state)
        rows = [*cells, *await self._read.cells(sheets.waiting_parts(query))]
        known = await self._known.of(self._read, [row["user"] for row in rows], self._build)
        return await asyncio.to_thread(_by_model, query.filters, found, rows, known)

    async def waiting(self, query: ReportQuery) -> Documents:
        """What users did by the deltas: one row for each user and day."""
        if query not in self._waiting:
            self._waiting[query] = await self._read.cells(sheets.waiting_users(query))
        return self._waiting[query]

    async def requests_of_day(self, query: ReportQuery) -> dict[str, int]:
        """By user: what the cells have of the single day of a window, the most first."""
        rows = await self._cells.rows(self._read, sheets.requests_of_day(query), self._state)
        return {row["_id"]: row["requests"] for row in rows}

    async def _rows(self, query: ReportQuery, days: list[str]) -> Documents:
        """What users did on days without sheets, and what waits."""
        cells = await self._cells.rows(self._read, sheets.users_of_days(query, days), self._state)
        return [*cells, *await self.waiting(query)]

    async def _other_days(self, query: ReportQuery) -> list[str] | None:
        """The days of a window without sheets; None where none has any."""
        made = {row["_id"] for row in await self._read.cells(sheets.made(query, self._build))}
        return [name for day in query.window.days if (name := day.isoformat()) not in made] if made else None


def _past(order: str, found: Documents) -> Values:
    """The value of each user by sheets, which are in order of their days."""
    values: defaultdict[Who, Any] = defaultdict(int)
    for sheet in found:
        if order == LAST_DAY:
            values.update(dict.fromkeys(numbers(sheet), sheet["_id"]["day"]))
            continue
        for who, value in zip(numbers(sheet), figures(sheet, order), strict=True):
            values[who] += value
    return dict(values)


def _values(order: str, past: Values, rows: Documents, known: dict[str, int]) -> Values:
    """The value of each user."""
    values = past.copy()
    for row in rows:
        user = row["_id"]["user"]
        who = known.get(user, user)
        if order == LAST_DAY:
            values[who] = max(values.get(who, ""), row["_id"]["day"])
        else:
            value = row[order]  # the sum of costs is the number zero where there is none
            values[who] = values.get(who, 0) + (stored_units(value) if isinstance(value, Decimal128) else value)
    return values


def _differences(now: Values, before: Values) -> Values:
    """How far the value of each user is from the former one; who has the same is left out."""
    differences = {who: abs(now.get(who, 0) - before.get(who, 0)) for who in now.keys() | before.keys()}
    return {who: difference for who, difference in differences.items() if difference}


def _distinct(windows: list[TimeWindow], found: Documents, rows: Documents, known: dict[str, int]) -> Distinct:
    numbered: defaultdict[str, list[int]] = defaultdict(list)
    unknown: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        user, day = row["_id"]["user"], row["_id"]["day"]
        if user in known:
            numbered[day].append(known[user])
        else:
            unknown[day].add(user)
    active = {day: bits_of(of_day) for day, of_day in numbered.items()}
    for sheet in found:
        day = sheet["_id"]["day"]
        active[day] = active.get(day, 0) | bits(sheet)

    def users_of(days: Iterable[str]) -> int:
        days = list(days)
        return reduce(or_, (active.get(day, 0) for day in days), 0).bit_count() + len(
            set().union(*(unknown[day] for day in days if day in unknown))
        )

    by_day = {day: users_of([day]) for day in active.keys() | unknown.keys()}
    return Distinct(by_day, [users_of(day.isoformat() for day in window.days) for window in windows])


def _by_model(filters: Filters, found: Documents, rows: Documents, known: dict[str, int]) -> dict[Model, int]:
    active: defaultdict[Model, int] = defaultdict(int)
    for sheet in found:
        key = sheet["_id"]
        active[key["provider"], key["model"]] |= bits(sheet)
    users_of_part: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        for part in row["parts"]:
            users_of_part[part].append(row["user"])
    numbered: defaultdict[Model, list[int]] = defaultdict(list)
    unknown: defaultdict[Model, set[str]] = defaultdict(set)
    for part, users in users_of_part.items():
        provider, model, _, feature = map(unescaped, part.split("|"))
        if all(passes(wanted, name) for wanted, name in _compared(filters, provider, model, feature)):
            numbered[provider, model] += [known[user] for user in users if user in known]
            unknown[provider, model].update(user for user in users if user not in known)
    for of_model, users_with in numbered.items():
        active[of_model] |= bits_of(users_with)
    return {
        of_model: active.get(of_model, 0).bit_count() + len(unknown.get(of_model, ()))
        for of_model in active.keys() | unknown.keys()
    }


def _compared(filters: Filters, provider: str, model: str, feature: str) -> Iterable[tuple[Wanted, str]]:
    return (filters.provider, provider), (filters.model, model), (filters.feature, feature)
