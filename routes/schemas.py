"""What routes answer, where that is not a report."""

from decimal import Decimal
from typing import Self

from app.reports.rows import Row
from app.tracking import ReceiptStatus, TrackReceipt
from models import CostSource
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
    advice: str | None
