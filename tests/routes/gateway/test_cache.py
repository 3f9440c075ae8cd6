"""Answers that are given again: the same bytes, at no cost, recorded as calls, and nobody else's."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from bson import encode

from app.auth.principals import Role, Scope
from app.auth.tokens import Tokens
from app.gateway.cache.cache import ResponseCache
from app.gateway.cache.seals import Seals
from app.gateway.cache.shared import Shared
from app.maintenance.answers import forget_answers
from app.maintenance.erasure.erasure import Erasure
from app.spool.journal import Spool
from models.gateway_cache import GATEWAY_CACHE
from tests.patience import patience
from tests.routes.gateway.conftest import Site

ON = {"x-twinmeter-cache": "on"}


@pytest.fixture(autouse=True)
async def _empty(site: Site) -> None:
    await forget_answers(site.database)
    assert site.gateway.cache is not None
    await site.gateway.cache.refresh(site.database)


@pytest.fixture
def admin(site: Site) -> dict[str, str]:
    secret = site.gateway.settings.signing_secret
    return {"authorization": f"Bearer {Tokens(secret).issue('me', Role.ADMIN, timedelta(minutes=5))}"}


def told(*responses: httpx.Response) -> list[str]:
    assert [response.status_code for response in responses] == [200] * len(responses)
    return [response.headers["x-twinmeter-cache"] for response in responses]


async def test_a_kept_answer_costs_nothing_and_is_a_call(site: Site) -> None:
    first = await site.chat(headers=ON)
    again = await site.chat(headers=ON)

    assert told(first, again) == ["miss", "hit"]
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"]
    assert (again.headers["x-twinmeter-cost"], again.headers["x-twinmeter-attempts"]) == ("0", "0")
    assert 0 <= int(again.headers["age"]) < 60
    assert len(site.provider.requests) == 1
    paid, free = await site.entry(first), await site.entry(again)
    assert (paid["cached"], free["cached"], free["status"]) == (False, True, "success")
    assert (free["cost"].to_decimal(), free["savedCost"]) == (Decimal(0), paid["cost"])
    assert (free["inputTokens"], free["outputTokens"]) == (paid["inputTokens"], paid["outputTokens"])
    assert (free["upstream"], free["aiModel"]) == (paid["upstream"], paid["aiModel"])
    assert "ratelimit" not in str(again.headers)
    assert again.headers["x-request-id"] != first.headers["x-request-id"]


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}])
async def test_a_kept_stream_has_the_same_bytes(site: Site, options: dict[str, Any]) -> None:
    first = await site.chat(headers=ON, stream=True, **options)
    again = await site.chat(headers=ON, stream=True, **options)

    assert told(first, again) == ["miss", "hit"]
    assert again.content == first.content
    assert again.content.endswith(b"data: [DONE]\n\n")
    free = await site.entry(again)
    assert (free["cached"], free["inputTokens"], free["outputTokens"]) == (True, 3, 5)
    assert free["savedCost"] == (await site.entry(first))["cost"]


async def test_a_stream_a_whole_answer_and_one_with_its_usage_are_different(site: Site) -> None:
    answers = [
        await site.chat(headers=ON),
        await site.chat(headers=ON, stream=True),
        await site.chat(headers=ON, stream=True, stream_options={"include_usage": True}),
    ]

    assert told(*answers) == ["miss"] * 3


async def test_nothing_is_kept_unless_it_is_wanted(site: Site) -> None:
    answers = [
        await site.chat(),
        await site.chat(headers={"x-twinmeter-cache": "off"}),
        await site.chat(headers={"x-twinmeter-cache": "0"}),
        await site.chat(headers={**ON, "cache-control": "no-store"}),
        await site.chat(headers=ON),
        await site.chat(headers={**ON, "cache-control": "max-age=0, no-cache"}),
        await site.chat(headers={"x-twinmeter-cache": "60"}),
        await site.chat(headers={"x-twinmeter-cache": "60", "cache-control": "no-store"}),
    ]

    assert told(*answers) == ["off", "off", "off", "off", "miss", "miss", "hit", "off"]


@pytest.mark.parametrize("wish", ["yes", "-1", "1.5", "9" * 20, "on, off"])
async def test_a_wish_that_is_none_is_refused_before_anything_is_held(site: Site, wish: str) -> None:
    refused = await site.chat(headers={"x-twinmeter-cache": wish})

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_header")
    assert site.provider.requests == []
    assert await site.entries() == []


async def test_other_callers_users_and_questions_get_their_own_answers(site: Site) -> None:
    await site.chat(headers=ON, temperature=0)
    other_key, other_client = await site.new_key(), await site.new_key("globex")
    answers = [
        await site.chat(headers={**ON, "x-user-id": "bob"}, temperature=0),
        await site.chat(headers={**ON, "authorization": f"Bearer {other_key}"}, temperature=0),
        await site.chat(headers={**ON, "authorization": f"Bearer {other_client}"}, temperature=0),
        await site.chat("gpt-4o", headers=ON, temperature=0),
        await site.chat(headers=ON, temperature=1),
        await site.chat(headers=ON, temperature=0, messages=[{"role": "user", "content": "one two four"}]),
        await site.chat(headers={**ON, "openai-beta": "b=v1"}, temperature=0),
        await site.chat("fast", headers=ON, temperature=0),
    ]

    # an alias of the same target is the same question
    assert told(*answers) == ["miss"] * 7 + ["hit"]


@pytest.mark.parametrize("fault", ["rate_limit=1", "html=200", "cut=3", "broken_json", "error_event=2", "no_stream"])
async def test_what_is_no_whole_success_is_not_kept(site: Site, fault: str) -> None:
    stream = fault in {"error_event=2", "no_stream", "cut=3"}
    for _ in range(2):
        body = {"model": f"gpt-4o--{fault}", "messages": [{"role": "user", "content": "a b c d"}], "stream": stream}
        async with site.client.stream("POST", "/v1/chat/completions", json=body, headers=site.holding(**ON)) as answer:
            assert answer.headers.get("x-twinmeter-cache", "miss") == "miss"
            try:
                await answer.aread()
            except httpx.TransportError:
                continue
    assert len(site.provider.requests) == 2


async def test_tools_are_not_answered_from_the_cache_where_the_key_does_not_allow_it(site: Site) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]

    assert told(await site.chat(headers=ON, tools=tools)) == ["off"]


async def test_embeddings_messages_and_contents_are_kept_too(site: Site) -> None:
    asked = {
        "/v1/embeddings": {"model": "text-embedding-3-small", "input": "a b"},
        "/v1/responses": {"model": "gpt-4o", "input": "a b", "stream": True},
        "/v1/messages": {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]},
        "/v1beta/models/gemini-2.5-flash:generateContent": {"contents": [{"role": "user", "parts": [{"text": "a"}]}]},
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent": {"contents": [{"parts": [{"text": "a"}]}]},
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse": {"contents": [{"parts": [{"text": "a"}]}]},
    }
    for path, body in asked.items():
        answers = [await site.client.post(path, json=body, headers=site.holding(**ON)) for _ in range(2)]

        assert (path, told(*answers)) == (path, ["miss", "hit"])
        assert answers[0].content == answers[1].content
        entries = [await site.entry(answer) for answer in answers]
        assert entries[1]["savedCost"] == entries[0]["cost"]
        assert entries[1]["cached"]


async def test_what_came_packed_is_kept_unpacked(site: Site) -> None:
    first, again = [await site.chat("gpt-4o--gzip", headers=ON) for _ in range(2)]

    assert told(first, again) == ["miss", "hit"]
    assert again.json() == first.json()
    assert again.headers.get("content-encoding") == first.headers.get("content-encoding")


async def test_counting_tokens_and_forms_are_never_kept(site: Site) -> None:
    count = await site.client.post(
        "/v1/messages/count_tokens",
        json={"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "a"}]},
        headers=site.holding(**ON),
    )
    heard = await site.client.post(
        "/v1/audio/transcriptions", data={"model": "whisper-1"}, files={"file": b"RIFF"}, headers=site.holding(**ON)
    )

    assert told(count, heard) == ["off", "off"]


async def test_an_administrator_sees_how_much_is_kept_and_forgets_it(site: Site, admin: dict[str, str]) -> None:
    route = "/api/admin/gateway/cache"
    before = (await site.client.get(route, headers=admin)).json()
    answers = [await site.chat(headers=ON) for _ in range(3)]
    assert told(*answers) == ["miss", "hit", "hit"]

    kept = (await site.client.get(route, headers=admin)).json()
    assert (kept["on"], kept["shared"]) == (True, False)
    assert (kept["hits"] - before["hits"], kept["misses"] - before["misses"]) == (2, 1)
    forgotten = await site.client.delete(route, headers=admin)

    assert (forgotten.status_code, forgotten.json()) == (200, {"shared": 0})
    assert told(await site.chat(headers=ON)) == ["miss"]


async def test_an_administrator_of_one_client_forgets_nothing(site: Site) -> None:
    key = await site.new_key("acme", Scope.ADMIN)
    headers = {"authorization": f"Bearer {key}"}

    seen = (await site.client.get("/api/admin/gateway/cache", headers=headers)).json()
    refused = await site.client.delete("/api/admin/gateway/cache", headers=headers)

    assert (seen["on"], seen["hits"], seen["bytes"]) == (True, None, None)
    assert refused.status_code == 403


async def test_an_erased_user_is_answered_from_nothing_that_was_kept(site: Site) -> None:
    cache, headers = site.gateway.cache, {**ON, "x-user-id": "anna"}
    assert cache is not None
    assert told(await site.chat(headers=headers), await site.chat(headers=headers)) == ["miss", "hit"]

    spool = Spool.of(site.gateway.settings.data_dir, site.gateway.settings.database, 1_000_000)
    await Erasure(site.database, ZoneInfo("UTC"), "anna", None, spool).run(lambda _: None)
    spool.close()
    await cache.refresh(site.database)

    assert len(cache.memory) == 0
    assert told(await site.chat(headers=headers)) == ["miss"]


async def key_with(site: Site, admin: dict[str, str], unit: str, amount: str, **policy: Any) -> dict[str, str]:
    limit = {"unit": unit, "window": "day", "amount": amount, "kind": "hard"}
    body = {"name": "n", "scopes": ["gateway"], "limits": [limit], "clientId": "acme", **policy}
    made = await site.client.post("/api/admin/keys", json=body, headers=admin)
    assert made.status_code == 201, made.text
    return {"authorization": f"Bearer {made.json()['key']}"}


async def used(site: Site, key: dict[str, str]) -> Decimal:
    usage = (await site.client.get("/api/me/usage", headers=key)).json()
    (limit,) = [each for each in usage["limits"] if each["window"] == "day"]
    return Decimal(str(limit["used"]))


async def test_a_hit_is_a_request_of_its_limits_and_no_money(site: Site, admin: dict[str, str]) -> None:
    requests = await key_with(site, admin, "requests", "2", cache=True)
    dollars = await key_with(site, admin, "usd", "1", cache=True)
    asked: dict[str, Any] = {"temperature": 0}

    counted = [await site.chat(headers=requests, **asked) for _ in range(3)]
    assert [each.status_code for each in counted] == [200, 200, 429]
    assert told(*counted[:2]) == ["miss", "hit"]
    first = await site.chat(headers=dollars, **asked)
    spent = await used(site, dollars)
    assert told(first, await site.chat(headers=dollars, **asked)) == ["miss", "hit"]
    assert await used(site, dollars) == spent == (await site.entry(first))["cost"].to_decimal()


async def test_a_key_wants_what_is_the_same_each_time_and_tools_if_it_says_so(
    site: Site, admin: dict[str, str]
) -> None:
    plain = await key_with(site, admin, "requests", "100", cache=True, cacheSeconds=60)
    tooled = await key_with(site, admin, "requests", "100", cache=True, cacheTools=True)
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    answers = [
        await site.chat(headers=plain),
        await site.chat(headers=plain, temperature=0.1),
        await site.chat(headers=plain, temperature=0),
        await site.chat(headers=plain, temperature=0, n=2),
        await site.chat(headers=plain, temperature=0, tools=tools),
        await site.chat(headers={**plain, "x-twinmeter-cache": "off"}, temperature=0),
        await site.chat(headers=tooled, temperature=0, tools=tools),
        await site.chat(headers=tooled, temperature=0, tools=tools),
    ]

    assert told(*answers) == ["off", "off", "miss", "off", "off", "off", "miss", "hit"]


@pytest.fixture
async def shared(site: Site, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ResponseCache]:
    """As if the deployment shared its answers."""
    cache, secret = site.gateway.cache, site.gateway.settings.signing_secret
    assert cache is not None
    monkeypatch.setattr("app.gateway.cache.shared.READ_SECONDS", patience(5))
    shared = cache.shared = Shared(site.database, Seals(secret))
    writing = asyncio.create_task(shared.write())
    yield cache
    cache.shared = None
    writing.cancel()


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_shared_is_given_again_and_the_database_knows_no_word_of_it(
    site: Site, shared: ResponseCache, stream: bool
) -> None:
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "thecanarysings of it"}], "stream": stream}
    first = await site.chat(headers=ON, **asked)
    assert b"thecanarysings" in first.content
    stored = site.database.reads[GATEWAY_CACHE]
    async with asyncio.timeout(patience(10)):
        while not await stored.count_documents({}):  # noqa: ASYNC110 - it is MongoDB that is waited for
            await asyncio.sleep(0.01)
    shared.memory.clear()

    again = await site.chat(headers=ON, **asked)

    assert told(first, again) == ["miss", "hit"]
    assert again.content == first.content
    assert (await site.entry(again))["savedCost"] == (await site.entry(first))["cost"]
    for name in await site.database.reads.list_collection_names(
        filter={"type": "collection", "name": {"$not": {"$regex": "^system"}}}
    ):
        async for document in site.database.reads[name].find():
            assert b"thecanarysings" not in encode(document), name
