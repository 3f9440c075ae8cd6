"""Where applications report product events."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Operation
from pydantic import ValidationError

from app.auth.middleware import requires
from app.auth.ownership import owned
from app.auth.principals import Principal, Scope
from app.errors import InvalidRequestError, UnsupportedMediaTypeError, invalid
from app.events.recording import EventReceipt, EventRecorder
from app.http.batches import NDJSON, BadRow, read_row, rows_of
from app.http.bodies import body_budget_of
from app.http.openapi import array_of, body_described, schema_of
from app.http.serialization import JSON, ExactResponse, decode_flat
from app.ledger.outcomes import ReceiptStatus
from app.process import in_turns
from app.reports.rows import Row
from models.base import camel
from models.faults import MOST_FAULTS, Fault, faults_of
from models.product_event import ProductEvent
from routes.ingest import refusal, sender_of
from routes.track import (
    IDEMPOTENCY_KEY,
    MAX_BATCH_BYTES,
    MAX_CALL_BYTES,
    MOST_FAULTS_OF_A_BATCH,
    STATUS_CODES,
    IdempotencyKey,
    UserHeader,
    with_key,
)


class EventFault(Row):
    """One thing wrong with an event."""

    field: str
    message: str


class EventReceiptBody(Row):
    """What became of one event."""

    id: str | None
    """Of the document in `analytics`; null where it was rejected."""
    status: ReceiptStatus
    """`committed`, `duplicate` or `rejected`."""
    conflicting: bool
    """Whether a duplicate differs from the first report, which stands."""
    errors: list[EventFault]


class EventBatchBody(Row):
    """How many events by status, and a receipt for each row, in order."""

    summary: dict[str, int]
    receipts: list[EventReceiptBody]


@dataclass
class ReportsAnEvent(Operation):
    """Describes the body of `report`, which the handler reads by itself."""

    def __post_init__(self) -> None:
        self.request_body = body_described({"application/json": schema_of(ProductEvent)})


@dataclass
class ReportsEvents(Operation):
    """Describes the body of `report_batch`."""

    def __post_init__(self) -> None:
        event = schema_of(ProductEvent)
        self.request_body = body_described({"application/json": array_of(event), NDJSON[0]: event})


class EventController(Controller):
    """Product events: conversions of experiments, and whatever else users do. Bodies may be gzip-compressed."""

    path = "/api/events"
    tags = ("events",)
    guards = (requires(Scope.INGEST),)

    @post(
        "/",
        summary="Report one product event",
        operation_class=ReportsAnEvent,
        request_max_body_size=MAX_CALL_BYTES,
    )
    async def report(
        self,
        request: Request[Principal, Any, Any],
        event_recorder: NamedDependency[EventRecorder],
        user_header: UserHeader = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ExactResponse[EventReceiptBody]:
        """201: committed. 200: a duplicate; the first report stands. 503: MongoDB is away, and the event is kept
        nowhere: send it again, with its `requestId` it counts once.
        """
        media_type, _ = request.content_type
        if not JSON.fullmatch(media_type):
            raise UnsupportedMediaTypeError(f"send application/json, not {media_type or 'a body without a type'}")
        async with body_budget_of(request).body(request, sender_of(request.user), MAX_CALL_BYTES) as body:
            event = _event_of(with_key(decode_flat(body), idempotency_key), request.user, user_header)
        if isinstance(event, list):
            event_recorder.rejected(event)
            raise refusal(event)
        (receipt,) = await event_recorder.record([event], by_user=request.user.user is not None)
        return ExactResponse(_told(receipt), status_code=STATUS_CODES[receipt.status])

    @post(
        "/batch",
        summary="Report up to 1,000 product events",
        operation_class=ReportsEvents,
        request_max_body_size=MAX_BATCH_BYTES,
        status_code=200,
    )
    async def report_batch(
        self,
        request: Request[Principal, Any, Any],
        event_recorder: NamedDependency[EventRecorder],
        user_header: UserHeader = None,
        idempotency_key: IdempotencyKey = None,
    ) -> EventBatchBody:
        """A JSON array, or NDJSON; one receipt per row, in order. A bad row never affects the others.
        503: some of them may be stored: send the batch again, what has a `requestId` counts once.
        """
        if idempotency_key is not None:
            raise invalid(IDEMPOTENCY_KEY, "is for one event; give each row of a batch a requestId")
        media_type, _ = request.content_type
        async with body_budget_of(request).body(request, sender_of(request.user), MAX_BATCH_BYTES) as body:
            rows = await _read(rows_of(body, media_type), request.user, user_header)
        events = [row for row in rows if isinstance(row, ProductEvent)]
        stored = iter(await event_recorder.record(events, by_user=request.user.user is not None))
        receipts = [event_recorder.rejected(row) if isinstance(row, list) else next(stored) for row in rows]
        return EventBatchBody(
            summary=Counter(receipt.status.value for receipt in receipts),
            receipts=[_told(receipt) async for receipt in in_turns(receipts)],
        )


async def _read(rows: list[Any], caller: Principal, header_user: str | None) -> list[ProductEvent | list[Fault]]:
    read: list[ProductEvent | list[Fault]] = []
    left = MOST_FAULTS_OF_A_BATCH
    async for row in in_turns(rows):
        event = _event_of(read_row(row, MAX_CALL_BYTES), caller, header_user, max(1, min(left, MOST_FAULTS)))
        left -= len(event) if isinstance(event, list) else 0
        read.append(event)
    return read


def _event_of(
    row: Any, caller: Principal, header_user: str | None, most: int = MOST_FAULTS
) -> ProductEvent | list[Fault]:
    """The event that a decoded row reports, or what is wrong with it."""
    if isinstance(row, BadRow):
        return [Fault("", row.message)]
    if not isinstance(row, dict):
        return [Fault("", "an event must be a JSON object")]
    try:
        return ProductEvent.model_validate(owned(caller, row, header_user))
    except ValidationError as error:
        return faults_of(error, most)
    except InvalidRequestError as error:
        return [Fault(fault["field"], fault["message"]) for fault in error.errors]


def _told(receipt: EventReceipt) -> EventReceiptBody:
    return EventReceiptBody(
        id=receipt.id,
        status=receipt.status,
        conflicting=receipt.conflicting,
        errors=[EventFault(field=camel(field), message=message) for field, message in receipt.errors],
    )
