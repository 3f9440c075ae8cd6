"""Keys over HTTP: made, listed and revoked, and what callers with them may do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from tests.routes.conftest import bearer

Client = AsyncTestClient[Litestar]
KEYS = "/api/admin/keys"
CALL = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 500}


def holding(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def make(client: Client, headers: dict[str, str], status: int = 201, **facts: Any) -> Any:
    body = {"name": "shop", "scopes": ["ingest"], **facts}
    response = await client.post(KEYS, json=body, headers=headers)
    assert response.status_code == status, response.text
    return response.json()


async def test_a_key_is_shown_once_listed_without_its_text_and_revoked(client: Client, tokens: Tokens) -> None:
    admin = bearer(tokens, Role.ADMIN)
    made = await make(client, admin, clientId="acme", scopes=["read", "ingest"])
    text, limits = made.pop("key"), made.pop("limits")

    assert limits == []
    assert text.startswith(f"tm_{made['id']}_")
    assert (made["clientId"], made["scopes"], made["createdBy"]) == ("acme", ["ingest", "read"], "someone")
    assert (await client.get("/api/analytics", headers=holding(text))).json()["clientId"] == "acme"
    listed = await client.get(KEYS, headers=admin)
    assert text.rpartition("_")[2] not in listed.text
    assert [{**row, "lastUsedAt": None} for row in listed.json()] == [made]

    revoked = await client.post(f"{KEYS}/{made['id']}/revoke", headers=admin)

    assert (revoked.status_code, revoked.json()["revokedAt"] is None) == (200, False)
    refused = await client.get("/api/analytics", headers=holding(text))
    assert (refused.status_code, refused.json()["detail"]) == (401, "the API key has been revoked")
    assert refused.headers["www-authenticate"] == "Bearer"


async def test_a_key_does_what_its_scopes_say(client: Client, tokens: Tokens) -> None:
    admin = bearer(tokens, Role.ADMIN)
    routes = {"ingest": ("POST", "/api/ai/track"), "read": ("GET", "/api/analytics"), "admin": ("GET", KEYS)}

    for scope in routes:
        headers = holding((await make(client, admin, scopes=[scope]))["key"])
        for needed, (method, path) in routes.items():
            response = await client.request(method, path, headers=headers, json=CALL if method == "POST" else None)
            if scope == needed:
                assert response.status_code in {200, 201}
            else:
                assert response.status_code == 403
                assert response.json()["detail"] == f"this needs the scope {needed}; the caller has {scope}"


async def test_a_clients_administrator_manages_its_own_keys_alone(client: Client, tokens: Tokens) -> None:
    root = bearer(tokens, Role.ADMIN)
    theirs = await make(client, root, clientId="umbrella")
    mine = await make(client, root, clientId="acme", scopes=["admin"])
    admin = holding(mine["key"])

    made = await make(client, admin)
    await make(client, admin, status=403, clientId="umbrella")

    assert (made["clientId"], made["createdBy"]) == ("acme", f"key:{mine['id']}")
    assert {row["id"] for row in (await client.get(KEYS, headers=admin)).json()} == {mine["id"], made["id"]}
    assert (await client.get(KEYS, params={"clientId": "umbrella"}, headers=admin)).status_code == 403
    assert (await client.post(f"{KEYS}/{theirs['id']}/revoke", headers=admin)).status_code == 404
    assert (await client.post(f"{KEYS}/{made['id']}/revoke", headers=admin)).status_code == 200
    of_umbrella = (await client.get(KEYS, params={"clientId": "umbrella"}, headers=root)).json()
    assert [(row["id"], row["revokedAt"]) for row in of_umbrella] == [(theirs["id"], None)]


async def test_a_key_without_a_client_is_of_the_default_one(client: Client, tokens: Tokens) -> None:
    assert (await make(client, bearer(tokens, Role.ADMIN)))["clientId"] == "default"


async def test_an_expired_key_is_refused(client: Client, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    key = (await make(client, bearer(tokens, Role.ADMIN), expiresAt=end.isoformat()))["key"]
    assert (await client.post("/api/ai/track", json=CALL, headers=holding(key))).status_code == 201

    monkeypatch.setattr(client.app.state.api_keys, "_clock", lambda: end)

    refused = await client.post("/api/ai/track", json=CALL, headers=holding(key))
    assert (refused.status_code, refused.json()["detail"]) == (401, "the API key has expired; ask for a new one")


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["king"]}, "scopes"),
        ({"clientId": "*"}, "clientId"),
        ({"clientId": ""}, "clientId"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
        ({"expiresAt": "soon"}, "expiresAt"),
        ({"hash": "0"}, "hash"),
    ],
)
async def test_a_key_that_cannot_be_is_refused_by_its_field(
    empty: Client, tokens: Tokens, facts: dict[str, Any], field: str
) -> None:
    problem = await make(empty, bearer(tokens, Role.ADMIN), status=400, **facts)

    assert [error["field"].split(".")[0] for error in problem["errors"]] == [field]


async def test_a_key_that_cannot_be_checked_now_is_503_with_a_time_to_wait(
    client: Client, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = (await make(client, bearer(tokens, Role.ADMIN)))["key"]
    monkeypatch.setattr("app.auth.api_keys.QUERY_SECONDS", 0.000001)

    response = await client.post("/api/ai/track", json=CALL, headers=holding(key))

    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert key not in response.text
