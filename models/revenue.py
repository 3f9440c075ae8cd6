"""Money that came in. An entry is what came due once, for one service period; entries are added, never changed."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError
from pymongo import ASCENDING, DESCENDING, IndexModel

from models.base import StoredDecimal
from models.currencies import Currency
from models.documents import Document
from models.fields import MAX_NAME, Moment, Name
from models.limits import Id
from models.money import USD_PLACES, ZERO, quantize_usd
from models.shape import Shape
from models.subjects import escaped_id

REVENUE = "revenue"
"""Every entry, as `Revenue`."""
RATES = "currency_rates"
"""What currencies were worth, as `CurrencyRate`."""
MONTH_CLOSINGS = "month_closings"

STATE = {"_id": "revenue"}
"""The document in `versions` that every booking raises. `sequence`: of the newest entry. `rewritten`: how often stored
entries were changed or removed, by an erasure or a purge: who keeps entries in memory then reads all of them again.
`rates`: how often rates were added or replaced.
`closedUntil`: the end of the last closed month. `dueSince`: from when on subscriptions' own prices come due here.
"""

MOST_AMOUNT = 1_000_000_000_000
"""Of one entry, in its currency or in USD, above or below zero."""
MAX_NOTE = 1_000
"""Characters."""


class RevenueKind(StrEnum):
    """What came due."""

    SUBSCRIPTION = "subscription"
    """A period of a subscription, or the rest of one."""
    USAGE = "usage"
    """What was used beyond it."""
    ONE_TIME = "one_time"
    REFUND = "refund"
    """Takes another entry back, or a part of it."""
    CREDIT = "credit"
    """Takes back what no single entry says, such as the rest of a period after a change of plans."""


TAKES_BACK = frozenset({RevenueKind.REFUND, RevenueKind.CREDIT})
"""The kinds whose amounts are below zero."""


class RevenueSource(StrEnum):
    """Where it is known from."""

    SUBSCRIPTION = "subscription"
    """The price and the term of a subscription without Stripe."""
    STRIPE = "stripe"
    IMPORT = "import"
    MANUAL = "manual"


SENT = frozenset({RevenueSource.IMPORT, RevenueSource.MANUAL})
"""The sources that are people: what they send may contradict what is there."""


def _storable(amount: Decimal) -> Decimal:
    if not amount:
        return ZERO
    if amount.adjusted() < -USD_PLACES or quantize_usd(amount) != amount:
        raise PydanticCustomError("decimals", "must have {places} decimals at most", {"places": USD_PLACES})
    return amount


SignedAmount = Annotated[
    StoredDecimal, Field(ge=-MOST_AMOUNT, le=MOST_AMOUNT, allow_inf_nan=False), AfterValidator(_storable)
]
"""Of money, above or below zero, in whole units of its currency (19.99 and not 1999)."""
EntryId = Annotated[str, Field(min_length=1, max_length=4 * MAX_NAME)]
Rate = Annotated[StoredDecimal, Field(gt=0, le=1_000_000, max_digits=28, decimal_places=15, allow_inf_nan=False)]
"""USD of one unit of a currency."""


class RevenueFields(Shape):
    """What an entry says, booked or not."""

    client_id: Name | None = None
    """None where it is of no single client: of a user's subscription that reaches over all of them."""
    user_id: Name | None = None
    subscription_id: Name | None = None
    plan: Name | None = None
    plan_version: Annotated[int, Field(ge=1)] | None = None
    kind: RevenueKind
    amount: SignedAmount
    """Without tax, in `currency`; below zero where it takes back."""
    currency: Currency
    start: Moment
    """Of the service that it pays for."""
    end: Moment
    """When that service ends; equal to `start` where it is of that moment alone."""
    at: Moment
    """When it came due: of this day is the rate, and *billed* goes by it."""
    source: RevenueSource
    source_id: Name
    """What the source calls it: whatever is sent again with the same one counts once."""
    refunds: EntryId | None = None
    """The id of the entry that a refund takes back."""
    synthetic: StrictBool = False
    """Whether it was made up for a demonstration."""
    note: Annotated[str, Field(max_length=MAX_NOTE)] | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if fault := self._fault():
            field, reason = fault
            raise PydanticCustomError("revenue", "{reason}", {"field": field, "reason": reason})
        return self

    def _fault(self) -> tuple[str, str] | None:
        if self.end < self.start:
            return "end", f"must not be before start: {self.end.isoformat()} is before {self.start.isoformat()}"
        if not self.amount:
            return "amount", "must not be 0: nothing came due"
        if (self.kind in TAKES_BACK) != (self.amount < 0):
            needed = "below 0: it takes back" if self.kind in TAKES_BACK else "above 0: what takes back is a refund"
            return "amount", f"of a {self.kind.value} must be {needed}"
        if self.refunds is not None and self.kind is not RevenueKind.REFUND:
            return "refunds", "is for refunds: it names the entry that one takes back"
        return None


class NewRevenue(RevenueFields):
    """An entry that is yet to be booked."""

    overlaps: StrictBool = False
    """Whether it is meant that another subscription of this user is paid for in the same time."""


class Revenue(RevenueFields):
    """An entry as it was booked."""

    id: Id
    rate: Rate
    """USD of one unit of its currency when it came due; of a refund, the rate of what it takes back."""
    rate_day: date | None = None
    """Of which day that rate is; None for USD."""
    usd: SignedAmount
    """`amount x rate`, rounded half-even to 15 decimals."""
    recognised_from: datetime
    """From when on it is recognised: its start, or the first moment that no closed month has."""
    sequence: Annotated[int, Field(ge=1)]
    """Of its booking: without gaps in the order in which entries can be read, several may be of one transaction."""
    created_at: datetime
    created_by: str


class NewRate(Shape):
    """What one unit of a currency was worth on a day, as the operator says."""

    currency: Currency
    day: date
    usd: Rate


class CurrencyRate(NewRate):
    """A rate as it is stored."""

    created_at: datetime
    created_by: str

    @property
    def id(self) -> str:
        """The `_id` of its document."""
        return f"{self.currency}@{self.day.isoformat()}"

    def stored(self) -> Document:
        """With the id that it has by its names."""
        return {"_id": self.id, **super().stored()}

    @classmethod
    def read(cls, stored: Document) -> Self:
        """One as MongoDB keeps it. Raises ValidationError for a damaged one."""
        return super().read({name: value for name, value in stored.items() if name != "_id"})


def revenue_id(source: RevenueSource, source_id: str, client: str | None = None) -> str:
    """The `_id` of an entry. `client`: the one whose administrator booked it: what they name is theirs alone."""
    if client is not None:
        return f"{source.value}@{escaped_id(client)}|{source_id}"
    return f"{source.value}:{source_id}"


INDEXES = {
    REVENUE: [
        IndexModel([("sequence", ASCENDING)], name="sequence"),
        IndexModel([("at", DESCENDING), ("_id", DESCENDING)], name="newest"),
        IndexModel([("userId", ASCENDING), ("at", DESCENDING)], name="user"),
        IndexModel([("clientId", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)], name="client"),
        IndexModel([("subscriptionId", ASCENDING), ("start", ASCENDING)], name="subscription"),
        IndexModel([("refunds", ASCENDING)], name="refunds", partialFilterExpression={"refunds": {"$exists": True}}),
    ],
    RATES: [IndexModel([("currency", ASCENDING), ("day", DESCENDING)], name="day", unique=True)],
    MONTH_CLOSINGS: [],
}
