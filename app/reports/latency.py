"""How long calls took and how fast models answered: by day, model, provider and feature; and errors."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from pydantic import ConfigDict

from app.reports.parts import day_rows, speeds
from app.reports.parts.figures import described
from app.reports.parts.speeds import Key, Times
from app.reports.queries import ledger, rollups
from app.reports.queries import speeds as queries
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import Document, Documents, Reader
from app.reports.rows import Row, Timed, Window
from models import CallStatus
from models.base import camel
from models.latency import bars
from models.speeds import values

MOST_BARS = 40
MOST_LINES = 8
"""Models that are told day by day: the ones with the most calls."""
MODEL_DAY, MODEL, PROVIDER, FEATURE = ("day", "provider", "model"), ("provider", "model"), ("provider",), ("feature",)


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


class Measured(Timed):
    """A group of calls."""

    measured: int
    """Calls that report a duration."""


class MeasuredDay(Measured):
    """One day."""

    day: date


class MeasuredProvider(Measured):
    """One provider."""

    provider: str


class MeasuredModel(MeasuredProvider):
    """One model at one provider."""

    model: str


class MeasuredFeature(Measured):
    """One feature."""

    feature: str


class ModelDay(Row):
    """One model at one provider on one day: percentiles of the request duration in ms."""

    day: date
    provider: str
    model: str
    measured: int
    p50: int | None
    p95: int | None


class LatencyReport(Timed):
    """`GET /api/admin/ai/latency`."""

    window: Window
    synthetic: Synthetic
    measured: int
    """Calls that report a duration."""
    buckets: list[LatencyBar]
    """The distribution of the request duration, in about 40 bars of equal width on a log scale, side by side."""
    daily: list[MeasuredDay]
    """Days with calls."""
    by_model: list[MeasuredModel]
    """Here and below, the one with the slowest 95th percentile first; those without a duration last."""
    by_provider: list[MeasuredProvider]
    by_feature: list[MeasuredFeature]
    model_days: list[ModelDay]
    """Of the eight models with the most measured calls, the days that have some."""
    complete: bool
    """Whether all calls are in it. Not so while the server, after an upgrade, works out the speeds of earlier calls:
    then groups of more than 300 calls lack them.
    """
    errors: list[ErrorKind]
    """By status and provider, the most first."""
    generated_at: datetime


@dataclass(frozen=True)
class LatencyParts:
    """The rows of the report."""

    total: Times
    sketch: Mapping[int, int]
    """Of all durations, in buckets of `models.latency`."""
    days: Mapping[Key, Times]
    models: Mapping[Key, Times]
    providers: Mapping[Key, Times]
    features: Mapping[Key, Times]
    model_days: Mapping[Key, Times]
    errors: list[tuple[CallStatus, str, int]] = field(default_factory=list)
    """By status and provider."""
    complete: bool = True


Exact = dict[Sequence[str], dict[Key, Times]]
Errors = list[tuple[CallStatus, str, int]]


async def from_cells(read: Reader, query: ReportQuery, state: Document) -> LatencyParts:
    """From the rollups, whose `state` this is, and of few calls from the ledger."""
    rows = await read.cells(rollups.statuses_by_provider(query))
    kinds = [status for status in CallStatus if status is not CallStatus.SUCCESS]
    counted: Errors = [(status, row["_id"], row[f"status_{status}"]) for row in rows for status in kinds]
    errors = [error for error in counted if error[2]]
    parts = await read.cells(rollups.by_part(query))
    if (calls := (await speeds.few(read, query, {(): parts})).get(())) is not None:
        return _of_calls(query, calls, errors)
    known = await speeds.is_known(read, state)
    model_days = await speeds.by(read, query, MODEL_DAY) if known else {}
    features = await speeds.by(read, query, FEATURE) if known else {}
    finer = await read.cells(rollups.latency_by_day(query)) if speeds.is_finer(query) else None
    exact: Exact = {
        names: {
            key: Times.of_calls(calls, exact=True)
            for key, calls in (await speeds.few(read, query, speeds.groups_of(parts, names))).items()
        }
        for names in (MODEL, PROVIDER, FEATURE)
    }
    return await asyncio.to_thread(_of_sketches, model_days, features, finer, exact, errors, complete=known)


def _of_sketches(
    model_days: Mapping[Key, Times],
    features: Mapping[Key, Times],
    finer: Documents | None,
    exact: Exact,
    errors: Errors,
    *,
    complete: bool,
) -> LatencyParts:
    days = _summed(model_days, lambda key: key[:1])
    total = Times.sum(days.values())
    sketch = _sketch_of(total, finer=True)  # values that stand for coarse buckets are in the middle ones
    if finer is not None:  # by day, and by provider, there are finer sketches
        sketches = {(row["_id"],): day_rows.sketch([row]) for row in finer}
        days = {key: days.get(key, speeds.UNKNOWN)._replace(durations=values(each)) for key, each in sketches.items()}
        sketch = day_rows.sketch(finer)
        total = total._replace(durations=values(sketch))
    models, providers = _summed(model_days, lambda key: key[1:]), _summed(model_days, lambda key: key[1:2])
    return LatencyParts(
        total,
        sketch,
        days,
        {**models, **exact[MODEL]},
        {**providers, **exact[PROVIDER]},
        {**features, **exact[FEATURE]},
        model_days,
        errors,
        complete,
    )


async def from_ledger(read: Reader, query: ReportQuery) -> LatencyParts:
    """From the ledger, whatever the filter."""
    rows = await read.ledger(ledger.errors(query))
    errors = [(CallStatus(row["_id"]["status"]), row["_id"]["provider"], row["count"]) for row in rows]
    calls = await read.ledger(queries.times(query))
    return await asyncio.to_thread(_of_calls, query, calls, errors)


def _of_calls(query: ReportQuery, calls: Documents, errors: Errors) -> LatencyParts:
    """From all calls one by one; of many as sketches would have them."""
    whole = len(calls) <= speeds.EXACT_CALLS

    def by(names: Sequence[str], *, exact: bool | None = None) -> dict[Key, Times]:
        groups: dict[Key, Documents] = {}
        for call in calls:
            groups.setdefault(tuple(call[name] for name in names), []).append(call)
        few = {key: len(of_key) <= speeds.EXACT_CALLS if exact is None else exact for key, of_key in groups.items()}
        return {key: Times.of_calls(of_key, exact=few[key]) for key, of_key in groups.items()}

    total, days = Times.of_calls(calls, exact=True), by(("day",), exact=True)
    sketch = _sketch_of(total, finer=whole or speeds.is_finer(query))
    if not whole:
        total, *of_days = (each.in_sketches(finer=speeds.is_finer(query)) for each in (total, *days.values()))
        days = dict(zip(days, of_days, strict=True))
    models, providers, features, model_days = by(MODEL), by(PROVIDER), by(FEATURE), by(MODEL_DAY, exact=whole)
    return LatencyParts(total, sketch, days, models, providers, features, model_days, errors)


def _sketch_of(times: Times, *, finer: bool) -> dict[int, int]:
    found = Counter[int]()
    for value, count in times.durations.items():
        found[speeds.bucket_for(value, finer=finer)] += count
    return found


def _summed(times: Mapping[Key, Times], key_of: Callable[[Key], Key]) -> dict[Key, Times]:
    groups: dict[Key, list[Times]] = {}
    for key, each in times.items():
        groups.setdefault(key_of(key), []).append(each)
    return {key: Times.sum(members) for key, members in groups.items()}


def latency_report(query: ReportQuery, parts: LatencyParts, generated_at: datetime) -> LatencyReport:
    """The report of these rows."""
    errors = sorted(parts.errors, key=lambda error: (-error[2], error[0], error[1]))
    return LatencyReport(
        window=described(query.window),
        synthetic=query.synthetic,
        measured=parts.total.measured,
        **parts.total.shown(),
        buckets=[LatencyBar(first=bar.first, last=bar.last, count=bar.count) for bar in bars(parts.sketch, MOST_BARS)],
        daily=[
            MeasuredDay(day=date.fromisoformat(day), measured=times.measured, **times.shown())
            for (day,), times in sorted(parts.days.items())
            if times.is_known
        ],
        by_model=[
            MeasuredModel(provider=provider, model=model, measured=times.measured, **times.shown())
            for (provider, model), times in _slowest_first(parts.models)
        ],
        by_provider=[
            MeasuredProvider(provider=provider, measured=times.measured, **times.shown())
            for (provider,), times in _slowest_first(parts.providers)
        ],
        by_feature=[
            MeasuredFeature(feature=feature, measured=times.measured, **times.shown())
            for (feature,), times in _slowest_first(parts.features)
        ],
        model_days=_model_days(parts),
        complete=parts.complete,
        errors=[ErrorKind(status=status, provider=provider, count=count) for status, provider, count in errors],
        generated_at=generated_at,
    )


def _slowest_first(times: Mapping[Key, Times]) -> Iterable[tuple[Key, Times]]:
    with_p95 = [(speeds.at(each.durations, 95)[0], key, each) for key, each in times.items() if each.is_known]
    return [(key, each) for _, key, each in sorted(with_p95, key=lambda row: (row[0] is None, -(row[0] or 0), row[1]))]


def _model_days(parts: LatencyParts) -> list[ModelDay]:
    busiest = sorted(parts.models, key=lambda key: (-parts.models[key].measured, key))[:MOST_LINES]
    chosen = sorted((key, times) for key, times in parts.model_days.items() if key[1:] in busiest and times.measured)
    found = []
    for (day, provider, model), times in chosen:
        p50, p95 = speeds.at(times.durations, 50, 95)
        of_day = date.fromisoformat(day)
        found.append(ModelDay(day=of_day, provider=provider, model=model, measured=times.measured, p50=p50, p95=p95))
    return found
