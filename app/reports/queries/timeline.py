"""Pipelines of the timeline: from cells by day, with the hours of each, and from the ledger by minute or quarter."""

from collections.abc import Sequence
from datetime import datetime

from app.reports.queries.rollup_rows import Query, usage_rows
from app.reports.queries.stages import Expression, Stage, match_spans, sums
from app.reports.query import ReportQuery
from models import CostSource
from models.rollups import HOUR_TOTALS
from models.user_days import TOTALS_OF_ENTRIES

FIGURES = (*HOUR_TOTALS, "unpriced")
"""What is told of each bucket. Cells have `unpriced` by day alone."""
STORED_NAMES = {"model": "aiModel"}
"""Those of the ledger that differ from the cells'."""


def by_day(query: ReportQuery, name: str | None) -> Query:
    """One row per day, and name of a dimension, if any: `_id` {day, name}, and the figures."""
    collection, rows = usage_rows(query, by_part=name is not None)
    return collection, [*rows, {"$group": {"_id": _key(name), **sums(FIGURES)}}]


def hours_by_day(query: ReportQuery, name: str | None) -> Query:
    """The same with a list of `hours`, and of the figures only `unpriced`."""
    collection, rows = usage_rows(query, by_part=name is not None)
    hours = {"hours": {"$push": "$hours"}}
    return collection, [*rows, {"$group": {"_id": _key(name), **sums(("unpriced",)), **hours}}]


def by_moment(
    query: ReportQuery, spans: Sequence[tuple[datetime, datetime]], minutes: int, name: str | None = None
) -> list[Stage]:
    """The ledger's entries within `spans`: one row per step of so many minutes, and name: `_id` {at, name}."""
    at = {"$dateTrunc": {"date": "$createdAt", "unit": "minute", "binSize": minutes}}
    key = {"at": at} | ({} if name is None else {"name": f"${STORED_NAMES.get(name, name)}"})
    figures = {figure: TOTALS_OF_ENTRIES[figure] for figure in FIGURES}
    return [match_spans(spans, query.filters, query.synthetic), {"$group": {"_id": key, **figures}}]


def unpriced(query: ReportQuery, minutes: int) -> list[Stage]:
    """`count` of the calls without a price, which have an index, likewise: `_id` is the moment."""
    window = query.window
    whole = match_spans([(window.start, window.end)], query.filters, query.synthetic)["$match"]
    at = {"$dateTrunc": {"date": "$createdAt", "unit": "minute", "binSize": minutes}}
    return [
        {"$match": {"costSource": CostSource.UNPRICED.value, **whole}},
        {"$group": {"_id": at, "count": {"$sum": 1}}},
    ]


def _key(name: str | None) -> Expression:
    return {"day": "$key.day"} | ({} if name is None else {"name": f"$key.{name}"})
