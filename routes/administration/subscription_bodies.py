"""Bodies of subscriptions: as they are sent, and as they are answered."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from app.errors import invalid
from app.http.openapi import exemplified
from app.limits.defining.terms import Effective, current_period
from app.reports.rows import Row
from models.currencies import USD, Currency
from models.fields import Moment, Name
from models.limits import Amount, Interval, LimitScope, ZoneName
from models.plans import MOST_DISCOUNTS, Discount, Price, Status, Subscription, Term
from routes.administration.limit_bodies import ScopeBody
from routes.administration.sent import Sent, fixed

Number = Annotated[int, Field(ge=1)]


Discounts = Annotated[tuple[Discount, ...], Field(max_length=MOST_DISCOUNTS)]


def own_costs(sent: Sent) -> dict[str, Any]:
    """What was sent of a price, of discounts and of a trial, as terms have them. Raises InvalidRequestError."""
    given = sent.given()
    if "currency" in given and given.get("price") is None:
        raise invalid("currency", "is that of a price: give price as well")
    own: dict[str, Any] = {name: given[name] for name in ("discounts", "trial_until") if name in given}
    if "price" in given:
        price = given["price"]
        own["price"] = None if price is None else Price(amount=price, currency=getattr(sent, "currency", USD))
    return own


class NewSubscription(Sent):
    """Who subscribes to what."""

    model_config = exemplified({"scope": {"userId": "u1"}, "plan": "pro", "timezone": "Europe/Berlin"})

    scope: LimitScope
    """A `userId`, a `clientId`, or a user of a client."""
    plan: Name
    version: Number | None = None
    """The newest, by default."""
    anchor: date | None = None
    """The day from which periods are counted, such as 2026-01-31; today, by default."""
    timezone: ZoneName | None = None
    """In which days begin; the deployment's, by default."""
    price: Amount | None = None
    """Of its own, for an interval, without tax; null for that of the plan."""
    currency: Currency = USD
    """Of the price."""
    discounts: Discounts = ()
    """Taken off one after the other, each of periods that begin while it holds."""
    trial_until: Moment | None = None
    """Up to then it costs nothing; periods are counted from that day, unless an anchor is given."""
    stripe_customer_id: Name | None = None
    stripe_subscription_id: Name | None = None
    usage_alerts_enabled: StrictBool = True

    def own(self) -> dict[str, Any]:
        """What it costs that is not the plan's."""
        return own_costs(self)


class SubscriptionChange(Sent):
    """What changes; what is left out stays."""

    plan: Name | None = None
    version: Number | None = None
    effective: Effective | None = None
    """Of another plan or price: `now` or `renewal`; a plan by default now, unless anything gets less, a price alone at
    renewal. What changes within a period is credited and charged for the rest of it.
    """
    timezone: ZoneName | None = None
    """From the end of the current period on."""
    price: Amount | None = None
    """Of its own, for an interval, without tax; null for that of the plan, which another plan brings by itself."""
    currency: Currency = USD
    """Of the price."""
    discounts: Discounts = ()
    """All of them, from now on; an empty list for none."""
    trial_until: Moment | None = None
    """null ends the trial now."""
    stripe_customer_id: Name | None = None
    stripe_subscription_id: Name | None = None
    usage_alerts_enabled: StrictBool = True
    ended_at: None = None
    """null: an end that was scheduled is not to come."""

    @model_validator(mode="before")
    @classmethod
    def _same_subscription(cls, sent: Any) -> Any:
        reason = "cannot change: end this subscription, and make another one"
        return fixed(sent, ("scope", "anchor", "userId", "clientId"), reason)

    @model_validator(mode="after")
    def _some_plan(self) -> Self:
        another = {"plan", "version", "price"} & self.model_fields_set
        if self.effective is not None and not another:
            reason = "says when another plan or price holds: give plan, version or price"
            raise PydanticCustomError("effective", "{reason}", {"field": "effective", "reason": reason})
        return self

    def own(self) -> dict[str, Any]:
        """What it costs that is not the plan's."""
        return own_costs(self)

    def more(self) -> dict[str, Any]:
        """What is not about its terms."""
        kept = {"stripe_customer_id", "stripe_subscription_id", "usage_alerts_enabled", "ended_at"}
        return {name: value for name, value in self.given().items() if name in kept}


class EndOfSubscription(Sent):
    """When a subscription ends."""

    effective: Effective = Effective.RENEWAL


class DiscountBody(Row):
    """A discount: of percent, or of an amount for an interval."""

    percent: Decimal | None
    amount: Decimal | None
    since: datetime | None
    until: datetime | None

    @classmethod
    def of(cls, discount: Discount) -> Self:
        return cls(**{name: getattr(discount, name) for name in cls.model_fields})


class TermBody(Row):
    """A change that is scheduled."""

    at: datetime
    plan: str
    version: int
    interval: Interval
    timezone: str
    price: Decimal | None
    """Of its own; null for that of the plan."""
    currency: str | None
    discounts: list[DiscountBody]
    trial_until: datetime | None

    @classmethod
    def of(cls, term: Term) -> Self:
        return cls(
            at=term.since,
            plan=term.plan,
            version=term.version,
            interval=term.interval,
            timezone=term.timezone,
            **costs_of(term),
        )


def costs_of(term: Term) -> dict[str, Any]:
    """What a term costs that is not the plan's."""
    return {
        "price": None if term.price is None else term.price.amount,
        "currency": None if term.price is None else term.price.currency,
        "discounts": [DiscountBody.of(one) for one in term.discounts],
        "trial_until": term.trial_until,
    }


class SubscriptionBody(Row):
    """One subscription, as it is now."""

    id: str
    scope: ScopeBody
    plan: str
    version: int
    anchor: date
    interval: Interval
    timezone: str
    period_start: datetime
    renews_at: datetime
    next: TermBody | None
    """The change that is scheduled; by itself it holds from its moment on, in every process. Null where it ends before.
    """
    price: Decimal | None
    """Of its own, for an interval; null for that of the plan."""
    currency: str | None
    """Of the price."""
    discounts: list[DiscountBody]
    trial_until: datetime | None
    status: Status
    stripe_customer_id: str | None
    stripe_subscription_id: str | None
    usage_alerts_enabled: bool
    created_at: datetime
    created_by: str
    ended_at: datetime | None
    """In the future: when it will end."""

    @classmethod
    def of(cls, subscription: Subscription) -> Self:
        now = datetime.now(UTC)
        term, following, end = subscription.term_at(now), subscription.next_after(now), subscription.ended_at
        if end is not None and following is not None and end <= following.since:
            following = None
        period = current_period(subscription, now)
        return cls(
            id=subscription.id,
            scope=ScopeBody.of(subscription.scope),
            plan=term.plan,
            version=term.version,
            anchor=term.anchor,
            interval=term.interval,
            timezone=term.timezone,
            period_start=period.start,
            renews_at=period.end,
            next=None if following is None else TermBody.of(following),
            **costs_of(term),
            status=Status.ENDED if subscription.is_over(now) else subscription.status,
            stripe_customer_id=subscription.stripe_customer_id,
            stripe_subscription_id=subscription.stripe_subscription_id,
            usage_alerts_enabled=subscription.usage_alerts_enabled,
            created_at=subscription.created_at,
            created_by=subscription.created_by,
            ended_at=subscription.ended_at,
        )


class SubscriptionList(Row):
    """Subscriptions, the newest first."""

    subscriptions: list[SubscriptionBody]
    next_cursor: str | None
