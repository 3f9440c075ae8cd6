"""What is kept of Stripe's objects: what subscriptions and revenue follow from, and nothing of people but their ids."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import Field

from models.base import StoredDecimal
from models.fields import Name
from models.limits import Interval, LimitScope
from models.shape import Shape

ObjectId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!-~]+$")]
"""An id of Stripe's."""
Cents = Annotated[int, Field(ge=-(2**53), le=2**53)]
"""A whole number of a currency's smallest unit, as Stripe counts it."""
Count = Annotated[int, Field(ge=-(2**53), le=2**53)]
"""How many of something; what JSON and MongoDB both hold exactly."""


class Whose(Shape):
    """Whose an object is, as its metadata say: `userId`, `clientId` or both."""

    user_id: Name | None = None
    client_id: Name | None = None

    @property
    def scope(self) -> LimitScope:
        return LimitScope(user_id=self.user_id, client_id=self.client_id)


class Facts(Shape):
    """The newest state of one object."""

    kind: ClassVar[str]

    id: ObjectId

    @property
    def keys(self) -> tuple[str, ...]:
        """By which other ids it is looked for, and whose waiting it ends."""
        return ()


class Tier(Shape):
    """One step of a price."""

    up_to: Count | None = None
    unit: StoredDecimal = Decimal(0)
    flat: StoredDecimal = Decimal(0)


class Price(Facts):
    """What one unit costs, in cents."""

    kind = "price"

    product: ObjectId | None = None
    plan: Name | None = None
    """What its metadata name as `plan`."""
    lookup_key: Name | None = None
    currency: str
    unit: StoredDecimal | None = None
    tiers: tuple[Tier, ...] = ()
    volume: bool = False
    """Whether all units cost what the last tier says, and not each what its own does."""
    divide_by: Count = 1
    round_up: bool = False
    interval: Interval | None = None
    count: Count = 1
    """Of intervals in a period."""
    metered: bool = False


class Coupon(Facts):
    kind = "coupon"

    percent: StoredDecimal | None = None
    amount: Cents | None = None
    currency: str | None = None
    duration: str = "forever"
    products: tuple[str, ...] = ()
    """The only ones that it is for, where it names any."""


class Discount(Facts):
    """A coupon that somebody has."""

    kind = "discount"

    coupon: ObjectId | None = None
    since: datetime | None = None
    until: datetime | None = None


class Customer(Facts):
    kind = "customer"

    whose: Whose | None = None
    deleted: bool = False


class Session(Facts):
    """A checkout, which may know whose a customer is."""

    kind = "checkout.session"

    whose: Whose | None = None
    customer: ObjectId | None = None
    subscription: ObjectId | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(each for each in (self.customer, self.subscription) if each)


class Item(Shape):
    """Of what a subscription has how many."""

    price: ObjectId
    quantity: Count = 1
    discounts: tuple[str, ...] = ()


class SubscriptionState(Facts):
    """A subscription at one moment."""

    kind = "subscription"

    customer: ObjectId
    whose: Whose | None = None
    status: str
    currency: str
    started: datetime
    anchor: datetime
    trial_until: datetime | None = None
    ends: datetime | None = None
    """When it will end, or has ended."""
    paused: bool = False
    """Whether nothing is charged, though it goes on."""
    items: Annotated[tuple[Item, ...], Field(max_length=100)]
    discounts: tuple[str, ...] = ()


class Line(Shape):
    """Of an invoice; without what a discount, a credit or a tax is."""

    id: ObjectId
    net: Cents
    start: datetime
    end: datetime
    price: ObjectId | None = None
    product: ObjectId | None = None
    metered: bool = False
    recurring: bool = True


class Invoice(Facts):
    kind = "invoice"

    customer: ObjectId | None = None
    subscription: ObjectId | None = None
    whose: Whose | None = None
    status: str
    currency: str
    total: Cents
    """With tax."""
    lines: tuple[Line, ...]
    more: bool = False
    """Whether it has more lines than these."""
    created: datetime
    finalized_at: datetime | None = None
    voided_at: datetime | None = None
    uncollectible_at: datetime | None = None
    paid_at: datetime | None = None
    payments: tuple[str, ...] = ()
    """Payment intents and charges that pay for it, as far as it says."""

    @property
    def keys(self) -> tuple[str, ...]:
        return self.payments


class Payment(Facts):
    """Which payment an invoice was paid with."""

    kind = "invoice_payment"

    invoice: ObjectId
    payments: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return self.payments


class Charge(Facts):
    """A payment, as far as it knows its invoice: those of older versions of the API do."""

    kind = "charge"

    invoice: ObjectId | None = None
    payments: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return self.payments


class Refund(Facts):
    """Of a payment, or of what was disputed and lost."""

    kind = "refund"

    amount: Cents
    """With tax."""
    currency: str
    created: datetime
    counts: bool
    """Whether money went back, or is on its way."""
    payments: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return self.payments


class Dispute(Refund):
    """Money that a customer's bank took back; it counts where the dispute is lost."""

    kind = "dispute"

    open: bool = False


class NoteLine(Shape):
    line: ObjectId | None = None
    net: Cents


class CreditNote(Facts):
    """What an invoice is less, after it was finalized."""

    kind = "credit_note"

    invoice: ObjectId
    net: Cents
    """Without tax."""
    total: Cents
    refunds: tuple[tuple[str, Cents | None], ...] = ()
    """What of it was refunded, with tax: each is a refund of its own as well. None for all of it."""
    lines: tuple[NoteLine, ...] = ()
    created: datetime
    counts: bool


KINDS: dict[str, type[Facts]] = {
    each.kind: each
    for each in (
        *(Price, Coupon, Discount, Customer, Session, SubscriptionState, Invoice),
        *(Payment, Charge, Refund, Dispute, CreditNote),
    )
}
