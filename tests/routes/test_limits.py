"""Asking before a call is made, over HTTP: what is answered to whom."""

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from tests.routes.conftest import bearer

Client = AsyncTestClient[Litestar]
CHAT = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "maxOutputTokens": 500}


async def test_where_nothing_is_limited_every_call_may_be_made(empty: Client, tokens: Tokens) -> None:
    headers = bearer(tokens, Role.SERVICE)
    checked = await empty.post("/api/ai/limits/check", json=CHAT, headers=headers)
    reserved = await empty.post("/api/ai/reservations", json=CHAT, headers=headers)

    nothing = dict.fromkeys(("message", "unit", "window", "limit", "used", "held", "asked", "resetsAt", "retryAfter"))
    assert checked.status_code == 200
    assert checked.json() == {
        "allowed": True,
        "feature": "chat",
        "violated": [],
        "limits": [],
        "shared": [],
        "upgradeUrl": None,
        **nothing,
    }
    assert reserved.status_code == 201
    body = reserved.json()
    assert body == {
        "id": body["id"],
        "expiresAt": body["expiresAt"],
        "feature": "chat",
        "held": [],
        "unenforced": False,
    }
    assert "RateLimit" not in reserved.headers
    path = f"/api/ai/reservations/{body['id']}"
    assert [(await empty.delete(path, headers=headers)).status_code for _ in range(2)] == [204, 204]
    assert (await empty.get(path, headers=headers)).status_code == 404


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"userId": None}, "userId"),
        ({"contentType": ""}, "contentType"),
        ({"inputTokens": -1}, "inputTokens"),
        ({"maxOutputTokens": "many"}, "maxOutputTokens"),
        ({"outputTokens": 5}, "outputTokens"),
        ({"ttlSeconds": 0}, "ttlSeconds"),
        ({"ttlSeconds": 86_401}, "ttlSeconds"),
        ({"videoSeconds": -1}, "videoSeconds"),
        ({"user_id": "u2"}, "user_id"),
        ({"clientId": "another"}, "clientId"),
        ({"requestId": ""}, "requestId"),
    ],
)
async def test_a_fault_is_told_with_its_field(empty: Client, tokens: Tokens, said: dict[str, Any], field: str) -> None:
    answer = await empty.post("/api/ai/reservations", json={**CHAT, **said}, headers=bearer(tokens, Role.SERVICE))

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("body", [b"[]", b"1", b"{", b"null", b'{"userId": {"$gt": ""}}'])
async def test_a_body_that_is_no_ask_is_refused(empty: Client, tokens: Tokens, body: bytes) -> None:
    headers = {**bearer(tokens, Role.SERVICE), "Content-Type": "application/json"}
    for path in ("/api/ai/reservations", "/api/ai/limits/check"):
        answer = await empty.post(path, content=body, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


async def test_a_user_asks_for_nobody_else(empty: Client, tokens: Tokens) -> None:
    headers = bearer(tokens, Role.USER)
    own = await empty.post("/api/ai/reservations", json={**CHAT, "userId": "someone"}, headers=headers)
    other = await empty.post("/api/ai/reservations", json=CHAT, headers=headers)
    named = await empty.post(
        "/api/ai/limits/check", json={**CHAT, "userId": None}, headers={**headers, "x-user-id": "u9"}
    )

    assert (own.status_code, other.status_code, named.status_code) == (201, 400, 400)
    assert other.json()["errors"][0]["field"] == "userId"


async def test_a_reservation_that_does_not_exist_is_not_found(empty: Client, tokens: Tokens) -> None:
    headers = bearer(tokens, Role.SERVICE)
    assert (await empty.get("/api/ai/reservations/none", headers=headers)).status_code == 404
    assert (await empty.delete("/api/ai/reservations/none", headers=headers)).status_code == 404
    assert (await empty.post("/api/ai/reservations", json=CHAT)).status_code == 401
