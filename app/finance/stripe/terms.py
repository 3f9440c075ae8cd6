"""The terms of a subscription, as they follow from what Stripe said of it at several moments. Pure.

Whatever the order in which they came, the same states give the same terms: each is of its moment.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.finance.stripe.facts import Coupon, Discount, Item, Price, SubscriptionState
from app.finance.stripe.money import amount_of
from app.limits.periods import intervals_later
from models import plans
from models.limits import Interval
from models.money import USD_PLACES, plain
from models.plans import MOST_TERMS, Term

ENTITLED = frozenset({"trialing", "active", "past_due"})
"""Statuses in which a subscription is one. What is unpaid or paused is none, until it is paid or resumed."""
NO_PLAN = "none"
"""The plan of whoever pays for something that is no plan here."""
MONTHS = {
    Interval.DAY: Fraction(12, 365),
    Interval.WEEK: Fraction(12, 52),
    Interval.MONTH: Fraction(1),
    Interval.QUARTER: Fraction(3),
    Interval.YEAR: Fraction(12),
}
"""How many months an interval has."""
_EXACT = Context(prec=60)
_PERCENT = Decimal("0.0001")
"""The last decimal of a discount's percent here."""
_PLACES = Decimal(1).scaleb(-USD_PLACES)

Version = Callable[[str, datetime], int]
"""The version of a plan that was the newest at a moment."""


class Moment(NamedTuple):
    """What was so at a moment."""

    at: datetime
    state: SubscriptionState


class Known(NamedTuple):
    """What the states refer to."""

    prices: Mapping[str, Price]
    discounts: Mapping[str, Discount]
    coupons: Mapping[str, Coupon]
    plan_of: Callable[[Price], str | None]
    version: Version
    zone: ZoneInfo

    def missing(self, state: SubscriptionState) -> list[str]:
        """Discounts and coupons that are not known, without which a price is higher than it should be."""
        named = [*state.discounts, *(each for item in state.items for each in item.discounts)]
        found = [self.discounts[each] for each in named if each in self.discounts]
        unknown = [each.coupon for each in found if each.coupon and each.coupon not in self.coupons]
        return [*(each for each in named if each not in self.discounts), *unknown]

    def plan(self, state: SubscriptionState) -> str | None:
        """The plan that it gives: of its first item that has one."""
        named = (self.plan_of(self.prices[item.price]) for item in state.items if item.price in self.prices)
        return next((plan for plan in named if plan is not None), None)


class Stretch(NamedTuple):
    """A time in which somebody had the subscription, without a break."""

    terms: tuple[Term, ...]
    ends: datetime | None


def stretches(history: Sequence[Moment], known: Known) -> list[Stretch]:
    """Of states in their order. A subscription that was never active has none."""
    found: list[Stretch] = []
    terms: list[Term] = []
    for place, (at, state) in enumerate(history):
        first = place == 0
        if state.status in ENTITLED or (first and state.status == "canceled"):
            term = _term(state, state.started if first or not (terms or found) else at, terms, known)
            if not terms or not _same(terms[-1], term):
                terms = [*(each for each in terms if each.since < term.since), term]
        if state.status not in ENTITLED and terms:
            end = state.ends if state.status == "canceled" and state.ends is not None else at
            found += _stretch(terms, end)
            terms = []
    if terms:
        found += _stretch(terms, history[-1].state.ends)
    return found


def _stretch(terms: list[Term], ends: datetime | None) -> list[Stretch]:
    if ends is not None:
        terms = [term for term in terms if term.since < ends]
    return [Stretch(tuple(terms[-MOST_TERMS:]), ends)] if terms else []


def _same(one: Term, other: Term) -> bool:
    return one.model_copy(update={"since": other.since}) == other


def _term(state: SubscriptionState, since: datetime, before: Sequence[Term], known: Known) -> Term:
    plan = known.plan(state) or NO_PLAN
    last = before[-1] if before else None
    version = last.version if last and last.plan == plan else known.version(plan, since)
    bill = _Bill(state, *period_of(state.items, known.prices), known)
    trial = state.trial_until if state.trial_until and state.trial_until > since else None
    return Term(
        since=since,
        plan=plan,
        version=version,
        anchor=state.anchor.astimezone(known.zone).date(),
        interval=bill.interval,
        timezone=known.zone.key,
        price=plans.Price(amount=Decimal(0) if state.paused else bill.price(state.items), currency=state.currency),
        discounts=() if state.paused else tuple(bill.discounts()),
        trial_until=trial,
    )


