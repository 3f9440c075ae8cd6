"""Who used which feature on which day since the first call: from the sheets of days that are over, else the months.

Users are bits of integers, as in sheets. Those who have no number yet have places above all numbers, for one answer.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import aclosing
from datetime import date
from itertools import islice
from typing import Any, NamedTuple

from cachetools import LRUCache

from app.reports.parts.user_sheets import KnownNumbers
from app.reports.queries import sheets
from app.reports.query import ReportQuery
from app.reports.reader import Documents, Reader
from app.reports.windows import DAY
from models.active_days import bit_of
from models.rollups import unescaped
from models.user_sheets import bits, build_of

EVER = date(1970, 1, 1)
KEPT_BYTES = 128_000_000
KEPT_ROWS = 8
MOST_ROWS = 200_000
AT_ONCE = 1_000
"""Users asked for, or read, in one go: more would hold up those who report calls."""
"""Answers whose days without sheets are kept."""

OfFeatures = dict[str, int]
"""By feature: users, as bits."""
OfDays = dict[str, OfFeatures]
"""By day, as `2026-11-21`."""
_Key = tuple[Any, ...]
_Row = tuple[str, str, date, int]
"""User, feature, and days as bits: bit 0 is the day that is named."""
_Rows = Callable[[Reader], Awaitable[Collection[_Row]]]


class FeatureDays(NamedTuple):
    """Who used which feature."""

    by_day: dict[date, OfFeatures]
    """On days of the window."""
    before: OfFeatures
    """On any day before it."""
    places: dict[str, int]
    """The bits of users, at least of those who were asked for."""


class KnownFeatureDays:
    """What one process has read of days with sheets: it changes only where their sheets do."""

    def __init__(self, numbers: KnownNumbers) -> None:
        self._numbers = numbers
        self._days: LRUCache[_Key, OfFeatures] = LRUCache(KEPT_BYTES, getsizeof=_bytes)
        self._rows: LRUCache[_Key, Collection[_Row]] = LRUCache(KEPT_ROWS)

    async def of(
        self, read: Reader, query: ReportQuery, state: dict[str, Any], among: Iterable[str] = ()
    ) -> FeatureDays:
        """Of the days of a query, and of all before them. Only its client and demo data narrow it.

        `state` is that of the rollups, read in the same session. The places of `among` are told.
        """
        build, until = build_of(state), query.over(EVER, query.window.last)
        # what an earlier release made says nothing of itself: it is the same as long as no past day has changed
        made = {row["_id"]: row.get("late", state["late"]) for row in await read.cells(sheets.made(until, build))}
        called = {row["_id"] for row in await read.cells(sheets.called_days(until))}
        found = await self._of_sheets(read, query, build, made)
        rows = [*await self._others(read, query, state, sorted(called - made.keys())), *await _waiting(read, until)]
        # in threads: of many users this takes long, and others must not wait for it
        users = await asyncio.to_thread(lambda: {user for user, *_ in rows}.union(among))
        known = await self._numbers_of(read, users, build) if made else {}
        places = await asyncio.to_thread(_places, users, known, found)
        return await asyncio.to_thread(_joined, query.window.first, found, rows, places)

    async def _of_sheets(self, read: Reader, query: ReportQuery, build: int, made: dict[str, int]) -> OfDays:
        scope = query.filters.client_id, query.synthetic
        keys: dict[str, _Key] = {day: (build, day, late, *scope) for day, late in made.items()}
        found = {day: self._days[key] for day, key in keys.items() if key in self._days}
        if new := sorted(made.keys() - found.keys()):
            rows = await read.cells(sheets.features_of_days(query, build, new))
            fresh = await asyncio.to_thread(_by_day, rows, new)
            for day, of_features in fresh.items():
                if _bytes(of_features) < KEPT_BYTES:
                    self._days[keys[day]] = of_features
            found |= fresh
        return found

    async def _others(
        self, read: Reader, query: ReportQuery, state: dict[str, Any], days: list[str]
    ) -> Collection[_Row]:
        """Of days without sheets. They are kept, too: what waits is read beside them, whether they have it or not."""
        past = [day for day in days if day < state["today"]]
        found: list[_Row] = []
        if past:
            found += await self._kept(read, (state["late"], state["epoch"], query, *past), _rows_of_months(query, past))
        for day in days[len(past) :]:
            # users' cells change with the merges that are not of figures alone
            merges = state["merges"] - state.get("figures", 0)
            scope = query.filters.client_id, query.synthetic
            found += await self._kept(read, (merges, state["epoch"], day, *scope), _rows_of_cells(query, day))
        return found

    async def _numbers_of(self, read: Reader, users: Iterable[str], build: int) -> dict[str, int]:
        known: dict[str, int] = {}
        for some in _batched(users):
            known = await self._numbers.of(read, some, build)
        return known

    async def _kept(self, read: Reader, key: _Key, rows: _Rows) -> Collection[_Row]:
        if not read.is_of_one_moment:
            return await rows(read)
        if (kept := self._rows.get(key)) is not None:
            return kept
        found = await rows(read)
        if len(found) <= MOST_ROWS:
            self._rows[key] = found
        return found


def _rows_of_months(query: ReportQuery, days: list[str]) -> _Rows:
    async def rows(read: Reader) -> Collection[_Row]:
        wanted: dict[str, int] = defaultdict(int)
        for day in days:
            wanted[day[:7]] |= bit_of(day)
        found: list[_Row] = []
        first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
        async with aclosing(read.batches(sheets.features_of_months(query.over(first, last)), AT_ONCE)) as batches:
            async for batch in batches:
                found += await asyncio.to_thread(_of_users, batch, wanted, query.window.first)
        return found

    return rows


def _rows_of_cells(query: ReportQuery, day: str) -> _Rows:
    async def rows(read: Reader) -> Collection[_Row]:
        only = date.fromisoformat(day)
        found = await read.cells(sheets.parts_of_days(query.over(only, only), [day]))
        return await asyncio.to_thread(_of_cells, found, only)

    return rows


async def _waiting(read: Reader, query: ReportQuery) -> list[_Row]:
    rows = await read.cells(sheets.waiting_features(query))
    keys = (row["_id"] for row in rows)
    return await asyncio.to_thread(
        lambda: [(key["user"], _feature(key["part"]), date.fromisoformat(key["day"]), 1) for key in keys]
    )


def _places(users: set[str], known: dict[str, int], found: OfDays) -> dict[str, int]:
    places = {user: known[user] for user in users if user in known}
    above = max((active.bit_length() for of_day in found.values() for active in of_day.values()), default=0)
    above = max(above, max(places.values(), default=-1) + 1)
    return places | {user: place for place, user in enumerate(sorted(users - places.keys()), above)}


def _joined(first: date, found: OfDays, rows: Iterable[_Row], places: dict[str, int]) -> FeatureDays:
    by_day: dict[date, OfFeatures] = {date.fromisoformat(day): dict(of_day) for day, of_day in found.items()}
    size = max(places.values(), default=0) // 8 + 1
    more: defaultdict[tuple[date, str], bytearray] = defaultdict(lambda: bytearray(size))
    for user, feature, day, days in rows:
        place, bit = places[user] >> 3, 1 << (places[user] & 7)
        for number in _numbers(days):
            more[day + number * DAY, feature][place] |= bit
    for (day, feature), active in more.items():
        of_day = by_day.setdefault(day, {})
        of_day[feature] = of_day.get(feature, 0) | int.from_bytes(active, "little")
    before: OfFeatures = {}
    for day in [day for day in by_day if day < first]:
        for feature, users in by_day.pop(day).items():
            before[feature] = before.get(feature, 0) | users
    return FeatureDays(by_day, before, places)


def _by_day(rows: Documents, days: list[str]) -> OfDays:
    found: OfDays = {day: {} for day in days}
    for sheet in rows:
        of_day, feature = found[sheet["_id"]["day"]], sheet["_id"]["feature"]
        of_day[feature] = of_day.get(feature, 0) | bits(sheet)
    return found


def _of_users(rows: Documents, wanted: dict[str, int], first: date) -> list[_Row]:
    """Of days before `first` the last one stands for all."""
    found: list[_Row] = []
    for row in rows:
        start, mask = date.fromisoformat(f"{row['month']}-01"), wanted.get(row["month"], 0)
        before = max(0, (first - start).days)
        for part, active in (row.get("parts") or {}).items():
            days = int(active) & mask
            if earlier := days & ((1 << before) - 1):
                days = (days ^ earlier) | 1 << (earlier.bit_length() - 1)
            if days:
                found.append((row["user"], _feature(part), start, days))
    return found


def _of_cells(rows: Documents, day: date) -> list[_Row]:
    return [(row["user"], _feature(part), day, 1) for row in rows for part in row["parts"]]


def _numbers(bits_set: int) -> Iterator[int]:
    while bits_set:
        lowest = bits_set & -bits_set
        yield lowest.bit_length() - 1
        bits_set ^= lowest


def _feature(part: str) -> str:
    return unescaped(part.split("|")[3])


def _bytes(found: OfFeatures) -> int:
    return sum(each.bit_length() // 8 + 100 for each in found.values()) + 100


def _batched(users: Iterable[str]) -> Iterator[list[str]]:
    left = iter(users)
    while some := list(islice(left, AT_ONCE)):
        yield some
