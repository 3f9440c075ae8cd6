"""Data quality: what the figures of a window leave out, or rest on guesses."""

from datetime import datetime
from typing import NamedTuple

from app.reports import cells, pipelines
from app.reports.answers import DataQualityReport, FoldedNames, ImpossiblePair, UnmappedContentType
from app.reports.figures import described, grouped, summed
from app.reports.query import ReportQuery
from app.reports.reader import Document, Documents, Reader, first
from app.reports.rows import ModelTotals, Totals, percent
from models.rollups import Finding

MOST_FINDINGS = 100

ByModel = list[tuple[tuple[str, str], Document]]


class QualityParts(NamedTuple):
    """The rows of the report."""

    totals: Document
    unpriced: ByModel
    estimated: ByModel
    impossible: list[tuple[tuple[str, str, str], Document]]
    """By reported provider, provider and model."""
    unmapped: list[tuple[str, Document]]
    unreadable: int
    folded: list[tuple[str, Document]]
    """By what was folded."""


async def from_cells(read: Reader, query: ReportQuery) -> QualityParts:
    """From the rollups."""
    totals = summed(await read.cells(cells.by_day(query)))
    found: dict[str, Documents] = {}
    for row in await read.cells(cells.findings(query)):
        found.setdefault(row["_id"]["kind"], []).append(row)

    def by_model(kind: str) -> ByModel:
        return grouped(found.get(kind, []), lambda row: (row["_id"]["provider"], row["_id"]["model"]))

    return QualityParts(
        totals,
        by_model(Finding.UNPRICED),
        by_model(Finding.ESTIMATED),
        grouped(
            found.get(Finding.IMPOSSIBLE, []),
            lambda row: (row["_id"]["name"], row["_id"]["provider"], row["_id"]["model"]),
        ),
        grouped(found.get(Finding.UNMAPPED, []), lambda row: row["_id"]["name"]),
        summed(found.get(Finding.UNREADABLE, []))["requests"],
        grouped(found.get(Finding.FOLDED, []), lambda row: row["_id"]["name"]),
    )


async def from_ledger(read: Reader, query: ReportQuery, most: int | None = MOST_FINDINGS) -> QualityParts:
    """From the ledger, which folds no name; at most so many rows of each kind, unless that is None."""
    (found,) = await read.ledger(pipelines.data_quality(query, most))

    def by_model(name: str) -> ByModel:
        return [((row["_id"]["provider"], row["_id"]["model"]), row) for row in found[name]]

    return QualityParts(
        first(found["totals"]),
        by_model("unpriced"),
        by_model("estimated"),
        [
            ((row["_id"]["reportedProvider"], row["_id"]["provider"], row["_id"]["model"]), row)
            for row in found["impossible"]
        ],
        [(row["_id"], row) for row in found["unmapped"]],
        first(found["unreadable"]).get("count", 0),
        [],
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
        folded_names=[FoldedNames(dimension=name, requests=row["requests"]) for name, row in parts.folded],
        generated_at=generated_at,
    )


def _models(rows: ByModel) -> list[ModelTotals]:
    return [
        ModelTotals.from_stored(row, provider=provider, model=model) for (provider, model), row in rows[:MOST_FINDINGS]
    ]
