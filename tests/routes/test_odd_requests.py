"""Requests that no client of ours sends."""

import json
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from tests.routes.conftest import bearer

Client = AsyncTestClient[Litestar]
ENDLESS = "1e999999999"
PRICE = {"model": "m", "prices": {"inputMtok": 1}, "effectiveFrom": "2024-05-01T00:00:00Z"}
KEY = {"name": "n", "scopes": ["ingest"]}
CALL = {"userId": "u", "contentType": "chat", "model": "gpt-4o"}


async def test_options_are_for_whom_the_route_is_for(empty: Client, tokens: Tokens) -> None:
    for path in ("/api/ai/track", "/api/admin/ai/usage", "/api/admin/prices/x/end", "/v1/traces"):
        known = await empty.options(path, headers=bearer(tokens, Role.ADMIN))
        assert (known.status_code, "OPTIONS" in known.headers["allow"]) == (204, True), path
        assert (await empty.options(path)).status_code == 401, path
    for path in ("/health", "/ready", "/metrics", "/schema/openapi.json"):
        assert (await empty.options(path)).status_code == 204, path


async def test_an_empty_filter_is_refused_by_its_name_and_not_taken_for_none(empty: Client, tokens: Tokens) -> None:
    of_reports = [(report, "clientId") for report in ("overview", "usage", "models", "users", "calls")]
    of_calls = [("calls", name) for name in ("feature", "provider", "model", "userId")]
    for report, name in of_reports + of_calls:
        response = await empty.get(f"/api/admin/ai/{report}?{name}=", headers=bearer(tokens, Role.ADMIN))
        assert response.status_code == 400, (report, name)
        assert [error["field"] for error in response.json()["errors"]] == [name]


# a Decimal with a thousand million digits: made an int, or written out, it would hold the process for ever
@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        ("/api/admin/prices", PRICE, [*PRICE, "effectiveTo", "clientId", "provider"]),
        ("/api/admin/keys", KEY, [*KEY, "clientId", "expiresAt"]),
        ("/api/admin/prices/x/end", {}, ["effectiveTo"]),
        ("/api/ai/track", CALL, ["inputTokens", "cost", "videoSeconds", "createdAt", "metadata"]),
    ],
)
async def test_a_number_without_end_is_refused_at_once(
    empty: Client, tokens: Tokens, path: str, body: dict[str, Any], fields: list[str]
) -> None:
    headers = {**bearer(tokens, Role.ADMIN), "Content-Type": "application/json"}
    for field in fields:
        content = json.dumps({**body, field: "ENDLESS"}).replace('"ENDLESS"', ENDLESS)
        response = await empty.post(path, content=content, headers=headers)
        assert response.status_code == 400, field
        assert {error["field"] for error in response.json()["errors"]} == {field}
