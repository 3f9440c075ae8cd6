"""Plans and their versions, who has which, and what is granted beside them. What a limit is, is in `models.limits`."""

from bisect import bisect_right
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Self

from pydantic import Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError
from pymongo import ASCENDING, DESCENDING, IndexModel

from models.base import StoredDecimal
from models.currencies import USD, Currency
from models.documents import Document
from models.fields import Moment, Name
from models.limits import (
    Allowance,
    Amount,
    Id,
    Interval,
    LimitFilter,
    LimitScope,
    Unit,
    Window,
    ZoneName,
)
from models.money import quantize_usd
from models.shape import Shape

PLANS = "plans"
"""Every version of every plan, as `PlanVersion`."""
SUBSCRIPTIONS = "subscriptions"
GRANTS = "grants"

DEMO_PLAN = "demo"
"""The plan of whoever has no other one: it has no limits, and says so."""
MOST_ALLOWANCES = 100
MONTHS = {
    Interval.DAY: Fraction(12, 365),
    Interval.WEEK: Fraction(12, 52),
    Interval.MONTH: Fraction(1),
    Interval.QUARTER: Fraction(3),
    Interval.YEAR: Fraction(12),
}
"""How many months an interval is: a year has 365 days, 52 weeks and 12 months."""
MOST_DISCOUNTS = 20
"""Of a term."""
MOST_TERMS = 100
"""Of a subscription; the oldest are forgotten."""


class PlanVersion(Shape):
    """One version of a plan. What it gives never changes; a change of the plan is another version."""

    plan: Name
    version: Annotated[int, Field(ge=1)]
    name: Name
    """What users call it."""
    interval: Interval = Interval.MONTH
    allowances: Annotated[tuple[Allowance, ...], Field(max_length=MOST_ALLOWANCES)] = ()
    price: Amount | None = None
    """USD for an interval."""
    default: StrictBool = False
    """Whether it is the plan of whoever has no subscription."""
    upgrade_url: Annotated[str, Field(max_length=2_000)] | None = None
    created_at: datetime
    created_by: str
    ended_at: datetime | None = None
    """From then on nobody subscribes to it; who has, keeps it."""

    @property
    def id(self) -> str:
        """The `_id` of its document."""
        return f"{self.plan}@{self.version}"

    def stored(self) -> Document:
        """With the id that it has by its names."""
        return {"_id": self.id, **super().stored()}

    @classmethod
    def read(cls, stored: Document) -> "PlanVersion":
        """One as MongoDB keeps it. Raises ValidationError for a damaged one."""
        return super().read({name: value for name, value in stored.items() if name != "_id"})


class Status(StrEnum):
    """Of a subscription."""

    ACTIVE = "active"
    BESIDE = "beside"
    """Somebody pays for it, and another one gives the plan, or it gives none."""
    ENDED = "ended"


class Price(Shape):
    """What a subscription costs for an interval of its term, when that is not what its plan version costs."""

    amount: Amount
    """In whole units of its currency, without tax."""
    currency: Currency = USD

    def amount_for(self, interval: Interval, *, of: Interval) -> Decimal:
        """What it is for an interval, where it is that of another one."""
        return amount_for(self.amount, interval, of=of)


def amount_for(amount: Decimal, interval: Interval, *, of: Interval) -> Decimal:
    """What an amount of one interval is for another one, by their lengths in months, to 15 decimals."""
    if interval is of:
        return amount
    factor = MONTHS[interval] / MONTHS[of]
    return quantize_usd(amount * factor.numerator / factor.denominator)


