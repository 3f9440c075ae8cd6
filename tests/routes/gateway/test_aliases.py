"""Addresses of our own: one form for all providers, and the way of every call."""

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from models.limits import Unit
from tests.routes.gateway.conftest import Site, events_of
from tests.routes.gateway.test_formats import client_with

PLAIN = {"inputTokens": 2, "outputTokens": 4, "totalTokens": 6}
THOUGHT = {"inputTokens": 2, "outputTokens": 104, "totalTokens": 106, "reasoningTokens": 100}
USAGE = {"gpt-4o-mini": PLAIN, "claude-sonnet-4-5": PLAIN, "gemini-2.5-flash": THOUGHT}


async def ask(site: Site, path: str, body: Any, **headers: str) -> httpx.Response:
    return await site.client.post(f"/v1/{path}", json=body, headers=site.holding(**headers))


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash"])
@pytest.mark.parametrize("path", ["generate", "chat"])
async def test_one_form_for_all_providers(site: Site, path: str, model: str) -> None:
    body = {"model": model, "prompt": "one two", "maxTokens": 50, "temperature": 0.5, "userId": "alice"}
    response = await ask(site, path, body)

    assert response.status_code == 200, response.text
    answer = json.loads(response.content, parse_float=Decimal)
    entry = await site.entry(response)
    assert answer["text"] == "You said: one two"
    assert answer["usage"] == USAGE[model]
    assert (answer["requestId"], answer["cached"]) == (response.headers["x-twinmeter-request-id"], False)
    assert answer["cost"] == entry["cost"].to_decimal() == Decimal(response.headers["x-twinmeter-cost"])
    assert (entry["userId"], entry["contentType"], entry["inputTokens"]) == ("alice", "chat", 2)
    assert f'"cost":{response.headers["x-twinmeter-cost"]},' in response.text
    assert response.headers["content-type"] == "application/json"


async def test_what_a_provider_is_asked_is_of_its_own_api(site: Site) -> None:
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]
    for model in ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash"):
        body = {"model": model, "messages": messages, "maxTokens": 9, "temperature": 0, "contentType": "report"}
        response = await ask(site, "chat", body)
        assert (response.status_code, response.json()["text"]) == (200, "You said: three")
        assert (await site.entry(response))["contentType"] == "report"

    openai, anthropic, gemini = [request.fields for request in site.provider.requests]
    assert openai == {"model": "gpt-4o", "messages": messages, "max_completion_tokens": 9, "temperature": 0}
    assert anthropic == {
        "model": "claude-sonnet-4-5",
        "system": "be brief",
        "messages": messages[1:],
        "max_tokens": 9,
        "temperature": 0,
    }
    assert gemini == {
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "contents": [
            {"role": role, "parts": [{"text": text}]}
            for role, text in (("user", "one"), ("model", "two"), ("user", "three"))
        ],
        "generationConfig": {"maxOutputTokens": 9, "temperature": 0},
    }


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash"])
async def test_a_stream_ends_with_what_the_ledger_has(site: Site, model: str) -> None:
    body = {"model": model, "prompt": "one two"}
    async with site.client.stream("POST", "/v1/chat/stream", json=body, headers=site.holding()) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        content = b""
        async for piece in response.aiter_bytes():
            content += piece
            if b'"done"' in content:
                entry = await site.entry(response)

    *texts, last = events_of(content)
    assert "".join(each["text"] for each in texts) == "You said: one two"
    assert len(texts) > 1
    assert (last["done"], last["usage"]) == (True, USAGE[model])
    assert Decimal(str(last["cost"])) == entry["cost"].to_decimal()
    assert last["requestId"] == str(entry["_id"])


async def test_a_stream_that_is_cut_has_no_end(site: Site) -> None:
    received, error = await site.read({"model": "gpt-4o--rst=3", "prompt": "a b c d e"}, "/v1/chat/stream")

    assert isinstance(error, httpx.RemoteProtocolError)
    assert b"done" not in received
    assert events_of(received)[-1]["error"]["code"] == "upstream_cut"


async def test_pictures_and_videos_are_made_and_priced(site: Site) -> None:
    pictures = await ask(site, "images/generate", {"model": "dall-e-3", "prompt": "a cat", "size": "1024x1024"})
    drawn = await ask(site, "images/generate", {"model": "gpt-image-1", "prompt": "a cat", "quality": "low"})
    video = await ask(site, "videos/generate", {"model": "sora-2", "prompt": "a cat", "seconds": 8})

    assert [each.status_code for each in (pictures, drawn, video)] == [200] * 3, video.text
    assert pictures.json()["images"][0]["url"].startswith("https://images.example/")
    assert (pictures.json()["usage"]["images"], pictures.json()["cost"]) == (1, 0.04)
    assert [each.json()["model"] for each in (pictures, drawn, video)] == ["dall-e-3", "gpt-image-1", "sora-2"]
    assert b'"cost":0.04,' in pictures.content
    assert drawn.json()["images"][0]["base64"]
    assert drawn.json()["cost"] > 0
    assert [each.json()["model"] for each in (pictures, drawn, video)] == ["dall-e-3", "gpt-image-1", "sora-2"]
    made = video.json()
    assert (made["video"]["status"], made["video"]["seconds"], made["video"]["size"]) == ("queued", "8", "1280x720")
    assert (made["usage"]["videoSeconds"], made["cost"]) == (8, 0.8)
    assert [(await site.entry(each)).get("unmapped") for each in (pictures, video)] == [None, None]
    entry = await site.entry(video)
    assert (entry["serviceType"], entry["endpoint"], entry["cost"].to_decimal()) == ("video", "videos", Decimal("0.8"))


