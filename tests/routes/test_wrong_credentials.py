"""Whoever sends wrong credentials is told why, and slowed down; whoever shares the address is not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.auth.api_key_text import new_key
from app.auth.attempts import BURST, RefusedCredentials
from app.auth.principals import Role
from app.auth.tokens import Tokens
from tests.conftest import SECRET
from tests.routes.conftest import bearer, holding

Client = AsyncTestClient[Any]
TEST_CLIENT = "testclient"
"""The address of the test's own client."""


@asynccontextmanager
async def behind(app: Litestar, proxy: str) -> AsyncIterator[Client]:
    """A client behind a proxy, whose word on its callers' addresses is trusted if it is `TEST_CLIENT`."""
    trusting: Any = ProxyHeadersMiddleware(app, trusted_hosts=proxy)  # type: ignore[arg-type]
    async with AsyncTestClient(trusting) as client:
        stop_time(app)
        yield client


def stop_time(app: Litestar) -> None:
    """However slowly the guesses come, no second passes between them."""
    app.state.refused_credentials = RefusedCredentials(app.state.tracker.counters, lambda: 0.0)


async def guess(client: Client, address: str, times: int = 1) -> list[int]:
    own = {"X-Forwarded-For": address}
    return [
        (await client.get("/api/analytics", headers={**holding(f"wrong.{n}.x"), **own})).status_code
        for n in range(times)
    ]


async def test_wrong_keys_are_slowed_down_and_good_credentials_of_the_same_address_are_not(
    app: Litestar, client: Client, tokens: Tokens
) -> None:
    stop_time(app)
    root = bearer(tokens, Role.ADMIN)
    made = await client.post("/api/admin/keys", json={"name": "k", "clientId": "c", "scopes": ["read"]}, headers=root)

    wrong = [await client.get("/api/analytics", headers=holding(new_key().text)) for _ in range(BURST + 2)]
    last = wrong[-1]

    assert [answer.status_code for answer in wrong] == [401] * BURST + [429] * 2
    assert (last.status_code, last.headers["retry-after"]) == (429, "1")
    assert "came from this address" in last.json()["detail"]
    assert (await client.get("/api/analytics", headers=holding(made.json()["key"]))).status_code == 200
    assert (await client.get("/api/analytics", headers=root)).status_code == 200
    over = tokens.issue("ann", Role.USER, timedelta(minutes=-1))
    expired = await client.get("/api/analytics", headers=holding(over))
    assert (expired.status_code, expired.json()["detail"]) == (401, "the token has expired; ask for a new one")
    metrics = (await client.get("/metrics")).text
    assert f'twinmeter_refused_credentials_total{{reason="api_key"}} {BURST + 2}.0' in metrics
    assert 'twinmeter_refused_credentials_total{reason="expired"} 1.0' in metrics


async def test_signing_in_is_slowed_down_alike(app: Litestar, client: Client, tokens: Tokens) -> None:
    stop_time(app)
    page = {"Sec-Fetch-Site": "same-origin"}
    wrong = [
        (await client.post("/admin/session", json={"token": f"wrong.{n}.x"}, headers=page)).status_code
        for n in range(BURST + 1)
    ]
    token = tokens.issue("root", Role.ADMIN, timedelta(days=1))
    right = await client.post("/admin/session", json={"token": token}, headers=page)

    assert (wrong, right.status_code) == ([401] * BURST + [429], 200)


@pytest.mark.parametrize(("trusted", "slowed"), [(TEST_CLIENT, False), ("10.0.0.1", True)])
async def test_behind_a_trusted_proxy_each_caller_has_an_address_of_its_own(
    app: Litestar, trusted: str, *, slowed: bool
) -> None:
    async with behind(app, trusted) as client:
        assert await guess(client, "203.0.113.9", BURST + 2) == [401] * BURST + [429] * 2
        assert await guess(client, "203.0.113.10") == [429 if slowed else 401]


async def test_a_403_says_that_no_role_was_known(client: Client) -> None:
    claims = {"sub": "ann", "role": ["Admin"], "exp": datetime.now(UTC) + timedelta(minutes=5)}
    answer = await client.get("/api/admin/stats", headers=holding(jwt.encode(claims, SECRET, "HS256")))

    why = "its claim role has no role that is known here (Admin); TWINMETER_JWT_ROLES says what a provider's roles mean"
    assert answer.status_code == 403
    assert answer.json()["detail"] == f"this needs the scope admin; the caller has ingest, read: {why}"
