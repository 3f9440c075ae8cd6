"""Pipelines of the timeline: from cells by day, with the hours of each, and from the ledger by minute or quarter."""

from collections.abc import Sequence
from datetime import datetime

from app.reports.queries.rollup_rows import Query, usage_rows
from app.reports.queries.stages import Expression, match_spans, sums
from app.reports.query import ReportQuery
from models import AIUsage, CostSource
from models.rollups import HOUR_TOTALS
from models.user_days import TOTALS_OF_ENTRIES

FIGURES = (*HOUR_TOTALS, "unpriced")
"""What is told of each bucket. Cells have `unpriced` by day alone."""
LEDGER = AIUsage.Settings.name
STORED_NAMES = {"model": "aiModel"}
"""Those of the ledger that differ from the cells'."""


def by_day(query: ReportQuery, name: str | None) -> Query:
    """One row per day, and name of a dimension, if any: `_id` {day, name}, and the figures."""
    collection, rows = usage_rows(query, by_part=name is not None)
    return collection, [*rows, {"$group": {"_id": _key(name), **sums(FIGURES)}}]


def hours_by_day(query: ReportQuery, name: str | None) -> Query:
    """The same with the figures of each hour, as `0` to `23`; of the day only `unpriced`."""
    collection, rows = usage_rows(query, by_part=name is not None)
    # summed by MongoDB: of many parts there are more hours than anyone could read at once
    hours = {f"{hour}_{figure}": {"$sum": f"$hours.{hour}.{figure}"} for hour in range(24) for figure in HOUR_TOTALS}
    by_hour = {f"{hour}": {figure: f"${hour}_{figure}" for figure in HOUR_TOTALS} for hour in range(24)}
    return collection, [
        *rows,
        {"$group": {"_id": _key(name), **sums(("unpriced",)), **hours}},
        {"$project": {"unpriced": 1, **by_hour}},
    ]


def by_moment(
    query: ReportQuery, spans: Sequence[tuple[datetime, datetime]], minutes: int, name: str | None = None
) -> Query:
    """The ledger's entries within `spans`: one row per step of so many minutes, and name: `_id` {at, name}."""
    at = {"$dateTrunc": {"date": "$createdAt", "unit": "minute", "binSize": minutes}}
    key = {"at": at} | ({} if name is None else {"name": f"${STORED_NAMES.get(name, name)}"})
    figures = {figure: TOTALS_OF_ENTRIES[figure] for figure in FIGURES}
    return LEDGER, [match_spans(spans, query.filters, query.synthetic), {"$group": {"_id": key, **figures}}]


def unpriced(query: ReportQuery, minutes: int) -> Query:
    """`count` of the calls without a price, which have an index, likewise: `_id` is the moment."""
    window = query.window
    whole = match_spans([(window.start, window.end)], query.filters, query.synthetic)["$match"]
    at = {"$dateTrunc": {"date": "$createdAt", "unit": "minute", "binSize": minutes}}
    return LEDGER, [
        {"$match": {"costSource": CostSource.UNPRICED.value, **whole}},
        {"$group": {"_id": at, "count": {"$sum": 1}}},
    ]


def _key(name: str | None) -> Expression:
    return {"day": "$key.day"} | ({} if name is None else {"name": f"$key.{name}"})
