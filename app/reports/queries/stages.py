"""Aggregation stages, most of them over the raw ledger. Each function returns one stage, or a part of one."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from app.reports.query import Filters, Synthetic
from app.reports.windows import TimeWindow
from models.user_days import TOTALS_OF_ENTRIES

Stage = dict[str, Any]
Expression = Any


def match(window: TimeWindow, filters: Filters, synthetic: Synthetic) -> Stage:
    """The entries of a window."""
    return {"$match": _within(window) | filters.conditions() | _reality(synthetic)}


def match_spans(spans: Sequence[tuple[datetime, datetime]], filters: Filters, synthetic: Synthetic) -> Stage:
    """The entries of several spans, each from its first instant up to before its last."""
    within: list[Stage] = [{"createdAt": {"$gte": start, "$lt": end}} for start, end in spans]
    return {"$match": {"$or": within or [{"createdAt": {"$in": []}}], **filters.conditions(), **_reality(synthetic)}}


def _within(window: TimeWindow) -> dict[str, Any]:
    return {"createdAt": {"$gte": window.start, "$lt": window.end}}


def _reality(synthetic: Synthetic) -> dict[str, Any]:
    return {} if synthetic is Synthetic.INCLUDE else {"synthetic": synthetic is Synthetic.ONLY}


def local_day(window: TimeWindow) -> Expression:
    """The day of an entry, as `2026-11-21`."""
    return {"$dateToString": {"date": "$createdAt", "format": "%Y-%m-%d", "timezone": _offset(window)}}


def hour_of_day(window: TimeWindow) -> Expression:
    """The hour of an entry, 0 to 23, in local time."""
    return {"$hour": {"date": "$createdAt", "timezone": _offset(window)}}


def weekday(window: TimeWindow) -> Expression:
    """The weekday of an entry, 1 for Monday to 7 for Sunday (ISO 8601)."""
    return {"$isoDayOfWeek": {"date": "$createdAt", "timezone": _offset(window)}}


def _offset(window: TimeWindow) -> Expression:
    """The zone's offset from UTC when the entry was made, as `+05:30`: one constant unless a change falls inside."""
    (_, first), *changes = window.offsets()
    offset: Expression = _format_offset(first)
    for instant, later in changes:
        offset = {"$cond": [{"$lt": ["$createdAt", instant]}, offset, _format_offset(later)]}
    return offset


def _format_offset(offset: timedelta) -> str:
    minutes = offset // timedelta(minutes=1)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def group_totals(key: Expression) -> Stage:
    """Every additive figure by `key`; None for one row over all."""
    return {"$group": {"_id": key, **TOTALS_OF_ENTRIES}}


def sums(names: Iterable[str]) -> dict[str, Expression]:
    """Accumulators that sum existing fields."""
    return {name: {"$sum": f"${name}"} for name in names}


def group_count(key: Expression) -> Stage:
    """How many entries by `key`."""
    return {"$group": {"_id": key, "count": {"$sum": 1}}}


def sort_by(*fields: str) -> Stage:
    """Sorted by `fields`; a leading minus sorts in descending order."""
    return {"$sort": {field.removeprefix("-"): -1 if field.startswith("-") else 1 for field in fields}}
