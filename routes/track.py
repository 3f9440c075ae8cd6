"""Where applications report their AI calls."""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Operation
from litestar.params import HeaderParameter

from app.auth.middleware import requires
from app.auth.ownership import USER_HEADER
from app.auth.principals import Principal, Scope
from app.errors import AGAIN_IN_A_SECOND, UnsupportedMediaTypeError, invalid
from app.http.batches import MAX_ROWS, NDJSON, read_row, rows_of
from app.http.bodies import body_budget_of, sent_size
from app.http.openapi import array_of, body_described, describe_waiting
from app.http.serialization import JSON, ExactResponse, decode_flat, encoded
from app.process import in_turns
from app.tracking import Fault, ReceiptStatus, Tracker, TrackReceipt
from app.tracking.intake import Place
from app.tracking.tracker import Call
from models.faults import MOST_FAULTS
from models.fields import MAX_NAME
from routes.ingest import Patience, call_of, kind_of, patience_of, refusal, sender_of
from routes.receipts import batch_answer, receipt_answer
from routes.schemas import BatchBody, ReceiptBody, call_schema

TRACK = "/api/ai/track"
"""The route of one call."""
DOOR = "track"
MAX_CALL_BYTES = 1_000_000
MAX_BATCH_BYTES = 5_000_000
MOST_FAULTS_OF_A_BATCH = 1_000
"""Faults that one answer tells. Beyond them each bad row has its first one, and the number of others."""
STATUS_CODES = {
    ReceiptStatus.COMMITTED: 201,
    ReceiptStatus.DUPLICATE: 200,
    ReceiptStatus.SPOOLED: 202,
    ReceiptStatus.UNKNOWN: 202,
    ReceiptStatus.REJECTED: 400,
    ReceiptStatus.DROPPED: 503,
}
IDEMPOTENCY_KEY = "Idempotency-Key"
UserHeader = Annotated[
    str | None, HeaderParameter(name=USER_HEADER, max_length=MAX_NAME, description="The user, instead of `userId`.")
]
IdempotencyKey = Annotated[
    str | None, HeaderParameter(name=IDEMPOTENCY_KEY, max_length=MAX_NAME, description="The request id.")
]


@dataclass
class ReportsACall(Operation):
    """Describes the body of `track`, which the handler reads by itself."""

    def __post_init__(self) -> None:
        self.request_body = body_described({"application/json": call_schema()})
        describe_waiting(self, "429")


@dataclass
class ReportsCalls(Operation):
    """Describes the body of `track_batch`."""

    def __post_init__(self) -> None:
        call = call_schema()
        self.request_body = body_described({"application/json": array_of(call), NDJSON[0]: call})
        describe_waiting(self, "429")


class TrackController(Controller):
    """Reporting calls. Bodies may be gzip-compressed. `routes.direct` has the same answers to ordinary requests."""

    path = "/api/ai"
    tags = ("tracking",)
    guards = (requires(Scope.INGEST),)

    @post(
        "/track",
        summary="Report one AI call",
        operation_class=ReportsACall,
        request_max_body_size=MAX_CALL_BYTES,
    )
    async def track(
        self,
        request: Request[Principal, Any, Any],
        tracker: NamedDependency[Tracker],
        user_header: UserHeader = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ExactResponse[ReceiptBody]:
        """201: committed. 200: a duplicate; the first report stands. 202: spooled, or unknown yet: send it again.
        429: it would wait longer than the sender does; nothing of it is stored.
        """
        media_type, _ = request.content_type
        if not JSON.fullmatch(media_type):
            raise UnsupportedMediaTypeError(f"send application/json, not {media_type or 'a body without a type'}")
        patience = patience_of(request)
        sender = sender_of(request.user)
        tracker.admit(sender, 1, patience.seconds)
        async with body_budget_of(request).body(request, sender, MAX_CALL_BYTES) as body:
            call = call_of(with_key(decode_flat(body), idempotency_key), tracker, request.user, user_header)
        if isinstance(call, list):
            tracker.rejected(call, DOOR, request.user.client)
            raise refusal(call)
        answer = await tracked(call, request.user, tracker, patience)
        return encoded(answer.content, answer.status, answer.headers)

    @post(
        "/track/batch",
        summary="Report up to 1,000 AI calls",
        operation_class=ReportsCalls,
        request_max_body_size=MAX_BATCH_BYTES,
        status_code=200,
    )
    async def track_batch(
        self,
        request: Request[Principal, Any, Any],
        tracker: NamedDependency[Tracker],
        user_header: UserHeader = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ExactResponse[BatchBody]:
        """A JSON array, or NDJSON; one receipt per row, in order. A bad row never affects the others.
        429: the rows would wait longer than the sender does; none is stored.
        """
        if idempotency_key is not None:
            raise invalid(IDEMPOTENCY_KEY, "is for one call; give each row of a batch a requestId")
        media_type, _ = request.content_type
        patience = patience_of(request)
        kind, size = kind_of(request, "batch"), sent_size(request.headers, MAX_BATCH_BYTES)
        with tracker.intake.place(kind, size, patience.seconds, most=MAX_ROWS) as place:
            async with body_budget_of(request).body(request, kind.sender, MAX_BATCH_BYTES, place.turn) as body:
                rows = rows_of(body, media_type)
                place.has(len(rows))
                receipts = await _reported(rows, request.user, user_header, tracker, place)
                return encoded(await batch_answer(receipts), 200, patience.headers)


class Answer(NamedTuple):
    """What is answered to one request, with or without routing."""

    content: bytes
    """JSON."""
    status: int
    headers: dict[str, str]
    media_type: str = "application/json"


async def tracked(call: Call, caller: Principal, tracker: Tracker, patience: Patience) -> Answer:
    """Have one call recorded, which was admitted."""
    receipt = await tracker.track_call(
        call,
        DOOR,
        by_user=caller.user is not None,
        key_id=caller.key_id,
        sender=sender_of(caller),
        within=patience.seconds,
    )
    again = AGAIN_IN_A_SECOND if receipt.status is ReceiptStatus.DROPPED else {}
    return Answer(receipt_answer(receipt), STATUS_CODES[receipt.status], {**patience.headers, **again})


def with_key(row: Any, key: str | None) -> Any:
    """The row with the Idempotency-Key as its request id. RFC drafts have it as a quoted string; both are accepted."""
    if key is None or not isinstance(row, dict):
        return row
    key = key.removeprefix('"').removesuffix('"')
    if not key:
        raise invalid(IDEMPOTENCY_KEY, "is empty; send 1 to 256 characters, or leave it out")
    if row.get("requestId", key) != key:
        raise invalid(IDEMPOTENCY_KEY, "is not the requestId of the body; leave one of them out")
    return {**row, "requestId": key}


async def _reported(
    rows: list[Any], principal: Principal, header_user: str | None, tracker: Tracker, place: Place
) -> list[TrackReceipt]:
    read: list[Call | list[Fault]] = []
    left = MOST_FAULTS_OF_A_BATCH
    async for row in in_turns(rows):
        most = max(1, min(left, MOST_FAULTS))
        call = call_of(read_row(row, MAX_CALL_BYTES), tracker, principal, header_user, most)
        left -= len(call) if isinstance(call, list) else 0
        read.append(call)
    calls = [call for call in read if not isinstance(call, list)]
    by_user = principal.user is not None
    receipts = iter(await tracker.track_calls(calls, "batch", by_user=by_user, key_id=principal.key_id, place=place))
    return [
        tracker.rejected(call, "batch", principal.client) if isinstance(call, list) else next(receipts)
        async for call in in_turns(read)
    ]
