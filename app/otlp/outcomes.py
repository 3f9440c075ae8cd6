"""How a call ended: its status, the kind of error and its times."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from app.otlp.attributes import (
    ERROR_TYPE,
    FIRST_TOKEN_MS,
    FIRST_TOKEN_SECONDS,
    Attributes,
    Names,
    first,
    text,
)
from app.otlp.spans import SpanNode
from models import CallStatus
from models.fields import CLOCK_TOLERANCE, MAX_MILLISECONDS, OLDEST

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NS_PER_MS = 1_000_000
_OLDEST_NS = (OLDEST - _EPOCH) // _MICROSECOND * 1_000
_MAX_MS = MAX_MILLISECONDS
_FIRST_TOKEN: tuple[tuple[Names, int], ...] = ((FIRST_TOKEN_SECONDS, 1_000), (FIRST_TOKEN_MS, 1))
"""Attribute names, and the ms per unit of each."""
_FIRST_TOKEN_NAMES = frozenset(FIRST_TOKEN_SECONDS + FIRST_TOKEN_MS)

# "RateLimitError", "openai.RateLimitError", "<class 'openai.RateLimitError'>", "rate_limit_exceeded", "429"
_ERROR_NAME = re.compile(r"(?:<class ')?(?:\w{1,64}\.){0,8}(\w{1,64})(?:'>)?", re.ASCII)
_STATUSES: tuple[tuple[re.Pattern[str], CallStatus], ...] = (
    (re.compile(r"429|.*(ratelimit|toomanyrequests|throttl|resourceexhausted).*"), CallStatus.RATE_LIMITED),
    (re.compile(r"408|504|.*(timeout|timedout|deadlineexceeded).*"), CallStatus.TIMEOUT),
)


def failure_of(attributes: Attributes) -> dict[str, Any]:
    """`status`, and as `error_message` the name of the error's class or its code; nothing where they name no error.

    Nothing else is read: a status message and an exception event are the provider's words, which may quote the prompt.
    """
    if (error := first(attributes, ERROR_TYPE)) is None:
        return {}
    match = _ERROR_NAME.fullmatch(text(error) or "")
    if match is None:
        return {"status": CallStatus.ERROR}
    return {"status": _status_of(match[1]), "error_message": match[1]}


def _status_of(error: str) -> CallStatus:
    plain = error.lower().replace("_", "")
    return next((status for pattern, status in _STATUSES if pattern.fullmatch(plain)), CallStatus.ERROR)


def times_of(node: SpanNode) -> dict[str, Any]:
    """`created_at`, and in whole ms `request_duration` and `time_to_first_token`, each as far as it can be."""
    start, end = node.start_ns, node.end_ns
    times: dict[str, Any] = {"created_at": _EPOCH + timedelta(microseconds=start // 1_000)}
    if start and start <= end <= start + _MAX_MS * _NS_PER_MS:
        times["request_duration"] = round((end - start) / _NS_PER_MS)
    first_token = _first_token(node.attributes)
    if first_token is not None:
        times["time_to_first_token"] = first_token
    return times


def latest_start_of(arrived: datetime) -> int:
    """The latest start, in ns of Unix time, that a span which has `arrived` can have."""
    return (arrived + CLOCK_TOLERANCE - _EPOCH) // _MICROSECOND * 1_000


def clock_fault(start: int, latest_start: int) -> str | None:
    """What is wrong with a span's start (ns of Unix time); None where it can be."""
    if _OLDEST_NS <= start <= latest_start:
        return None
    if not start:
        return "the span has no start time"
    return "the span starts in the future" if start > latest_start else f"the span starts before {OLDEST.date()}"


def _first_token(attributes: Attributes) -> int | None:
    """In whole ms; None where there is none that can be."""
    if _FIRST_TOKEN_NAMES.isdisjoint(attributes):
        return None
    for names, ms in _FIRST_TOKEN:
        found = first(attributes, names)
        value = found.value if found else None
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value * ms <= _MAX_MS:
            return round(value * ms)
    return None
