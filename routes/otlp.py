"""OpenTelemetry: spans of AI calls, as OTLP/HTTP sends them."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Operation
from pydantic import ValidationError

from app.auth.middleware import requires
from app.auth.principals import Principal, Scope
from app.errors import DatabaseUnavailableError, UnsupportedMediaTypeError
from app.http.bodies import body_budget_of, sent_size
from app.http.openapi import body_described, describe_waiting
from app.observability.logs import Log
from app.otlp import messages
from app.otlp.calls import SpanFault, calls_of
from app.otlp.failures import HANDLERS
from app.otlp.memory import ExportMemory
from app.otlp.messages import JSON, PROTOBUF
from app.otlp.skeleton import MAX_SPANS
from app.process import in_turns, taken
from app.tracking import AICall, Fault, ReceiptStatus, Tracker
from app.tracking.tracker import Call
from models.base import camel
from models.call import DEFAULT_CLIENT
from models.faults import faults_of
from routes.ingest import kind_of, patience_of

MAX_BYTES = 8_000_000
MAX_TOLD = 5
"""Faults, and kinds of warnings, that an answer describes; the others it counts."""
NOT_SAFE = {ReceiptStatus.UNKNOWN, ReceiptStatus.DROPPED}
DOOR = "otlp"
LEFT_OUT = "left out: "

log = Log(__name__)


@dataclass
class ExportsSpans(Operation):
    """Describes the body of `traces`."""

    def __post_init__(self) -> None:
        request = {"type": "object", "properties": {"resourceSpans": {"type": "array", "items": {"type": "object"}}}}
        self.request_body = body_described({PROTOBUF: {"type": "string", "format": "binary"}, JSON: request})
        describe_waiting(self, "503")


class OtlpController(Controller):
    """OTLP/HTTP 1.x. Errors are a google.rpc.Status, in the encoding of the request."""

    path = "/v1"
    tags = ("opentelemetry",)
    guards = (requires(Scope.INGEST),)
    exception_handlers = HANDLERS

    @post(
        "/traces",
        summary="Export spans; those of AI calls are recorded",
        operation_class=ExportsSpans,
        request_max_body_size=MAX_BYTES,
        status_code=200,
    )
    async def traces(
        self,
        request: Request[Principal, Any, Any],
        tracker: NamedDependency[Tracker],
    ) -> Response[bytes]:
        """Spans that are not AI calls are accepted and ignored. A span that is sent twice counts once.
        503: send the export again after `Retry-After`, as `RetryInfo` says too; no span counts twice.
        """
        media_type, _ = request.content_type
        if media_type not in {PROTOBUF, JSON}:
            raise UnsupportedMediaTypeError(f"send {PROTOBUF} or {JSON}, not {media_type or 'a body without a type'}")
        as_json = media_type == JSON
        caller, patience = request.user, patience_of(request)
        memory: ExportMemory = request.app.state.export_memory
        kind, size = kind_of(request, DOOR), sent_size(request.headers, MAX_BYTES)
        with tracker.intake.place(kind, size, patience.seconds, most=MAX_SPANS) as place:
            async with body_budget_of(request).body(request, kind.sender, MAX_BYTES, place.turn) as body:
                # in a thread: a thousand spans take 50 ms as protobuf, and 300 ms as JSON
                calls, faults, warnings = await asyncio.to_thread(_read, body, caller, memory, tracker, as_json=as_json)
                place.has(len(calls))
                async for fault in in_turns(faults):
                    tracker.rejected([Fault("span", fault.message)], DOOR, caller.client)
                by_user = caller.user is not None
                receipts = await tracker.track_calls(calls, DOOR, by_user=by_user, key_id=caller.key_id, place=place)
                async for _ in in_turns(taken(calls)):
                    pass  # to let go of ten thousand at once would hold the loop
        unsafe = False
        async for receipt in in_turns(taken(receipts)):
            unsafe = unsafe or receipt.status in NOT_SAFE
            if receipt.unpriced_reason:
                warnings[f"unpriced: {receipt.unpriced_reason}"] += 1
        if unsafe:
            raise DatabaseUnavailableError("not all spans could be stored; send the export again, none counts twice")
        for warning in warnings:
            # why calls have no price is in the log already, whatever channel they came through
            if warning.startswith(LEFT_OUT) and memory.is_new(warning):
                log.warning("otlp.warning", reason=warning)
        told = [*_told(faults), *_grouped(warnings)]
        answer = messages.success(len(faults), "; ".join(told), as_json=as_json)
        return Response(answer, media_type=media_type, headers=patience.headers)


class _Read(NamedTuple):
    """What an export reports."""

    calls: list[Call]
    faults: list[SpanFault]
    warnings: Counter[str]
    """What is less than right with calls that are recorded, and of how many: what of their spans was left out."""


def _read(body: bytes, principal: Principal, memory: ExportMemory, tracker: Tracker, *, as_json: bool) -> _Read:
    export = calls_of(messages.parse(body, as_json=as_json))
    owner = _owner(principal)
    calls: list[Call] = []
    faults = list(export.faults)
    for call in export.calls:
        fields = call.fields
        fields["request_id"] = memory.request_id(call, owner["client_id"], principal.user)
        fields |= owner
        try:
            calls.append(tracker.common_span(fields) or AICall.model_validate(fields))
        except ValidationError as error:
            message = "; ".join(f"{camel(fault.field)} {fault.message}" for fault in faults_of(error))
            faults.append(SpanFault(call.span, message))
    left_out = Counter(f"{LEFT_OUT}{message}" for call in export.calls for message in call.left_out)
    return _Read(calls, faults, left_out)


def _owner(principal: Principal) -> dict[str, str]:
    """Whose call it is: the key decides, not the span."""
    owner = {"client_id": principal.client or DEFAULT_CLIENT}
    if principal.user is not None:
        owner["user_id"] = principal.user
    return owner


def _grouped(warnings: Counter[str]) -> list[str]:
    """The most frequent first. They say "recorded": spans that are not are told as rejected, one by one."""
    told = [f"{calls} recorded, {warning}" for warning, calls in warnings.most_common(MAX_TOLD)]
    if len(warnings) > MAX_TOLD:
        told.append(f"and {len(warnings) - MAX_TOLD} more kinds of warnings")
    return told


def _told(faults: Sequence[SpanFault]) -> list[str]:
    told = [f"span {span}: {message}" for span, message in faults[:MAX_TOLD]]
    if len(faults) > MAX_TOLD:
        told.append(f"and {len(faults) - MAX_TOLD} more")
    return told