def period_of(items: Sequence[Item], prices: Mapping[str, Price]) -> tuple[Interval, int]:
    """An interval that we have, and how many of them a period is: half a year is two quarters. Of the first item that
    has one, for Stripe bills all of them together unless it is told otherwise.
    """
    for item in items:
        price = prices.get(item.price)
        if price is None or price.interval is None:
            continue
        if price.interval is Interval.MONTH and price.count % 12 == 0:
            return Interval.YEAR, price.count // 12
        if price.interval is Interval.MONTH and price.count % 3 == 0:
            return Interval.QUARTER, price.count // 3
        return price.interval, price.count
    return Interval.MONTH, 1


class _Bill(NamedTuple):
    """What a state costs: by an interval, of which a period has some."""

    state: SubscriptionState
    interval: Interval
    intervals: int
    known: Known

    def price(self, items: Iterable[Item], part: Fraction = Fraction(1)) -> Decimal:
        """What some items cost by interval; what is metered costs nothing beforehand."""
        return self._money(sum((self._cents(item) for item in items), Fraction(0)) * part)

    def _cents(self, item: Item) -> Fraction:
        price = self.known.prices.get(item.price)
        if price is None or price.metered or price.interval is None:
            return Fraction(0)
        return of_units(price, item.quantity) * MONTHS[self.interval] / (MONTHS[price.interval] * price.count)

    def _money(self, cents: Fraction) -> Decimal:
        amount = _EXACT.divide(Decimal(cents.numerator), Decimal(cents.denominator))
        of_currency = amount_of(amount, self.state.currency)
        return Decimal(plain(of_currency.quantize(_PLACES, rounding=ROUND_HALF_EVEN, context=_EXACT)))

    def discounts(self) -> Iterator[plans.Discount]:
        """Those of the whole in their order, then those of its items, which are amounts."""
        for id_ in self.state.discounts:
            yield from self._discount(id_, self.state.items, whole=True)
        for item in self.state.items:
            for id_ in item.discounts:
                yield from self._discount(id_, (item,), whole=False)

    def _discount(self, id_: str, items: Sequence[Item], *, whole: bool) -> Iterator[plans.Discount]:
        discount = self.known.discounts.get(id_)
        coupon = self.known.coupons.get(discount.coupon or "") if discount else None
        if discount is None or coupon is None:
            return
        since, until = discount.since, discount.until
        if coupon.duration == "once" and since is not None:  # Stripe takes it away as soon as the invoice is made
            until = self._end_of_first(max(since, self.state.trial_until or since))
        if since is not None and until is not None and until <= since:
            return
        share: dict[str, Decimal] = {"percent": coupon.percent.quantize(_PERCENT)} if coupon.percent is not None else {}
        if coupon.percent is None:
            share = {"amount": self._money(Fraction(coupon.amount or 0) / self.intervals)}
        elif not whole or coupon.products:
            of_these = [each for each in items if not coupon.products or self._product(each) in coupon.products]
            share = {"amount": self.price(of_these, Fraction(coupon.percent) / 100)}
        yield plans.Discount(**share, since=since, until=until)

    def _product(self, item: Item) -> str | None:
        price = self.known.prices.get(item.price)
        return price.product if price else None

    def _end_of_first(self, start: datetime) -> datetime:
        """When the first period that is paid for ends."""
        day = start.astimezone(self.known.zone).date()
        return start + (intervals_later(day, self.interval, self.intervals) - day)


def of_units(price: Price, quantity: int) -> Fraction:
    """What so many units cost for a period of the price, in cents."""
    if price.divide_by > 1:
        quantity = -(-quantity // price.divide_by) if price.round_up else quantity // price.divide_by
    if price.unit is not None:
        return Fraction(price.unit) * quantity
    cost, below = Fraction(0), 0
    for tier in price.tiers:
        last = tier.up_to is None or quantity <= tier.up_to
        within = quantity if price.volume else (quantity if last else tier.up_to or 0) - below
        if last or not price.volume:
            cost += Fraction(tier.unit) * within + Fraction(tier.flat)
        if last:
            break
        below = tier.up_to or 0
    return cost
