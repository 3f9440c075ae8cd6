"""A call through the gateway: its answer is the provider's own, and the ledger has it before the client has its end."""

from decimal import Decimal

import httpx
import pytest

from tests.routes.gateway.conftest import Site, events_of


async def test_an_answer_is_the_providers_own_and_the_ledger_has_the_call(site: Site) -> None:
    response = await site.chat(headers={"x-user-id": "alice", "x-twinmeter-conversation-id": "c1"})

    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "one two three"}]}
    direct = await site.direct(body)
    assert (response.status_code, response.content) == (200, direct.content)
    usage = direct.json()["usage"]
    entry = await site.entry(response)
    assert (entry["userId"], entry["clientId"], entry["conversationId"]) == ("alice", "acme", "c1")
    assert (entry["keyId"], entry["endpoint"], entry["contentType"]) == (site.key[3:15], "chat/completions", "chat")
    assert (entry["inputTokens"], entry["outputTokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert (entry["status"], entry["upstream"], entry["provider"]) == ("success", "openai", "openai")
    assert entry["cost"].to_decimal() == Decimal(response.headers["x-twinmeter-cost"])
    assert "attempts" not in entry
    assert response.headers["x-twinmeter-attempts"] == "1"
    assert response.headers["x-twinmeter-model"] == direct.json()["model"]
    assert response.headers.get_list("x-request-id") == direct.headers.get_list("x-request-id")


async def test_a_stream_is_the_providers_own_and_its_usage_is_known(site: Site) -> None:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "one two"}], "stream": True}
    direct = await site.direct(body)
    site.provider.forget()

    response = await site.chat(stream=True, messages=body["messages"])

    assert response.content == direct.content
    assert response.headers["content-type"] == direct.headers["content-type"]
    entry = await site.entry(response)
    assert (entry["status"], entry["inputTokens"], entry["outputTokens"]) == ("success", 2, 4)
    assert entry["timeToFirstToken"] >= 0
    assert site.provider.requests[0].fields["stream_options"] == {"include_usage": True}


async def test_the_end_of_a_stream_is_sent_when_the_call_is_in_the_ledger(site: Site) -> None:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "one two"}], "stream": True}
    async with site.client.stream("POST", "/v1/chat/completions", json=body, headers=site.holding()) as response:
        async for line in response.aiter_lines():
            if line == "data: [DONE]":
                assert (await site.entry(response))["status"] == "success"
                break
        else:
            pytest.fail("the stream has no end")


