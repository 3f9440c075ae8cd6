"""Reporting calls over HTTP."""

import json
from decimal import Decimal

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from tests.routes.conftest import bearer
from tests.twins import assert_twins, entries

CALL = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 500}
Client = AsyncTestClient[Litestar]


async def test_a_reported_call_is_committed_and_its_receipt_has_exact_money(
    client: Client, tokens: Tokens, database: Database
) -> None:
    response = await client.post("/api/ai/track", json=CALL, headers=bearer(tokens, Role.SERVICE))

    assert response.status_code == 201
    receipt = json.loads(response.content, parse_float=Decimal)
    assert receipt == {
        "id": receipt["id"],
        "status": "committed",
        "feature": "chat",
        "cost": Decimal("0.0075"),
        "savedCost": 0,
        "costSource": "priced",
        "unpricedReason": None,
        "conflicting": False,
        "errors": [],
    }
    assert await assert_twins(database) == {receipt["id"]}


async def test_a_reported_cost_never_passes_through_a_float(client: Client, tokens: Tokens, database: Database) -> None:
    body = json.dumps(CALL)[:-1] + ', "cost": 0.0000003}'

    response = await client.post(
        "/api/ai/track", content=body, headers={**bearer(tokens, Role.SERVICE), "Content-Type": "application/json"}
    )

    assert b'"cost":0.0000003,' in response.content
    (entry,) = await entries(database)
    assert entry["cost"].to_decimal() == Decimal("0.0000003")


async def test_a_replay_answers_duplicate(client: Client, tokens: Tokens) -> None:
    headers = bearer(tokens, Role.SERVICE)
    first = await client.post("/api/ai/track", json={**CALL, "requestId": "r"}, headers=headers)
    again = await client.post("/api/ai/track", json={**CALL, "requestId": "r"}, headers=headers)

    assert (first.status_code, again.status_code) == (201, 200)
    assert (again.json()["status"], again.json()["id"]) == ("duplicate", first.json()["id"])


async def test_bad_fields_are_a_problem_that_names_each(
    empty: Client, empty_database: Database, tokens: Tokens
) -> None:
    bad = {"userId": "", "contentType": "chat", "model": "m" * 10_000, "inputTokens": -1, "tracker": 1, "state": {}}

    response = await empty.post("/api/ai/track", json=bad, headers=bearer(tokens, Role.SERVICE))

    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["title"], problem["status"]) == ("Invalid request", 400)
    assert {error["field"] for error in problem["errors"]} == {"userId", "model", "inputTokens", "tracker", "state"}
    assert await entries(empty_database) == []


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"", 400),
        (b"[]", 400),
        (b'"text"', 400),
        (b"\xff\xfe", 400),
        (b'{"a":' * 100_000, 400),
        (b'{"userId": "u", "contentType": "chat", "model": "m", "inputTokens": 1e999}', 400),
        (b'{"userId": "u", "contentType": "chat", "model": "m", "requestDuration": 1e999999999}', 400),
        (b'{"userId": "\\ud800", "contentType": "chat", "model": "m"}', 400),
        (b'{"userId": "' + b"u" * 1_100_000 + b'"}', 413),
    ],
    ids=[
        "cut",
        "empty",
        "array",
        "string",
        "no UTF-8",
        "deep",
        "huge number",
        "endless number",
        "lone surrogate",
        "too large",
    ],
)
async def test_a_body_that_is_no_call_is_a_clear_4xx(
    empty: Client, empty_database: Database, tokens: Tokens, content: bytes, status: int
) -> None:
    headers = {**bearer(tokens, Role.SERVICE), "Content-Type": "application/json"}

    response = await empty.post("/api/ai/track", content=content, headers=headers)

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert await entries(empty_database) == []


async def test_a_body_that_does_not_call_itself_json_is_not_read(empty: Client, tokens: Tokens) -> None:
    headers = {**bearer(tokens, Role.SERVICE), "Content-Type": "text/plain"}

    response = await empty.post("/api/ai/track", content=json.dumps(CALL), headers=headers)

    assert (response.status_code, response.json()["detail"]) == (415, "send application/json, not text/plain")


async def test_of_many_faults_the_first_are_told_and_the_others_counted(empty: Client, tokens: Tokens) -> None:
    headers = bearer(tokens, Role.SERVICE)
    odd = {f"odd{n}": n for n in range(60)}

    few = await empty.post("/api/ai/track", json=CALL | odd, headers=headers)
    many = await empty.post("/api/ai/track", json=CALL | {f"odd{n}": n for n in range(50_000)}, headers=headers)
    keys = await empty.post(
        "/api/ai/track", json=CALL | {"metadata": {f"a.{n}": n for n in range(4_000)}}, headers=headers
    )

    assert [response.status_code for response in (few, many, keys)] == [400, 400, 400]
    errors = few.json()["errors"]
    assert [error["field"] for error in errors] == [*(f"odd{n}" for n in range(20)), "..."]
    assert errors[-1]["message"] == "and 40 more"
    assert "fields; at most 100 can be meant" in many.json()["detail"]
    assert keys.json()["errors"] == [{"field": "metadata", "message": "at most 32 keys are allowed"}]
    assert max(len(response.content) for response in (few, many, keys)) < 5_000


async def test_the_name_of_an_unknown_field_is_told_as_far_as_a_name_goes(empty: Client, tokens: Tokens) -> None:
    response = await empty.post("/api/ai/track", json=CALL | {"x" * 60_000: 1}, headers=bearer(tokens, Role.SERVICE))

    assert response.json()["errors"][0]["field"] == "x" * 256 + "…"
