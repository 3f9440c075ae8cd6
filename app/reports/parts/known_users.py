"""Cached user counts of windows: recounting takes longer than everything else in a report.

The numbers of users of each day and month are at hand. While the rollups' epoch stays the same, users are only added to
days, so if the numbers of a window's days and months are unchanged, so are its users.
"""

from datetime import date
from typing import NamedTuple

from app.reports.windows import DAY, TimeWindow
from models.active_days import masks

MAX_KNOWN = 1_000

Scope = tuple[str, bool]
"""One client or everyone, and whether it is demo data."""
Numbers = dict[str, int]
"""Users by day, as `2026-11-21`, and by month; a period without any may be absent."""


class Token(NamedTuple):
    """What a count depends on."""

    epoch: int
    numbers: tuple[int, ...]


class KnownUsers:
    """What one process has counted."""

    def __init__(self) -> None:
        self._counts: dict[tuple[Scope, TimeWindow], tuple[Token, int]] = {}

    def get(self, scope: Scope, window: TimeWindow, token: Token) -> int | None:
        """The users of a window, if they are known."""
        known = self._counts.get((scope, window))
        return known[1] if known is not None and known[0] == token else None

    def remember(self, scope: Scope, window: TimeWindow, token: Token, users: int) -> None:
        if len(self._counts) >= MAX_KNOWN:
            self._counts.clear()
        self._counts[scope, window] = token, users


def token_of(window: TimeWindow, numbers: Numbers, epoch: int) -> Token:
    """The numbers of a window's months, and of its days in months of which it is only a part.

    A month's number changes far less often than that of its last day, for which there are new users all the time.
    """
    found: list[int] = []
    for month in masks(window.first, window.last):
        days = days_of(month)
        behind = [day for day in days if day > window.last]
        if days[0] < window.first or any(numbers.get(day.isoformat()) for day in behind):
            inside = (day for day in days if window.first <= day <= window.last)
            found += [-1, *(numbers.get(day.isoformat(), 0) for day in inside)]
        else:
            found.append(numbers.get(month, 0))
    return Token(epoch, tuple(found))


def periods_of(window: TimeWindow) -> list[str]:
    """The months of a window and all of their days."""
    months = list(masks(window.first, window.last))
    return [*months, *(day.isoformat() for month in months for day in days_of(month))]


def days_of(month: str) -> list[date]:
    """The days of a month, as `2026-11`."""
    first = date.fromisoformat(f"{month}-01")
    return [day for day in (first + number * DAY for number in range(31)) if day.month == first.month]
