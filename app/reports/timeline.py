"""Figures over time, by minute, hour or day: days and hours from rollups, and minutes from the ledger.

Cells count by hours of the clock. What no such hour has as a whole, as at the edges of a window between two instants
and where clocks are set back, is read from the ledger as of the same moment.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, Self

from app.errors import invalid
from app.reports.parts.buckets import QUARTER_MINUTES, Buckets, Step, buckets_of
from app.reports.parts.figures import summed, timed
from app.reports.parts.user_days import rows_of_user
from app.reports.queries import readiness
from app.reports.queries import timeline as queries
from app.reports.queries.timeline import FIGURES
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import Document, Documents, Reader, first
from app.reports.rows import Row, TimedWindow
from app.reports.windows import TimeWindow
from models.money import to_decimal
from models.rollups import HOUR_TOTALS, OTHER

MOST_NAMES = 10
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

    @classmethod
    def of(cls, at: datetime, stored: Mapping[str, Any], **more: Any) -> Self:
        """From stored figures; an empty mapping gives zeros."""
        return cls(
            at=at,
            requests=stored.get("requests", 0),
            successes=stored.get("successes", 0),
            input_tokens=stored.get("inputTokens", 0),
            output_tokens=stored.get("outputTokens", 0),
            cost=to_decimal(stored.get("cost")),
            **more,
        )


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


class Placed(NamedTuple):
    """Figures of one bucket, whose number `place` is, and of one name, if any."""

    place: int
    name: str | None
    figures: Document


class TimelineParts(NamedTuple):
    """What the report needs. Several rows may be of one bucket and name."""

    starts: Sequence[datetime]
    """Of the buckets."""
    rows: list[Placed]
    unknown: Container[int] = ()
    """Buckets whose calls without a price are not known."""


async def from_ledger(read: Reader, query: ReportQuery, step: Step, by: TimelineBy | None) -> TimelineParts:
    """From the ledger, whatever the step and the filters. Raises InvalidRequestError where it is not whole."""
    buckets = buckets_of(query.window, step)._replace(odd=[(query.window.start, query.window.end)])
    minutes = 1 if step is Step.MINUTE else QUARTER_MINUTES
    return TimelineParts(buckets.starts, await _odd_rows(read, query, buckets, minutes, by))


async def of_user(read: Reader, query: ReportQuery, by: TimelineBy | None) -> TimelineParts:
    """Whole days of one user, from what is kept of them, else from the ledger."""
    places = _places_of_days(query.window)
    rows = await rows_of_user(read, query)
    return TimelineParts(
        buckets_of(query.window, Step.DAY).starts, [Placed(places[row["day"]], by and row[by], row) for row in rows]
    )


async def from_cells(read: Reader, query: ReportQuery, step: Step, by: TimelineBy | None) -> TimelineParts:
    """Days and hours from the rollups. Raises InvalidRequestError where the ledger is needed, and not whole."""
    buckets = buckets_of(query.window, step)
    if step is Step.DAY and not query.window.is_timed:
        places = _places_of_days(query.window)
        days = await read.cells(queries.by_day(query, by))
        rows = [Placed(places[row["_id"]["day"]], row["_id"].get("name"), row) for row in days]
        return TimelineParts(buckets.starts, rows)
    stored = await read.cells(queries.hours_by_day(query, by))
    rows = [
        Placed(place, row["_id"].get("name"), figures)
        for row in stored
        for hours in row["hours"]
        for hour, figures in hours.items()
        if (place := buckets.hours.get((row["_id"]["day"], int(hour)))) is not None
    ]
    if buckets.odd:
        names = {row["_id"].get("name") for row in stored}
        found = await _odd_rows(read, query, buckets, QUARTER_MINUTES, by)
        # cells have names beyond a client's cap as `other`
        rows += [row if by is None or row.name in names else row._replace(name=OTHER) for row in found]
    unpriced, unknown = await _unpriced(read, query, buckets, stored)
    return TimelineParts(buckets.starts, rows + unpriced, unknown)


async def _odd_rows(
    read: Reader, query: ReportQuery, buckets: Buckets, minutes: int, by: TimelineBy | None
) -> list[Placed]:
    """What only the ledger has, in steps of so many minutes."""
    whole_from = await _whole_from(read)
    if query.window.first.isoformat() < whole_from:
        message = f"must be day for this window: retention has deleted single calls from before {whole_from}"
        raise invalid("step", message)
    rows = await read.ledger(queries.by_moment(query, buckets.odd, minutes, by))
    return [Placed(buckets.place(row["_id"]["at"]), row["_id"].get("name"), row) for row in rows]


async def _unpriced(
    read: Reader, query: ReportQuery, buckets: Buckets, stored: Documents
) -> tuple[list[Placed], set[int]]:
    """Calls without a price by hour, which cells have by day alone; and the buckets where they are not known."""
    days: Counter[str] = Counter()
    for row in stored:
        days[row["_id"]["day"]] += row["unpriced"]
    whole_from = await _whole_from(read)
    few = days.total() <= MOST_UNPRICED
    lacking = {day for day, count in days.items() if count and not (few and day >= whole_from)}
    unknown = {place for (day, _), place in buckets.hours.items() if day in lacking}
    if not few or not days.total():
        return [], unknown
    found = []
    for row in await read.ledger(queries.unpriced(query, QUARTER_MINUTES)):
        local = row["_id"].astimezone(query.window.zone)
        if (place := buckets.hours.get((local.date().isoformat(), local.hour))) is not None:
            found.append(Placed(place, None, {"unpriced": row["count"]}))
    return found, unknown


async def _whole_from(read: Reader) -> str:
    """The first day of which retention has deleted no call; empty where it has deleted none."""
    day: str = first(await read.cells(readiness.state())).get("wholeFrom", "")
    return day


def _places_of_days(window: TimeWindow) -> dict[str, int]:
    return {day.isoformat(): place for place, day in enumerate(window.days)}


def timeline_report(
    query: ReportQuery, parts: TimelineParts, step: Step, by: TimelineBy | None, generated_at: datetime
) -> TimelineReport:
    """The report of these rows."""
    begun = bisect_right(parts.starts, generated_at)
    starts = parts.starts[: max(begun, 1 + max((row.place for row in parts.rows), default=-1))]
    totals = _summed(parts.rows, FIGURES)
    return TimelineReport(
        window=timed(query.window),
        synthetic=query.synthetic,
        step=step,
        points=[_point(place, at, totals.get(place, {}), parts.unknown) for place, at in enumerate(starts)],
        series=None if by is None else _series(starts, parts.rows),
        generated_at=generated_at,
    )


def _point(place: int, at: datetime, stored: Document, unknown: Container[int]) -> TimelineBucket:
    return TimelineBucket.of(at, stored, unpriced=None if place in unknown else stored.get("unpriced", 0))


def _series(starts: Sequence[datetime], rows: Iterable[Placed]) -> list[TimelineSeries]:
    by_name: dict[str, list[Placed]] = {}
    for row in rows:
        if row.name is not None:
            by_name.setdefault(row.name, []).append(row)
    rest = by_name.pop(OTHER, [])
    totals = {name: summed([row.figures for row in of_name], HOUR_TOTALS) for name, of_name in by_name.items()}
    ranked = sorted(totals, key=lambda name: (-to_decimal(totals[name]["cost"]), -totals[name]["requests"], name))
    for name in ranked[MOST_NAMES:]:
        rest += by_name[name]
    shown = [(name, by_name[name]) for name in ranked[:MOST_NAMES]] + ([(OTHER, rest)] if rest else [])
    return [_series_of(name, starts, _summed(of_name, HOUR_TOTALS)) for name, of_name in shown]


def _series_of(name: str, starts: Sequence[datetime], sums: dict[int, Document]) -> TimelineSeries:
    points = [SeriesBucket.of(at, sums.get(place, {})) for place, at in enumerate(starts)]
    return TimelineSeries(name=name, points=points)


def _summed(rows: Iterable[Placed], names: tuple[str, ...]) -> dict[int, Document]:
    """The sum of each figure by bucket."""
    found: dict[int, Documents] = {}
    for row in rows:
        found.setdefault(row.place, []).append(row.figures)
    return {place: summed(of_place, names) for place, of_place in found.items()}
