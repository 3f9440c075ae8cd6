"""OTLP/HTTP's messages as bytes: the export, in protobuf or JSON, and the responses to it."""

from typing import Any

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from app.errors import InvalidRequestError
from app.otlp.json_outline import outline_of
from app.otlp.outline import Outline
from app.otlp.skeleton import JSONExport, check_protobuf

# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto names the HTTP status of each code
_CODES = {
    401: code_pb2.UNAUTHENTICATED,
    403: code_pb2.PERMISSION_DENIED,
    404: code_pb2.NOT_FOUND,
    408: code_pb2.DEADLINE_EXCEEDED,
    409: code_pb2.ABORTED,
    429: code_pb2.RESOURCE_EXHAUSTED,
    501: code_pb2.UNIMPLEMENTED,
    503: code_pb2.UNAVAILABLE,
    504: code_pb2.DEADLINE_EXCEEDED,
}
_SERVER_ERRORS = 500

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


def parse(body: bytes, *, as_json: bool) -> Any:
    """The outline of the export in `body`. An empty protobuf is one without spans. Raises InvalidRequestError.

    The messages of protobuf's own errors may quote the body, prompts included: they are not passed on.
    """
    if as_json:
        return _from_json(body)
    check_protobuf(body)
    try:
        ExportTraceServiceRequest.FromString(body)  # all of it must be in order, not just what is read
    except DecodeError:
        raise InvalidRequestError("the body is not an OTLP trace export in protobuf") from None
    return Outline.FromString(body)


def success(rejected: int, message: str, *, as_json: bool) -> bytes:
    """The response to an export that was accepted, except for `rejected` of its spans."""
    response = ExportTraceServiceResponse()
    if rejected or message:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = message
    return _encoded(response, as_json=as_json)


def failure(status: int, message: str, *, retry_after: str | None = None, as_json: bool) -> bytes:
    """The response to an export that was refused with the HTTP status `status`.

    `retry_after`: in how many seconds it may be sent again, as in the header of that name, which OTLP also has here.
    """
    other = code_pb2.INTERNAL if status >= _SERVER_ERRORS else code_pb2.INVALID_ARGUMENT
    said = status_pb2.Status(code=_CODES.get(status, other), message=message)
    if retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromSeconds(int(retry_after))
        said.details.add().Pack(retry)
    return _encoded(said, as_json=as_json)


def _encoded(message: Message, *, as_json: bool) -> bytes:
    encoded: bytes = (
        json_format.MessageToJson(message, indent=None).encode() if as_json else message.SerializeToString()
    )
    return encoded


def _from_json(body: bytes) -> Any:
    try:
        content = JSONExport().content(body)
    except msgspec.ValidationError:
        raise _wrong_type() from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"the body is not valid JSON: {error}") from None
    except RecursionError:
        raise InvalidRequestError("the body is nested too deeply") from None
    try:
        return outline_of(content)
    except Exception:  # noqa: BLE001 - mostly ParseError, but a wrong shape can raise nearly anything in there
        raise _wrong_type() from None


def _wrong_type() -> InvalidRequestError:
    reason = "a field of it has the wrong type, or is nested too deeply"
    return InvalidRequestError(f"the body is not an OTLP trace export: {reason}")
