"""Data quality: what the figures of a window leave out or estimate."""

import asyncio
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from app.reports.parts.figures import described, grouped, summed
from app.reports.queries import ledger, rollups
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import Document, Documents, Reader, first
from app.reports.rows import (
    ModelTotals,
    Row,
    Totals,
    Window,
    percent,
)
from models.base import camel
from models.money import to_decimal
from models.refusals import LATE, REFUSALS
from models.rollups import Finding

MOST_FINDINGS = 100

ByModel = list[tuple[tuple[str, str], Document]]


class ImpossiblePair(Row):
    """Calls reported under a provider that does not sell the model. They count under the one that does."""

    reported_provider: str
    provider: str
    model: str
    requests: int


class UnmappedContentType(Row):
    """A content type without a feature. It counts under its own name."""

    content_type: str
    requests: int


class FoldedNames(Row):
    """Calls with names beyond the client's cap: reports count them under `other`, the ledger has the names."""

    dimension: str
    """provider, model or feature."""
    requests: int


class UnpricedCalls(ModelTotals):
    """Calls of one model that are unpriced for one kind of reason."""

    reason: str
    """The code of `models.unpriced`; empty for calls that were recorded before reasons were kept."""


class AggregatedEntries(Row):
    """Entries that are sums of many calls, as imports of daily figures make them. Each counts as one request; they are
    in no latency and in no list of calls.
    """

    entries: int
    cost: Decimal
    tokens: int


class RefusedCalls(Row):
    """Calls that were refused for one reason. Nothing else is kept of them, and that for 30 days."""

    door: str
    """Ingest channel: track, batch, otlp, function, background."""
    field: str
    """As in the answer to the caller; empty where the fault is of the call as a whole."""
    reason: str
    calls: int


class LateCalls(Row):
    """Calls of one ingest channel that were reported more than 90 days after their date. History is for imports."""

    door: str
    calls: int


class DataQualityReport(Row):
    """`GET /api/admin/ai/data-quality`: what the figures of a window leave out or estimate. Each list has the hundred
    with the most requests.
    """

    window: Window
    synthetic: Synthetic
    totals: Totals
    unpriced_share: Decimal | None
    """Of all requests, in percent."""
    estimated_share: Decimal | None
    """Of all requests, in percent."""
    unpriced_reasons: list[UnpricedCalls]
    """By kind of reason and model."""
    unpriced_models: list[ModelTotals]
    """With their tokens, to show what is missing."""
    estimated_models: list[ModelTotals]
    impossible_pairs: list[ImpossiblePair]
    unmapped_content_types: list[UnmappedContentType]
    aggregated: AggregatedEntries
    unreadable_usage: int
    """Calls whose response said what was used, but not in a form that could be read."""
    folded_names: list[FoldedNames]
    refused_calls: list[RefusedCalls] | None
    """By the day of arrival; null under a filter by provider, model, feature or user, which no refused call has."""
    late_calls: list[LateCalls] | None
    """Likewise: accepted, and counted on the day that they are dated."""
    generated_at: datetime


class QualityParts(NamedTuple):
    """The rows of the report."""

    totals: Document
    reasons: list[tuple[tuple[str, str, str], Document]]
    """By code, provider and model."""
    unpriced: ByModel
    estimated: ByModel
    impossible: list[tuple[tuple[str, str, str], Document]]
    """By reported provider, provider and model."""
    unmapped: list[tuple[str, Document]]
    aggregated: Document
    unreadable: int
    folded: list[tuple[str, Document]]
    """By what was folded."""
    refused: Documents | None
    late: Documents | None


async def from_cells(read: Reader, query: ReportQuery) -> QualityParts:
    """From the rollups."""
    days = await read.cells(rollups.by_day(query))
    findings = await read.cells(rollups.findings(query))
    refused, late = await _arrivals(read, query, REFUSALS), await _arrivals(read, query, LATE)
    return await asyncio.to_thread(_parts, days, findings, refused, late)


