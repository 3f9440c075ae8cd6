"""What a subscription without Stripe owes, period by period, as its terms say. Pure, and always the same.

At the beginning of a period its price comes due for all of it, after the discounts that hold then. A change of plan or
price within a period gives back what is left of the old price, and charges what is left of the new one: both by the
time that is left, rounded half up to the smallest unit of the currency. A change of discounts alone begins with the
next period. A trial costs nothing; when it ends within a period, what is left of that comes due. An end gives nothing
back: a refund is an entry of its own.

A period that began before the subscription did was paid elsewhere where the anchor is in the past (it ran elsewhere
before), and comes due in part where the anchor is still to come.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.finance.revenue.prices import IntervalPrice, interval_price
from app.limits.periods import first_moment, period_of
from app.limits.rules import cycles_of
from models.currencies import DECIMALS
from models.limits import NEVER, Period, Window
from models.plans import PlanVersion, Subscription, Term
from models.revenue import NewRevenue, RevenueKind, RevenueSource

Versions = Callable[[str, int], PlanVersion | None]
"""A version of a plan."""

_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
_MICROSECOND = timedelta(microseconds=1)
_UTC = ZoneInfo("UTC")


class _Point(NamedTuple):
    """A moment at which something may come due."""

    at: datetime
    period: Period
    term: Term
    price: IntervalPrice | None


def charges(
    subscription: Subscription, version_of: Versions, *, since: datetime, until: datetime
) -> Iterator[NewRevenue]:
    """What comes due from `since` on, up to and with `until`, in order. Nothing before the subscription began."""
    terms, last = subscription.terms, _last_moment(subscription, until)
    moment = max(terms[0].since, since)
    while moment <= last:
        period = period_of(moment, Window.PERIOD, _UTC, cycles_of(terms))
        before: _Point | None = None
        for at in _points(subscription, period):
            if at > last:
                break
            term = subscription.term_at(at)
            point = _Point(at, period, term, interval_price(term, version_of(term.plan, term.version), at))
            if before is not None and _costs(before) == _costs(point):
                point = point._replace(price=before.price)  # other discounts begin with the next period
            if at >= since:
                yield from _due(subscription, point, before)
            before = point
        moment = period.end


def next_due(subscription: Subscription, after: datetime) -> datetime | None:
    """When something may come due for the first time after a moment; None where it has ended by then."""
    moment = max(subscription.terms[0].since, after)
    period = period_of(moment, Window.PERIOD, _UTC, cycles_of(subscription.terms))
    found = next((at for at in [*_points(subscription, period), period.end] if at > after), None)
    return None if found is None or found > _last_moment(subscription, NEVER) else found


def _last_moment(subscription: Subscription, until: datetime) -> datetime:
    """The last one up to `until` at which it is still there."""
    ended = subscription.ended_at
    return until if ended is None else min(until, ended - _MICROSECOND)


def _points(subscription: Subscription, period: Period) -> list[datetime]:
    """The moments of a period at which something may come due, in order: at its beginning, or where the subscription
    begins in it; where another term begins, and where a trial ends.
    """
    first = max(subscription.terms[0].since, period.start)
    found = {first} | {term.since for term in subscription.terms}
    for place, term in enumerate(subscription.terms):
        over = term.trial_until
        following = subscription.terms[place + 1].since if place + 1 < len(subscription.terms) else NEVER
        if over is not None and term.since < over < following:
            found.add(over)
    return sorted(at for at in found if first <= at < period.end)


def _due(subscription: Subscription, point: _Point, before: _Point | None) -> Iterator[NewRevenue]:
    if before is None:
        if not _paid_elsewhere(point):
            yield from _charge(subscription, point)
    elif _costs(before) != _costs(point):
        yield from _rest_of(subscription, before, point.at)
        yield from _charge(subscription, point)


def _costs(point: _Point) -> tuple[object, ...] | None:
    """What must change for anything to come due within a period."""
    price = point.price
    return None if price is None else (point.term.plan, price.currency, price.gross, price.trial)


def _paid_elsewhere(point: _Point) -> bool:
    if point.at == point.period.start:
        return False
    anchored = first_moment(point.term.anchor, ZoneInfo(point.term.timezone))
    trial = point.term.trial_until is not None and point.at == point.term.trial_until
    return anchored <= point.at and not trial


def _charge(subscription: Subscription, point: _Point) -> Iterator[NewRevenue]:
    if point.price is not None and (amount := _share(point.price, point.at, point.period)):
        yield _entry(subscription, point, amount, point.price.currency)


def _rest_of(subscription: Subscription, before: _Point, at: datetime) -> Iterator[NewRevenue]:
    if before.price is not None and (amount := _share(before.price, at, before.period)):
        yield _entry(subscription, before._replace(at=at), -amount, before.price.currency)


def _share(price: IntervalPrice, at: datetime, period: Period) -> Decimal:
    """What of a price is for the rest of the period from `at` on, in whole smallest units."""
    left, length = (period.end - at) // _MICROSECOND, (period.end - period.start) // _MICROSECOND
    exact = _EXACT.divide(_EXACT.multiply(price.amount, Decimal(left)), Decimal(length))
    return exact.quantize(Decimal(1).scaleb(-DECIMALS[price.currency]), context=_EXACT)


def _entry(subscription: Subscription, point: _Point, amount: Decimal, currency: str) -> NewRevenue:
    when = point.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    gives_back = amount < 0
    return NewRevenue(
        client_id=subscription.scope.client_id,
        user_id=subscription.scope.user_id,
        subscription_id=subscription.id,
        plan=point.term.plan,
        plan_version=point.term.version,
        kind=RevenueKind.CREDIT if gives_back else RevenueKind.SUBSCRIPTION,
        amount=amount,
        currency=currency,
        start=point.at,
        end=point.period.end,
        at=point.at,
        source=RevenueSource.SUBSCRIPTION,
        source_id=f"{subscription.id}/{when}{'/rest' if gives_back else ''}",
        synthetic=subscription.synthetic,
    )
