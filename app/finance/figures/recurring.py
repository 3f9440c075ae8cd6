"""MRR at moments that were asked for, kept while neither subscriptions nor rates change.

MRR changes where a subscription does, or at the end of a day where another rate holds: all moments in between are one.
To be used in threads.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from app.finance.figures.known_subscribers import Subscribers
from app.finance.figures.mrr import Movement, Recurring, Valuation, by_day, day_of, movement, recurring
from app.finance.figures.recognised import Scope
from app.finance.revenue.rates import KnownRates

MOST = 256
"""Answers that are kept."""
Answer = TypeVar("Answer")


class RecurringFigures:
    """Of one state of subscriptions and rates."""

    def __init__(self, subscribers: Subscribers, rates: KnownRates) -> None:
        self._subscribers, self._rates = subscribers, rates
        self._turns: Sequence[int] | None = None
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()

    def at(self, moment: int, scope: Scope, zone: ZoneInfo) -> Recurring:
        """MRR at a moment."""

        def compute() -> Recurring:
            return recurring(self._subscribers.customers(scope), moment, self._value(moment, zone))

        return self._keep(("at", self._same(moment, zone), scope), compute)

    def moved(self, before: int, after: int, scope: Scope, zone: ZoneInfo) -> Movement:
        """What moved it between two moments."""

        def compute() -> Movement:
            values = self._value(before, zone), self._value(after, zone)
            return movement(self._subscribers.customers(scope), before, after, *values)

        return self._keep(("moved", self._same(before, zone), self._same(after, zone), scope), compute)

    def by_day(self, ends: Sequence[int], scope: Scope, zone: ZoneInfo) -> list[int]:
        """MRR in 1e-15 USD at each of some moments, which are in order."""

        def compute() -> list[int]:
            return by_day(self._subscribers.customers(scope), ends, lambda number: self._value(ends[number], zone))

        return self._keep(("by_day", tuple(ends[:-1]), self._same(ends[-1], zone), scope), compute)

    def _value(self, moment: int, zone: ZoneInfo) -> Valuation:
        return Valuation(self._rates, day_of(moment, zone))

    def _same(self, moment: int, zone: ZoneInfo) -> Hashable:
        """Equal of moments between which nothing changes."""
        if self._turns is None:
            self._turns = self._subscribers.turns()
        return bisect_right(self._turns, moment), day_of(moment, zone)

    def _keep(self, key: Hashable, compute: Callable[[], Answer]) -> Answer:
        with self._lock:
            if key not in self._kept:
                while len(self._kept) >= MOST:
                    self._kept.popitem(last=False)
                self._kept[key] = compute()
            self._kept.move_to_end(key)
            found: Answer = self._kept[key]
            return found
