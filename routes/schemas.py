"""What routes answer, where that is not a report."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from app.reports.answers import Freshness
from app.reports.rows import Row
from app.tracking import ReceiptStatus, TrackReceipt
from app.tracking.call import Moment, Name
from models import CostSource, PriceOverride, UnitPrices
from models.base import camel


class FaultBody(Row):
    """One thing wrong with a report."""

    field: str
    message: str


class ReceiptBody(Row):
    """What became of a reported call. Costs are in USD; null where no price is known."""

    id: str | None
    status: ReceiptStatus
    feature: str | None
    cost: Decimal | None
    saved_cost: Decimal | None
    cost_source: CostSource | None
    conflicting: bool
    errors: list[FaultBody]

    @classmethod
    def of(cls, receipt: TrackReceipt) -> Self:
        return cls(
            id=receipt.id,
            status=receipt.status,
            feature=receipt.feature,
            cost=receipt.cost,
            saved_cost=receipt.saved_cost,
            cost_source=receipt.cost_source,
            conflicting=receipt.conflicting,
            errors=[FaultBody(field=camel(field), message=message) for field, message in receipt.errors],
        )


class NewOverride(BaseModel):
    """Prices to set. Without `clientId` for every client, without `provider` for the model at any provider."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid")

    model: Name
    prices: UnitPrices
    provider: Name | None = None
    client_id: Name | None = None
    effective_from: Moment | None = None
    """Now, when left out."""
    effective_to: Moment | None = None
    """Open, when left out."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.effective_to is not None and self.effective_to <= (self.effective_from or datetime.now(UTC)):
            message = "must lie after effectiveFrom"
            raise PydanticCustomError("order", "{reason}", {"field": "effectiveTo", "reason": message})
        return self


class EndOfOverride(BaseModel):
    """When an override ends."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid")

    effective_to: Moment | None = None
    """Now, when left out."""


class OverrideBody(Row):
    """One override. `prices` are USD by unit; `mtok` is a million tokens."""

    id: str
    model: str
    provider: str | None
    client_id: str | None
    prices: dict[str, Decimal]
    effective_from: datetime
    effective_to: datetime | None
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, override: PriceOverride) -> Self:
        return cls(
            id=str(override.id),
            model=override.model,
            provider=override.provider,
            client_id=override.client_id,
            prices={camel(unit): price for unit, price in override.prices.given().items()},
            effective_from=override.effective_from,
            effective_to=override.effective_to,
            created_at=override.created_at,
            created_by=override.created_by,
        )


class HealthBody(Row):
    """The process answers."""

    status: str


class ReadyBody(Row):
    """Whether the service can do its work, and what it did since it started."""

    status: str
    database: str
    transactions: bool
    queued: int
    """Calls that wait for a commit."""
    calls: dict[str, int]
    """Calls by what became of them."""
    freshness: Freshness | None
    """Of the rollups; null while they cannot answer."""
    advice: str | None