def _parts(days: Documents, findings: Documents, refused: Documents | None, late: Documents | None) -> QualityParts:
    found: dict[str, Documents] = {}
    for row in findings:
        found.setdefault(row["_id"]["kind"], []).append(row)

    def by_model(kind: str) -> ByModel:
        return grouped(found.get(kind, []), lambda row: (row["_id"]["provider"], row["_id"]["model"]))

    def by_model_and_name(kind: str) -> list[tuple[tuple[str, str, str], Document]]:
        return grouped(
            found.get(kind, []), lambda row: (row["_id"]["name"], row["_id"]["provider"], row["_id"]["model"])
        )

    return QualityParts(
        totals=summed(days),
        reasons=by_model_and_name(Finding.UNPRICED),
        unpriced=by_model(Finding.UNPRICED),
        estimated=by_model(Finding.ESTIMATED),
        impossible=by_model_and_name(Finding.IMPOSSIBLE),
        unmapped=grouped(found.get(Finding.UNMAPPED, []), lambda row: row["_id"]["name"]),
        aggregated=summed(found.get(Finding.AGGREGATED, [])),
        unreadable=summed(found.get(Finding.UNREADABLE, []))["requests"],
        folded=grouped(found.get(Finding.FOLDED, []), lambda row: row["_id"]["name"]),
        refused=refused,
        late=late,
    )


async def from_ledger(read: Reader, query: ReportQuery, most: int | None = MOST_FINDINGS) -> QualityParts:
    """From the ledger, which does not fold names; at most `limit` rows of each kind, unless that is None."""
    (found,) = await read.ledger(ledger.data_quality(query, most))

    def by_model(name: str) -> ByModel:
        return [((row["_id"]["provider"], row["_id"]["model"]), row) for row in found[name]]

    return QualityParts(
        first(found["totals"]),
        [((row["_id"]["reason"], row["_id"]["provider"], row["_id"]["model"]), row) for row in found["reasons"]],
        by_model("unpriced"),
        by_model("estimated"),
        [
            ((row["_id"]["reportedProvider"], row["_id"]["provider"], row["_id"]["model"]), row)
            for row in found["impossible"]
        ],
        [(row["_id"], row) for row in found["unmapped"]],
        first(found["aggregated"]) or summed([]),
        first(found["unreadable"]).get("count", 0),
        [],
        await _arrivals(read, query, REFUSALS),
        await _arrivals(read, query, LATE),
    )


def quality_report(query: ReportQuery, parts: QualityParts, generated_at: datetime) -> DataQualityReport:
    """The report of these rows. Each list has the hundred with the most requests."""
    totals = Totals.from_stored(parts.totals)
    return DataQualityReport(
        window=described(query.window),
        synthetic=query.synthetic,
        totals=totals,
        unpriced_share=percent(totals.unpriced, totals.requests),
        estimated_share=percent(totals.estimated, totals.requests),
        unpriced_reasons=[
            UnpricedCalls.from_stored(row, reason=reason, provider=provider, model=model)
            for (reason, provider, model), row in parts.reasons[:MOST_FINDINGS]
        ],
        unpriced_models=_models(parts.unpriced),
        estimated_models=_models(parts.estimated),
        impossible_pairs=[
            ImpossiblePair(reported_provider=reported, provider=provider, model=model, requests=row["requests"])
            for (reported, provider, model), row in parts.impossible[:MOST_FINDINGS]
        ],
        unmapped_content_types=[
            UnmappedContentType(content_type=name, requests=row["requests"])
            for name, row in parts.unmapped[:MOST_FINDINGS]
        ],
        unreadable_usage=parts.unreadable,
        aggregated=AggregatedEntries(
            entries=parts.aggregated["requests"],
            cost=to_decimal(parts.aggregated["cost"]),
            tokens=parts.aggregated["tokensUsed"],
        ),
        refused_calls=None if parts.refused is None else [_refused_calls(row) for row in parts.refused[:MOST_FINDINGS]],
        late_calls=None
        if parts.late is None
        else [LateCalls(door=row["_id"]["door"], calls=row["calls"]) for row in parts.late],
        folded_names=[FoldedNames(dimension=name, requests=row["requests"]) for name, row in parts.folded],
        generated_at=generated_at,
    )


def _refused_calls(row: Document) -> RefusedCalls:
    named = row["_id"] | {"field": camel(row["_id"]["field"])}
    return RefusedCalls(**named, calls=row["calls"])


async def _arrivals(read: Reader, query: ReportQuery, collection: str) -> Documents | None:
    filters = query.filters
    if filters.any_part() or filters.user_id is not None:
        return None
    return await read.cells(rollups.arrivals(query, collection))


def _models(rows: ByModel) -> list[ModelTotals]:
    return [
        ModelTotals.from_stored(row, provider=provider, model=model) for (provider, model), row in rows[:MOST_FINDINGS]
    ]
