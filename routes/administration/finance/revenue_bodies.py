"""Bodies of revenue and of rates: as they are sent, and as they are answered."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, StrictBool, StrictInt, model_validator
from pydantic_core import PydanticCustomError

from app.finance.revenue.book import Booked, BookedStatus
from app.finance.revenue.rates import AddedRate, RateStatus
from app.http.openapi import exemplified
from app.reports.rows import Row
from models.currencies import DECIMALS, Currency
from models.fields import Moment, Name
from models.moments import moment_now
from models.revenue import (
    MAX_NOTE,
    MOST_AMOUNT,
    TAKES_BACK,
    CurrencyRate,
    EntryId,
    NewRevenue,
    Revenue,
    RevenueKind,
    RevenueSource,
    SignedAmount,
)
from routes.administration.sent import Sent


class RevenueToBook(Sent):
    """What came due."""

    model_config = exemplified(
        {
            "sourceId": "order-1043",
            "kind": "subscription",
            "clientId": "shop",
            "userId": "u1",
            "plan": "pro",
            "amount": 20,
            "currency": "USD",
            "start": "2026-06-01T00:00:00Z",
            "end": "2026-07-01T00:00:00Z",
        }
    )

    source_id: Name
    """Your name of it: what is sent again with the same one counts once."""
    kind: RevenueKind
    amount: SignedAmount | None = None
    """Without tax, in whole units of the currency: 19.99. Below 0 for refunds and credits."""
    amount_minor: Annotated[StrictInt, Field(ge=-100 * MOST_AMOUNT, le=100 * MOST_AMOUNT)] | None = None
    """The same in its smallest units, instead: 1999 of USD, 2000 of JPY."""
    currency: Currency
    client_id: Name | None = None
    user_id: Name | None = None
    subscription_id: Name | None = None
    """A subscription here, which says whose it is."""
    plan: Name | None = None
    plan_version: Annotated[int, Field(ge=1)] | None = None
    at: Moment | None = None
    """When it came due: of this day is the rate; now, by default."""
    start: Moment | None = None
    """Of the service that it pays for; when it came due, by default."""
    end: Moment | None = None
    """When that service ends, which a subscription must say; its start by default: all of it is of that moment."""
    refunds: EntryId | None = None
    """Of a refund: the id of the entry that it takes back."""
    overlaps: StrictBool = False
    """Book it although another subscription of this user is paid for in the same time."""
    note: Annotated[str, Field(max_length=MAX_NOTE)] | None = None

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if (self.amount is None) == (self.amount_minor is None):
            reason = "is needed, or amountMinor: exactly one of them"
            raise PydanticCustomError("amount", "{reason}", {"field": "amount", "reason": reason})
        if self.kind is RevenueKind.SUBSCRIPTION and self.end is None:
            reason = "is missing: when the period ends that a subscription pays for"
            raise PydanticCustomError("end", "{reason}", {"field": "end", "reason": reason})
        return self

    def entry(self) -> NewRevenue:
        """Raises ValidationError for one that makes no sense."""
        at = self.at or moment_now()
        start = self.start or at
        amount = self.amount
        if amount is None:
            amount = Decimal(self.amount_minor or 0).scaleb(-DECIMALS[self.currency])
        if self.kind in TAKES_BACK and self.refunds is not None:
            start = at  # the book says of which time it is
        kept = ("client_id", "user_id", "subscription_id", "plan", "plan_version", "refunds", "overlaps", "note")
        return NewRevenue(
            **{name: getattr(self, name) for name in kept},
            kind=self.kind,
            amount=amount,
            currency=self.currency,
            at=at,
            start=start,
            end=start if self.refunds is not None else self.end or start,
            source=RevenueSource.MANUAL,
            source_id=self.source_id,
        )


class RevenueBody(Row):
    """One entry."""

    id: str
    client_id: str | None
    """Null where it is of no single client."""
    user_id: str | None
    subscription_id: str | None
    plan: str | None
    plan_version: int | None
    kind: RevenueKind
    amount: Decimal
    """In its currency, without tax; below 0 where it takes back."""
    currency: str
    rate: Decimal
    """USD of one unit of the currency, as the operator had dated it."""
    rate_day: date | None
    """Of which day that rate is; null for USD."""
    usd: Decimal
    at: datetime
    """When it came due."""
    start: datetime
    """Of the service that it pays for."""
    end: datetime
    recognised_from: datetime
    """From when on it is recognised: its start, or the end of the last month that had been closed before."""
    source: RevenueSource
    source_id: str
    refunds: str | None
    synthetic: bool
    note: str | None
    sequence: int
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, entry: Revenue) -> Self:
        return cls(**{name: getattr(entry, name) for name in cls.model_fields})


class RevenueList(Row):
    """Entries, the newest by when they came due."""

    entries: list[RevenueBody]
    next_cursor: str | None


class SentFault(Row):
    """One thing wrong with what was sent."""

    field: str
    message: str


class BookedBody(Row):
    """What became of one entry."""

    status: BookedStatus
    """`booked`; `there`: it was before, and counts once; or `refused`."""
    entry: RevenueBody | None
    """As it is stored; null where it was refused."""
    message: str | None
    """Why it was refused, or in what it differs from the one that is there, which stays."""
    errors: list[SentFault]

    @classmethod
    def of(cls, booked: Booked) -> Self:
        entry = None if booked.entry is None else RevenueBody.of(booked.entry)
        faults = [SentFault(field=fault.field, message=fault.message) for fault in booked.errors]
        return cls(status=booked.status, entry=entry, message=booked.message, errors=faults)

    @classmethod
    def refused(cls, faults: Mapping[str, str]) -> Self:
        return cls(
            status=BookedStatus.REFUSED,
            entry=None,
            message="; ".join(f"{field}: {message}" if field else message for field, message in faults.items()),
            errors=[SentFault(field=field, message=message) for field, message in faults.items()],
        )


class BookedList(Row):
    """How many entries by status, and a receipt for each, in order."""

    summary: dict[str, int]
    receipts: list[BookedBody]


class RateBody(Row):
    """What one unit of a currency was worth."""

    currency: str
    day: date
    """From this day on, until the next one that has a rate."""
    usd: Decimal
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, rate: CurrencyRate) -> Self:
        return cls(**{name: getattr(rate, name) for name in cls.model_fields})


class RateList(Row):
    """By currency, the newest day first."""

    rates: list[RateBody]
    next_cursor: str | None


class AddedRateBody(Row):
    """What became of one rate."""

    status: RateStatus
    rate: RateBody | None
    message: str | None
    errors: list[SentFault]

    @classmethod
    def of(cls, added: AddedRate) -> Self:
        rate = None if added.rate is None else RateBody.of(added.rate)
        faults = [SentFault(field=fault.field, message=fault.message) for fault in added.errors]
        return cls(status=added.status, rate=rate, message=added.message, errors=faults)

    @classmethod
    def refused(cls, faults: Mapping[str, str]) -> Self:
        return cls(
            status=RateStatus.REFUSED,
            rate=None,
            message="; ".join(f"{field}: {message}" if field else message for field, message in faults.items()),
            errors=[SentFault(field=field, message=message) for field, message in faults.items()],
        )


class AddedRates(Row):
    """How many rates by status, and a receipt for each, in order."""

    summary: dict[str, int]
    receipts: list[AddedRateBody]