async def test_messages_of_anthropic_and_contents_of_gemini_are_calls_too(site: Site) -> None:
    messages = {"model": "claude-sonnet-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "a b"}]}
    contents = {"contents": [{"role": "user", "parts": [{"text": "a b"}]}]}
    headers = {"x-api-key": site.key, "anthropic-version": "2023-06-01"}

    answers = [
        await site.client.post("/v1/messages", json=messages, headers=headers),
        await site.client.post("/v1/messages", json={**messages, "stream": True}, headers=headers),
        *[
            await site.client.post(
                f"/v1beta/models/gemini-2.5-flash:{verb}", json=contents, headers={"x-goog-api-key": site.key}
            )
            for verb in ("generateContent", "streamGenerateContent?alt=sse", "streamGenerateContent")
        ],
    ]

    assert [answer.status_code for answer in answers] == [200] * 5, [answer.text for answer in answers]
    entries = [await site.entry(answer) for answer in answers]
    assert [(each["provider"], each["inputTokens"]) for each in entries] == [("anthropic", 2)] * 2 + [("google", 2)] * 3
    assert answers[3].headers["content-type"].startswith("text/event-stream")
    assert answers[4].headers["content-type"].startswith("application/json")


async def test_an_error_of_the_provider_is_passed_on_and_is_an_entry(site: Site) -> None:
    limited = await site.chat("gpt-4o--rate_limit=7")
    failed = await site.chat("gpt-4o--html=502")

    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
    assert (failed.status_code, failed.headers["content-type"]) == (502, "text/html")
    assert "x-twinmeter-error" not in limited.headers
    entries = [await site.entry(limited), await site.entry(failed)]
    assert [entry["status"] for entry in entries] == ["rate_limited", "error"]
    assert [entry["inputTokens"] for entry in entries] == [0, 0]


async def test_a_fallback_answers_where_the_first_does_not(site: Site) -> None:
    response = await site.chat("twice")
    unreachable = await site.chat("never")

    assert (response.status_code, response.headers["x-twinmeter-attempts"]) == (200, "2")
    entry = await site.entry(response)
    assert (entry["upstream"], entry["aiModel"].startswith("gpt-4o-mini")) == ("openai-eu", True)
    tried = [(each["upstream"], each.get("status"), each.get("reason")) for each in entry["attempts"]]
    assert tried == [("openai", 503, "failed"), ("openai-eu", 200, None)]
    reasons = [(each["upstream"], each.get("reason")) for each in (await site.entry(unreachable))["attempts"]]
    assert reasons == [("gone", "connect"), ("openai-eu", None)]


@pytest.mark.parametrize("model", ["silent", "failing"])
async def test_a_stream_that_fails_before_it_says_anything_is_somebody_elses(site: Site, model: str) -> None:
    response = await site.chat(model, stream=True)

    assert response.content.endswith(b"data: [DONE]\n\n")
    entry = await site.entry(response)
    assert (entry["status"], entry["upstream"]) == ("success", "openai-eu")
    assert [(each["status"], each.get("reason")) for each in entry["attempts"]] == [(200, "cut"), (200, None)]


async def test_a_cut_never_looks_like_a_success(site: Site) -> None:
    body = {"model": "gpt-4o--rst=3", "messages": [{"role": "user", "content": "a b c d e"}], "stream": True}
    received, error = await site.read(body)

    assert isinstance(error, httpx.RemoteProtocolError)
    assert b"[DONE]" not in received
    assert events_of(received)[-1]["error"]["code"] == "upstream_cut"
    (entry,) = await site.until(1)
    assert (entry["status"], entry["errorMessage"]) == ("error", "upstream_cut")
    assert entry["estimatedUsage"] == "tokens"


async def test_a_request_that_goes_nowhere_is_refused_in_the_shape_of_its_api(site: Site) -> None:
    other = await site.new_key("acme")
    texts = {
        "no model": await site.client.post("/v1/chat/completions", json={"messages": []}, headers=site.holding()),
        "unknown": await site.chat("no-such-model"),
        "no JSON": await site.client.post("/v1/chat/completions", content=b"{", headers=site.holding()),
        "no key": await site.client.post("/v1/chat/completions", json={}),
        "two keys": await site.client.post(
            "/v1/chat/completions", json={}, headers={**site.holding(), "x-api-key": other}
        ),
        "left out": await site.client.get("/v1/files", headers=site.holding()),
        "method": await site.client.get("/v1/chat/completions", headers=site.holding()),
    }
    messages = await site.client.post("/v1/messages", json={"model": "nobody"}, headers={"x-api-key": site.key})

    statuses = {name: response.status_code for name, response in texts.items()}
    assert statuses == {
        "no model": 400, "unknown": 404, "no JSON": 400, "no key": 401, "two keys": 401, "left out": 404, "method": 405,
    }  # fmt: skip
    assert all(set(response.json()["error"]) >= {"message", "type", "code"} for response in texts.values())
    assert all(response.headers["x-twinmeter-error"] for response in texts.values())
    assert messages.json()["type"] == "error"
    assert await site.entries() == []
    assert site.provider.requests == []


async def test_a_key_without_the_scope_calls_no_model(site: Site) -> None:
    from app.auth.principals import Scope  # noqa: PLC0415

    key = await site.new_key("acme", Scope.INGEST, Scope.READ)

    response = await site.client.post("/v1/chat/completions", json={}, headers={"x-api-key": key})

    assert (response.status_code, response.json()["error"]["code"]) == (403, "permission_denied")


async def test_a_session_of_claude_code_is_a_conversation(site: Site) -> None:
    session = {"x-claude-code-session-id": "6d1f"}
    alone = await site.chat(headers=session)
    first = await site.chat(headers={"x-twinmeter-conversation-id": "c1", **session})
    last = await site.chat(headers={**session, "x-twinmeter-conversation-id": "c1"})

    found = [(await site.entry(each))["conversationId"] for each in (alone, first, last)]
    assert found == ["6d1f", "c1", "c1"]


@pytest.mark.parametrize(
    ("header", "shape"),
    [
        ({}, {"error"}),
        ({"anthropic-version": "2023-06-01"}, {"type", "error", "request_id"}),
        ({"x-goog-api-client": "google-genai-sdk/1"}, {"error"}),
    ],
)
async def test_addresses_that_apis_share_refuse_as_who_asks_understands(
    site: Site, header: dict[str, str], shape: set[str]
) -> None:
    for path, key in (("/v1/models/nobody", site.key), ("/v1/models", "tm_wrong"), ("/v1/files", site.key)):
        answer = await site.client.get(path, headers={"authorization": f"Bearer {key}", **header})
        assert answer.status_code in {401, 404}
        assert set(answer.json()) == shape
        is_gemini = isinstance(answer.json()["error"].get("code"), int)
        assert is_gemini == ("x-goog-api-client" in header)
