"""Errors of ours, in each API's shape, as the real SDKs take them."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from app.errors import BodyTooLargeError, NotAllowedError, NotAuthenticatedError, TooManyRequestsError
from app.gateway.formats.base import Format, GatewayError, Operation
from app.gateway.formats.errors import gateway_error, headers_of
from app.gateway.transport import UpstreamError
from app.limits.answers import LimitsUnavailableError, Refusal
from app.limits.meters import Missing
from app.limits.refusals import QuotaExceededError, UnboundedAskError
from models.limits import Limit, Unit
from tests.gateway.formats.answers import ANTHROPIC, GEMINI, OPENAI, event, wanted_by

NOW = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)


def limit_of(**said: Any) -> Limit:
    known = {"_id": "L1", "scope": {"userId": "u1"}, "unit": "requests", "window": "day", "amount": 100}
    return Limit.model_validate({**known, "createdAt": NOW, "createdBy": "me", **said})


def refused(seconds: int | None, window: str = "day") -> QuotaExceededError:
    resets_at = None if seconds is None else NOW + timedelta(seconds=seconds)
    hundred, nothing = Decimal(100), Decimal(0)
    return QuotaExceededError(
        Refusal(limit_of(window=window), hundred, hundred, nothing, Decimal(1), resets_at), now=NOW
    )


def told(error: GatewayError) -> tuple[Any, ...]:
    return error.status, error.code, error.retry_after, error.should_retry


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refused(7, "minute"), (429, "rate_limit_exceeded", 7, None)),
        (refused(60), (429, "rate_limit_exceeded", 60, None)),
        (refused(61), (429, "insufficient_quota", None, False)),
        (refused(None, "lifetime"), (429, "insufficient_quota", None, False)),
        (LimitsUnavailableError("MongoDB is away"), (503, "limits_unavailable", 1, None)),
        (NotAuthenticatedError("no key"), (401, "invalid_api_key", None, None)),
        (NotAllowedError("not this model"), (403, "permission_denied", None, None)),
        (BodyTooLargeError("too large"), (413, "request_too_large", None, None)),
        (TooManyRequestsError("too many"), (429, "rate_limit_exceeded", 1, None)),
        (UpstreamError("dns", "no such host"), (502, "upstream_unreachable", None, None)),
        (UpstreamError("tls", "wrong certificate"), (502, "upstream_unreachable", None, None)),
        (UpstreamError("timeout", "too slow"), (504, "upstream_timeout", None, None)),
        (UpstreamError("cut", "broken off"), (502, "upstream_cut", None, None)),
        (ValueError("with a secret"), (500, "internal_error", None, None)),
        (GatewayError(404, "model_not_found", "no such model"), (404, "model_not_found", None, None)),
    ],
)
def test_an_error_is_told_with_what_the_sdks_have_to_do(error: Exception, expected: tuple[Any, ...]) -> None:
    found = gateway_error(error)
    assert told(found) == expected
    assert "secret" not in found.message


def test_a_rate_says_when_to_come_again_and_what_is_left() -> None:
    found = gateway_error(refused(7, "minute"))
    assert found.message.endswith("Please try again in 7s.")
    headers = dict(headers_of(found, "r1"))
    assert headers[b"retry-after"] == b"7"
    assert headers[b"ratelimit"] == b'"L1";r=0;t=7'
    assert headers[b"x-twinmeter-error"] == b"rate_limit_exceeded"


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (Operation.CHAT, "max_tokens"),
        (Operation.MESSAGES, "max_tokens"),
        (Operation.RESPONSES, "max_output_tokens"),
        (Operation.GENERATE, "generationConfig.maxOutputTokens"),
        (Operation.IMAGES, "size"),
    ],
)
def test_a_call_without_a_bound_is_told_which_field_to_send(operation: Operation, name: str) -> None:
    limit = limit_of(unit="usd", window="month")
    missing = (Missing(Unit.USD, "maxOutputTokens", "send how many"), Missing(Unit.USD, "inputTokens", "send inputs"))
    error = UnboundedAskError(Refusal(limit, Decimal(5), Decimal(0), Decimal(0), Decimal(0), None, unbounded=missing))
    found = gateway_error(error, wanted_by(operation))
    assert (found.status, found.code, found.param) == (400, "unbounded_request", name)
    assert name in found.message
    assert "inputTokens: send inputs" in found.message


ERRORS = {
    "quota": GatewayError(429, "insufficient_quota", "All is used.", should_retry=False),
    "rate": GatewayError(429, "rate_limit_exceeded", "Slower. Please try again in 2s.", retry_after=2),
    "field": GatewayError(400, "invalid_request", "n must be less", param="n"),
    "key": GatewayError(401, "invalid_api_key", "no such key"),
    "model": GatewayError(404, "model_not_found", "no such model"),
    "away": GatewayError(503, "limits_unavailable", "come again", retry_after=1),
}
SHAPES: dict[str, tuple[Format, dict[str, Any]]] = {
    "openai": (
        OPENAI,
        {
            "quota": {"type": "insufficient_quota", "code": "insufficient_quota"},
            "rate": {"type": "requests", "code": "rate_limit_exceeded"},
            "field": {"type": "invalid_request_error", "code": "invalid_request", "param": "n"},
            "key": {"type": "invalid_request_error", "code": "invalid_api_key"},
            "model": {"type": "invalid_request_error", "code": "model_not_found"},
            "away": {"type": "server_error", "code": "limits_unavailable"},
        },
    ),
    "anthropic": (
        ANTHROPIC,
        {
            "quota": {"type": "billing_error"},
            "rate": {"type": "rate_limit_error"},
            "field": {"type": "invalid_request_error"},
            "key": {"type": "authentication_error"},
            "model": {"type": "not_found_error"},
            "away": {"type": "overloaded_error"},
        },
    ),
    "gemini": (
        GEMINI,
        {
            "quota": {"status": "RESOURCE_EXHAUSTED", "code": 429},
            "rate": {"status": "RESOURCE_EXHAUSTED", "code": 429},
            "field": {"status": "INVALID_ARGUMENT", "code": 400},
            "key": {"status": "UNAUTHENTICATED", "code": 401},
            "model": {"status": "NOT_FOUND", "code": 404},
            "away": {"status": "UNAVAILABLE", "code": 503},
        },
    ),
}


@pytest.mark.parametrize("api", SHAPES)
@pytest.mark.parametrize("case", ERRORS)
def test_an_error_has_the_shape_of_its_api(api: str, case: str) -> None:
    form, expected = SHAPES[api]
    error = ERRORS[case]
    headers, body = form.refusal(error, "r1")
    found = json.loads(body)["error"]
    assert found["message"] == error.message
    assert {name: found[name] for name in expected[case]} == expected[case]
    assert dict(headers)[b"x-twinmeter-request-id"] == b"r1"
    assert dict(headers).get(b"x-should-retry") == (b"false" if case == "quota" else None)


def answering(content: bytes, headers: Any, status: int = 200) -> tuple[httpx2.MockTransport, list[int]]:
    asked: list[int] = []

    def answer(_: httpx2.Request) -> httpx2.Response:
        asked.append(status)
        return httpx2.Response(status, headers=headers, content=content)

    return httpx2.MockTransport(answer), asked


def ask_openai(transport: httpx2.MockTransport, *, stream: bool = False) -> Any:
    http = httpx2.Client(transport=transport)
    client = openai.OpenAI(api_key="k", base_url="http://gateway.example/v1", http_client=http)
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}], stream=stream)


def ask_anthropic(transport: httpx2.MockTransport, *, stream: bool = False) -> Any:
    http = httpx2.Client(transport=transport)
    client = anthropic.Anthropic(api_key="k", base_url="http://gateway.example", http_client=http)
    messages: Any = [{"role": "user", "content": "x"}]
    return client.messages.create(model="m", max_tokens=5, messages=messages, stream=stream)


@pytest.mark.parametrize(
    ("form", "ask", "limited"),
    [(OPENAI, ask_openai, openai.RateLimitError), (ANTHROPIC, ask_anthropic, anthropic.RateLimitError)],
)
def test_an_sdk_asks_once_where_a_quota_is_used_up(form: Format, ask: Any, limited: type[Exception]) -> None:
    headers, body = form.refusal(ERRORS["quota"], "r1")
    transport, asked = answering(body, headers, 429)
    with pytest.raises(limited, match="All is used"):
        ask(transport)
    assert asked == [429]


def test_an_sdk_asks_again_where_a_rate_is_passed() -> None:
    headers, body = OPENAI.refusal(GatewayError(429, "rate_limit_exceeded", "Slower."), "r1")
    transport, asked = answering(body, [*headers, (b"retry-after-ms", b"1")], 429)
    with pytest.raises(openai.RateLimitError) as limited:
        ask_openai(transport)
    assert limited.value.code == "rate_limit_exceeded"
    assert asked == [429] * 3


def test_an_error_in_a_stream_raises_in_the_sdks() -> None:
    error = GatewayError(502, "upstream_cut", "the upstream broke off")
    headers = {"content-type": "text/event-stream"}
    begun = event({"id": "1", "choices": [], "object": "chat.completion.chunk"})
    transport, _ = answering(begun + OPENAI.stream_error(error, "r1", Operation.CHAT), headers)
    with pytest.raises(openai.APIError, match="broke off") as raised:
        list(ask_openai(transport, stream=True))
    assert raised.value.code == "upstream_cut"
    transport, _ = answering(ANTHROPIC.stream_error(error, "r1", Operation.MESSAGES), headers)
    with pytest.raises(anthropic.APIStatusError, match="broke off"):
        list(ask_anthropic(transport, stream=True))


def test_a_response_that_fails_is_told_to_those_who_look_for_its_event_and_to_those_who_look_for_an_error() -> None:
    error = GatewayError(502, "upstream_cut", "the upstream broke off")
    sent = OPENAI.stream_error(error, "r1", Operation.RESPONSES)
    name, data = sent.decode().strip().split("\n")
    found = json.loads(data.removeprefix("data: "))
    assert name == "event: response.failed"
    assert (found["type"], found["response"]["status"]) == ("response.failed", "failed")
    assert found["response"]["error"]["code"] == found["error"]["code"] == "upstream_cut"
