"""The query of a report: a window, filters, and whether demo data counts."""

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
class Filters:
    """The filters of a report. None matches everything."""

    feature: str | None = None
    provider: str | None = None
    model: str | None = None
    user_id: str | None = None
    client_id: str | None = None

    def any_part(self) -> bool:
        """Whether they narrow by provider, model or feature."""
        return not self.provider is self.model is self.feature is None

    def conditions(self) -> dict[str, Any]:
        """Equality conditions by stored name. `$eq` prevents a string from being read as an operator."""
        stored = {
            "feature": self.feature,
            "provider": self.provider,
            "aiModel": self.model,
            "userId": self.user_id,
            "clientId": self.client_id,
        }
        return {name: {"$eq": value} for name, value in stored.items() if value is not None}


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
