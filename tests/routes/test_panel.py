"""A user's panel over HTTP: whose it is, that its figures are exact, and what its tokens open."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.http.serialization import decode
from tests.conftest import SECRET
from tests.routes.conftest import application, bearer, holding

Client = AsyncTestClient[Litestar]
HOUR = timedelta(hours=1)
BLOG, OTHER = "https://blog.example", "https://other.example"
CALL = {"contentType": "chat", "model": "gpt-4o", "provider": "openai", "inputTokens": 1_000, "outputTokens": 500}
COST = Decimal("0.0075")
"""Of `CALL`, in USD."""


class House:
    """An application of the client `acme`, whose users ann and bob have reported calls."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.tokens = Tokens(SECRET)
        self.root = bearer(self.tokens, Role.ADMIN)
        self.backend = holding(self.tokens.issue("backend", Role.SERVICE, HOUR, "acme"))

    async def track(self, user: str, client: str = "acme", **more: Any) -> str:
        body = {**CALL, "userId": user, "clientId": client, **more}
        response = await self.client.post("/api/ai/track", json=body, headers=self.root)
        assert response.status_code == 201, response.text
        text: str = response.json()["id"]
        return text

    async def key(self, *scopes: str, client: str = "acme") -> dict[str, str]:
        body = {"name": "key", "clientId": client, "scopes": list(scopes)}
        response = await self.client.post("/api/admin/keys", json=body, headers=self.root)
        return holding(response.json()["key"])

    async def mint(self, user: str = "ann", **more: Any) -> dict[str, str]:
        response = await self.client.post("/api/panel-tokens", json={"userId": user, **more}, headers=self.backend)
        assert response.status_code == 201, response.text
        return holding(response.json()["token"])

    async def panel(self, headers: dict[str, str], status: int = 200, **params: str) -> Any:
        response = await self.client.get("/api/me/usage", params=params, headers=headers)
        assert response.status_code == status, response.text
        return decode(response.content)


