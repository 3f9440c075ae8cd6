"""Errors of ours as clients of the gateway are told them: by status, code and headers that make their SDKs do right."""

from collections.abc import Callable
from typing import Any

from app.errors import AppError
from app.gateway.formats.base import GatewayError, Headers, Operation, Wanted
from app.gateway.transport import UpstreamError
from app.limits.answers import LimitsUnavailableError, Refusal
from app.limits.refusals import QuotaExceededError, UnboundedAskError
from models.limits import Unit

QUOTA, RATE = "insufficient_quota", "rate_limit_exceeded"
LONGEST_WAIT = 60
"""Seconds that an SDK may be told to sleep: they do, with their caller waiting. What takes longer is no rate but a
quota, which is not to be asked for again.
"""
_MOST_OUTPUT = {
    Operation.RESPONSES: "max_output_tokens",
    Operation.GENERATE: "generationConfig.maxOutputTokens",
    Operation.STREAM_GENERATE: "generationConfig.maxOutputTokens",
    Operation.IMAGES: "size",
    Operation.IMAGE_EDITS: "size",
}
_A_SIZE = "send a size of which it is known how many tokens it has: 1024x1024, 1024x1536 or 1536x1024"
_CODES = {
    400: "invalid_request",
    401: "invalid_api_key",
    403: "permission_denied",
    404: "not_found",
    408: "request_timeout",
    409: "conflict",
    413: "request_too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    429: RATE,
    503: "unavailable",
}
_OF_UPSTREAMS = {
    "dns": (502, "upstream_unreachable"),
    "connect": (502, "upstream_unreachable"),
    "tls": (502, "upstream_unreachable"),
    "timeout": (504, "upstream_timeout"),
    "cut": (502, "upstream_cut"),
    "too_large": (502, "upstream_too_large"),
    "protocol": (502, "upstream_protocol"),
}


def gateway_error(error: Exception, wanted: Wanted | None = None) -> GatewayError:
    """What a client is told of an error; of one that nobody expected, nothing but that it happened."""
    for kind, told in _TOLD.items():
        if isinstance(error, kind):
            return told(error, wanted)
    return GatewayError(500, "internal_error", "the gateway has failed; its log says why")


def _quota(error: QuotaExceededError, wanted: Wanted | None) -> GatewayError:
    fields = {name.lower(): value for name, value in error.headers.items() if name.startswith("RateLimit")}
    extra = {} if error.upgrade_url is None else {"upgrade_url": error.upgrade_url}
    wait = error.retry_after
    if wait is None or wait > LONGEST_WAIT:
        message = error.message
        if wanted is not None and wanted.leaves_answer_open and _would_take_less(error.refusal):
            message += f" Send {_most_output(wanted)}, how many tokens the model may answer at most, to ask for less."
        return GatewayError(429, QUOTA, message, should_retry=False, extra=extra, headers=fields)
    message = f"{error.message} Please try again in {wait}s."
    return GatewayError(429, RATE, message, retry_after=wait, extra=extra, headers=fields)


def _would_take_less(refusal: Refusal) -> bool:
    """Whether it has room, and counts what an answer is long."""
    return refusal.limit.unit in {Unit.USD, Unit.TOKENS} and refusal.used < refusal.limit_amount


def _most_output(wanted: Wanted | None) -> str:
    """The API's name for how long an answer may be."""
    return "max_tokens" if wanted is None else _MOST_OUTPUT.get(wanted.operation, "max_tokens")


def _unbounded(error: UnboundedAskError, wanted: Wanted | None) -> GatewayError:
    """No retry mends it: something has to be sent with the request."""
    name = _most_output(wanted)
    of_output = _A_SIZE if name == "size" else f"send {name}, how many tokens the model may answer at most"
    told = [
        of_output if each["field"] == "maxOutputTokens" else f"{each['field']}: {each['message']}"
        for each in error.errors
    ]
    lacks_output = any(each["field"] == "maxOutputTokens" for each in error.errors)
    message = f"limit {error.limit.id} on {error.limit.unit} needs an upper bound of this call: {'; '.join(told)}"
    return GatewayError(400, "unbounded_request", message, param=name if lacks_output else None)


def _of_upstream(error: UpstreamError) -> GatewayError:
    return GatewayError(*_OF_UPSTREAMS[error.kind], error.message)


def _other(error: AppError) -> GatewayError:
    status = 400 if error.status == 422 else error.status  # noqa: PLR2004 - no API of these knows it
    return GatewayError(status, _CODES.get(status, "internal_error"), error.detail, retry_after=_wait(error))


_TOLD: dict[type[Exception], Callable[[Any, Wanted | None], GatewayError]] = {
    GatewayError: lambda error, _: error,
    QuotaExceededError: _quota,
    UnboundedAskError: _unbounded,
    LimitsUnavailableError: lambda error, _: GatewayError(
        503, "limits_unavailable", error.detail, retry_after=_wait(error)
    ),
    UpstreamError: lambda error, _: _of_upstream(error),
    AppError: lambda error, _: _other(error),
}
"""The first that fits."""


def _wait(error: AppError) -> int | None:
    told = error.headers.get("Retry-After", "")
    return min(int(told), LONGEST_WAIT) if told.isdigit() else None


def headers_of(error: GatewayError, request_id: str) -> Headers:
    """The headers of an answer that is an error of ours, whichever API it is of."""
    told: dict[str, str] = {
        "content-type": "application/json",
        "x-twinmeter-request-id": request_id,
        "x-twinmeter-error": error.code,
        **error.headers,
    }
    if error.retry_after is not None:
        told["retry-after"] = str(error.retry_after)
    if error.should_retry is not None:
        told["x-should-retry"] = "true" if error.should_retry else "false"
    if error.status == 401:  # noqa: PLR2004
        told["www-authenticate"] = "Bearer"
    return [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in told.items()]
