"""Bodies of requests and responses that are not reports."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from app.http.openapi import schema_of
from app.observability.troubles import Code
from app.reports.readiness import Freshness
from app.reports.rows import Row
from app.tracking import AICall, ReceiptStatus
from app.usage.sent import MAX_BYTES, RESPONSE, USAGE
from models import CostSource, PriceOverride, UnitPrices
from models.base import camel
from models.fields import Moment, Name


def call_schema() -> dict[str, Any]:
    """The JSON schema of a call as it is sent: the fields of `AICall`, and what a provider said."""
    schema = schema_of(AICall)
    schema["properties"] |= {name: {**_OBJECTS, "description": text} for name, text in _OF_THE_PROVIDER.items()}
    schema["required"] = [name for name in schema["required"] if name != "model"]
    schema["anyOf"] = [{"required": [name]} for name in ("model", *_OF_THE_PROVIDER)]
    return schema


_OBJECTS = {"anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}, {"type": "null"}]}
_OF_THE_PROVIDER = {
    USAGE: "The provider's own usage object, as it is; of a stream a list of those of its chunks, in order. What the "
    f"call tells in fields of its own, holds. At most {MAX_BYTES:,} bytes.",
    RESPONSE: "What else the provider's response says, without its texts: model, service_tier, ...; of a stream a list "
    f"of such events, in order. With it or `usage`, `model` may be left out. At most {MAX_BYTES:,} bytes.",
}


class FaultBody(Row):
    """One thing wrong with a report."""

    field: str
    message: str


class ReceiptBody(Row):
    """The outcome of a reported call. Costs are in USD; null where no price is known."""

    id: str | None
    status: ReceiptStatus
    feature: str | None
    cost: Decimal | None
    saved_cost: Decimal | None
    cost_source: CostSource | None
    unpriced_reason: str | None
    """Where the cost is null: a short code, a colon, and words."""
    conflicting: bool
    errors: list[FaultBody]
    reservation: str | None = None
    """What became of the reservation that the call names: settled, or already_settled, released, expired, not_yours,
    unenforced or unknown. The call is recorded and counted in any case.
    """


class BatchBody(Row):
    """The outcome of a batch: how many calls by status, and a receipt for each row, in order."""

    summary: dict[str, int]
    receipts: list[ReceiptBody]


class SpoolBody(Row):
    """Calls on this machine's disk that wait for MongoDB."""

    calls: int
    bytes: int
    max_bytes: int
    refused: int
    """Calls that MongoDB will never accept, set aside for inspection."""
    unreadable: int
    """Rows that are no calls any more, set aside for inspection."""
    damaged: int
    """Damaged spools, set aside."""
    oldest: datetime | None
    """When the call that waits longest was reported."""
    error: str | None
    """Why the spool cannot accept calls; null while it can."""


class NewOverride(BaseModel):
    """Prices to set. Without `clientId`, for every client; without `provider`, for the model at any provider."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid")

    model: Name
    prices: UnitPrices
    provider: Name | None = None
    client_id: Name | None = None
    effective_from: Moment | None = None
    """Defaults to now."""
    effective_to: Moment | None = None
    """Open-ended by default."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.effective_to is not None and self.effective_to <= (self.effective_from or datetime.now(UTC)):
            message = "must be after effectiveFrom"
            raise PydanticCustomError("order", "{reason}", {"field": "effectiveTo", "reason": message})
        return self


class EndOfOverride(BaseModel):
    """When an override ends."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid")

    effective_to: Moment | None = None
    """Defaults to now."""


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


class TroubleBody(Row):
    """Something that is wrong, and not over yet."""

    code: Code
    reason: str
    count: int | None
    """Of how many calls, rows, files or deltas, where that is known."""
    since: datetime | None
    """Null where another process of the server has met it."""
    advice: str
    """What an operator does about it."""


class ReadyBody(Row):
    """Whether the service can do its work, and what it has done since it started."""

    status: str
    """`ready`; `degraded` while MongoDB is away, or anything is in `troubles`; `unavailable` (503) while MongoDB is
    away and the spool accepts no call either.
    """
    troubles: list[TroubleBody]
    database: str
    transactions: bool
    queued: int
    """Calls that wait for a commit."""
    spool: SpoolBody
    calls: dict[str, int]
    """Calls by outcome."""
    freshness: Freshness | None
    """Of the rollups; null while they cannot answer."""
    advice: str | None


class BreakerBody(Row):
    """Whether calls go straight to the spool, because MongoDB is considered away."""

    open: bool
    seconds: Decimal | None
    """For how long; null while it is closed."""


class CommitsBody(Row):
    """Transactions since the server started."""

    transactions: int
    calls: int
    seconds: Decimal
    """Their total duration."""


class ProcessBody(Row):
    """One process of the server. Figures of another one than that which answers are up to a second old."""

    pid: int
    since: datetime
    calls: int
    """Reported to it and its predecessors, whatever the outcome."""
    queued: int
    streams: int
    """Open event streams."""
    away: bool
    """Whether its calls go to the spool."""
    lag_p99: Decimal
    """How late its event loop ran what was due, in ms: 99% of the last minute."""
    lag_max: Decimal
    """The most of it."""


class TechnicalBody(ReadyBody):
    """The status of the server: what `/ready` says, and those of its `/metrics` that help a person."""

    room: int
    """How many more calls its queues accept."""
    queue_wait: Decimal
    """Seconds that a call that comes now waits for its commit, in the process where it is most."""
    overload_refused: int
    """Calls refused since the server started because they would have waited too long; each time counts.

    Of a batch or export that was not read it is the calls that its size makes.
    """
    breaker: BreakerBody
    """Of the process that answers."""
    commits: CommitsBody
    doors: dict[str, dict[str, int]]
    """Calls by ingest channel and outcome."""
    replayed: dict[str, int]
    """Calls delivered from the spool, by outcome."""
    processes: list[ProcessBody]
