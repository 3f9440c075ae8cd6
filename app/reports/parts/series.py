"""A window's requests and cost by day and by provider, model or feature: the ten with the most cost, and the rest."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from app.reports.parts.figures import summed
from app.reports.reader import Documents
from app.reports.rows import (
    Row,
)
from app.reports.windows import TimeWindow
from models.money import to_decimal
from models.rollups import OTHER

MOST_NAMES = 10
FIGURES = ("requests", "cost")


class SeriesPoint(Row):
    """One day of a provider, model or feature."""

    day: date
    name: str
    requests: int
    cost: Decimal


class SeriesBy(StrEnum):
    """The dimensions of a series."""

    PROVIDER = "provider"
    MODEL = "model"
    FEATURE = "feature"


class _Point(NamedTuple):
    day: str
    name: str


def series(window: TimeWindow, rows: Documents, most: int = MOST_NAMES) -> list[SeriesPoint]:
    """Every day of so many names, the one with the most cost first and `other` last. Rows have `_id` {day, name}.

    Names beyond a client's cap are counted as `other` already, so they are part of the rest.
    """
    top = _top(rows, most)
    points: dict[_Point, Documents] = {}
    for row in rows:
        name = row["_id"]["name"]
        points.setdefault(_Point(row["_id"]["day"], name if name in top else OTHER), []).append(row)
    names = [*top, OTHER] if any(point.name == OTHER for point in points) else top
    days = window.days
    return [_point(day, name, points.get(_Point(day.isoformat(), name), [])) for name in names for day in days]


def _point(day: date, name: str, rows: Documents) -> SeriesPoint:
    totals = summed(rows, FIGURES)
    return SeriesPoint(day=day, name=name, requests=totals["requests"], cost=to_decimal(totals["cost"]))


def _top(rows: Documents, most: int) -> list[str]:
    by_name: dict[str, Documents] = {}
    for row in rows:
        by_name.setdefault(row["_id"]["name"], []).append(row)
    by_name.pop(OTHER, None)
    totals = {name: summed(of_name, FIGURES) for name, of_name in by_name.items()}
    return sorted(totals, key=lambda name: (-to_decimal(totals[name]["cost"]), -totals[name]["requests"], name))[:most]