class Discount(Shape):
    """What is taken off the price of each interval while it holds: a share of it, or an amount in its currency."""

    percent: Annotated[StoredDecimal, Field(gt=0, le=100, max_digits=7, decimal_places=4)] | None = None
    amount: Amount | None = None
    since: Moment | None = None
    """None: from the beginning on."""
    until: Moment | None = None
    """It holds before this moment; None: without end."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.percent is None) == (self.amount is None):
            raise PydanticCustomError("discount", "must have exactly one of percent and amount")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise PydanticCustomError("discount", "must end after it begins: until is not after since")
        return self

    def holds(self, moment: datetime) -> bool:
        """Whether it does at a moment."""
        return (self.since is None or self.since <= moment) and (self.until is None or moment < self.until)


class Term(Shape):
    """What a subscription gives from a moment on, up to its next term."""

    since: datetime
    plan: Name
    version: Annotated[int, Field(ge=1)]
    anchor: date
    """Periods begin on this day, and a whole number of intervals before and after it."""
    interval: Interval
    """Of the plan, except until the end of a period that was promised otherwise."""
    timezone: ZoneName
    price: Price | None = None
    """None: what the plan version costs, in USD."""
    discounts: Annotated[tuple[Discount, ...], Field(max_length=MOST_DISCOUNTS)] = ()
    trial_until: Moment | None = None
    """Before this moment it costs nothing."""


class Subscription(Shape):
    """Which plan a user or a client has. A subject has one active subscription at most."""

    id: Id
    scope: LimitScope
    """A user, a user of one client, or a client."""
    terms: Annotated[tuple[Term, ...], Field(min_length=1, max_length=MOST_TERMS)]
    """In order. One in the future is a change that is scheduled: it holds from its moment on by itself."""
    status: Status = Status.ACTIVE
    stripe_customer_id: Name | None = None
    stripe_subscription_id: Name | None = None
    usage_alerts_enabled: StrictBool = True
    """Silences messages about the user's limits, not their record."""
    synthetic: StrictBool = False
    """Whether it was made up for a demonstration: figures of money leave it out, as reports do its calls."""
    created_at: datetime
    created_by: str
    ended_at: datetime | None = None

    def stored(self) -> Document:
        """With the subject, by which it is found."""
        return super().stored() | {"subject": self.scope.subject}

    def term_at(self, moment: datetime) -> Term:
        """The term in force at a moment; before the first one, that."""
        return self.terms[max(bisect_right(self.terms, moment, key=lambda term: term.since) - 1, 0)]

    def is_like(self, other: "Subscription") -> bool:
        """Whether both give the same from now on, whenever they were made."""
        ours, theirs = self.terms[-1], other.terms[-1]
        same = {"since": theirs.since, "version": theirs.version}
        kept = ("scope", "stripe_customer_id", "stripe_subscription_id", "usage_alerts_enabled", "ended_at")
        return ours.model_copy(update=same) == theirs and all(
            getattr(self, name) == getattr(other, name) for name in kept
        )

    def is_over(self, moment: datetime) -> bool:
        """Whether it has ended: at a moment that was set, also where nobody has noted that since."""
        return self.status is Status.ENDED or (self.ended_at is not None and self.ended_at <= moment)

    def next_after(self, moment: datetime) -> Term | None:
        """The change that is scheduled, if any."""
        return next((term for term in self.terms if term.since > moment), None)


class GrantKind(StrEnum):
    """How a grant changes an allowance."""

    TOP_UP = "top_up"
    """More, once: spent after the limit's own amount, soonest expiring first; the rest stays until it expires."""
    CARRY_OVER = "carry_over"
    """At each renewal, more in the new period: what was left of the last one, up to the amount."""
    OVERRIDE = "override"
    """Another amount, for some periods."""


class Settled(Shape):
    """What a grant did in one period that is over, or, of a carry-over, in one that has begun."""

    start: datetime
    """Of the period."""
    amount: Amount
    """Of a top-up: what was spent of it. Of a carry-over: what was carried into the period."""


class Grant(Shape):
    """More of one meter than its limit gives: of the subject's plan, whichever that is, or of one limit."""

    id: Id
    kind: GrantKind
    scope: LimitScope
    limit: Name | None = None
    """The id of the only limit that it is for; None for allowances of plans."""
    filter: LimitFilter = LimitFilter()
    unit: Unit
    window: Window
    amount: Amount
    starts_at: datetime
    """It is for periods that end later."""
    expires_at: datetime | None = None
    """It is for periods that begin earlier, to their end."""
    note: Annotated[str, Field(max_length=1_000)] | None = None
    created_at: datetime
    created_by: str
    ended_at: datetime | None = None
    settled: tuple[Settled, ...] = ()
    """By period, in order."""
    settled_to: datetime
    """The start of the first period that is not settled."""

    def stored(self) -> Document:
        """With the subject, by which it is found."""
        return super().stored() | {"subject": self.scope.subject}

    def settled_before(self, moment: datetime) -> Decimal:
        """What of a top-up was spent in periods that began before."""
        return sum((each.amount for each in self.settled if each.start < moment), Decimal(0))

    def carried_into(self, start: datetime) -> Decimal:
        """What a carry-over brought into the period with this start."""
        return next((each.amount for each in self.settled if each.start == start), Decimal(0))


_NEWEST = IndexModel([("createdAt", DESCENDING), ("_id", DESCENDING)], name="newest")
_CHANGED = IndexModel([("changed", ASCENDING)], name="changed")

INDEXES = {
    PLANS: [
        IndexModel([("plan", ASCENDING), ("version", DESCENDING)], name="version", unique=True),
        _CHANGED,
    ],
    SUBSCRIPTIONS: [
        IndexModel(
            [("subject", ASCENDING)],
            name="active",
            unique=True,
            partialFilterExpression={"status": Status.ACTIVE.value},
        ),
        IndexModel([("terms.plan", ASCENDING)], name="plan"),
        IndexModel(
            [("stripeSubscriptionId", ASCENDING)],
            name="stripe_subscription",
            partialFilterExpression={"stripeSubscriptionId": {"$exists": True}},
        ),
        IndexModel(
            [("stripeCustomerId", ASCENDING)],
            name="stripe_customer",
            partialFilterExpression={"stripeCustomerId": {"$exists": True}},
        ),
        _NEWEST,
        _CHANGED,
    ],
    GRANTS: [IndexModel([("subject", ASCENDING)], name="subject"), _NEWEST, _CHANGED],
}
