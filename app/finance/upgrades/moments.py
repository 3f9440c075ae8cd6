"""When users upgraded: their own subscription is worth more a month than just before. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.finance.figures.known_subscribers import Customer
from app.finance.figures.mrr import Valuation, day_of
from app.finance.figures.timelines import Segment
from app.finance.revenue.rates import KnownRates


class Upgrade(NamedTuple):
    """When one was, or will be."""

    moment: int
    day: date


UpgradesOfUsers = dict[str, list[Upgrade]]


class Upgrades:
    """Finds them in the days from `start` to before `end`, which are microseconds since 1970."""

    def __init__(self, rates: KnownRates, zone: ZoneInfo, start: int, end: int) -> None:
        self._rates, self._zone, self._start, self._end = rates, zone, start, end
        self._values: dict[date, Valuation] = {}

    def by_user(self, customers: Iterable[Customer]) -> UpgradesOfUsers:
        """What a whole client pays is nobody's."""
        found: defaultdict[str, list[Upgrade]] = defaultdict(list)
        for customer in customers:
            if customer.user is not None and (upgrades := list(self._of(customer))):
                found[customer.user] += upgrades
        return dict(found)

    def _of(self, customer: Customer) -> Iterator[Upgrade]:
        for segment in customer.segments:
            if self._start <= segment.start < self._end and segment.amounts:
                day = day_of(segment.start, self._zone)
                if self._is_dearer(customer.at(segment.start - 1), segment, day):
                    yield Upgrade(segment.start, day)

    def _is_dearer(self, was: Segment | None, now: Segment, day: date) -> bool:
        """By the rates of one day, so that these alone are no upgrade. What has no rate is not known to be one."""
        value = self._values.setdefault(day, Valuation(self._rates, day))
        if value.unknown(now) or (was is not None and value.unknown(was)):
            return False
        return value.of(now) > value.of(was)
