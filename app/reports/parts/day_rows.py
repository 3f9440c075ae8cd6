"""A window day by day: rows with totals, statuses, hours and latency sketches, from rollups or from the ledger."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date

from app.reports.parts import speeds
from app.reports.queries import ledger, rollups
from app.reports.queries import speeds as queries
from app.reports.query import ReportQuery
from app.reports.reader import Document, Documents, Reader
from app.reports.rows import Percentiles, UsageDay
from app.reports.windows import TimeWindow
from models import CallStatus
from models.latency import merged
from models.speeds import DURATION, Values, as_fine, values

PERCENTS = (50, 95, 99)


async def from_cells(read: Reader, query: ReportQuery, state: Document, *, hours_from: date) -> Documents:
    """From the rollups, whose `state` this is, with hours from a day on; of few calls with their exact durations."""
    first = query.window.first.isoformat()
    of_all = not query.filters.any_part()
    rows = await read.cells(
        rollups.by_day(query, hours_from=hours_from.isoformat(), latency_from=first if of_all else None)
    )
    if (durations := await exact_durations(read, query, rows)) is not None:
        return _with_exact(rows, durations)
    return rows if of_all else await _with_sketches(read, query, state, rows)


async def _with_sketches(read: Reader, query: ReportQuery, state: Document, rows: Documents) -> Documents:
    """With those by part; during an upgrade, those by model and feature are not known."""
    sketches: dict[str, list[dict[str, int]]] = {}
    if speeds.is_finer(query):
        sketches = {row["_id"]: row["latency"] for row in await read.cells(rollups.latency_by_day(query))}
    elif await speeds.is_known(read, state):
        found = await read.cells(queries.by(query, ("day",)))
        sketches = {row["_id"]["day"]: list(map(_as_stored, row[DURATION])) for row in found}
    return [{**row, "latency": sketches.get(row["_id"], [])} for row in rows]


def _as_stored(sketch: Mapping[str, int]) -> dict[str, int]:
    return {str(bucket): count for bucket, count in as_fine([sketch]).items()}


async def exact_durations(read: Reader, query: ReportQuery, rows: Documents) -> dict[str, Values] | None:
    """By day: the durations of calls, where `rows` count few; None of many, or where they would take long to find."""
    if not 0 < sum(row.get("requests", 0) for row in rows) <= speeds.EXACT_CALLS:
        return None
    parts = await read.cells(rollups.by_part(query))
    if (calls := (await speeds.few(read, query, {(): parts})).get(())) is None:
        return None
    found: dict[str, Counter[int]] = {}
    for call in calls:
        if (duration := call.get("requestDuration")) is not None:
            found.setdefault(call["day"], Counter())[duration] += 1
    return dict(found)


def _with_exact(rows: Documents, durations: Mapping[str, Values]) -> Documents:
    return [{**row, "exact": durations.get(row["_id"], {})} for row in rows]


async def from_ledger(read: Reader, query: ReportQuery) -> Documents:
    """From the ledger, without hours."""
    durations = await read.ledger(ledger.durations_by_day(query))
    return with_latency(query, await read.ledger(ledger.days(query)), durations)


def with_latency(query: ReportQuery, rows: Documents, found: Documents) -> Documents:
    """The rows of days from the ledger, with their latency: of many calls as sketches have it."""
    exact = sum(row["requests"] for row in rows) <= speeds.EXACT_CALLS
    durations: dict[str, Counter[int]] = {}
    for row in found:
        durations.setdefault(row["_id"]["day"], Counter())[row["_id"]["duration"]] += row["count"]
    finer = speeds.is_finer(query)
    shown = {day: each if exact else speeds.rounded(each, finer=finer) for day, each in durations.items()}
    return _with_exact(rows, shown)


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


async def latency_of(read: Reader, query: ReportQuery, rows: Documents) -> Percentiles:
    """Percentiles over the rows, which are those of a query from the rollups; of few calls exact ones."""
    durations = await exact_durations(read, query, rows)
    return latency(rows if durations is None else _with_exact(rows, durations))


def latency(rows: Iterable[Document]) -> Percentiles:
    """Percentiles over the rows."""
    p50, p95, p99 = speeds.at(_durations(rows), *PERCENTS)
    return Percentiles(p50=p50, p95=p95, p99=p99)


def _durations(rows: Iterable[Document]) -> Values:
    """The durations that rows have, else those for which their sketches stand."""
    rows, found = list(rows), Counter[int]()
    for row in rows:
        for duration, count in row.get("exact", {}).items():
            found[duration] += count
    return found or values(sketch(row for row in rows if "exact" not in row))


def sketch(rows: Iterable[Document]) -> dict[int, int]:
    """One sketch of the rows; empty where they have none."""
    return merged(each for row in rows for each in row.get("latency", ()))


def usage_days(window: TimeWindow, rows: Documents, active: Mapping[str, int]) -> list[UsageDay]:
    """Every day of the window, including zeros."""
    found = {row["_id"]: row for row in rows}
    return [_usage_day(day, found.get(day.isoformat(), {}), active.get(day.isoformat(), 0)) for day in window.days]


def _usage_day(day: date, row: Document, active: int) -> UsageDay:
    (p95,) = speeds.at(_durations([row]), 95)
    return UsageDay.from_stored(row, day=day, active_users=active, statuses=statuses([row]), p95=p95)
