import math
from datetime import UTC, datetime
from typing import Any

import pytest

from app.otlp.calls import calls_of
from tests.otlp.exports import CHAT, MS, START_NS, export, fields_of, span


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        ("RateLimitError", "rate_limited", "RateLimitError"),
        ("openai.RateLimitError", "rate_limited", "RateLimitError"),
        ("<class 'openai.RateLimitError'>", "rate_limited", "RateLimitError"),
        ("rate_limit_exceeded", "rate_limited", "rate_limit_exceeded"),
        ("429", "rate_limited", "429"),
        (429, "rate_limited", "429"),
        ("ThrottlingException", "rate_limited", "ThrottlingException"),
        ("google.api_core.exceptions.ResourceExhausted", "rate_limited", "ResourceExhausted"),
        ("timeout", "timeout", "timeout"),
        ("408", "timeout", "408"),
        ("504", "timeout", "504"),
        ("APITimeoutError", "timeout", "APITimeoutError"),
        ("DeadlineExceeded", "timeout", "DeadlineExceeded"),
        ("DEADLINE_EXCEEDED", "timeout", "DEADLINE_EXCEEDED"),
        ("httpx.ReadTimeout", "timeout", "ReadTimeout"),
        ("java.net.UnknownHostException", "error", "UnknownHostException"),
        ("server_certificate_invalid", "error", "server_certificate_invalid"),
        ("500", "error", "500"),
        ("14290", "error", "14290"),
        ("_OTHER", "error", "_OTHER"),
        ("Error code: 429 - SECRET", "error", None),
        ("SECRET-PROMPT", "error", None),
        ("x" * 65, "error", None),
        ("SECRET\n", "error", None),
        (["RateLimitError"], "error", None),
    ],
)
def test_an_error_keeps_its_kind_alone(error: Any, status: str, message: str | None) -> None:
    fields = fields_of(CHAT | {"error.type": error}, failed=True)
    assert (fields["status"], fields.get("error_message")) == (status, message)
    assert "SECRET" not in repr(fields)


def test_a_span_that_failed_without_a_word_is_an_error() -> None:
    fields = fields_of(CHAT, failed=True)
    assert fields["status"] == "error"
    assert "error_message" not in fields


def test_a_span_that_did_not_fail_is_a_success() -> None:
    assert fields_of(CHAT)["status"] == "success"


def test_a_call_happened_when_its_span_started() -> None:
    fields = fields_of(CHAT)
    assert fields["created_at"] == datetime(2025, 10, 9, 8, 53, 20, 123456, tzinfo=UTC)
    assert fields["request_duration"] == 250


@pytest.mark.parametrize(("end", "duration"), [(0, None), (START_NS - 1, None), (START_NS, 0), (START_NS + MS, 1)])
def test_an_end_before_the_start_is_no_duration(end: int, duration: int | None) -> None:
    assert fields_of(CHAT, end_time_unix_nano=end).get("request_duration") == duration


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (0, "the span has no start time: recorded as of its arrival"),
        (1, "the span starts before 2000-01-01: recorded as of its arrival"),
        (START_NS + 301 * 10**9, "the span starts in the future: recorded as of its arrival"),
        (2**64 - 1, "the span starts in the future: recorded as of its arrival"),
    ],
)
def test_a_call_whose_clock_is_wrong_counts_as_of_its_arrival(start: int, message: str) -> None:
    sent = export(span(1, CHAT, start_time_unix_nano=start, end_time_unix_nano=max(start, 2 * MS)))
    [call] = calls_of(sent, arrived=datetime.fromtimestamp(START_NS / 1e9, UTC)).calls
    assert call.left_out == (message,)
    assert "created_at" not in call.fields


def test_a_clock_may_be_five_minutes_ahead() -> None:
    sent = export(span(1, CHAT, start_time_unix_nano=START_NS + 299 * 10**9))
    [call] = calls_of(sent, arrived=datetime.fromtimestamp(START_NS / 1e9, UTC)).calls
    assert call.left_out == ()
    assert call.fields["created_at"] == datetime(2025, 10, 9, 8, 58, 19, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("attributes", "first_token"),
    [
        ({"gen_ai.response.time_to_first_chunk": 0.1235}, 124),
        ({"gen_ai.response.time_to_first_chunk": 2}, 2000),
        ({"ai.response.msToFirstChunk": 87.6}, 88),
        ({"gen_ai.response.time_to_first_chunk": -1.0}, None),
        ({"gen_ai.response.time_to_first_chunk": math.nan}, None),
        ({"gen_ai.response.time_to_first_chunk": math.inf}, None),
        ({"gen_ai.response.time_to_first_chunk": 1e300}, None),
        ({"gen_ai.response.time_to_first_chunk": True}, None),
        ({"gen_ai.response.time_to_first_chunk": "soon"}, None),
    ],
)
def test_the_first_token_is_told_in_milliseconds(attributes: dict[str, Any], first_token: int | None) -> None:
    assert fields_of(CHAT | attributes).get("time_to_first_token") == first_token
