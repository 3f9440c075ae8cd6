"""What a busy user did on one day that is over: the rows of its calls by client and part, as a delta has them.

They are counted from the ledger, by MongoDB in steps of an hour, or of a quarter where local hours begin at such.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from bson import Decimal128

from models.ai_usage import CallStatus
from models.documents import Document
from models.latency import bucket_of
from models.money import from_units, stored_units
from models.rollups import AMOUNTS, HOUR_TOTALS, PART, TOTALS

BUSY_CALLS = 100
"""So many on a day make a user a busy one. The calls of others are read one by one."""

TOTALS_OF_ENTRIES: Final[Mapping[str, Any]] = {
    "requests": {"$sum": 1},
    "successes": {"$sum": {"$toInt": "$success"}},
    "cached": {"$sum": {"$toInt": "$cached"}},
    "inputTokens": {"$sum": "$inputTokens"},
    "outputTokens": {"$sum": "$outputTokens"},
    "tokensUsed": {"$sum": "$tokensUsed"},
    "cost": {"$sum": "$cost"},
    "savedCost": {"$sum": "$savedCost"},
    "unpriced": {"$sum": {"$toInt": {"$eq": ["$costSource", "unpriced"]}}},
    "estimated": {"$sum": {"$toInt": {"$eq": ["$costSource", "estimated"]}}},
    "duration": {"$sum": "$requestDuration"},
    "durations": {"$sum": {"$toInt": {"$isNumber": "$requestDuration"}}},
}
"""Every additive figure, as accumulators. Costs in USD, `duration` in ms over `durations` calls that report one."""

_STATUSES = {f"status_{status}": status.value for status in CallStatus}
_KEY = ("client", "synthetic", *PART)
_COUNTS = tuple(name for name in TOTALS if name not in AMOUNTS)
_AMOUNTS = tuple(name for name in TOTALS if name in AMOUNTS)
_HOUR_COUNTS = tuple(name for name in HOUR_TOTALS if name not in AMOUNTS)
HOUR = timedelta(hours=1)


def step_of(offsets: Iterable[timedelta]) -> int:
    """The minutes of steps of which local hours consist, where these are the offsets from UTC."""
    return 15 if any(offset % HOUR for offset in offsets) else 60


def in_steps(minutes: int) -> Document:
    """The stage that sums entries of one user by step of so many minutes, client and part; `each` are the durations."""
    return {
        "$group": {
            "_id": {
                "start": {"$dateTrunc": {"date": "$createdAt", "unit": "minute", "binSize": minutes}},
                "client": "$clientId",
                "synthetic": "$synthetic",
                "provider": "$provider",
                "model": "$aiModel",
                "serviceType": "$serviceType",
                "feature": "$feature",
            },
            **TOTALS_OF_ENTRIES,
            **{name: {"$sum": {"$toInt": {"$eq": ["$status", status]}}} for name, status in _STATUSES.items()},
            "each": {"$push": "$requestDuration"},
        }
    }


def rows_of(steps: Iterable[Document], local_time: Callable[[datetime], tuple[str, str]]) -> list[Document]:
    """One row for each day, client and part, from what `in_steps` returns."""
    rows: dict[tuple[Any, ...], _Row] = {}
    for step in steps:
        start, *part = step["_id"].values()
        day, hour = local_time(start)
        if (row := rows.get(key := (day, *part))) is None:
            row = rows[key] = _Row()
        row.add(step, hour)
    return [{"day": key[0], **dict(zip(_KEY, key[1:], strict=True)), **row.stored()} for key, row in rows.items()]


class _Row:
    """Amounts are integers in units of their last decimal."""

    __slots__ = ("hours", "latency", "statuses", "totals")

    def __init__(self) -> None:
        self.totals = dict.fromkeys(TOTALS, 0)
        self.hours: dict[str, dict[str, int]] = {}
        self.statuses: Counter[str] = Counter()
        self.latency: Counter[int] = Counter()

    def add(self, step: Document, hour: str) -> None:
        """For each step of each user: written for speed."""
        totals = self.totals
        if (of_hour := self.hours.get(hour)) is None:
            of_hour = self.hours[hour] = dict.fromkeys(HOUR_TOTALS, 0)
        for name in _COUNTS:
            totals[name] += step[name]
        for name in _HOUR_COUNTS:
            of_hour[name] += step[name]
        for name in _AMOUNTS:
            if isinstance(amount := step[name], Decimal128):  # the sum of none is the number zero
                units = stored_units(amount)
                totals[name] += units
                if name in of_hour:
                    of_hour[name] += units
        for name, status in _STATUSES.items():
            if count := step[name]:
                self.statuses[status] += count
        self.latency.update([bucket_of(duration) for duration in step["each"] if duration is not None])

    def stored(self) -> Document:
        return {
            **_named(self.totals),
            "statuses": dict(self.statuses),
            "latency": {str(bucket): count for bucket, count in self.latency.items()},
            "hours": {hour: _named(totals) for hour, totals in self.hours.items()},
        }


def _named(totals: dict[str, int]) -> Document:
    """Without what is zero."""
    return {name: from_units(value) if name in AMOUNTS else value for name, value in totals.items() if value}