async def test_a_body_without_a_model_has_the_default_of_its_kind(site: Site) -> None:
    chat = await ask(site, "generate", {"prompt": "a"})
    video = await ask(site, "videos/generate", {"prompt": "a"})

    assert (await site.entry(chat))["aiModel"].startswith("gpt-4o-mini")
    assert (video.status_code, video.json()["error"]["param"]) == (400, "model")
    assert "[defaults] video" in video.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("generate", {}, 400, "prompt"),
        ("generate", {"prompt": "a", "messages": [{"role": "user", "content": "a"}]}, 400, "prompt"),
        ("chat", {"messages": [{"role": "system", "content": "a"}]}, 400, "messages"),
        ("chat", {"messages": [{"role": "the canary", "content": "a"}]}, 400, "must be system, user or assistant"),
        ("chat", {"prompt": "a", "max_tokens": 5}, 400, "max_tokens"),
        ("chat", {"prompt": "a", "maxTokens": 0}, 400, "maxTokens"),
        ("chat", {"prompt": "a", "model": "nobody"}, 404, "nobody"),
        ("images/generate", {"prompt": "a", "model": "claude-sonnet-4-5"}, 400, "OpenAI"),
        ("videos/generate", {"prompt": "a", "model": "sora-9000"}, 404, "sora-9000"),
        ("chat", [], 400, "object"),
    ],
)
async def test_what_cannot_be_asked_is_refused_before_anybody_is(
    site: Site, path: str, body: Any, status: int, word: str
) -> None:
    refused = await ask(site, path, body)

    assert refused.status_code == status
    assert word in refused.json()["error"]["message"]
    assert "canary" not in refused.text
    assert site.provider.requests == []
    assert await site.entries() == []


async def test_a_body_and_a_header_that_name_two_users_are_refused(site: Site) -> None:
    both = await ask(site, "chat", {"prompt": "a", "userId": "bob"}, x_user_id="alice")
    same = await ask(site, "chat", {"prompt": "a", "userId": "alice"}, x_user_id="alice")

    assert [both.status_code, same.status_code] == [400, 200]
    assert (await site.client.get("/v1/chat", headers=site.holding())).status_code == 405
    assert (await site.client.post("/v1/chat", json={"prompt": "a"})).status_code == 401


@pytest.mark.parametrize(
    "model", ["gpt-4o--rate_limit=7", "claude-sonnet-4-5--rate_limit=7", "gemini-2.5-flash--rate_limit=7"]
)
async def test_a_providers_error_keeps_its_status_and_has_one_form(site: Site, model: str) -> None:
    limited = await ask(site, "chat", {"model": model, "prompt": "a"})

    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
    error = limited.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["code"], str)
    assert (await site.entry(limited))["status"] == "rate_limited"


async def test_a_page_or_half_an_answer_is_an_error(site: Site) -> None:
    answers = [
        await ask(site, "chat", {"model": f"gpt-4o--{fault}", "prompt": "a"})
        for fault in ("html=200", "html=502", "broken_json", "cut=5")
    ]

    assert [answer.status_code for answer in answers] == [502] * 4
    assert all(answer.json()["error"]["code"] for answer in answers)


async def test_an_answer_that_is_too_large_to_be_turned_is_not_held(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.gateway.neutral.sender.MOST_BYTES", 100)

    large = await ask(site, "chat", {"prompt": "word " * 100})

    assert (large.status_code, large.json()["error"]["code"]) == (502, "unexpected_answer")
    assert (await site.entry(large))["status"] == "success"


async def test_an_answer_of_ours_is_given_again_too(site: Site) -> None:
    body = {"prompt": "one two", "temperature": 0}
    for path in ("generate", "chat/stream"):
        first, again = [await ask(site, path, body, x_twinmeter_cache="60") for _ in range(2)]

        assert [each.headers["x-twinmeter-cache"] for each in (first, again)] == ["miss", "hit"]
        last = [events_of(each.content)[-1] if "stream" in path else each.json() for each in (first, again)]
        assert (last[0]["cached"], last[1]["cached"], last[1]["cost"]) == (False, True, 0)
        assert last[0]["usage"] == last[1]["usage"]


@pytest.mark.parametrize("model", ["gpt-4o", "gemini-2.5-flash"])
async def test_who_has_no_room_is_told_the_field_of_this_form(site: Site, model: str) -> None:
    _, holding = await client_with(site, "0.000001", Unit.USD)
    refused = await site.client.post("/v1/chat", json={"prompt": "a", "model": model}, headers=holding)

    assert (refused.status_code, refused.headers["x-twinmeter-error"]) == (429, "insufficient_quota")
    told = refused.json()["error"]["message"]
    assert told.endswith("Send maxTokens, how many tokens the model may answer at most, to ask for less."), told