@pytest.fixture(scope="module")
async def house(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("panel")
    async with application(mongodb_uri, folder, embed_origins=(BLOG,)) as (client, _):
        house = House(client)
        for _ in range(3):
            await house.track("ann")
        await house.track("ann", model="gpt-4o-mini", errorMessage="a secret", metadata={"topic": "a secret"})
        await house.track("ann", createdAt=(datetime.now(UTC) - timedelta(days=40)).isoformat())
        await house.track("ann", "other")
        await house.track("ann", synthetic=True)
        await house.track("bob")
        yield house


ANN_MONTH = 3 * COST + Decimal("0.00045")
ANN_LIFETIME = ANN_MONTH + COST


async def test_a_user_sees_its_own_exact_costs_and_latest_calls(house: House) -> None:
    seen = await house.panel(holding(house.tokens.issue("ann", Role.USER, HOUR, "acme")))

    assert (seen["user"], seen["client"], seen["limits"], seen["shared"], seen["nextReset"]) == (
        *("ann", "acme"),
        *([], [], None),
    )
    assert seen["cost"] == {
        "month": ANN_MONTH,
        "lifetime": ANN_LIFETIME,
        "currency": "USD",
        "monthRequests": 4,
        "lifetimeRequests": 5,
    }
    assert [call["model"] for call in seen["recent"]] == ["gpt-4o-mini", *4 * ["gpt-4o"]]
    newest = seen["recent"][0]
    assert (newest["cost"], newest["tokensUsed"], newest["status"]) == (Decimal("0.00045"), 1_500, "success")
    assert "secret" not in str(seen)


async def test_what_others_may_see_of_a_user(house: House) -> None:
    mine = await house.panel(await house.mint("ann"))
    for headers in (house.backend, await house.key("read"), await house.key("admin")):
        assert (await house.panel(headers, userId="ann"))["cost"] == mine["cost"]
    everywhere = await house.panel(house.root, userId="ann")
    at_one = await house.panel(house.root, userId="ann", clientId="other")
    assert everywhere["cost"]["lifetime"] == ANN_LIFETIME + COST
    assert at_one["cost"]["lifetime"] == COST

    assert (await house.panel(await house.key("read"), userId="carl"))["cost"]["lifetime"] == 0
    stranger = await house.panel(await house.key("read", client="strange"), userId="ann")
    assert (stranger["cost"]["lifetime"], stranger["recent"]) == (0, [])
    await house.panel(await house.key("ingest"), 403, userId="ann")
    await house.panel(holding(house.tokens.issue("bob", Role.USER, HOUR, "acme")), 403, userId="ann")
    await house.panel(house.backend, 403, clientId="other")
    await house.panel(await house.mint("ann"), 403, userId="bob")
    await house.panel({}, 401)


async def test_a_key_may_always_ask_for_its_own(house: House) -> None:
    of_client = await house.panel(house.backend)
    assert (of_client["user"], of_client["client"]) == (None, "acme")
    assert of_client["cost"]["lifetime"] == ANN_LIFETIME + COST
    assert len(of_client["recent"]) == 6

    may_not_read = await house.panel(await house.key("ingest"))
    assert (may_not_read["cost"], may_not_read["recent"], may_not_read["limits"]) == (None, [], [])
    of_all = await house.panel(house.root)
    assert (of_all["client"], of_all["cost"]["lifetime"]) == (None, ANN_LIFETIME + 2 * COST)


async def test_the_figures_are_those_of_the_report(house: House) -> None:
    seen = await house.panel(house.root, userId="ann", clientId="acme")
    query = {"userId": "ann", "clientId": "acme", "days": "60"}
    report = await house.client.get("/api/admin/ai/usage", params=query, headers=house.root)
    totals = decode(report.content)["totals"]

    assert (totals["cost"], totals["requests"]) == (seen["cost"]["lifetime"], seen["cost"]["lifetimeRequests"])


async def test_nothing_is_sent_again_that_has_not_changed(house: House) -> None:
    headers = await house.mint("dora")
    first = await house.client.get("/api/me/usage", headers=headers)
    same = await house.client.get("/api/me/usage", headers={**headers, "If-None-Match": first.headers["etag"]})
    await house.track("dora")
    later = await house.client.get("/api/me/usage", headers={**headers, "If-None-Match": first.headers["etag"]})

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (later.status_code, later.json()["cost"]["lifetimeRequests"]) == (200, 1)


async def test_a_panel_token_opens_the_panel_and_nothing_else(house: House) -> None:
    panel = await house.mint("ann")
    schema = (await house.client.get("/schema/openapi.json")).json()
    asked = 0
    for path, operations in schema["paths"].items():
        for method in operations.keys() & {"get", "post", "put", "patch", "delete"}:
            address = path
            for name in ("call_id", "key_id", "override_id"):
                address = address.replace("{" + name + "}", "0" * 24)
            address = address.replace("{file}", "calls.csv")
            answer = await house.client.request(method, address, headers=panel, json={} if method != "get" else None)
            if path in {"/health", "/livez", "/ready", "/readyz", "/metrics", "/api/me/usage"}:
                assert answer.status_code in {200, 503}, (method, path)
            elif path == "/api/billing/stripe/webhook":  # opened by Stripe's signature alone, and not set up here
                assert answer.status_code == 404, (method, path)
            else:
                asked += 1
                assert answer.status_code == 403, (method, path, answer.text)
    assert asked > 20

    token = panel["Authorization"].removeprefix("Bearer ")
    own_page = {"Sec-Fetch-Site": "same-origin"}
    signed_in = await house.client.post("/admin/session", json={"token": token}, headers=own_page)
    assert (signed_in.status_code, "set-cookie" in signed_in.headers) == (403, False)
    assert (await house.client.get("/admin/session", headers=panel)).status_code == 403
    more = await house.client.post("/api/panel-tokens", json={"userId": "ann", "minutes": 60}, headers=panel)
    assert more.status_code == 403


async def test_a_panel_token_is_for_minutes_and_for_one_user_of_ones_own_client(house: House) -> None:
    before = datetime.now(UTC)
    made = await house.client.post("/api/panel-tokens", json={"userId": "ann"}, headers=await house.key("ingest"))
    body = made.json()
    assert (made.status_code, body["userId"], body["clientId"]) == (201, "ann", "acme")
    expires = datetime.fromisoformat(body["expiresAt"])
    assert timedelta(minutes=14, seconds=55) < expires - before < timedelta(minutes=16)
    principal = await house.tokens.principal(body["token"])
    assert principal.expires is not None
    assert abs(principal.expires - expires.timestamp()) <= 1

    user = holding(house.tokens.issue("ann", Role.USER, HOUR, "acme"))
    refused: list[tuple[dict[str, str], dict[str, Any], int]] = [
        (user, {"userId": "ann"}, 403),
        (house.backend, {"userId": "ann", "clientId": "other"}, 403),
        (house.backend, {"userId": "ann", "minutes": 61}, 400),
        (house.backend, {"userId": "ann", "minutes": 0}, 400),
        (house.backend, {"userId": ""}, 400),
        (house.backend, {"userId": "ann", "role": "admin"}, 400),
        (house.backend, {}, 400),
        (house.backend, {"userId": "ann", "origins": ["blog"]}, 400),
        (house.backend, {"userId": "ann", "origins": [OTHER]}, 400),
        ({}, {"userId": "ann"}, 401),
    ]
    for headers, wish, status in refused:
        response = await house.client.post("/api/panel-tokens", json=wish, headers=headers)
        assert response.status_code == status, (wish, response.text)
    of_root = await house.client.post("/api/panel-tokens", json={"userId": "ann", "clientId": "x"}, headers=house.root)
    assert of_root.json()["clientId"] == "x"


def said_of_origins(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control")}


async def test_pages_of_named_origins_ask_for_the_panel_and_for_nothing_else(house: House) -> None:
    panel, preflight = await house.mint("ann"), {"Access-Control-Request-Method": "GET"}
    asked = await house.client.options("/api/me/usage", headers={"Origin": BLOG, **preflight})
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, BLOG)
    assert "If-None-Match" in asked.headers["access-control-allow-headers"]
    answer = await house.client.get("/api/me/usage", headers={"Origin": BLOG, **panel})
    assert said_of_origins(answer)["access-control-allow-origin"] == BLOG
    assert "ETag" in answer.headers["access-control-expose-headers"]

    for path, origin in (("/api/me/usage", OTHER), ("/api/analytics", BLOG), ("/api/panel-tokens", BLOG)):
        assert said_of_origins(await house.client.get(path, headers={"Origin": origin, **house.backend})) == {}
        refused = await house.client.options(path, headers={"Origin": origin, **preflight})
        assert (refused.status_code, said_of_origins(refused)) == (401, {})


async def test_a_token_may_be_for_pages_of_some_origins_alone(
    mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("two")
    async with application(mongodb_uri, folder, embed_origins=(BLOG, OTHER)) as (client, _):
        house = House(client)
        panel = await house.mint("ann", origins=[BLOG])
        asked: list[tuple[dict[str, str], int]] = [
            ({"Origin": BLOG}, 200),
            ({"Origin": OTHER}, 403),
            ({"Origin": "http://testserver.local", "Sec-Fetch-Site": "same-origin"}, 200),
            ({}, 200),
        ]
        for headers, status in asked:
            assert (await client.get("/api/me/usage", headers={**headers, **panel})).status_code == status, headers


async def test_looking_at_a_panel_uses_up_no_other_rate(
    mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with application(mongodb_uri, tmp_path_factory.mktemp("rate"), rate_limit=1) as (client, _):
        user = holding(Tokens(SECRET).issue("ann", Role.USER, HOUR, "acme"))

        async def statuses(path: str) -> list[int]:
            return [(await client.get(path, headers=user)).status_code for _ in range(7)]

        assert 429 in await statuses("/api/analytics")
        panels = await statuses("/api/me/usage")
        assert (panels[0], panels[-1]) == (200, 429)


async def test_its_page_is_strict_and_framed_by_named_origins_alone(house: House, empty: Client) -> None:
    policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    policy += "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    for client, framing in ((house.client, f" {BLOG}"), (empty, "")):
        page = await client.get("/usage")
        assert (page.status_code, page.headers["content-security-policy"]) == (200, policy + framing)
        assert page.headers["cache-control"] == "no-store"
        assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=", page.text) == []
        for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            assert (await client.get(address)).status_code == 200, address


async def test_any_page_may_load_the_element_which_has_one_address(empty: Client) -> None:
    script = await empty.get("/embed/twinmeter-usage.js", headers={"Origin": OTHER})
    plain = await empty.get("/embed/twinmeter-usage.js", headers={"Accept-Encoding": "identity"})
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert script.headers["cache-control"] == "public, max-age=3600, stale-while-revalidate=604800"
    assert script.headers["access-control-allow-origin"] == "*"
    assert script.headers["cross-origin-resource-policy"] == "cross-origin"
    assert (script.headers["content-encoding"], script.content) == ("gzip", plain.content)
    assert "access-control-allow-credentials" not in script.headers

    again = await empty.get("/embed/twinmeter-usage.js", headers={"If-None-Match": script.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
