"""The distribution of request durations, and errors."""

from datetime import datetime
from typing import NamedTuple

from pydantic import ConfigDict

from app.reports.parts import day_rows
from app.reports.parts.figures import described
from app.reports.queries import ledger, rollups
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import Reader
from app.reports.rows import (
    Percentiles,
    Row,
    Window,
)
from models import CallStatus
from models.base import camel
from models.latency import bars, merged, percentiles

MOST_BARS = 40


class LatencyBar(Row):
    """Calls whose duration is from `from` to `to`, in whole ms, inclusive."""

    first: int
    last: int
    count: int

    model_config = ConfigDict(alias_generator=lambda name: {"first": "from", "last": "to"}.get(name, camel(name)))


class ErrorKind(Row):
    """Calls to one provider that ended with one status other than success."""

    status: CallStatus
    provider: str
    count: int


class LatencyReport(Row):
    """`GET /api/admin/ai/latency`."""

    window: Window
    synthetic: Synthetic
    latency: Percentiles
    measured: int | None
    """Calls that report a duration. Null whenever the buckets are."""
    buckets: list[LatencyBar] | None
    """The distribution of the request duration, in about 40 bars of equal width on a log scale, side by side. Null
    when filtered by model or feature (except for a single user): latency is kept by provider and service type."""
    errors: list[ErrorKind]
    """By status and provider, the most first."""
    generated_at: datetime


class LatencyParts(NamedTuple):
    """The rows of the report."""

    sketch: dict[int, int] | None
    errors: list[tuple[CallStatus, str, int]]
    """By status and provider."""


async def from_cells(read: Reader, query: ReportQuery) -> LatencyParts:
    """From the rollups."""
    sketch = None
    if query.filters.model is query.filters.feature is None:
        sketch = day_rows.sketch(await read.cells(rollups.latency_by_day(query)))
    rows = await read.cells(rollups.statuses_by_provider(query))
    kinds = [status for status in CallStatus if status is not CallStatus.SUCCESS]
    errors = [(status, row["_id"], row[f"status_{status}"]) for row in rows for status in kinds]
    return LatencyParts(sketch, [error for error in errors if error[2]])


async def from_ledger(read: Reader, query: ReportQuery) -> LatencyParts:
    """From the ledger, whatever the filter."""
    sketches = day_rows.sketches_of(await read.ledger(ledger.durations_by_day(query)))
    rows = await read.ledger(ledger.errors(query))
    errors = [(CallStatus(row["_id"]["status"]), row["_id"]["provider"], row["count"]) for row in rows]
    return LatencyParts(merged(sketches.values()), errors)


def latency_report(query: ReportQuery, parts: LatencyParts, generated_at: datetime) -> LatencyReport:
    """The report of these rows."""
    sketch, buckets = parts.sketch, None
    if sketch is not None:
        buckets = [LatencyBar(first=bar.first, last=bar.last, count=bar.count) for bar in bars(sketch, MOST_BARS)]
    errors = sorted(parts.errors, key=lambda error: (-error[2], error[0], error[1]))
    return LatencyReport(
        window=described(query.window),
        synthetic=query.synthetic,
        latency=Percentiles(**percentiles(sketch or {}, day_rows.PERCENTS)),
        measured=None if sketch is None else sum(sketch.values()),
        buckets=buckets,
        errors=[ErrorKind(status=status, provider=provider, count=count) for status, provider, count in errors],
        generated_at=generated_at,
    )
