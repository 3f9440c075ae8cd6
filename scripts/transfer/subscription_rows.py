"""Rows of other systems that say who has which plan: what they say is read, and nothing is guessed."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from app.limits.defining.storage import new_id
from app.limits.defining.terms import current_period, first_term
from app.limits.periods import Cycle, period_of
from models.base import snake
from models.currencies import USD
from models.faults import faults_of
from models.limits import LimitScope, Window
from models.plans import Discount, PlanVersion, Price, Subscription
from scripts.transfer.values import UnreadableError, flag, moment, number, since_1970, text, whole

READ = (
    *("user_id", "client_id", "plan", "status", "current_period_start", "current_period_end", "timezone"),
    *("stripe_customer_id", "stripe_subscription_id", "usage_alerts_enabled", "cancel_at_period_end"),
    *("price", "currency", "discount_percent", "discount_amount", "discount_until", "trial_until"),
)
PASSED_OVER = ("_id", "id", "__v", "created_at", "updated_at")
"""Known, and of no use here."""
ACTIVE, ENDED = ("active", "trialing"), ("canceled", "cancelled", "ended", "expired", "incomplete_expired", "inactive")
IMPORTED_BY = "scripts.import_subscriptions"
_USED, _LIMIT = "_used", "_limit"
_TOLERANCE = timedelta(days=1)
"""Periods of others begin at any time of the day; ours at local midnight."""
_DIGITS = re.compile(r"\d{9,11}")


Value = TypeVar("Value")


class RowError(ValueError):
    """A row that cannot be imported; the text says why."""


class Options(NamedTuple):
    """What the operator says of the rows."""

    columns: Mapping[str, str] = {}
    """The column of a field, where it has another name."""
    plans: Mapping[str, str] = {}
    """Our plan, by theirs."""
    statuses: Mapping[str, str] = {}
    """`active` or `ended`, by their status."""
    client: str | None = None
    """Of users whose rows name none."""


@dataclass
class Read:
    """What a row says."""

    subscription: Subscription | None
    """None where it has ended."""
    unknown: list[str] = field(default_factory=list)
    """Columns that are not understood."""
    other_limits: list[str] = field(default_factory=list)
    """Limits of the row that its plan does not have so."""


class SubscriptionRows:
    """Reads rows, for the plans that are there."""

    def __init__(self, plans: Mapping[str, PlanVersion], zone: ZoneInfo, options: Options, now: datetime) -> None:
        """`plans`: the newest version of each that can be subscribed to. `zone`: of dates without one, and of days."""
        self._plans, self._zone, self._options, self._now = plans, zone, options, now
        self._renamed = {theirs: ours for ours, theirs in options.columns.items()}

    def read(self, row: Mapping[str, Any]) -> Read:
        """Raises RowError."""
        given, unknown, limits = self._fields(row)
        try:
            user, client = _read(given, "user_id", text), _read(given, "client_id", text)
            if user is None and client is None:
                raise RowError("user_id: is missing")
            if not self._is_active(_read(given, "status", text) or "active"):
                return Read(None, unknown)
            plan = self._plan(_read(given, "plan", text))
            scope = LimitScope(user_id=user, client_id=client or self._options.client)
            return Read(self._subscription(scope, plan, given), unknown, list(_differing(plan, limits)))
        except ValidationError as error:
            raise RowError("; ".join(f"{fault.field}: {fault.message}" for fault in faults_of(error))) from error

    def _fields(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], list[str], dict[str, Any]]:
        """What is known by our names, columns that are not understood, and limits. Empty cells are left out."""
        given: dict[str, Any] = {}
        unknown: list[str] = []
        limits: dict[str, Any] = {}
        for column, value in row.items():
            name = self._renamed.get(column) or snake(column)
            if name in PASSED_OVER or name.endswith(_USED) or value is None or value == "":
                continue
            if name.endswith(_LIMIT):
                limits[name] = value
            elif name not in READ:
                unknown.append(column)
            elif given.setdefault(name, value) != value:
                raise RowError(f"{name}: two columns say different things")
        return given, unknown, limits

    def _is_active(self, status: str) -> bool:
        word = self._options.statuses.get(status, status).lower()
        if word in ACTIVE:
            return True
        if word in ENDED:
            return False
        raise RowError(f"status: {status} is not understood; say --status {status}=active or --status {status}=ended")

    def _plan(self, theirs: str | None) -> PlanVersion:
        if theirs is None:
            raise RowError("plan: is missing")
        ours = self._options.plans.get(theirs, theirs)
        if ours not in self._plans:
            raise RowError(f"plan: there is no plan {ours} to subscribe to; make it, or say --plan {theirs}=OURS")
        return self._plans[ours]

    def _subscription(self, scope: LimitScope, plan: PlanVersion, given: Mapping[str, Any]) -> Subscription:
        zone = _read(given, "timezone", _zone) or self._zone
        started, ends = (_read(given, f"current_period_{name}", self._moment) for name in ("start", "end"))
        own = self._own(given)
        in_trial = "trial_until" in own
        # a trial's period is the trial: those that are paid begin when it ends
        anchor = None if started is None or in_trial else started.astimezone(zone).date()
        term = first_term(plan, anchor=anchor, timezone=zone.key, now=self._now, own=own)
        if anchor is not None and ends is not None:
            self._check_end(plan, anchor, zone, ends)
        subscription = Subscription(
            id=new_id(),
            scope=scope,
            terms=(term,),
            stripe_customer_id=_read(given, "stripe_customer_id", text),
            stripe_subscription_id=_read(given, "stripe_subscription_id", text),
            usage_alerts_enabled=_read(given, "usage_alerts_enabled", flag) is not False,
            created_at=self._now,
            created_by=IMPORTED_BY,
        )
        if _read(given, "cancel_at_period_end", flag):
            end = current_period(subscription, self._now).end
            return subscription.model_copy(update={"ended_at": end})
        return subscription

    def _own(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What it costs that is not the plan's. A trial or a discount that is over is none."""
        amount, currency = _read(given, "price", number), _read(given, "currency", text)
        if currency is not None and amount is None:
            raise RowError("currency: is that of a price, which the row does not have")
        own: dict[str, Any] = {}
        if amount is not None:
            own["price"] = Price(amount=amount, currency=currency or USD)
        off = {name: _read(given, f"discount_{name}", number) for name in ("percent", "amount")}
        if all(off.values()):
            raise RowError("discount_percent: and discount_amount are both given: a discount is one of them")
        until = _read(given, "discount_until", self._moment)
        if any(off.values()) and (until is None or until > self._now):
            own["discounts"] = (Discount(**{name: each for name, each in off.items() if each}, until=until),)
        trial = _read(given, "trial_until", self._moment)
        if trial is not None and trial > self._now:
            own["trial_until"] = trial
        return own

    def _moment(self, value: object) -> datetime:
        if _DIGITS.fullmatch(str(value)):
            return since_1970(number(value)).astimezone(UTC)
        return moment(value, self._zone).astimezone(UTC)

    def _check_end(self, plan: PlanVersion, anchor: date, zone: ZoneInfo, ends: datetime) -> None:
        cycle = Cycle(anchor, plan.interval, zone)
        noon = datetime(anchor.year, anchor.month, anchor.day, 12, tzinfo=zone)
        period = period_of(noon, Window.PERIOD, zone, [cycle])
        if abs(period.end - ends) > _TOLERANCE:
            expected = period.end.astimezone(zone).date()
            reason = f"plan {plan.plan} has periods of a {plan.interval}, and this one would end on {expected}"
            raise RowError(f"current_period_end: {reason}; choose a plan with such periods by --plan")


def _read(given: Mapping[str, Any], name: str, reader: Callable[[object], Value]) -> Value | None:
    """What a row says of a field; None where it says nothing. Raises RowError."""
    if name not in given:
        return None
    try:
        return reader(given[name])
    except UnreadableError as error:
        raise RowError(f"{name}: {error}") from error


def _zone(value: object) -> ZoneInfo:
    name = text(value)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnreadableError(f"{name[:60]} is not an IANA time zone, such as Europe/Berlin or UTC") from None


def _differing(plan: PlanVersion, limits: Mapping[str, Any]) -> Iterator[str]:
    """Limits of a row that differ from the plan's allowance of that name."""
    ours = {snake(re.sub(r"\W+", "_", one.name)): one for one in plan.allowances if one.name is not None}
    for column in limits:
        name = column.removesuffix(_LIMIT)
        allowance, theirs = ours.get(name), _read(limits, column, whole)
        if theirs is not None and (allowance is None or allowance.amount != theirs):
            there = "none" if allowance is None else f"{allowance.amount:,}"
            yield f"{name} {theirs:,}, in plan {plan.plan} {there}"
