"""Signing in at an identity provider: there, back, and all that must not get in."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import structlog
from httpx import Response

from app.auth.attempts import RefusedCredentials
from app.auth.oidc.sign_in import COOKIE, MINUTES
from app.auth.sessions import COOKIE as SESSION
from tests.auth.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, identity_provider
from tests.auth.test_jwks import RSA, RSA_TWO, public
from tests.routes.conftest import Client, application

OF_PROVIDER = {
    "oidc_client_id": CLIENT_ID,
    "oidc_client_secret": CLIENT_SECRET,
    "oidc_admin_claim": "groups",
    "oidc_admin_values": "ai-admins, root",
    "oidc_name": "Shop login",
}
NOW = int(time.time())


@pytest.fixture(scope="module")
async def _served(
    mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Client, IdentityProvider]]:
    with identity_provider() as provider:
        folder = tmp_path_factory.mktemp("oidc")
        async with application(mongodb_uri, folder, oidc_issuer=provider.issuer, **OF_PROVIDER) as (client, _):
            yield client, provider


@pytest.fixture
def provider(_served: tuple[Client, IdentityProvider]) -> IdentityProvider:
    _served[1].reset()
    return _served[1]


@pytest.fixture
def client(_served: tuple[Client, IdentityProvider], provider: IdentityProvider) -> Client:  # noqa: ARG001
    client = _served[0]
    client.cookies.clear()
    state = client.app.state
    state.refused_credentials = RefusedCredentials(state.tracker.counters)
    state.sign_ins.provider._known = None
    return client


async def begin(client: Client, target: str = "", **headers: str) -> Response:
    return await client.get(
        "/admin/sign-in", params={"target": target} if target else {}, headers=headers, follow_redirects=False
    )


async def back(client: Client, url: str, **headers: str) -> Response:
    """The browser follows the provider's redirect, to the host that this client stands for."""
    parts = urlsplit(url)
    return await client.get(f"{parts.path}?{parts.query}", headers=headers, follow_redirects=False)


async def signed_in(client: Client, provider: IdentityProvider, target: str = "") -> Response:
    return await back(client, provider.let_in((await begin(client, target)).headers["location"]))


def cookies(response: Response) -> dict[str, set[str]]:
    """Each cookie that is set, with its attributes."""
    found = [cookie.split("; ") for cookie in response.headers.get_list("set-cookie")]
    return {first.partition("=")[0]: set(attributes) for first, *attributes in found}


def refused(client: Client, response: Response, status: int, words: str) -> bool:
    """Whether it is a page in words with a way out, ends this sign-in, and begins no session."""
    kind = response.headers["content-type"].partition(";")[0]
    assert words in response.text, response.text
    assert 'href="/admin/sign-in">Sign in with Shop login' in response.text
    assert SESSION not in client.cookies
    assert "Max-Age=0" in cookies(response)[COOKIE]
    return (response.status_code, kind) == (status, "text/html")


