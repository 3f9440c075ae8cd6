"""Monthly recurring revenue at a moment, from day to day, and what moved it. Pure.

The end of a day is its last microsecond: a subscription that begins with the first moment of a month is new in that
month, and one that ends then is lost in it. Each customer's MRR is rounded to 15 decimals of a dollar, so that parts
sum to the whole exactly.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.finance.figures.known_revenue import EPOCH
from app.finance.figures.known_subscribers import Customer
from app.finance.figures.timelines import Monthly, Segment
from app.finance.revenue.rates import KnownRates
from models.currencies import USD

_EXACT = Context(prec=80)


class Valuation:
    """What amounts are worth in USD on one day."""

    def __init__(self, rates: KnownRates, day: date) -> None:
        self._rates, self._day = rates, day
        self._known: dict[Monthly, int | None] = {}

    def units(self, monthly: Monthly) -> int | None:
        """In 1e-15 USD; None where the currency has no rate on or before the day."""
        currency, units = monthly
        if currency == USD or not units:
            return units
        if monthly not in self._known:
            rate = self._rates.of(currency, self._day)
            self._known[monthly] = None
            if rate is not None:
                worth = _EXACT.multiply(Decimal(units), rate.usd)
                self._known[monthly] = int(worth.to_integral_value(ROUND_HALF_EVEN))
        return self._known[monthly]

    def of(self, segment: Segment | None) -> int:
        """What a customer pays, as far as it is known."""
        return 0 if segment is None else sum(self.units(monthly) or 0 for monthly in segment.amounts)

    def unknown(self, segment: Segment) -> list[str]:
        """The currencies of what is not known."""
        return [monthly[0] for monthly in segment.amounts if self.units(monthly) is None]


def day_of(moment: int, zone: ZoneInfo) -> date:
    """The day that microseconds since 1970 are in."""
    return (EPOCH + timedelta(microseconds=moment)).astimezone(zone).date()


class Recurring(NamedTuple):
    """At one moment."""

    units: int
    """MRR in 1e-15 USD."""
    paying: int
    """Customers whose MRR is above 0."""
    trials: int
    unpriced: int
    """Customers of whose subscription no price is known."""
    without_rate: Counter[str]
    """Customers by currency, whose MRR is not in it for want of a rate."""


def recurring(customers: Iterable[Customer], moment: int, value: Valuation) -> Recurring:
    """What subscriptions are worth at a moment."""
    units = paying = trials = unpriced = 0
    without_rate: Counter[str] = Counter()
    for customer in customers:
        if (segment := customer.at(moment)) is None:
            continue
        trials += segment.trial
        unpriced += not segment.priced
        for currency in value.unknown(segment):
            without_rate[currency] += 1
        if worth := value.of(segment):
            units, paying = units + worth, paying + 1
    return Recurring(units, paying, trials, unpriced, without_rate)


class Movement(NamedTuple):
    """What moved MRR between two moments, in 1e-15 USD; it sums to the difference."""

    new: int = 0
    reactivation: int = 0
    upgrade: int = 0
    downgrade: int = 0
    churn: int = 0
    exchange: int = 0
    lost: int = 0
    """Customers."""


def movement(
    customers: Iterable[Customer], before: int, after: int, value_before: Valuation, value_after: Valuation
) -> Movement:
    """Each customer's MRR at one moment against an earlier one. Amounts without a rate on either day are not in it."""
    sums: Counter[str] = Counter()
    for customer in customers:
        was, now = customer.at(before), customer.at(after)
        if was is now:
            if was is not None and _currencies(was) - {USD}:
                sums["exchange"] += value_after.of(was) - value_before.of(was)
            continue
        earlier, later = value_before.of(was), value_after.of(now)
        if not earlier and later:
            sums["reactivation" if customer.paid_before(before) else "new"] += later
        elif earlier and not later:
            sums["churn"] -= earlier
            sums["lost"] += 1
        elif earlier and was is not None and now is not None:
            same = value_after.of(was)
            sums["exchange"] += same - earlier
            sums["upgrade" if later > same else "downgrade"] += later - same
    return Movement(**sums)


def _currencies(segment: Segment) -> set[str]:
    return {currency for currency, _ in segment.amounts}


def by_day(customers: Iterable[Customer], ends: Sequence[int], value_of: Callable[[int], Valuation]) -> list[int]:
    """MRR in 1e-15 USD at each of some moments, which are in order. `value_of`: by number of the moment.

    Subscriptions of one price are counted together: 20,000 of them have few.
    """
    changes: list[Counter[Monthly]] = [Counter() for _ in range(len(ends) + 1)]
    first, last = ends[0], ends[-1]
    for customer in customers:
        for segment in customer.segments:
            if segment.amounts and segment.start <= last and segment.end > first:
                begins, ends_at = bisect_left(ends, segment.start), bisect_left(ends, segment.end)
                for monthly in segment.amounts:
                    changes[begins][monthly] += 1
                    changes[ends_at][monthly] -= 1
    held: Counter[Monthly] = Counter()
    found = []
    for number in range(len(ends)):
        held.update(changes[number])
        value = value_of(number)
        found.append(sum(count * (value.units(monthly) or 0) for monthly, count in held.items() if count))
    return found
