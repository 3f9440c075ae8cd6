"""Signing in to the pages and out of them: what a session lets through, what ends it, and that it tells nothing."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import structlog
from httpx import Response
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app import __version__
from app.auth.principals import Role, Scope
from app.auth.sessions import COOKIE, Sessions
from app.auth.tokens import Tokens
from app.database import Database
from app.settings import Settings
from tests.routes.conftest import bearer

Client = AsyncTestClient[Litestar]
OWN = {"Sec-Fetch-Site": "same-origin"}
HOUR = timedelta(hours=1)
CALL = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 500}


async def sign_in(client: Client, token: str, headers: dict[str, str] = OWN) -> Response:
    return await client.post("/admin/session", json={"token": token}, headers=headers)


async def new_key(client: Client, tokens: Tokens, **wish: Any) -> tuple[str, str]:
    """The id and the text of a key."""
    body = {"name": "person", "clientId": "acme", "scopes": ["admin"], **wish}
    made = (await client.post("/api/admin/keys", json=body, headers=bearer(tokens, Role.ADMIN))).json()
    return made["id"], made["key"]


def attributes(response: Response) -> dict[str, str]:
    """Of the only cookie that is set: each attribute with its value, and the cookie itself under its name."""
    (cookie,) = response.headers.get_list("set-cookie")
    return {name: value for name, _, value in (part.partition("=") for part in cookie.split("; "))}


def ended(response: Response) -> bool:
    """Whether the answer is a plain 401 that clears the cookie."""
    cleared = {COOKIE: '""', "HttpOnly": "", "Max-Age": "0", "Path": "/", "SameSite": "strict"}
    return (response.status_code, response.json()["title"], attributes(response)) == (
        401,
        "Not authenticated",
        cleared,
    )


async def test_a_token_signs_in_and_its_session_reads_figures_and_signs_out(empty: Client, tokens: Tokens) -> None:
    token = tokens.issue("root", Role.ADMIN, timedelta(days=2))
    expected = {
        "subject": "root",
        "client": None,
        "scopes": ["admin", "gateway", "ingest", "read"],
        "timezone": "UTC",
        "showSynthetic": False,
        "shows": "real",
        "isNew": True,
        "version": __version__,
        "features": {"live": True},
    }

    signed_in = await sign_in(empty, token)

    assert (signed_in.status_code, signed_in.json()) == (200, expected)
    cookie = attributes(signed_in)
    assert (cookie["Max-Age"], cookie["SameSite"], cookie["Path"]) == ("43200", "strict", "/")
    assert ("HttpOnly" in cookie, "Secure" in cookie, "Domain" in cookie) == (True, False, False)
    assert token not in signed_in.text + str(signed_in.headers)
    assert (await empty.get("/admin/session")).json() == expected
    assert (await empty.get("/api/admin/ai/overview")).json()["today"]["requests"] == 0

    signed_out = await empty.delete("/admin/session", headers=OWN)

    assert (signed_out.status_code, signed_out.content, attributes(signed_out)["Max-Age"]) == (204, b"", "0")
    assert (await empty.get("/admin/session")).status_code == 401
    assert (await empty.get("/api/admin/ai/overview")).status_code == 401


async def test_an_api_key_signs_in_for_its_client_alone(client: Client, tokens: Tokens) -> None:
    key_id, key = await new_key(client, tokens)

    who = (await sign_in(client, f"  {key}\n")).json()

    assert (who["subject"], who["client"], who["scopes"]) == (f"key:{key_id}", "acme", ["admin"])
    assert (await client.get("/api/admin/ai/overview", params={"clientId": "other"})).status_code == 403


async def test_who_may_not_read_the_figures_signs_in_and_is_told_so(empty: Client, tokens: Tokens) -> None:
    who = await sign_in(empty, tokens.issue("ann", Role.USER, HOUR, "acme"))

    assert (who.status_code, who.json()["scopes"], who.json()["client"]) == (200, ["ingest", "read"], "acme")
    refused = await empty.get("/api/admin/ai/overview")
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)


async def test_who_one_is_can_be_asked_with_a_token_too(empty: Client, tokens: Tokens) -> None:
    assert (await empty.get("/admin/session", headers=bearer(tokens, Role.SERVICE))).json()["client"] == "default"
    nobody = await empty.get("/admin/session")
    assert (nobody.status_code, "set-cookie" in nobody.headers) == (401, False)


async def test_a_session_ends_with_its_credential(client: Client, tokens: Tokens) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    for credential in (
        tokens.issue("root", Role.ADMIN, timedelta(minutes=10)),
        (await new_key(client, tokens, expiresAt=soon))[1],
    ):
        assert 590 <= int(attributes(await sign_in(client, credential))["Max-Age"]) <= 600


@pytest.mark.parametrize(
    ("scheme", "headers", "secure"),
    [
        ("https", OWN, True),
        ("http", OWN, False),
        ("http", {"Origin": "https://testserver.local"}, True),
        ("http", {"Origin": "http://testserver.local"}, False),
    ],
)
async def test_the_cookie_stays_on_https_where_the_page_came_by_it(
    app: Litestar, tokens: Tokens, scheme: str, headers: dict[str, str], *, secure: bool
) -> None:
    async with AsyncTestClient(app, base_url=f"{scheme}://testserver.local") as client:
        signed_in = await sign_in(client, tokens.issue("root", Role.ADMIN, HOUR), headers)

    assert (signed_in.status_code, "Secure" in attributes(signed_in)) == (200, secure)


WRONG = {
    "a word": "letmein",
    "no key of ours": "tm_abcdefghijkl_0123456789012345678901234567890123456789012",
    "a key cut off": "tm_abcdefghijkl",
    "another secret": Tokens("another secret of at least 32 bytes").issue("root", Role.ADMIN, HOUR),
    "blanks": "   ",
    "not ASCII": "é" * 20,
    "a line break": "a\nb",
    "a zero byte": "a\0b",
}


async def test_a_wrong_credential_begins_no_session_and_is_not_repeated(empty: Client) -> None:
    for name, wrong in WRONG.items():
        with structlog.testing.capture_logs() as lines:
            response = await sign_in(empty, wrong)

        assert (response.status_code, response.json()["title"]) == (401, "Not authenticated"), name
        assert "set-cookie" not in response.headers
        assert not wrong.strip() or wrong not in response.text + repr(lines), name


NO_SIGN_IN = [
    b'{"token": "SECRET' + b"x" * 20_000 + b'"}',
    b'{"token": ["SECRET"]}',
    b'{"token": "SECRET", "other": "SECRET"}',
    b'{"tokens": "SECRET"}',
    b'{"token": ""}',
    b'{"token": "SECRET',
    b'{"token": "SECRET\\ud800"}',
    b'{"token": "SECRET\xff"}',
    b'"SECRET"',
    b"",
]


async def test_a_body_that_is_none_is_refused_without_what_it_holds(empty: Client) -> None:
    for body in NO_SIGN_IN:
        with structlog.testing.capture_logs() as lines:
            headers = {**OWN, "Content-Type": "application/json"}
            response = await empty.post("/admin/session", content=body, headers=headers)

        assert (response.status_code, response.json()["title"]) == (400, "Invalid request"), (body, response.text)
        assert "SECRET" not in response.text + repr(lines)


async def test_only_json_signs_in(empty: Client, tokens: Tokens) -> None:
    """A form of another site could send plain text without asking first."""
    body = f'{{"token": "{tokens.issue("root", Role.ADMIN, HOUR)}"}}'
    response = await empty.post("/admin/session", content=body, headers={**OWN, "Content-Type": "text/plain"})

    assert (response.status_code, "set-cookie" in response.headers) == (415, False)


async def test_a_token_that_fits_no_cookie_is_refused_with_the_way_out(empty: Client, tokens: Tokens) -> None:
    long = tokens.issue("root", Role.ADMIN, HOUR, "c" * 250)
    assert (await sign_in(empty, long)).status_code == 200
    empty.cookies.clear()

    response = await sign_in(empty, _with_many_claims(tokens))

    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "token")
    assert "sign in with an API key" in response.json()["detail"]
    assert "set-cookie" not in response.headers


def _with_many_claims(tokens: Tokens) -> str:
    claims = {"sub": "root", "role": "admin", "exp": int(time.time()) + 60, "groups": ["team"] * 500}
    return jwt.encode(claims, tokens._secret, "HS256")


async def test_a_revoked_key_ends_its_sessions_where_it_was_revoked_and_elsewhere(
    client: Client, tokens: Tokens, app: Litestar, database: Database
) -> None:
    for elsewhere in (False, True):
        key_id, key = await new_key(client, tokens)
        await sign_in(client, key)
        assert (await client.get("/api/admin/ai/overview")).status_code == 200
        if elsewhere:
            revoked = {"$set": {"revokedAt": datetime.now(UTC)}}
            await database.writes["api_keys"].update_one({"keyId": key_id}, revoked)
            app.state.api_keys._known.clear()  # as if the time had passed after which it is read anew
        else:
            await client.post(f"/api/admin/keys/{key_id}/revoke", headers=bearer(tokens, Role.ADMIN))

        response = await client.get("/api/admin/ai/overview")

        assert ended(response)
        assert response.json()["detail"] == "the API key has been revoked"
        assert COOKIE not in client.cookies


async def test_a_token_that_expires_ends_its_session(
    client: Client, tokens: Tokens, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_in(client, tokens.issue("root", Role.ADMIN, HOUR))
    later = time.time() + 3_601
    monkeypatch.setattr(app.state.sessions, "_clock", lambda: later)

    response = await client.get("/admin/session")

    assert ended(response)
    assert response.json()["detail"] == "the session has ended; sign in again"


async def test_the_setting_says_how_long_a_session_lasts(empty: Client, tokens: Tokens, settings: Settings) -> None:
    assert settings.session_hours == 12
    assert Settings(_env_file=None, session_hours=1).session_lifetime == HOUR
    assert (await sign_in(empty, tokens.issue("root", Role.ADMIN, 24 * HOUR))).status_code == 200


async def test_what_is_no_session_of_ours_is_a_plain_401_that_clears_it(
    empty: Client, tokens: Tokens, settings: Settings
) -> None:
    token = tokens.issue("root", Role.ADMIN, HOUR)
    good = Sessions(settings.signing_secret, HOUR).cookie(token, None, secure=False).value or ""
    old = Sessions(settings.signing_secret, HOUR, lambda: time.time() - 3_600).cookie(token, None, secure=False).value
    foreign = Sessions("another secret of at least 32 bytes", HOUR).cookie(token, None, secure=False).value
    expired = tokens.issue("root", Role.ADMIN, -HOUR)
    dead = Sessions(settings.signing_secret, HOUR).cookie(expired, None, secure=False).value
    assert (await empty.get("/admin/session", headers={"Cookie": f"{COOKIE}={good}"})).status_code == 200

    bad = [f"{good[:-1]}{'B' if good[-1] == 'A' else 'A'}", good[:-8], good * 20, "x" * 30_000, old, foreign, dead, ""]
    for value in [*bad, token, "%00", '"', "a b", "é"]:
        cookie = f"{COOKIE}={value}".encode("latin-1")
        with structlog.testing.capture_logs() as lines:
            response = await empty.get("/api/admin/ai/overview", headers=[(b"cookie", cookie)])
        assert ended(response), (value, response.text)
        assert not value or len(value) < 4 or value not in response.text + repr(lines)


FOREIGN = [
    {},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://testserver.local"},
    {"Origin": "https://elsewhere.example"},
    {"Origin": "null"},
]


async def test_another_sites_page_changes_nothing_under_a_session(client: Client, tokens: Tokens) -> None:
    token = tokens.issue("root", Role.ADMIN, HOUR)
    await sign_in(client, token)

    for calls, headers in enumerate(FOREIGN, 1):
        under_session = await client.post("/api/ai/track", json=CALL, headers=headers)
        in_and_out = [await sign_in(client, token, headers), await client.delete("/admin/session", headers=headers)]
        bearing = {**headers, "Authorization": f"Bearer {token}"}
        by_token = await client.post("/api/ai/track", json=CALL, headers=bearing)

        assert [each.status_code for each in (under_session, *in_and_out)] == [403, 403, 403], headers
        assert all("set-cookie" not in each.headers for each in (under_session, *in_and_out))
        assert by_token.status_code == 201
        overview = await client.get("/api/admin/ai/overview", headers=headers)
        assert overview.json()["today"]["requests"] == calls


async def test_a_page_of_ours_may_change_things_under_a_session(client: Client, tokens: Tokens) -> None:
    await sign_in(client, tokens.issue("root", Role.ADMIN, HOUR))

    for headers in (OWN, {"Origin": "http://testserver.local"}):
        made = await client.post("/api/ai/track", json=CALL, headers=headers)
        assert (made.status_code, made.json()["cost"]) == (201, 0.0075)


async def test_a_bearer_token_comes_before_a_session_and_a_proxys_password_does_not(
    empty: Client, tokens: Tokens
) -> None:
    await sign_in(empty, tokens.issue("root", Role.ADMIN, HOUR))

    async def subject(authorization: str) -> tuple[int, Any]:
        response = await empty.get("/admin/session", headers={"Authorization": authorization})
        return response.status_code, response.json().get("subject")

    assert await subject(bearer(tokens, Role.ADMIN)["Authorization"]) == (200, "someone")
    assert await subject("Basic cHJveHk6cGFzc3dvcmQ=") == (200, "root")
    assert await subject("Bearer nonsense") == (401, None)
    assert await subject("Bearer ") == (401, None)
    assert COOKIE in empty.cookies


async def test_a_session_never_sees_another_clients_calls(client: Client, tokens: Tokens) -> None:
    root = bearer(tokens, Role.ADMIN)
    for owner, calls in {"acme": 1, "other": 2}.items():
        for _ in range(calls):
            await client.post("/api/ai/track", json={**CALL, "clientId": owner}, headers=root)
    await sign_in(client, (await new_key(client, tokens))[1])

    own, foreign = await asyncio.gather(
        client.get("/api/admin/ai/usage"), client.get("/api/admin/ai/usage", params={"clientId": "other"})
    )

    assert (own.json()["totals"]["requests"], foreign.status_code) == (1, 403)
    assert Scope.ADMIN in (await client.get("/admin/session")).json()["scopes"]
