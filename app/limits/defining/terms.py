"""How the terms of a subscription change: what was promised for the current period holds to its end. Pure."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from app.limits.periods import period_of
from app.limits.rules import cycles_of
from models.limits import Allowance, LimitFilter, Period, Unit, Window
from models.plans import MOST_TERMS, PlanVersion, Subscription, Term

NOTHING: Mapping[str, Any] = MappingProxyType({})
_UTC = ZoneInfo("UTC")
_UNLIMITED = (Decimal("Infinity"), Decimal("Infinity"))


class Effective(StrEnum):
    """When a change holds."""

    NOW = "now"
    RENEWAL = "renewal"
    """When the current period ends."""


def first_term(
    version: PlanVersion, *, anchor: date | None, timezone: str, now: datetime, own: Mapping[str, Any] = NOTHING
) -> Term:
    """With what a subscription begins: its periods are counted from the anchor, by default from today, or from the end
    of its trial. `own`: its `price`, `discounts` and `trial_until`, where it has any.
    """
    first = own.get("trial_until") or now
    return Term(
        since=now,
        plan=version.plan,
        version=version.version,
        anchor=anchor or first.astimezone(ZoneInfo(timezone)).date(),
        interval=version.interval,
        timezone=timezone,
        **own,
    )


def current_period(subscription: Subscription, now: datetime) -> Period:
    """The period that a moment is in."""
    return period_of(now, Window.PERIOD, _UTC, cycles_of(subscription.terms))


def changed_terms(
    subscription: Subscription,
    now: datetime,
    *,
    version: PlanVersion | None = None,
    timezone: str | None = None,
    effective: Effective = Effective.NOW,
    own: Mapping[str, Any] = NOTHING,
) -> tuple[Term, ...]:
    """The terms with another plan, another price of its own, or in another zone. What was scheduled before is part of
    it, unless it is replaced.

    `own`: another `price`, `discounts` or `trial_until`, None for what the plan has. With another plan a price of its
    own ends, unless there is one in it. A plan and what it costs may hold at once. Another zone and another interval
    begin when the current period ends: the zone with the same anchor, the interval with that day as its anchor. Up to
    then a price is that of the interval which was promised.
    """
    current, scheduled = subscription.term_at(now), subscription.next_after(now)
    renewal = current_period(subscription, now).end
    future = scheduled or current
    begun = [term for term in subscription.terms if term.since <= now] or [current]
    named = dict(own)
    if version is not None:
        named = {"plan": version.plan, "version": version.version, "price": None, **own}
        future = future.model_copy(update={"interval": version.interval})
    if named and effective is Effective.NOW:
        of_another_plan = version is None and future.plan != current.plan
        kept = {"price"} if of_another_plan else set()  # what is scheduled has a price of its own
        future = future.model_copy(update={name: value for name, value in named.items() if name not in kept})
        if (price := own.get("price")) is not None:
            amount = price.amount_for(current.interval, of=future.interval)
            named["price"] = price.model_copy(update={"amount": amount})
        current = current.model_copy(update={**named, "since": now})
        begun = [*(term for term in begun if term.since < now), current]
    else:
        future = future.model_copy(update=named)
    if timezone is not None:
        future = future.model_copy(update={"timezone": timezone})
    if future.interval is not current.interval:
        anchor = renewal.astimezone(ZoneInfo(current.timezone)).date()
    else:
        anchor = current.anchor
    future = future.model_copy(update={"since": renewal, "anchor": anchor})
    unchanged = future == current.model_copy(update={"since": renewal})
    return tuple(begun if unchanged else [*begun, future])[-MOST_TERMS:]


def is_downgrade(old: PlanVersion | None, new: PlanVersion) -> bool:
    """Whether anything gets less: a lower bound, or one where there was none. Everything else is an upgrade."""
    before, after = _bounds(old.allowances if old else ()), _bounds(new.allowances)
    return any(after[meter] < before.get(meter, _UNLIMITED) for meter in after)


def _bounds(
    allowances: Iterable[Allowance],
) -> dict[tuple[Unit, LimitFilter, Window], tuple[Decimal, Decimal]]:
    """By what is counted, where calls are refused and where it is told: the tightest of each."""
    bounds: dict[tuple[Unit, LimitFilter, Window], tuple[Decimal, Decimal]] = {}
    for one in allowances:
        meter = (one.unit, one.filter, one.window)
        ceiling, amount = bounds.get(meter, _UNLIMITED)
        ours = _UNLIMITED[0] if one.ceiling is None else one.ceiling
        bounds[meter] = min(ceiling, ours), min(amount, one.amount)
    return bounds
