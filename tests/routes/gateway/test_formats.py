"""Each operation of the three APIs through the gateway: the provider's own bytes, exact figures, its own errors."""

import uuid
from typing import Any

import httpx
import pytest

from app.limits.answers import Held
from app.limits.meters import Asked, Caller
from app.tracking.asking import Asking
from models.limits import LimitScope, Unit, Window
from tests.gateway.formats.answers import form_of
from tests.limits.defined import define, limit
from tests.routes.gateway.conftest import Site

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "one two three"}]
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "one two three"}]}]}
OPERATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "responses": ("/v1/responses", {"model": "gpt-4o", "input": "one two three", "max_output_tokens": 50}),
    "responses-stream": (
        "/v1/responses",
        {"model": "gpt-4o", "input": "one two three", "max_output_tokens": 50, "stream": True},
    ),
    "chat-of-several": (
        "/v1/chat/completions",
        {"model": "gpt-4o", "messages": HELLO, "n": 3, "max_tokens": 50, "stream": True},
    ),
    "embeddings": ("/v1/embeddings", {"model": "text-embedding-3-small", "input": ["one two", "three"]}),
    "images": (
        "/v1/images/generations",
        {"model": "gpt-image-1", "prompt": "one two", "n": 2, "size": "1024x1024", "quality": "low"},
    ),
    "speech": ("/v1/audio/speech", {"model": "tts-1", "input": "one two three", "voice": "alloy"}),
    "messages": ("/v1/messages", {"model": "claude-sonnet-4-5", "max_tokens": 50, "messages": HELLO}),
    "messages-stream": (
        "/v1/messages",
        {"model": "claude-sonnet-4-5", "max_tokens": 50, "messages": HELLO, "stream": True},
    ),
    "contents": (
        "/v1beta/models/gemini-2.5-flash:generateContent",
        {**CONTENTS, "generationConfig": {"maxOutputTokens": 500}},
    ),
    "contents-stream": (
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        {**CONTENTS, "generationConfig": {"maxOutputTokens": 500}},
    ),
}


@pytest.fixture
def asks(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """What was asked of limits for each call."""
    seen: list[Asked] = []
    reserve = Asking.reserve_here

    async def noting(self: Asking, *args: Any, **more: Any) -> tuple[Held, Asked]:
        held, asked = await reserve(self, *args, **more)
        seen.append(asked)
        return held, asked

    monkeypatch.setattr(Asking, "reserve_here", noting)
    return seen


@pytest.mark.parametrize("name", OPERATIONS)
async def test_an_operation_has_the_bytes_of_a_direct_call_and_costs_at_most_what_was_held(
    site: Site, asks: list[Asked], name: str
) -> None:
    path, body = OPERATIONS[name]
    client, headers = await client_with(site, "1000", Unit.USD)

    direct = await site.direct(body, path)
    answer = await site.client.post(path, json=body, headers=headers)

    assert (answer.status_code, answer.content) == (200, direct.content)
    assert answer.headers["content-type"] == direct.headers["content-type"]
    entry = await site.entry(answer)
    cost = entry["cost"].to_decimal()
    assert entry["status"] == "success"
    assert "estimated" not in entry["costSource"]
    (asked,) = asks
    assert asked.usd is not None
    assert 0 < cost <= asked.usd
    assert asked.tokens is not None
    assert entry["inputTokens"] + entry["outputTokens"] <= asked.tokens
    (state,) = await site.app.state.limits.state(Caller(entry["userId"], client, None, None))
    assert (state.used, state.held, state.overrun) == (cost, 0, 0)


async def client_with(site: Site, amount: str, unit: Unit, window: Window = Window.MONTH) -> tuple[str, dict[str, str]]:
    """A client of its own with a hard limit, and the headers of its key."""
    client = uuid.uuid4().hex
    await define(site.app.state.database, limit(amount, window, unit, scope=LimitScope(client_id=client)))
    await site.app.state.limits.changed()
    key = await site.new_key(client)
    return client, {"authorization": f"Bearer {key}"}


async def test_a_transcription_passes_untouched_and_costs_by_its_seconds(site: Site, asks: list[Asked]) -> None:
    _, headers = await client_with(site, "1000", Unit.USD)
    form = form_of({"model": "whisper-1", "response_format": "json"}, {"file": bytes(range(256)) * 40})
    headers["content-type"] = "multipart/form-data; boundary=x"

    answer = await site.client.post("/v1/audio/transcriptions", content=form, headers=headers)

    assert answer.status_code == 200
    assert site.provider.requests[-1].body == form
    entry = await site.entry(answer)
    assert entry["audioSeconds"].to_decimal() > 0
    (asked,) = asks
    assert asked.usd is not None
    assert entry["cost"].to_decimal() <= asked.usd


ADDRESSES: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("/v1/chat/completions", {"model": "gpt-4o", "messages": HELLO}),
    "anthropic": ("/v1/messages", {"model": "claude-sonnet-4-5", "messages": HELLO}),
    "gemini": ("/v1beta/models/gemini-2.5-flash:generateContent", CONTENTS),
}


