"""What the report of a month is made of, read in one snapshot."""

import asyncio
from datetime import datetime
from typing import NamedTuple

from app.finance.months.month import Month
from app.finance.months.report import (
    Changed,
    ModelShare,
    MonthReport,
    MonthStatus,
    PriceVersion,
    Saved,
    Share,
)
from app.reports import explain, quality, saved, usage
from app.reports.explained import ExplainReport
from app.reports.parts.figures import described, grouped, summed
from app.reports.parts.known_users import KnownUsers
from app.reports.parts.series import SeriesBy
from app.reports.parts.user_sheets import UserSheets
from app.reports.periods import Comparison
from app.reports.quality import MOST_FINDINGS, ByModel, QualityParts, UnpricedCalls
from app.reports.queries import ledger
from app.reports.query import ReportQuery
from app.reports.reader import Document, Documents, Reader
from app.reports.rows import DayTotals, ModelTotals, Totals
from app.reports.saved import SavedByGateway
from app.reports.usage import UsageReport
from models import CostSource
from models.money import ZERO, to_decimal

PartKey = tuple[str, ...]


class Figures(NamedTuple):
    """What reports say of a month, and its parts in the month before."""

    usage: UsageReport
    unpriced: list[UnpricedCalls]
    saved: SavedByGateway
    before: ReportQuery
    explained: ExplainReport
    parts: Documents
    """By provider, model, service type and feature."""
    parts_before: Documents
    estimated: ByModel
    """Totals of estimated calls by provider and model."""


async def figures(
    read: Reader,
    query: ReportQuery,
    state: Document,
    *,
    known: KnownUsers,
    sheets: UserSheets,
    now: datetime,
) -> Figures:
    """Of the window of `query`, by the same code as the reports of any window."""
    month_before = Month.of_day(query.window.first).before.as_many_days(query.window)
    before = query.over(month_before.first, month_before.last)
    words = f"{query.window.first} to {query.window.last} against {month_before.first} to {month_before.last}"
    comparison = Comparison(query, before, words)
    if query.filters.user_id is None:
        parts = await usage.from_cells(read, query, state, known, sheets, series_by=SeriesBy.MODEL)
        changes = await explain.from_cells(read, comparison, sheets)
        guesses = _of_cells(await quality.from_cells(read, query))
    else:
        parts = await usage.of_user(read, query, series_by=SeriesBy.MODEL)
        changes = await explain.of_user(read, comparison)
        guesses = await _of_user(read, query, parts.totals)
    return Figures(
        usage=await asyncio.to_thread(usage.usage_report, query, parts, now),
        unpriced=guesses.unpriced[:MOST_FINDINGS],
        saved=await saved.from_ledger(read, query),
        before=before,
        explained=await asyncio.to_thread(explain.explain_report, comparison, changes, now),
        parts=changes.now,
        parts_before=changes.before,
        estimated=guesses.estimated,
    )


class _Guesses(NamedTuple):
    """What has no price, and what is estimated; those with the most calls first."""

    unpriced: list[UnpricedCalls]
    estimated: ByModel


def _of_cells(found: QualityParts) -> _Guesses:
    unpriced = [
        UnpricedCalls.from_stored(row, reason=reason, provider=provider, model=model)
        for (reason, provider, model), row in found.reasons
    ]
    return _Guesses(unpriced, found.estimated)


async def _of_user(read: Reader, query: ReportQuery, totals: Document) -> _Guesses:
    """From the ledger, where there is any: days do not keep reasons."""
    rows = await read.ledger(ledger.guesses(query)) if totals["unpriced"] or totals["estimated"] else []
    unpriced = [
        UnpricedCalls.from_stored(row, **{name: row["_id"][name] for name in ("reason", "provider", "model")})
        for row in rows
        if row["_id"]["source"] == CostSource.UNPRICED
    ]
    estimated = [row for row in rows if row["_id"]["source"] == CostSource.ESTIMATED]
    return _Guesses(unpriced, [((row["_id"]["provider"], row["_id"]["model"]), row) for row in estimated])


def report_of(month: Month, query: ReportQuery, found: Figures, status: MonthStatus) -> MonthReport:
    """The report without what is read beside the figures: prices, budgets, revenue, invoices. Pure."""
    report, filters = found.usage, query.filters
    return MonthReport(
        month=month.text,
        window=report.window,
        client_id=filters.client_id,
        user_id=filters.user_id,
        synthetic=query.synthetic,
        status=status,
        closed_at=None,
        closed_by=None,
        totals=report.totals,
        active_users=report.active_users,
        changed=Changed.between(
            report.totals, Totals.from_stored(summed(found.parts_before)), described(found.before.window)
        ),
        explained=found.explained,
        daily=[DayTotals(**{name: getattr(day, name) for name in DayTotals.model_fields}) for day in report.daily],
        series=report.series or [],
        by_model=[
            ModelShare(provider=key[0], name=key[1], **figures)
            for key, figures in _shares(found, ("provider", "model"))
        ],
        by_feature=[Share(name=key[0], **figures) for key, figures in _shares(found, ("feature",))],
        by_provider=[Share(name=key[0], **figures) for key, figures in _shares(found, ("provider",))],
        top_users=report.top_users,
        saved=Saved(
            calls=report.totals.cached,
            saved_cost=report.totals.saved_cost,
            gateway_calls=found.saved.calls,
            gateway_saved_cost=found.saved.saved_cost,
        ),
        unpriced=found.unpriced,
        estimated=[
            ModelTotals.from_stored(row, provider=provider, model=model)
            for (provider, model), row in found.estimated[:MOST_FINDINGS]
        ],
        price_versions=None,
        budgets=[],
        revenue=None,
        reconciliation=None,
        drift=None,
        generated_at=report.generated_at,
    )


def _shares(found: Figures, names: tuple[str, ...]) -> list[tuple[PartKey, Document]]:
    """Of each provider, model or feature of both months: its figures, the one with the most cost first."""

    def key(row: Document) -> PartKey:
        return tuple(row["_id"][name] for name in names)

    now = dict(grouped(found.parts, key))
    earlier = dict(grouped(found.parts_before, key))
    rows = []
    for of in now.keys() | earlier.keys():
        totals, totals_before = Totals.from_stored(now.get(of, {})), Totals.from_stored(earlier.get(of, {}))
        if not totals.requests and not totals_before.requests:
            continue  # corrections have left nothing of it
        before = totals_before.cost
        figures = {
            "requests": totals.requests,
            "cost": totals.cost,
            "tokens": totals.tokens.total,
            "saved_cost": totals.saved_cost,
            "unpriced": totals.unpriced,
            "cost_before": before,
            "change": totals.cost - before,
        }
        rows.append((of, figures))
    return sorted(rows, key=lambda row: (-row[1]["cost"], -row[1]["requests"], -row[1]["cost_before"], row[0]))


def price_versions(rows: Documents) -> list[PriceVersion]:
    """Of the rows of `details`, the version with the most calls first."""
    found: dict[str | None, list[Document]] = {}
    for row in rows:
        found.setdefault(row["_id"].get("version"), []).append(row)
    versions = [
        PriceVersion(
            version=version,
            calls=sum(row["calls"] for row in of),
            cost=sum((to_decimal(row["cost"]) for row in of), ZERO),
        )
        for version, of in found.items()
    ]
    return sorted(versions, key=lambda each: (-each.calls, each.version or ""))
