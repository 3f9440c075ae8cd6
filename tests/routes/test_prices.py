"""Administrators' prices and the quality of the data, over HTTP."""

import json
from decimal import Decimal
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from tests.routes.conftest import bearer

Client = AsyncTestClient[Litestar]
PRICES = "/api/admin/prices"
NEW = {"model": "GPT-4o", "prices": {"inputMtok": 1, "outputMtok": 2.5}, "effectiveFrom": "2024-05-01T00:00:00Z"}


async def send(client: Client, tokens: Tokens, path: str, body: dict[str, Any], status: int = 201) -> Any:
    response = await client.post(path, json=body, headers=bearer(tokens, Role.ADMIN))
    assert response.status_code == status, response.text
    return json.loads(response.content, parse_float=Decimal)


async def track(client: Client, tokens: Tokens, **reported: Any) -> Any:
    call = {"userId": "u", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 500}
    return await send(client, tokens, "/api/ai/track", {**call, **reported})


async def test_a_price_holds_for_calls_from_its_date_on(client: Client, tokens: Tokens) -> None:
    override = await send(client, tokens, PRICES, NEW)

    before = await track(client, tokens, createdAt="2024-04-30T23:59:59.999Z")
    after = await track(client, tokens, createdAt="2024-05-01T00:00:00Z")

    assert (override["model"], override["prices"], override["createdBy"]) == (
        "gpt-4o",
        {"inputMtok": 1, "outputMtok": Decimal("2.5")},
        "someone",
    )
    assert before["cost"] != after["cost"] == Decimal("0.00225")
    listed = (await client.get(PRICES, headers=bearer(tokens, Role.ADMIN))).json()
    assert [row["id"] for row in listed] == [override["id"]]


async def test_an_ended_price_no_longer_holds(client: Client, tokens: Tokens) -> None:
    override = await send(client, tokens, PRICES, NEW)
    end = {"effectiveTo": "2024-06-01T00:00:00Z"}

    ended = await send(client, tokens, f"{PRICES}/{override['id']}/end", end, status=200)

    assert ended["effectiveTo"] == "2024-06-01T00:00:00.000Z"
    assert (await track(client, tokens, createdAt="2024-05-31T23:59:59Z"))["cost"] == Decimal("0.00225")
    assert (await track(client, tokens, createdAt="2024-06-01T00:00:00Z"))["cost"] == Decimal("0.0075")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"prices": {"inputMtok": -1}}, "prices.inputMtok"),
        ({"prices": {}}, "prices"),
        ({"prices": {"perCall": 1}}, "prices.perCall"),
        ({"prices": {"inputMtok": "much"}}, "prices.inputMtok"),
        ({"model": ""}, "model"),
        ({"effectiveFrom": "soon"}, "effectiveFrom"),
        ({"effectiveTo": "2024-04-01T00:00:00Z"}, "effectiveTo"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_a_price_that_cannot_be_is_refused_by_its_field(
    empty: Client, tokens: Tokens, change: dict[str, Any], field: str
) -> None:
    problem = await send(empty, tokens, PRICES, {**NEW, **change}, status=400)

    assert [error["field"] for error in problem["errors"]] == [field]
    assert (await empty.get(PRICES, headers=bearer(tokens, Role.ADMIN))).json() == []


async def test_a_field_that_prices_do_not_have_and_a_body_too_large_are_said(empty: Client, tokens: Tokens) -> None:
    problem = await send(empty, tokens, PRICES, {**NEW, "prices": {"inputPerMillion": 10}}, status=400)
    large = await send(empty, tokens, PRICES, {**NEW, "model": "m" * 11_000_000}, status=413)

    assert problem["errors"] == [
        {"field": "prices.inputPerMillion", "message": "unknown field; /schema lists the known ones"}
    ]
    assert large["detail"] == "the body is larger than this route accepts"


async def test_overlapping_prices_are_a_conflict(client: Client, tokens: Tokens) -> None:
    await send(client, tokens, PRICES, NEW)

    problem = await send(client, tokens, PRICES, {**NEW, "effectiveFrom": "2025-01-01T00:00:00Z"}, status=409)

    assert [error["field"] for error in problem["errors"]] == ["effectiveFrom"]
    await send(client, tokens, PRICES, {**NEW, "clientId": "acme"})


async def test_ending_what_is_not_there_is_said(empty: Client, tokens: Tokens) -> None:
    problem = await send(empty, tokens, f"{PRICES}/nothing/end", {}, status=404)

    assert problem["detail"] == "there is no override nothing"


async def test_data_quality_lists_what_the_figures_leave_out(client: Client, tokens: Tokens) -> None:
    await track(client, tokens)
    await track(client, tokens, model="unheard-of", provider="acme", contentType="haiku")
    await track(client, tokens, model="gpt-4o", provider="anthropic")
    await send(client, tokens, "/api/ai/track", {"userId": "u", "contentType": "chat", "model": "gpt-4o"})

    response = await client.get("/api/admin/ai/data-quality?days=1", headers=bearer(tokens, Role.ADMIN))

    found = json.loads(response.content, parse_float=Decimal)
    assert (found["totals"]["requests"], found["unpricedShare"], found["estimatedShare"]) == (4, 25, 25)
    (unpriced,) = found["unpricedModels"]
    assert (unpriced["provider"], unpriced["model"], unpriced["tokens"]["total"]) == ("acme", "unheard-of", 1_500)
    assert [(row["model"], row["requests"]) for row in found["estimatedModels"]] == [("gpt-4o", 1)]
    assert found["impossiblePairs"] == [
        {"reportedProvider": "anthropic", "provider": "openai", "model": "gpt-4o", "requests": 1}
    ]
    assert found["unmappedContentTypes"] == [{"contentType": "haiku", "requests": 1}]
    assert found["unreadableUsage"] == 0
