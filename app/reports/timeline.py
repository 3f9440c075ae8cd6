"""Figures over time, by minute, hour or day: days and hours from rollups, and minutes from the ledger.

Cells count by hours of the clock. What no such hour has as a whole, as at the edges of a window between two instants
and where clocks are set back, is read from the ledger as of the same moment.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Container, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from operator import add
from typing import Any, NamedTuple

from bson import Decimal128

from app.errors import invalid
from app.reports.parts.buckets import QUARTER_MINUTES, Buckets, Step, buckets_of
from app.reports.parts.figures import timed
from app.reports.parts.user_days import rows_of_user
from app.reports.queries import readiness
from app.reports.queries import timeline as queries
from app.reports.queries.rollup_rows import Query
from app.reports.queries.timeline import FIGURES
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import ROWS_AT_ONCE, Document, Reader, first
from app.reports.rows import Row, TimedWindow
from app.reports.windows import TimeWindow
from models.money import from_units, stored_units, to_decimal
from models.rollups import OTHER

MOST_NAMES = 10
COST = FIGURES.index("cost")
UNNAMED = None
"""What of a series has no name: it is in the totals alone."""
MOST_UNPRICED = 10_000
"""So many calls without a price are looked up in the ledger, where cells have them by day alone."""


class SeriesBucket(Row):
    """One minute, hour or day."""

    at: datetime
    """When it begins: the first one of a window between two instants with that window."""
    requests: int
    successes: int
    input_tokens: int
    output_tokens: int
    cost: Decimal
    """The sum over the priced calls."""


class TimelineBucket(SeriesBucket):
    """The same over all names."""

    unpriced: int | None
    """Calls whose cost is not in `cost`. Null by hour where it is not known: their days have more than 10,000 of them,
    or retention has deleted them."""


class TimelineSeries(Row):
    """One model, provider, feature or service type."""

    name: str
    points: list[SeriesBucket]
    """As many as the timeline has."""


class TimelineReport(Row):
    """`GET /api/admin/ai/timeline`."""

    window: TimedWindow
    synthetic: Synthetic
    step: Step
    points: list[TimelineBucket]
    """Every bucket of the window that has begun, including zeros, and later ones up to the last that has calls."""
    series: list[TimelineSeries] | None
    """The ten names with the most cost, and `other`, which is all the rest; a model that several providers sell is one.
    Null unless requested with `by=`."""
    generated_at: datetime


class TimelineBy(StrEnum):
    """The dimensions of a timeline."""

    PROVIDER = "provider"
    MODEL = "model"
    FEATURE = "feature"
    SERVICE_TYPE = "serviceType"


class Sums:
    """Figures by name and bucket, in the order of FIGURES; amounts are integers in units of their last decimal.

    Rows are added as they come, because there may be as many as calls.
    """

    def __init__(self) -> None:
        self.named: dict[str | None, dict[int, list[int]]] = {}

    def add(self, name: str | None, place: int, figures: Mapping[str, Any]) -> None:
        """Add what of its figures a row has."""
        of_name = self.named.setdefault(name, {})
        if (sums := of_name.get(place)) is None:
            sums = of_name[place] = [0] * len(FIGURES)
        for position, figure in enumerate(FIGURES):
            if value := figures.get(figure):
                sums[position] += stored_units(value) if isinstance(value, Decimal128) else value

    def over(self, names: Iterable[str | None]) -> dict[int, list[int]]:
        """By bucket, over these names."""
        found: dict[int, list[int]] = {}
        for name in names:
            for place, sums in self.named[name].items():
                found[place] = [*map(add, found[place], sums)] if place in found else sums
        return found


class TimelineParts(NamedTuple):
    """What the report needs."""

    starts: Sequence[datetime]
    """Of the buckets."""
    sums: Sums
    unknown: Container[int] = ()
    """Buckets whose calls without a price are not known."""


async def from_ledger(read: Reader, query: ReportQuery, step: Step, by: TimelineBy | None) -> TimelineParts:
    """From the ledger, whatever the step and the filters. Raises InvalidRequestError where it is not whole."""
    buckets = buckets_of(query.window, step)._replace(odd=[(query.window.start, query.window.end)])
    reading = _Reading(read, query, buckets, by, Sums())
    await reading.add_odd(1 if step is Step.MINUTE else QUARTER_MINUTES)
    return TimelineParts(buckets.starts, reading.sums)


async def of_user(read: Reader, query: ReportQuery, by: TimelineBy | None) -> TimelineParts:
    """Whole days of one user, from what is kept of them, else from the ledger."""
    places, sums = _places_of_days(query.window), Sums()
    for row in await rows_of_user(read, query):
        sums.add(by and row[by], places[row["day"]], row)
    return TimelineParts(buckets_of(query.window, Step.DAY).starts, sums)


async def from_cells(read: Reader, query: ReportQuery, step: Step, by: TimelineBy | None) -> TimelineParts:
    """Days and hours from the rollups. Raises InvalidRequestError where the ledger is needed, and not whole."""
    buckets = buckets_of(query.window, step)
    reading = _Reading(read, query, buckets, by, Sums())
    if step is Step.DAY and not query.window.is_timed:
        await reading.add_days()
        return TimelineParts(buckets.starts, reading.sums)
    unpriced = await reading.add_hours()
    if buckets.odd:
        # cells have names beyond a client's cap as `other`
        await reading.add_odd(QUARTER_MINUTES, known={*reading.sums.named})
    return TimelineParts(buckets.starts, reading.sums, await reading.add_unpriced(unpriced))


class _Reading(NamedTuple):
    """Adds what is read to `sums`."""

    read: Reader
    query: ReportQuery
    buckets: Buckets
    by: TimelineBy | None
    sums: Sums

    async def add_days(self) -> None:
        """From cells."""
        places = _places_of_days(self.query.window)
        async for row in self._rows(queries.by_day(self.query, self.by)):
            self.sums.add(row["_id"].get("name"), places[row["_id"]["day"]], row)

    async def add_hours(self) -> Counter[str]:
        """From cells, those that they know. Returns the calls without a price by day."""
        unpriced: Counter[str] = Counter()
        async for row in self._rows(queries.hours_by_day(self.query, self.by)):
            day, name = row["_id"]["day"], row["_id"].get("name")
            unpriced[day] += row["unpriced"]
            self.sums.named.setdefault(name, {})
            for hour in range(24):
                if (place := self.buckets.hours.get((day, hour))) is not None and row[f"{hour}"]["requests"]:
                    self.sums.add(name, place, row[f"{hour}"])
        return unpriced

    async def add_odd(self, minutes: int, known: Container[str | None] | None = None) -> None:
        """From the ledger, in steps of so many minutes; names that are not `known` as `other`."""
        whole_from = await _whole_from(self.read)
        if self.query.window.first.isoformat() < whole_from:
            message = f"must be day for this window: retention has deleted single calls from before {whole_from}"
            raise invalid("step", message)
        async for row in self._rows(queries.by_moment(self.query, self.buckets.odd, minutes, self.by)):
            name = row["_id"].get("name")
            named = name if known is None or self.by is None or name in known else OTHER
            self.sums.add(named, self.buckets.place(row["_id"]["at"]), row)

    async def add_unpriced(self, days: Counter[str]) -> set[int]:
        """From the ledger, because cells have calls without a price by day alone. Returns where they are not known."""
        whole_from, few = await _whole_from(self.read), days.total() <= MOST_UNPRICED
        lacking = {day for day, count in days.items() if count and not (few and day >= whole_from)}
        if few and days.total():
            async for row in self._rows(queries.unpriced(self.query, QUARTER_MINUTES)):
                local = row["_id"].astimezone(self.query.window.zone)
                if (place := self.buckets.hours.get((local.date().isoformat(), local.hour))) is not None:
                    self.sums.add(UNNAMED, place, {"unpriced": row["count"]})
        return {place for (day, _), place in self.buckets.hours.items() if day in lacking}

    async def _rows(self, query: Query) -> AsyncIterator[Document]:
        async with aclosing(self.read.batches(query, ROWS_AT_ONCE)) as batches:
            async for rows in batches:
                for row in rows:
                    yield row


async def _whole_from(read: Reader) -> str:
    """The first day of which retention has deleted no call; empty where it has deleted none."""
    day: str = first(await read.cells(readiness.state())).get("wholeFrom", "")
    return day


def _places_of_days(window: TimeWindow) -> dict[str, int]:
    return {day.isoformat(): place for place, day in enumerate(window.days)}


def timeline_report(
    query: ReportQuery, parts: TimelineParts, step: Step, by: TimelineBy | None, generated_at: datetime
) -> TimelineReport:
    """The report of these sums."""
    totals = parts.sums.over(parts.sums.named)
    starts = parts.starts[: max(bisect_right(parts.starts, generated_at), 1 + max(totals, default=-1))]
    points = [
        TimelineBucket(**_bucket(at, sums), unpriced=None if place in parts.unknown else sums[-1])
        for place, at in enumerate(starts)
        for sums in (totals.get(place, _NOTHING),)
    ]
    return TimelineReport(
        window=timed(query.window),
        synthetic=query.synthetic,
        step=step,
        points=points,
        series=None if by is None else _series(starts, parts.sums),
        generated_at=generated_at,
    )


def _series(starts: Sequence[datetime], sums: Sums) -> list[TimelineSeries]:
    names = [name for name in sums.named if name is not None and name != OTHER]
    totals = {name: [*map(sum, zip(*sums.named[name].values(), strict=True))] for name in names}
    ranked = sorted(names, key=lambda name: (-totals[name][COST], -totals[name][0], name))
    shown, rest = ranked[:MOST_NAMES], [*ranked[MOST_NAMES:], *({OTHER} & sums.named.keys())]
    found = [_series_of(name, starts, sums.named[name]) for name in shown]
    return found + ([_series_of(OTHER, starts, sums.over(rest))] if rest else [])


def _series_of(name: str, starts: Sequence[datetime], sums: dict[int, list[int]]) -> TimelineSeries:
    points = [SeriesBucket(**_bucket(at, sums.get(place, _NOTHING))) for place, at in enumerate(starts)]
    return TimelineSeries(name=name, points=points)


_NOTHING = [0] * len(FIGURES)


def _bucket(at: datetime, sums: Sequence[int]) -> dict[str, Any]:
    requests, successes, input_tokens, output_tokens, cost, _ = sums
    return {
        "at": at,
        "requests": requests,
        "successes": successes,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cost": to_decimal(from_units(cost)),
    }