async def test_there_and_back_a_session_begins_and_the_page_is_shown_that_was_wanted(
    client: Client, provider: IdentityProvider
) -> None:
    begun = await begin(client, "/admin/cost?days=7#day")
    assert begun.status_code == 303, begun.text

    asked = {name: value[0] for name, value in parse_qs(urlsplit(begun.headers["location"]).query).items()}
    assert begun.status_code == 303
    assert begun.headers["location"].startswith(f"{provider.issuer}/authorize?")
    assert (asked["scope"], asked["code_challenge_method"]) == ("openid email profile", "S256")
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert asked["redirect_uri"] == "http://testserver.local/admin/sign-in/callback"
    assert cookies(begun)[COOKIE] >= {"HttpOnly", "SameSite=lax", "Path=/admin/sign-in", f"Max-Age={MINUTES * 60}"}

    with structlog.testing.capture_logs() as lines:
        ended = await back(client, provider.let_in(begun.headers["location"]))

    assert (ended.status_code, ended.headers["location"]) == (303, "/admin/cost?days=7#day")
    assert cookies(ended)[SESSION] >= {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"}
    assert "Max-Age=0" in cookies(ended)[COOKIE]
    who = (await client.get("/admin/session")).json()
    assert (who["subject"], who["client"], "admin" in who["scopes"]) == ("ann@shop.example", None, True)
    assert "code-0" not in repr(lines)

    out = await client.get("/admin/sign-in/out", follow_redirects=False)
    query = parse_qs(urlsplit(out.headers["location"]).query)
    assert out.headers["location"].startswith(f"{provider.issuer}/logout?")
    assert query == {"client_id": [CLIENT_ID], "post_logout_redirect_uri": ["http://testserver.local/admin"]}


ELSEWHERE = [
    *("https://evil.example/admin", "//evil.example/admin", "/\\evil.example", "/admin.evil.example", "/adminx"),
    *(
        "javascript:alert(1)",
        "/admin\n/x",
        "/admin/\x00",
        "/api/admin/keys",
        "/admin/" + "x" * 2_000,
        "/admin/sign-in/out",
    ),
]


async def test_no_target_leads_elsewhere(client: Client, provider: IdentityProvider) -> None:
    for target in ELSEWHERE:
        ended = await signed_in(client, provider, target)
        assert (ended.status_code, ended.headers["location"]) == (303, "/admin"), target


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nonce": ({"nonce": "another"}, "of another sign-in"),
    "no nonce": ({"nonce": None}, "of another sign-in"),
    "audience": ({"aud": "another-app"}, "for another application"),
    "audiences without who it was issued to": ({"aud": [CLIENT_ID, "other"]}, "issued to another application"),
    "issued to another": ({"azp": "another-app"}, "issued to another application"),
    "issuer": ({"iss": "https://evil.example"}, "from another issuer"),
    "expired": ({"exp": NOW - 60}, "has expired"),
    "no end": ({"exp": None}, "has expired"),
    "issued in an hour": ({"iat": NOW + 3_600}, "of a time to come"),
    "valid in an hour": ({"nbf": NOW + 3_600}, "of a time to come"),
    "another access token": ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "does not belong to the access token"),
    "nobody": ({"sub": None}, "no valid claim sub"),
    "a claim of another kind": ({"exp": "soon"}, "ID token"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_an_id_token_that_is_wrong_lets_nobody_in(client: Client, provider: IdentityProvider, wrong: str) -> None:
    provider.claims, words = WRONG[wrong]

    assert refused(client, await signed_in(client, provider), 401, words)


async def test_clocks_may_differ_by_some_seconds(client: Client, provider: IdentityProvider) -> None:
    now = int(time.time())
    for claims in ({"exp": now - 5}, {"iat": now + 5}, {"nbf": now + 5}):
        provider.claims = claims
        assert (await signed_in(client, provider)).status_code == 303, claims


SIGNED = {
    "by another key": (RSA_TWO, "RS256", "not signed by the identity provider"),
    "by nobody": (None, "none", "not signed with a public key"),
    "by the public key as a secret": ("0123456789abcdef" * 4, "HS256", "not signed with a public key"),
    "by the client's secret": (CLIENT_SECRET, "HS256", "not signed with a public key"),
    "by another algorithm than the key's": (RSA, "PS256", "not that of the provider"),
}


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("how", SIGNED)
async def test_an_id_token_that_is_signed_in_another_way_lets_nobody_in(
    client: Client, provider: IdentityProvider, how: str
) -> None:
    provider.key, provider.algorithm, words = SIGNED[how]

    assert refused(client, await signed_in(client, provider), 401, words)


async def test_another_state_a_second_use_and_another_browser_let_nobody_in(
    client: Client, provider: IdentityProvider
) -> None:
    stranger = "not begun in this browser"
    url = provider.let_in((await begin(client)).headers["location"])
    assert refused(client, await back(client, url.replace("state=", "state=x")), 401, stranger)
    # the cookie is gone with that
    assert refused(client, await back(client, url), 401, stranger)

    url = provider.let_in((await begin(client)).headers["location"])
    sealed = client.cookies[COOKIE]
    assert (await back(client, url)).status_code == 303
    client.cookies.clear()
    assert refused(client, await back(client, url), 401, stranger)
    # a code is for one use, also with the cookie
    assert refused(client, await back(client, url, Cookie=f"{COOKIE}={sealed}"), 401, "(invalid_grant)")
    assert refused(client, await back(client, url, Cookie=f"{COOKIE}={sealed[:-3]}AAA"), 401, stranger)


async def test_a_code_of_another_sign_in_is_not_taken(client: Client, provider: IdentityProvider) -> None:
    """An attacker's code in a victim's answer: its challenge is not the victim's."""
    stolen = parse_qs(urlsplit(provider.let_in((await begin(client)).headers["location"])).query)["code"][0]
    url = provider.let_in((await begin(client)).headers["location"])
    own = parse_qs(urlsplit(url).query)["code"][0]

    assert refused(client, await back(client, url.replace(own, stolen)), 401, "(invalid_grant)")


async def test_one_who_took_too_long_begins_again(
    client: Client, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = provider.let_in((await begin(client)).headers["location"])
    late = time.time() + MINUTES * 60 + 1
    monkeypatch.setattr(client.app.state.sign_ins, "_clock", lambda: late)

    assert refused(client, await back(client, url), 401, "took more than 10 minutes")


async def test_an_answer_of_another_provider_and_a_refusal_let_nobody_in(
    client: Client, provider: IdentityProvider
) -> None:
    url = provider.let_in((await begin(client)).headers["location"])
    other = url.partition("&iss=")[0] + "&iss=https%3A%2F%2Fevil.example"
    assert refused(client, await back(client, other), 401, "Another identity provider")

    state = parse_qs(urlsplit((await begin(client)).headers["location"]).query)["state"][0]
    said = f"/admin/sign-in/callback?error=access_denied&error_description=<b>no</b>&state={state}"
    response = await back(client, said)
    assert refused(client, response, 401, "did not let you in")
    assert "<b>" not in response.text


NO_ADMINISTRATOR: list[dict[str, Any]] = [
    *({"groups": ["staff"]}, {"groups": None}, {"groups": []}, {"groups": {"ai-admins": True}}),
    *({"groups": "ai-admins,"}, {"groups": True}, {"groups": "AI-ADMINS"}, {"groups": [["ai-admins"]]}),
]


async def test_who_is_no_administrator_is_told_so_and_what_to_do(client: Client, provider: IdentityProvider) -> None:
    for claims in NO_ADMINISTRATOR:
        provider.claims = claims
        response = await signed_in(client, provider)
        assert refused(client, response, 401, "You are not an administrator here; ask whoever"), claims

    before = client.app.state.tracker.counters.refused_credentials.labels("not_administrator")._value.get()
    with structlog.testing.capture_logs() as lines:
        await signed_in(client, provider)
    assert client.app.state.tracker.counters.refused_credentials.labels("not_administrator")._value.get() == before + 1
    assert "ann" not in repr(lines)
    provider.claims = {"groups": "root"}
    assert (await signed_in(client, provider)).status_code == 303


async def test_an_address_that_is_not_verified_names_nobody(client: Client, provider: IdentityProvider) -> None:
    for claims in ({"email_verified": False}, {"email_verified": None}, {"email": None}):
        provider.claims = claims
        assert (await signed_in(client, provider)).status_code == 303
        assert (await client.get("/admin/session")).json()["subject"] == "248289761001", claims


async def test_a_provider_that_is_away_or_another_is_told_and_may_come_back(
    client: Client, provider: IdentityProvider
) -> None:
    away = "The identity provider does not answer now; try again shortly, or sign in with a token."
    provider.down = True
    assert refused(client, await begin(client), 503, away)
    provider.down = False
    for published in (
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": 7},
    ):
        provider.published = published
        assert refused(client, await begin(client), 503, away), published

    provider.published = {}
    url = provider.let_in((await begin(client)).headers["location"])
    provider.down = True
    assert refused(client, await back(client, url), 503, away)
    provider.down = False
    provider.published = {"end_session_endpoint": None}
    assert (await signed_in(client, provider)).status_code == 303


async def test_behind_a_proxy_with_a_prefix_the_browser_comes_back_by_https(
    provider: IdentityProvider, mongodb_uri: str, tmp_path: Path
) -> None:
    more = {
        **OF_PROVIDER,
        "oidc_issuer": provider.issuer,
        "root_path": "/ai",
        "public_url": "https://shop.example/ai",
        "oidc_client_claim": "org",
    }
    async with application(mongodb_uri, tmp_path, **more) as (below, _):
        below.base_url = "https://shop.example"
        begun = await begin(below, "/ai/admin/calls")
        assert provider.let_in(begun.headers["location"]).startswith("https://shop.example/ai/admin/sign-in/callback?")
        assert cookies(begun)[COOKIE] >= {"Secure", "Path=/ai/admin/sign-in"}

        provider.claims = {"org": "acme"}
        ended = await signed_in(below, provider, "/ai/admin/calls")
        assert (ended.status_code, ended.headers["location"]) == (303, "/ai/admin/calls")
        assert cookies(ended)[SESSION] >= {"Secure", "HttpOnly", "SameSite=strict", "Path=/ai"}
        who = (await below.get("/ai/admin/session")).json()
        assert (who["client"], "admin" in who["scopes"]) == ("acme", True)
        others = await below.get("/ai/api/admin/ai/usage", params={"clientId": "other"})
        assert others.status_code == 403
        assert (await signed_in(below, provider, "/admin/calls")).headers["location"] == "/ai/admin"

        # where a claim says the client, nobody sees all of them for want of it
        provider.claims = {}
        below.cookies.clear()
        assert (await signed_in(below, provider)).status_code == 401


async def test_without_a_provider_there_is_none_to_sign_in_at(empty: Client) -> None:
    for path in ("/admin/sign-in", "/admin/sign-in/callback?code=c&state=s", "/admin/sign-in/out"):
        response = await empty.get(path, follow_redirects=False)
        assert (response.status_code, "Sign in with" in response.text) == (404, False)
        assert "No identity provider is set up here; sign in with a token or an API key." in response.text


def test_the_providers_of_these_tests_sign_as_others_do() -> None:
    assert jwt.get_unverified_header(IdentityProvider().id_token("n"))["kid"] == public("k1", RSA)["kid"]
