"""The query of a report: a window, filters, and whether demo data counts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, time
from enum import StrEnum
from typing import Any, Self

from app.reports.windows import TimeWindow


class Synthetic(StrEnum):
    """Whether a figure counts demo data."""

    EXCLUDE = "exclude"
    INCLUDE = "include"
    ONLY = "only"


@dataclass(frozen=True)
class Names:
    """Several names at once, or all but some."""

    among: frozenset[str] = frozenset()
    """Any of these; where there is none, every name."""
    without: frozenset[str] = frozenset()
    """None of these."""

    def condition(self) -> dict[str, Any]:
        """What MongoDB compares a name with."""
        listed = {"$in": sorted(self.among)} if self.among else {}
        return listed | ({"$nin": sorted(self.without)} if self.without else {})

    def __contains__(self, name: str) -> bool:
        return (not self.among or name in self.among) and name not in self.without


Wanted = str | Names | None
"""One name, several, or (None) any."""


def names(among: Iterable[str] | None, without: Iterable[str] | None = None) -> Wanted:
    """What a request says of one filter: any of some names, and none of others."""
    listed, excluded = frozenset(among or ()), frozenset(without or ())
    if not listed | excluded:
        return None
    single = min(listed) if len(listed) == 1 and not excluded else None
    return single or Names(listed, excluded)


def matching(wanted: str | Names) -> dict[str, Any]:
    """What MongoDB compares a name with. `$eq` prevents a string from being read as an operator."""
    return wanted.condition() if isinstance(wanted, Names) else {"$eq": wanted}


def passes(wanted: Wanted, name: str) -> bool:
    """Whether a filter lets a name through."""
    if isinstance(wanted, Names):
        return name in wanted
    return wanted is None or wanted == name


@dataclass(frozen=True)
class Filters:
    """The filters of a report. None matches everything."""

    feature: Wanted = None
    provider: Wanted = None
    model: Wanted = None
    user_id: str | None = None
    client_id: str | None = None

    def any_part(self) -> bool:
        """Whether they narrow by provider, model or feature."""
        return not self.provider is self.model is self.feature is None

    def conditions(self) -> dict[str, Any]:
        """Conditions by stored name."""
        stored = {
            "feature": self.feature,
            "provider": self.provider,
            "aiModel": self.model,
            "userId": self.user_id,
            "clientId": self.client_id,
        }
        return {name: matching(value) for name, value in stored.items() if value is not None}


NO_FILTERS = Filters()


@dataclass(frozen=True)
class ReportQuery:
    """Which calls a report is about."""

    window: TimeWindow
    filters: Filters = NO_FILTERS
    synthetic: Synthetic = Synthetic.EXCLUDE
    until: time | None = None
    """Of the last day only what clocks showed before this."""

    def over(self, first: date, last: date) -> Self:
        """The same over other days, which are whole."""
        return replace(self, window=TimeWindow(first, last, self.window.zone))
