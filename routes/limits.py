"""Asking before a call is made: whether it may be, and room for it that is held until it is reported."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from litestar import Controller, Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.openapi.spec import OpenAPIHeader, OpenAPIResponse, OpenAPIType, Operation, Reference, Schema
from litestar.params import FromPath
from pydantic import ValidationError

from app.auth.middleware import requires
from app.auth.ownership import owned
from app.auth.principals import Principal, Scope
from app.errors import ConflictError, NotFoundError
from app.http.openapi import body_described, schema_of
from app.http.problems import PROBLEM_JSON, problem_of
from app.http.serialization import ExactResponse, encode, encoded
from app.limits import Limits
from app.limits.asks import Ask
from app.limits.refusals import QuotaExceededError, held_fields
from app.tracking.asking import Asking
from models.counters import UNLIMITED
from models.documents import Document
from models.faults import Fault, faults_of
from routes.ingest import Patience, patience_of, refusal
from routes.limit_rows import CheckBody, NewCheck, NewReservation, ReservationBody, ReservedBody, reserved_answer
from routes.panel_rows import sight_of
from routes.track import Answer, IdempotencyKey, UserHeader, with_key

CHECK, RESERVATIONS = "/api/ai/limits/check", "/api/ai/reservations"
MAX_ASK_BYTES = 64_000

AskRequest = Request[Principal, Any, Any]
AnyAsk = TypeVar("AnyAsk", bound=Ask)


@dataclass
class Checks(Operation):
    """Describes the body of `check`, which the handler reads by itself."""

    def __post_init__(self) -> None:
        self.request_body = body_described({"application/json": schema_of(NewCheck)})


_SECONDS, _TEXT = Schema(type=OpenAPIType.INTEGER), Schema(type=OpenAPIType.STRING)
_HEADERS: dict[str, OpenAPIHeader | Reference] = {
    "Retry-After": OpenAPIHeader(description="Seconds until there may be room.", schema=_SECONDS),
    "RateLimit-Policy": OpenAPIHeader(description="The limits that are in the way, by their ids.", schema=_TEXT),
    "RateLimit": OpenAPIHeader(description="What is left of them, and when they reset.", schema=_TEXT),
}
_HELD_HEADERS: dict[str, OpenAPIHeader | Reference] = {
    "RateLimit-Policy": OpenAPIHeader(description="The limits that apply, by their ids.", schema=_TEXT),
    "RateLimit": OpenAPIHeader(description="What was left of them right after, and when they reset.", schema=_TEXT),
}
_REFUSED = "A limit has no room: the problem `quota-exceeded`, with the limits that are in the way. Nothing was taken."
_UNBOUNDED = "The call has no upper bound, and a limit needs one: `errors` names what to send."


@dataclass
class Reserves(Operation):
    """Describes the body of `reserve`, and its refusals."""

    def __post_init__(self) -> None:
        self.request_body = body_described({"application/json": schema_of(NewReservation)})
        refused = OpenAPIResponse(description=_REFUSED, headers=_HEADERS)
        unbounded = OpenAPIResponse(description=_UNBOUNDED)
        self.responses = {**(self.responses or {}), "429": refused, "422": unbounded}
        if isinstance(held := self.responses.get("201"), OpenAPIResponse):
            held.headers = {**(held.headers or {}), **_HELD_HEADERS}


class LimitController(Controller):
    """Before a call. What is reported without asking counts too, but nothing can stop it."""

    path = "/api/ai"
    tags = ("limits",)
    guards = (requires(Scope.INGEST),)

    @post(
        "/limits/check",
        summary="Ask whether a call may be made",
        operation_class=Checks,
        request_max_body_size=MAX_ASK_BYTES,
        status_code=200,
    )
    async def check(
        self, request: AskRequest, state: State, user_header: UserHeader = None
    ) -> ExactResponse[CheckBody]:
        """Nothing is taken, so that another call may be faster: to be sure, reserve. 422: the call has no upper bound,
        and a limit needs one. 503: it cannot be known now.
        """
        ask = ask_of(await request.json(), NewCheck, request.user, user_header)
        return encoded(*await checked(ask, request.user, state.tracker.asking, patience_of(request)))

    @post(
        "/reservations",
        summary="Hold what one call may use",
        operation_class=Reserves,
        request_max_body_size=MAX_ASK_BYTES,
    )
    async def reserve(
        self,
        request: AskRequest,
        state: State,
        user_header: UserHeader = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ExactResponse[ReservedBody]:
        """201: every limit that applies has room for the most that the call may use, and holds it until the call is
        reported with `reservationId`. 429: one has not, and nothing was taken. 422: the call has no upper bound, and a
        limit needs one. 503: it cannot be known now. 409: this `requestId` was asked for before, and has ended, or a
        period has ended or limits have changed since: ask with another one.
        """
        ask = ask_of(await request.json(), NewReservation, request.user, user_header, idempotency_key)
        return encoded(*await reserved(ask, request.user, state.tracker.asking, patience_of(request)))

    @get("/reservations/{reservation_id:str}", summary="A reservation")
    async def reservation(self, reservation_id: FromPath[str], request: AskRequest, state: State) -> ReservationBody:
        """What it holds, and what became of it. Those that have ended are kept for a week; one that was given where no
        limit applied, or while limits could not be enforced, held nothing and is not kept: 404.
        """
        return ReservationBody.of(await _own(reservation_id, request.user, state.limits))

    @delete("/reservations/{reservation_id:str}", summary="Release a reservation")
    async def release(self, reservation_id: FromPath[str], request: AskRequest, state: State) -> Response[None]:
        """The call was not made: what is held is given back at once. Released again, nothing happens. 409: the call was
        reported already.
        """
        limits: Limits = state.limits
        if reservation_id.startswith(UNLIMITED):
            return Response(None, status_code=204)
        for _ in range(2):  # it may end between the two
            stored = await _own(reservation_id, request.user, limits)
            if stored["state"] == "settled":
                raise ConflictError(f"reservation {reservation_id} is settled: its call was reported")
            if stored["state"] != "open" or await limits.release(reservation_id, stored["principal"]):
                break
        return Response(None, status_code=204)


def ask_of(
    sent: Any, shape: type[AnyAsk], caller: Principal, user_header: str | None, idempotency_key: str | None = None
) -> AnyAsk:
    """What is asked in a decoded body, by a caller who may. Raises InvalidRequestError with every fault."""
    sent = with_key(sent, idempotency_key)
    if not isinstance(sent, dict):
        raise refusal([Fault("", "must be a JSON object")])
    try:
        return shape.model_validate(owned(caller, sent, user_header))
    except ValidationError as error:
        raise refusal(faults_of(error)) from None


async def checked(ask: NewCheck, caller: Principal, asking: Asking, patience: Patience) -> Answer:
    """Say whether a call would pass. Raises what `Asking.check` does."""
    decision = await asking.check(ask, key_id=caller.key_id, seconds=patience.seconds, sees=sight_of(caller))
    states = await asking.states(ask, caller.key_id)
    return Answer(encode(CheckBody.of(decision, states, caller)), 200, patience.headers)


async def reserved(ask: NewReservation, caller: Principal, asking: Asking, patience: Patience) -> Answer:
    """Have one call's room held, or say why not. Raises what `Asking.reserve` does but QuotaExceededError."""
    sees, by_user = sight_of(caller), caller.user is not None
    try:
        held = await asking.reserve(
            ask,
            principal=ask.client_id,
            key_id=caller.key_id,
            seconds=patience.seconds,
            ttl=timedelta(seconds=ask.ttl_seconds),
            id_=None if ask.request_id is None else asking.id_of(ask, ask.request_id, by_user=by_user),
            sees=sees,
        )
    except QuotaExceededError as error:
        headers = {**patience.headers, **error.headers}
        return Answer(encode(problem_of(error)), error.status, headers, PROBLEM_JSON)
    headers = {**patience.headers, **held_fields(held.holds, datetime.now(UTC), sees)}
    return Answer(reserved_answer(held, asking.purpose(ask).feature, sees), 201, headers)


async def _own(reservation_id: str, caller: Principal, limits: Limits) -> Document:
    """A reservation of the caller's. Raises NotFoundError, also for another's."""
    stored = await limits.reservation(reservation_id)
    if (
        stored is None
        or (caller.client is not None and stored["clientId"] != caller.client)
        or (caller.user is not None and stored["userId"] != caller.user)
    ):
        raise NotFoundError(f"there is no reservation {reservation_id[:64]} of this caller; it is kept for a week")
    return stored
