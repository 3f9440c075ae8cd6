"""Calls sent with the provider's own usage: the same entries as of the response itself, recorded in process."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.testing import AsyncTestClient

from app import tracking
from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from models.base import camel
from tests.routes.conftest import bearer
from tests.twins import assert_twins, entries

Client = AsyncTestClient[Litestar]
DATA = Path(__file__).parents[1] / "data"
RECORDED, FIELD = [
    [json.loads(line, parse_float=Decimal) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]
    for name in ("provider_usage_recorded.jsonl", "field/responses.jsonl")
]
MAKERS = {"track_openai_usage": "openai", "track_anthropic_usage": "anthropic", "track_gemini_usage": "google"}
USAGES = ("usage", "usageMetadata", "usage_metadata")
OF_EACH = {"_id", "userId", "createdAt", "recordedAt", "requestDuration", "timeToFirstToken"}
CALL = {"userId": "u1", "contentType": "chat", "provider": "openai"}
CHAT = {"prompt_tokens": 1_000, "completion_tokens": 500, "total_tokens": 1_500}
RESPONSE = {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o", "service_tier": "default"}


async def send(client: Client, tokens: Tokens, *rows: Any) -> list[dict[str, Any]]:
    content = b"".join(json.dumps(row, default=float).encode() + b"\n" for row in rows)
    headers = {**bearer(tokens, Role.SERVICE), "Content-Type": "application/x-ndjson"}
    answer = await client.post("/api/ai/track/batch", content=content, headers=headers)
    receipts: list[dict[str, Any]] = json.loads(answer.content, parse_float=Decimal)["receipts"]
    return receipts


def taken_apart(response: Any) -> dict[str, Any]:
    """As a client sends it: the usages of the events, and the rest."""
    events = response if isinstance(response, list) else [response]
    usages: list[Any] = []
    around: dict[str, Any] = {}
    for event in events:
        inner = next((event[name] for name in ("message", "response") if isinstance(event.get(name), dict)), event)
        usages += [inner[name] for name in USAGES if inner.get(name)][:1]
        around |= {name: value for name, value in inner.items() if name not in USAGES and value is not None}
    return {"usage": usages if len(usages) > 1 else usages[0] if usages else None, "response": around}


def said(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in OF_EACH}


async def test_each_recorded_response_is_the_same_entry_sent_as_recorded_in_process(
    client: Client, tokens: Tokens, database: Database
) -> None:
    facts = [{"contentType": "chat", "provider": row["provider"]} for row in RECORDED]
    for number, row in enumerate(RECORDED):
        known = {"user_id": f"process {number}", "content_type": "chat", "provider": row["provider"]}
        async with tracking.track_ai_call(**known) as call:
            call.record(row["response"])
    whole = [
        {**fact, "userId": f"whole {number}", "response": row["response"]}
        for number, (fact, row) in enumerate(zip(facts, RECORDED, strict=True))
    ]
    apart = [
        {**fact, "userId": f"apart {number}", **taken_apart(row["response"])}
        for number, (fact, row) in enumerate(zip(facts, RECORDED, strict=True))
    ]

    receipts = await send(client, tokens, *whole) + await send(client, tokens, *apart)

    assert [receipt["status"] for receipt in receipts] == ["committed"] * 2 * len(RECORDED)
    found = {entry["userId"]: said(entry) for entry in await entries(database)}
    for number in range(len(RECORDED)):
        assert found[f"whole {number}"] == found[f"process {number}"]
        assert found[f"apart {number}"] == found[f"process {number}"]
    await assert_twins(database)


async def test_responses_of_the_field_are_the_same_entries_too(
    client: Client, tokens: Tokens, database: Database
) -> None:
    sent = []
    for row in FIELD:
        known, helper = dict(row["how"]["in process"]), row["how"]["in process"]["helper"]
        del known["helper"]
        await getattr(tracking, helper)(row["payload"], user_id=f"process {row['id']}", **known)
        facts = {"userId": f"sent {row['id']}", "provider": MAKERS[helper], "response": row["payload"]}
        sent.append(facts | {camel(name): value for name, value in known.items()})

    receipts = await send(client, tokens, *sent)

    assert [receipt["status"] for receipt in receipts] == ["committed"] * 24
    found = {entry["userId"]: said(entry) for entry in await entries(database)}
    for row in FIELD:
        assert found[f"sent {row['id']}"] == found[f"process {row['id']}"]


async def test_one_call_with_its_usage_is_priced_to_the_last_digit(
    client: Client, tokens: Tokens, database: Database
) -> None:
    usage = {**CHAT, "prompt_tokens_details": {"cached_tokens": 800}}

    answer = await client.post(
        "/api/ai/track", json={**CALL, "usage": usage, "response": RESPONSE}, headers=bearer(tokens, Role.SERVICE)
    )

    assert (answer.status_code, json.loads(answer.content, parse_float=Decimal)["cost"]) == (201, Decimal("0.0065"))
    (entry,) = await entries(database)
    counts = {name: entry.get(name) for name in ("inputTokens", "outputTokens", "cacheReadTokens")}
    assert (entry["aiModel"], counts) == (
        "gpt-4o",
        {"inputTokens": 1_000, "outputTokens": 500, "cacheReadTokens": 800},
    )
    assert {"usage", "response"}.isdisjoint(entry)
    await assert_twins(database)


async def test_a_stream_that_was_cut_is_estimated_as_in_process_by_the_length_of_its_text_alone(
    client: Client, tokens: Tokens, database: Database
) -> None:
    chunks = [{"model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": text}}]} for text in ("Grüß", " Gott")]

    async def stream() -> AsyncIterator[Any]:
        for chunk in chunks:
            yield chunk

    async with tracking.track_ai_call(user_id="process", content_type="chat", provider="openai") as call:
        async for _ in call.stream(stream()):
            pass
    row = {**CALL, "userId": "sent", "response": {"model": "gpt-4o"}, "outputText": "x" * len("Grüß Gott")}

    await send(client, tokens, row)

    one, other = await entries(database)
    assert said(one) == said(other)
    assert (one["costSource"], one["outputTokens"]) == ("estimated", 3)


async def test_what_cannot_be_read_is_stored_unpriced_with_its_reason_and_sinks_no_other(
    client: Client, tokens: Tokens
) -> None:
    rows = [
        {**CALL, "model": "gpt-4o", "usage": {"flux_tokens": 7}},
        {**CALL, "usage": CHAT, "response": RESPONSE},
        {**CALL, "response": {"model": "gpt-4o"}},
        {**CALL, "usage": 5, "model": "gpt-4o"},
        {**CALL, "usage": {"a": "x" * 16_000}, "model": "gpt-4o"},
    ]

    receipts = await send(client, tokens, *rows)

    told = [(receipt["status"], receipt["unpricedReason"], receipt["errors"]) for receipt in receipts]
    unknown = "usage_unreadable: usage: has no token count under a known name, only flux_tokens"
    not_told = "usage_unreadable: usage: not reported; a streamed OpenAI chat needs stream_options.include_usage"
    too_large = "has more than 16,000 bytes; no texts are needed"
    assert told == [
        ("committed", unknown, []),
        ("committed", None, []),
        ("committed", not_told, []),
        ("rejected", None, [{"field": "usage", "message": "must be a JSON object, or a list of objects"}]),
        ("rejected", None, [{"field": "usage", "message": too_large}]),
    ]


async def test_the_same_call_sent_again_counts_once_however_it_is_told(client: Client, tokens: Tokens) -> None:
    same = {**CALL, "requestId": "r1", "model": "gpt-4o", "createdAt": "2026-11-01T12:00:00Z"}
    rows = [{**same, "usage": CHAT}, {**same, "inputTokens": 1_000, "outputTokens": 500}, {**same, "usage": {}}]

    receipts = await send(client, tokens, *rows)

    told = [(receipt["status"], receipt["conflicting"], receipt["cost"]) for receipt in receipts]
    cost = Decimal("0.0075")
    assert told == [("committed", False, cost), ("duplicate", False, cost), ("duplicate", True, cost)]


async def test_without_a_model_a_call_needs_what_the_provider_said(empty: Client, tokens: Tokens) -> None:
    (receipt,) = await send(empty, tokens, {**CALL, "inputTokens": 5})

    assert receipt["errors"] == [{"field": "model", "message": "Field required"}]


async def test_the_description_has_what_a_provider_said(empty: Client) -> None:
    paths = (await empty.get("/schema/openapi.json")).json()["paths"]

    call = paths["/api/ai/track"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert call["required"] == ["userId", "contentType"]
    assert call["anyOf"] == [{"required": ["model"]}, {"required": ["usage"]}, {"required": ["response"]}]
    objects = [{"type": "object"}, {"type": "array", "items": {"type": "object"}}, {"type": "null"}]
    assert [call["properties"][name]["anyOf"] for name in ("usage", "response")] == [objects, objects]
    batch = paths["/api/ai/track/batch"]["post"]["requestBody"]["content"]
    assert batch["application/json"]["schema"]["items"] == batch["application/x-ndjson"]["schema"] == call
