"""From rows as MongoDB returns them to the parts of a report. Sums are exact."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, TypeVar

from bson import Decimal128

from app.reports.reader import Document, Documents
from app.reports.rows import DayTotals, HourFigures, TimedWindow, WeekdayHour, Window
from app.reports.windows import TimeWindow
from models.money import from_units, stored_units, to_decimal
from models.rollups import AMOUNTS, HOUR_TOTALS, TOTALS

K = TypeVar("K")


def summed(rows: Iterable[Mapping[str, Any]], names: Iterable[str] = TOTALS) -> Document:
    """The sum of each figure over `rows`, in which a figure may be absent."""
    names = tuple(names)
    result: Document = dict.fromkeys(names, 0)
    for row in rows:
        for name in names:
            value = row.get(name)
            if isinstance(value, Decimal128):
                result[name] += stored_units(value)
            elif value:
                result[name] += value
    return {name: from_units(value) if name in AMOUNTS else value for name, value in result.items()}


def grouped(rows: Documents, key: Callable[[Document], K], names: Iterable[str] = TOTALS) -> list[tuple[K, Document]]:
    """Sums by key, the one with the most requests first, then in order of the key."""
    groups: dict[K, Documents] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    sums = [(value, summed(members, names)) for value, members in groups.items()]
    return sorted(sums, key=lambda group: (-group[1]["requests"], group[0]))


def described(window: TimeWindow) -> Window:
    return Window.model_validate(_described(window))


def timed(window: TimeWindow) -> TimedWindow:
    """With its instants."""
    return TimedWindow.model_validate({**_described(window), "fromTime": window.start, "toTime": window.end})


def _described(window: TimeWindow) -> dict[str, Any]:
    return {"from": window.first, "to": window.last, "days": len(window.days), "timezone": window.zone.key}


def daily(window: TimeWindow, rows: Documents) -> list[DayTotals]:
    """Every day of the window, including zeros, from rows whose `_id` is the day."""
    found = {row["_id"]: row for row in rows}
    return [DayTotals.from_stored(found.get(day.isoformat(), {}), day=day) for day in window.days]


WeekHours = dict[tuple[int, int], Documents]
"""By ISO weekday and hour: rows to be summed."""


def week_hours(days: Documents) -> WeekHours:
    """From rows whose `_id` is a day and which have lists of `hours`."""
    found: WeekHours = {}
    for row in days:
        weekday = date.fromisoformat(row["_id"]).isoweekday()
        for hours in row["hours"]:
            for hour, figures in hours.items():
                found.setdefault((weekday, int(hour)), []).append(figures)
    return found


def by_hour(hours: WeekHours) -> list[HourFigures]:
    """All 24 hours, over every weekday."""
    rows: dict[int, Documents] = {}
    for (_, hour), figures in hours.items():
        rows.setdefault(hour, []).extend(figures)
    return [HourFigures.model_validate({"hour": hour, **_hour(rows.get(hour, []))}) for hour in range(24)]


def by_weekday_hour(hours: WeekHours) -> list[WeekdayHour]:
    """All 168 hours of the week."""
    return [
        WeekdayHour.model_validate({"weekday": weekday, "hour": hour, **_hour(hours.get((weekday, hour), []))})
        for weekday in range(1, 8)
        for hour in range(24)
    ]


def _hour(rows: Documents) -> Document:
    totals = summed(rows, HOUR_TOTALS)
    return {**totals, "cost": to_decimal(totals["cost"])}