def kind_of(api: str, answer: httpx.Response) -> Any:
    error = answer.json()["error"]
    return {"openai": error.get("code"), "anthropic": error.get("type"), "gemini": error.get("status")}[api]


@pytest.mark.parametrize("api", ADDRESSES)
async def test_a_refusal_has_the_shape_of_its_api_and_nothing_was_asked(site: Site, api: str) -> None:
    path, body = ADDRESSES[api]
    used_up = {"openai": "insufficient_quota", "anthropic": "billing_error", "gemini": "RESOURCE_EXHAUSTED"}
    _, headers = await client_with(site, "0", Unit.REQUESTS)
    answer = await site.client.post(path, json=body, headers=headers)
    assert (answer.status_code, kind_of(api, answer)) == (429, used_up[api])
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers
    assert answer.headers["ratelimit"]
    assert site.provider.requests == []
    assert await site.entries() == []


@pytest.mark.parametrize("api", ADDRESSES)
async def test_a_rate_that_is_passed_says_when_to_come_again(site: Site, api: str) -> None:
    path, body = ADDRESSES[api]
    rate = {"openai": "rate_limit_exceeded", "anthropic": "rate_limit_error", "gemini": "RESOURCE_EXHAUSTED"}
    _, headers = await client_with(site, "1", Unit.REQUESTS, Window.MINUTE)
    for _ in range(3):  # the minute may be over in between
        answer = await site.client.post(path, json=body, headers=headers)
        if answer.status_code != 200:
            break
    assert (answer.status_code, kind_of(api, answer)) == (429, rate[api])
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert "x-should-retry" not in answer.headers
    assert len(site.provider.requests) == len(await site.entries())


async def test_a_call_without_a_bound_is_told_the_field_of_its_api(site: Site) -> None:
    _, headers = await client_with(site, "1000", Unit.USD)
    body = {"model": "gpt-image-1", "prompt": "x", "size": "4096x4096"}
    answer = await site.client.post("/v1/images/generations", json=body, headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "unbounded_request", "size")
    assert site.provider.requests == []


@pytest.mark.parametrize("api", ADDRESSES)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model":"a","model":"b"}', b'{"a":' + b"[" * 200_000])
async def test_a_body_that_cannot_be_used_is_refused_in_the_shape_of_its_api(site: Site, api: str, body: bytes) -> None:
    headers = site.holding(content_type="application/json")
    answer = await site.client.post(ADDRESSES[api][0], content=body, headers=headers)
    expected = {"openai": "invalid_json", "anthropic": "invalid_request_error", "gemini": "INVALID_ARGUMENT"}
    assert (answer.status_code, kind_of(api, answer)) == (400, expected[api])
    assert answer.headers["x-twinmeter-error"] == "invalid_json"
    assert await site.entries() == []


@pytest.mark.parametrize(
    ("path", "body", "budget"),
    [
        ("/v1/chat/completions", {"model": "gpt-4o", "messages": HELLO}, "0.5"),
        ("/v1/responses", {"model": "gpt-5", "input": "one"}, "3"),
        ("/v1beta/models/gemini-2.5-pro:generateContent", CONTENTS, "2"),
    ],
)
async def test_a_small_budget_lets_pass_what_says_no_bound(
    site: Site, path: str, body: dict[str, Any], budget: str
) -> None:
    _, holding = await client_with(site, budget, Unit.USD)
    answer = await site.client.post(path, json=body, headers=holding)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("path", "body", "field", "bound"),
    [
        ("/v1/chat/completions", {"model": "gpt-4o", "messages": HELLO}, "max_tokens", {"max_tokens": 5}),
        ("/v1/responses", {"model": "gpt-4o", "input": "one"}, "max_output_tokens", {"max_output_tokens": 5}),
        (
            "/v1beta/models/gemini-2.5-flash:generateContent",
            CONTENTS,
            "generationConfig.maxOutputTokens",
            {"generationConfig": {"maxOutputTokens": 5}},
        ),
    ],
)
async def test_who_is_refused_for_an_answer_without_a_bound_is_told_how_to_ask_for_less(
    site: Site, path: str, body: dict[str, Any], field: str, bound: dict[str, Any]
) -> None:
    _, holding = await client_with(site, "0.001", Unit.USD)
    refused = await site.client.post(path, json=body, headers=holding)
    assert (refused.status_code, refused.headers["x-should-retry"]) == (429, "false")
    told = refused.json()["error"]["message"]
    assert told.endswith(f"Send {field}, how many tokens the model may answer at most, to ask for less."), told

    bounded = await site.client.post(path, json={**body, **bound}, headers=holding)
    assert bounded.status_code == 200 or "to ask for less" not in bounded.text
