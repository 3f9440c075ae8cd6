"""The usage report: from rollups, or from the ledger where only that can tell."""

from datetime import datetime
from typing import NamedTuple

from app.reports import cells, pipelines
from app.reports.answers import UsageReport
from app.reports.figures import (
    WeekHours,
    by_hour,
    by_weekday_hour,
    daily,
    described,
    grouped,
    summed,
    week_hours,
)
from app.reports.query import ReportQuery
from app.reports.ranking import top_users
from app.reports.reader import Document, Documents, Reader, first
from app.reports.rows import FeatureTotals, ModelTotals, ProviderTotals, Totals, UserFigures

TOP_USERS = 20


class UsageParts(NamedTuple):
    """The rows of the report, as MongoDB returns them or as sums of such."""

    totals: Document
    daily: Documents
    hours: WeekHours
    by_feature: list[tuple[str, Document]]
    by_model: list[tuple[tuple[str, str], Document]]
    by_provider: list[tuple[str, Document]]
    top_users: Documents


async def from_cells(read: Reader, query: ReportQuery, state: Document) -> UsageParts:
    """From the rollups. `state` is theirs."""
    days = await read.cells(cells.by_day(query))
    parts = await read.cells(cells.by_part(query))
    return UsageParts(
        totals=summed(days),
        daily=days,
        hours=week_hours(days),
        by_feature=grouped(parts, lambda row: row["_id"]["feature"]),
        by_model=grouped(parts, lambda row: (row["_id"]["provider"], row["_id"]["model"])),
        by_provider=grouped(parts, lambda row: row["_id"]["provider"]),
        top_users=await top_users(read, query, state, TOP_USERS),
    )


async def from_ledger(read: Reader, query: ReportQuery) -> UsageParts:
    """From the ledger, in one pass over the window."""
    (found,) = await read.ledger(pipelines.usage(query))
    hours: WeekHours = {(row["_id"]["weekday"], row["_id"]["hour"]): [row] for row in found["byHour"]}
    return UsageParts(
        totals=first(found["totals"]),
        daily=found["daily"],
        hours=hours,
        by_feature=[(row["_id"], row) for row in found["byFeature"]],
        by_model=[((row["_id"]["provider"], row["_id"]["model"]), row) for row in found["byModel"]],
        by_provider=[(row["_id"], row) for row in found["byProvider"]],
        top_users=found["topUsers"],
    )


def usage_report(query: ReportQuery, parts: UsageParts, generated_at: datetime) -> UsageReport:
    """The report of these rows."""
    return UsageReport(
        window=described(query.window),
        synthetic=query.synthetic,
        totals=Totals.from_stored(parts.totals),
        daily=daily(query.window, parts.daily),
        by_hour=by_hour(parts.hours),
        by_weekday_hour=by_weekday_hour(parts.hours),
        by_feature=[FeatureTotals.from_stored(row, feature=feature) for feature, row in parts.by_feature],
        by_model=[
            ModelTotals.from_stored(row, provider=provider, model=model) for (provider, model), row in parts.by_model
        ],
        by_provider=[ProviderTotals.from_stored(row, provider=provider) for provider, row in parts.by_provider],
        top_users=[UserFigures.from_stored(row) for row in parts.top_users],
        generated_at=generated_at,
    )
