"""Applications of other origins in a browser: those that are named may call the API with a token, and no other may."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.http.cors import EXPOSED, METHODS, PATHS, REQUEST_HEADERS
from tests.routes.conftest import application, bearer

Client = AsyncTestClient[Litestar]
SHOP, OTHER = "https://shop.example", "https://other.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
CALL = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1, "outputTokens": 1}


@pytest.fixture(scope="module")
async def shop(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """An application that SHOP may call, under a prefix."""
    folder = tmp_path_factory.mktemp("cors")
    async with application(mongodb_uri, folder, cors_origins=SHOP, root_path="/t") as (client, _):
        yield client


def said_of_origins(response: httpx.Response) -> dict[str, str]:
    found = {name: value for name, value in response.headers.items() if name.startswith("access-control-")}
    return found | ({"vary": response.headers["vary"]} if "vary" in response.headers else {})


async def test_a_preflight_of_a_named_origin_needs_no_credentials(shop: Client) -> None:
    for path in (
        "/api/ai/track",
        "/api/ai/track/batch",
        "/api/analytics",
        "/v1/traces",
        "/api/admin/ai/usage",
        "/t/v1/traces",
    ):
        response = await shop.options(path, headers={"Origin": SHOP, **PREFLIGHT})

        assert (response.status_code, response.content) == (204, b""), path
        assert said_of_origins(response) == {
            "access-control-allow-origin": SHOP,
            "access-control-allow-methods": "GET, HEAD, POST, PATCH, DELETE",
            "access-control-allow-headers": "Authorization, Content-Encoding, Content-Type, "
            "Idempotency-Key, If-None-Match, Last-Event-ID, X-Request-ID, X-User-ID",
            "access-control-max-age": "600",
            "vary": "Origin",
        }


async def test_the_sdks_of_providers_may_call_models_from_a_page(shop: Client) -> None:
    """What they send is of names of their own, and what they are told decides whether they ask again."""
    sent = (
        "authorization,content-type,x-stainless-retry-count,X-Stainless-Package-Version,x-api-key,anthropic-version,"
        "anthropic-dangerous-direct-browser-access,x-goog-api-key,x-goog-api-client,openai-beta,x-twinmeter-cache"
    )
    asking = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
    for path in ("/v1/chat/completions", "/v1/messages", "/v1beta/models/gemini-2.5-flash:generateContent"):
        hostile = ",x-other,cookie,x-api-key\t,x-twinmeter-a b,*"
        response = await shop.options(path, headers={**asking, "Access-Control-Request-Headers": sent + hostile})
        allowed = response.headers["access-control-allow-headers"]
        assert response.status_code == 204
        assert allowed.startswith(REQUEST_HEADERS.decode())
        names = {name.strip().lower() for name in allowed.split(",")}
        assert names >= set(sent.lower().split(","))
        assert not names & {"x-other", "cookie", "x-twinmeter-a b", "*"}
        answer = await shop.post(path, headers={"Origin": SHOP}, json={})
        exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert {"retry-after-ms", "x-should-retry", "request-id", "x-twinmeter-cost"} <= set(exposed)


async def test_every_answer_of_the_api_can_be_read_by_a_named_origin_and_by_no_other(
    shop: Client, tokens: Tokens
) -> None:
    admin, user = bearer(tokens, Role.ADMIN), bearer(tokens, Role.USER)
    asked: list[tuple[str, str, dict[str, Any], int]] = [
        ("POST", "/api/ai/track", {"json": CALL, "headers": admin}, 201),
        ("GET", "/api/analytics", {"headers": user}, 200),
        ("HEAD", "/api/analytics", {"headers": user}, 200),
        ("GET", "/api/analytics", {}, 401),
        ("GET", "/api/admin/ai/usage", {"headers": user}, 403),
        ("POST", "/api/ai/track", {"json": {}, "headers": admin}, 400),
        ("POST", "/v1/traces", {"content": b"{", "headers": {**admin, "Content-Type": "application/json"}}, 400),
        ("GET", "/api/nowhere", {"headers": admin}, 404),
        ("DELETE", "/api/analytics", {"headers": admin}, 405),
        (
            "POST",
            "/api/ai/track",
            {"content": b"x" * 2_000_000, "headers": {**admin, "Content-Type": "application/json"}},
            413,
        ),
        ("GET", "/api/admin/ai/download/calls.csv", {"headers": admin}, 200),
    ]
    for method, path, how, status in asked:
        for origin in (SHOP, OTHER, None):
            headers = {**how.get("headers", {}), **({"Origin": origin} if origin else {})}
            response = await shop.request(method, path, **{**how, "headers": headers})
            allowed = {
                "access-control-allow-origin": SHOP,
                "access-control-expose-headers": EXPOSED.decode(),
            }
            assert response.status_code == status, (method, path)
            assert said_of_origins(response) == {**(allowed if origin == SHOP else {}), "vary": "Origin"}, (
                path,
                origin,
            )


async def test_an_error_of_ours_can_be_read_too(shop: Client, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("app.reports.reports.Reports.analytics", broken)
    response = await shop.get("/api/analytics", headers={"Origin": SHOP, **bearer(tokens, Role.USER)})

    assert (response.status_code, response.headers["access-control-allow-origin"]) == (500, SHOP)


async def test_no_other_origin_no_page_and_no_session_is_for_other_origins(shop: Client, tokens: Tokens) -> None:
    for origin in (OTHER, "null", SHOP.upper(), f"{SHOP}.evil.example", f"{SHOP}:8443", "http://shop.example"):
        preflight = await shop.options("/api/ai/track", headers={"Origin": origin, **PREFLIGHT})
        assert (preflight.status_code, said_of_origins(preflight)) == (401, {"vary": "Origin"}), origin
    for path in ("/admin", "/admin/session", "/health", "/metrics", "/schema/openapi.json", "/apis", "/t/admin"):
        got = await shop.get(path, headers={"Origin": SHOP})
        preflight = await shop.options(path, headers={"Origin": SHOP, **PREFLIGHT})
        assert said_of_origins(got) == said_of_origins(preflight) == {}, path

    token = bearer(tokens, Role.ADMIN)["Authorization"].removeprefix("Bearer ")
    cross_site = {"Origin": SHOP, "Sec-Fetch-Site": "cross-site"}
    assert (await shop.post("/admin/session", json={"token": token}, headers=cross_site)).status_code == 403
    began = await shop.post("/admin/session", json={"token": token}, headers={"Sec-Fetch-Site": "same-origin"})
    assert began.status_code == 200
    cookie = {"Cookie": began.headers["set-cookie"].partition(";")[0], **cross_site}
    shop.cookies.clear()
    with_cookie = await shop.get("/api/admin/ai/overview", headers=cookie)
    assert "access-control-allow-credentials" not in with_cookie.headers
    assert (await shop.post("/api/ai/track", json=CALL, headers=cookie)).status_code == 403


async def test_unless_an_origin_is_named_nothing_is_said_of_origins(empty: Client, tokens: Tokens) -> None:
    preflight = await empty.options("/api/ai/track", headers={"Origin": SHOP, **PREFLIGHT})
    answer = await empty.get("/api/analytics", headers={"Origin": SHOP, **bearer(tokens, Role.USER)})

    assert (preflight.status_code, said_of_origins(preflight)) == (401, {})
    assert (answer.status_code, said_of_origins(answer)) == (200, {})


def test_the_methods_are_those_of_the_api(empty: Client) -> None:
    methods = {
        method for route in empty.app.routes if route.path.startswith(PATHS) for method in getattr(route, "methods", ())
    }
    assert {method.strip().decode() for method in METHODS.split(b",")} == methods - {"OPTIONS"} | {"HEAD"}
