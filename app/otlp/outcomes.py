"""How a call ended: its status, the kind of error and its times."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from app.otlp.attributes import (
    ERROR_TYPE,
    FIRST_TOKEN_MS,
    FIRST_TOKEN_SECONDS,
    Attributes,
    Names,
    UnusableSpanError,
    first,
    text,
)
from models import CallStatus

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_MS = 1_000_000
_MAX_MS = 1_000_000_000
_FIRST_TOKEN: tuple[tuple[Names, int], ...] = ((FIRST_TOKEN_SECONDS, 1_000), (FIRST_TOKEN_MS, 1))
"""Attribute names, and the ms per unit of each."""

# "RateLimitError", "openai.RateLimitError", "<class 'openai.RateLimitError'>", "rate_limit_exceeded", "429"
_ERROR_NAME = re.compile(r"(?:<class ')?(?:\w{1,64}\.){0,8}(\w{1,64})(?:'>)?", re.ASCII)
_STATUSES: tuple[tuple[re.Pattern[str], CallStatus], ...] = (
    (re.compile(r"429|.*(ratelimit|toomanyrequests|throttl|resourceexhausted).*"), CallStatus.RATE_LIMITED),
    (re.compile(r"408|504|.*(timeout|timedout|deadlineexceeded).*"), CallStatus.TIMEOUT),
)


def outcome_of(span: Span, attributes: Attributes) -> dict[str, Any]:
    """`status`, and as `error_message` the name of the error's class or its code.

    Nothing else is read: a status message and an exception event are the provider's words, which may quote the prompt.
    """
    error = first(attributes, ERROR_TYPE)
    if error is None:
        failed = span.status.code == Status.STATUS_CODE_ERROR
        return {"status": CallStatus.ERROR if failed else CallStatus.SUCCESS}
    match = _ERROR_NAME.fullmatch(text(error) or "")
    if match is None:
        return {"status": CallStatus.ERROR}
    return {"status": _status_of(match[1]), "error_message": match[1]}


def _status_of(error: str) -> CallStatus:
    plain = error.lower().replace("_", "")
    return next((status for pattern, status in _STATUSES if pattern.fullmatch(plain)), CallStatus.ERROR)


def times_of(span: Span, attributes: Attributes) -> dict[str, Any]:
    """`created_at`, and in whole ms `request_duration` and `time_to_first_token`. Raises UnusableSpanError."""
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    if not start:
        raise UnusableSpanError("the span has no start time")
    times: dict[str, Any] = {"created_at": _EPOCH + timedelta(microseconds=start // 1_000)}
    if end >= start:
        times["request_duration"] = round((end - start) / _NS_PER_MS)
    first_token = _first_token(attributes)
    if first_token is not None:
        times["time_to_first_token"] = first_token
    return times


def _first_token(attributes: Attributes) -> int | None:
    """In whole ms; None where there is none that can be."""
    for names, ms in _FIRST_TOKEN:
        found = first(attributes, names)
        value = found.value if found else None
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value * ms <= _MAX_MS:
            return round(value * ms)
    return None
