"""A window day by day: rows with totals, statuses, hours and latency sketches, from rollups or from the ledger."""

from collections.abc import Iterable, Mapping
from datetime import date

from app.reports.queries import ledger, rollups
from app.reports.query import ReportQuery
from app.reports.reader import Document, Documents, Reader
from app.reports.rows import Percentiles, UsageDay
from app.reports.windows import TimeWindow
from models import CallStatus
from models.latency import bucket_of, merged, percentiles

PERCENTS = (50, 95, 99)


async def from_cells(read: Reader, query: ReportQuery, *, hours_from: date) -> Documents:
    """From the rollups, with hours from a day on. Latency is not kept by model or feature: such rows have none."""
    filters, first = query.filters, query.window.first.isoformat()
    kept = filters.model is filters.feature is None
    of_all = kept and filters.provider is None
    rows = await read.cells(
        rollups.by_day(query, hours_from=hours_from.isoformat(), latency_from=first if of_all else None)
    )
    if not kept or of_all:
        return rows
    sketches = {row["_id"]: row["latency"] for row in await read.cells(rollups.latency_by_day(query))}
    return [{**row, "latency": sketches.get(row["_id"], [])} for row in rows]


async def from_ledger(read: Reader, query: ReportQuery) -> Documents:
    """From the ledger, without hours."""
    durations = await read.ledger(ledger.durations_by_day(query))
    return with_latency(await read.ledger(ledger.days(query)), durations)


def with_latency(rows: Documents, durations: Documents) -> Documents:
    """The rows of days from the ledger, with their latency."""
    sketches = sketches_of(durations)
    return [{**row, "latency": [sketches.get(row["_id"], {})]} for row in rows]


def sketches_of(rows: Documents) -> dict[str, dict[str, int]]:
    """By day: a sketch of exact durations, so that percentiles do not depend on where they come from."""
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        sketch, bucket = found.setdefault(row["_id"]["day"], {}), str(bucket_of(row["_id"]["duration"]))
        sketch[bucket] = sketch.get(bucket, 0) + row["count"]
    return found


def within(rows: Documents, window: TimeWindow) -> Documents:
    """The rows of a window's days."""
    return [row for row in rows if window.first.isoformat() <= row["_id"] <= window.last.isoformat()]


def statuses(rows: Iterable[Document]) -> dict[str, int]:
    """Calls by status, without those that are zero."""
    found: dict[str, int] = dict.fromkeys(CallStatus, 0)
    for row in rows:
        for status in CallStatus:
            found[status] += row.get(f"status_{status}", 0)
    return {str(status): count for status, count in found.items() if count}


def latency(rows: Iterable[Document]) -> Percentiles:
    """Percentiles over the rows."""
    return Percentiles(**percentiles(sketch(rows), PERCENTS))


def sketch(rows: Iterable[Document]) -> dict[int, int]:
    """One sketch of the rows; empty where they have none."""
    return merged(each for row in rows for each in row.get("latency", ()))


def usage_days(window: TimeWindow, rows: Documents, active: Mapping[str, int]) -> list[UsageDay]:
    """Every day of the window, including zeros."""
    found = {row["_id"]: row for row in rows}
    return [_usage_day(day, found.get(day.isoformat(), {}), active.get(day.isoformat(), 0)) for day in window.days]


def _usage_day(day: date, row: Document, active: int) -> UsageDay:
    p95 = percentiles(sketch([row]), (95,))["p95"]
    return UsageDay.from_stored(row, day=day, active_users=active, statuses=statuses([row]), p95=p95)
