"""Who may call what: a key wherever an API has it, what its policy says, its limits, and its end."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from app.auth.api_keys import KeyRing
from app.auth.attempts import BURST, RefusedCredentials
from app.auth.principals import Role, Scope
from app.limits.defining.limits import LimitBook
from app.limits.definitions import Definitions
from models.key_policy import KeyPolicy
from models.limits import Allowance, Unit, Window
from tests.patience import until
from tests.routes.conftest import holding
from tests.routes.gateway.conftest import Site, events_of

CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "one two three"}]}
MESSAGE: dict[str, Any] = {**CHAT, "model": "claude-sonnet-4-5", "max_tokens": 10}
CONTENT: dict[str, Any] = {"contents": [{"parts": [{"text": "one two three"}]}]}
GEMINI = "/v1beta/models/gemini-2.5-flash:generateContent"
ADDRESSES = {"/v1/chat/completions": CHAT, "/v1/messages": MESSAGE, GEMINI: CONTENT}
WRONG = f"tm_{'a' * 12}_{'b' * 43}"
LONG = {**CHAT, "model": "gpt-4o--slow=20--tokens=2000", "stream": True}


async def key_with(site: Site, *limits: Allowance, **policy: Any) -> tuple[str, str]:
    """The id and the text of a key that has this policy and these limits."""
    book = LimitBook(site.app.state.database, site.app.state.limits.definitions)

    async def together(key: Any, store: Any) -> None:
        await book.add_with_key(key, store, limits)

    key, text = await site.app.state.api_keys.create(
        client="acme",
        scopes=[Scope.GATEWAY],
        name="n",
        expires_at=None,
        created_by="test",
        policy=KeyPolicy(**policy),
        together=together if limits else None,
    )
    return key.key_id, text


async def chat(site: Site, key: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
    return await site.client.post("/v1/chat/completions", json={**CHAT, **more}, headers=holding(key) | (headers or {}))


def code_of(response: httpx.Response) -> str:
    """As our header has it, once the body has the form of the API that was asked."""
    body = response.json()
    if "/messages" in str(response.url):
        assert (body["type"], set(body["error"])) == ("error", {"type", "message"})
    elif "/v1beta/" in str(response.url):
        assert body["error"]["code"] == response.status_code
        assert body["error"]["status"].isupper()
    else:
        assert set(body["error"]) >= {"message", "type", "param", "code"}
    return response.headers["x-twinmeter-error"]


@pytest.mark.usefixtures("unsuspected")
@pytest.mark.parametrize("name", ["authorization", "x-api-key", "x-goog-api-key"])
async def test_who_sends_a_providers_key_is_told_that_it_is_one(site: Site, name: str) -> None:
    for key in ("sk-proj-abc", "AIzaSyAbc"):
        value = f"Bearer {key}" if name == "authorization" else key
        response = await site.client.post("/v1/messages", json={}, headers={name: value})
        assert (response.status_code, code_of(response)) == (401, "invalid_api_key")
        message = response.json()["error"]["message"]
        assert message == "keys of this gateway begin with tm_: this is none, and a provider's own is not taken"


@pytest.fixture
async def unsuspected(site: Site) -> AsyncIterator[None]:
    """Wrong credentials of a test do not slow down those of others."""
    state = site.app.state
    before, state.refused_credentials = state.refused_credentials, RefusedCredentials(state.tracker.counters)
    yield
    state.refused_credentials = before


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("place", ["authorization", "x-api-key", "x-goog-api-key", "?key="])
async def test_a_key_is_taken_wherever_an_api_has_it_and_goes_no_further(site: Site, address: str, place: str) -> None:
    given: dict[str, Any] = {"headers": {place: site.key}}
    if place == "authorization":
        given = {"headers": {place: f"bEARER  {site.key}"}}
    if place == "?key=":
        given = {"params": {"key": site.key, "alt": "json"}}

    answer = await site.client.post(address, json=ADDRESSES[address], **given)

    assert answer.status_code == 200, answer.text
    assert (await site.entry(answer))["keyId"] == site.key.split("_")[1]
    (received,) = site.provider.requests
    assert site.key not in f"{received.path}?{received.query} {received.headers} {received.body!r}"
    assert site.key not in f"{answer.headers} {answer.text}"


@pytest.mark.parametrize("address", ADDRESSES)
async def test_two_keys_are_refused_and_the_same_one_twice_is_one(site: Site, address: str) -> None:
    other = await site.new_key()
    body = ADDRESSES[address]

    for headers, params in (({"x-api-key": other}, {}), ({"x-goog-api-key": other}, {}), ({}, {"key": other})):
        refused = await site.client.post(address, json=body, params=params, headers=holding(site.key) | headers)
        assert (refused.status_code, code_of(refused)) == (401, "conflicting_credentials")
        assert not any(key in refused.text for key in (site.key, other))
    twice = await site.client.post(address, params={"key": [site.key, other]}, json=body)
    assert (twice.status_code, code_of(twice)) == (401, "conflicting_credentials")

    same = await site.client.post(
        address, json=body, headers=holding(site.key) | {"x-api-key": site.key}, params={"key": site.key}
    )
    assert same.status_code == 200


@pytest.mark.usefixtures("unsuspected")
@pytest.mark.parametrize("address", ADDRESSES)
async def test_what_is_no_key_is_refused_in_the_form_of_the_api(site: Site, address: str) -> None:
    nothing: list[dict[str, str]] = [{}, {"authorization": "Bearer"}, {"authorization": f"Basic {site.key}"}]
    for headers in [*nothing, holding(WRONG), {"x-api-key": "sk-1234"}]:
        refused = await site.client.post(address, json=ADDRESSES[address], headers=headers)
        assert (refused.status_code, code_of(refused)) == (401, "invalid_api_key")
        assert refused.headers["www-authenticate"] == "Bearer"
        assert WRONG not in refused.text
    assert site.provider.requests == []


@pytest.mark.usefixtures("unsuspected")
async def test_who_guesses_is_slowed_down_and_the_right_key_still_passes(site: Site) -> None:
    answers = [await chat(site, WRONG) for _ in range(BURST + 1)]

    assert {answer.status_code for answer in answers[:BURST]} == {401}
    assert (answers[-1].status_code, code_of(answers[-1]), answers[-1].headers["retry-after"]) == (
        429,
        "rate_limit_exceeded",
        "1",
    )
    assert (await chat(site, site.key)).status_code == 200


async def test_an_administrators_token_calls_models_and_no_other_token_does(site: Site) -> None:
    tokens = site.app.state.tokens
    of = {role: tokens.issue("someone", role, timedelta(minutes=5), "acme") for role in Role}

    answers = {role: await chat(site, token) for role, token in of.items()}

    assert {role: answer.status_code for role, answer in answers.items()} == {
        Role.ADMIN: 200,
        Role.SERVICE: 403,
        Role.USER: 403,
        Role.PANEL: 403,
    }
    assert code_of(answers[Role.USER]) == "permission_denied"
    session = await site.client.post("/admin/session", json={"token": of[Role.ADMIN]}, headers={"origin": site.address})
    cookie = session.headers["set-cookie"].split(";")[0]
    site.client.cookies.clear()
    assert (await site.client.post("/v1/chat/completions", json=CHAT, headers={"cookie": cookie})).status_code == 401


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("/v1/chat/completions", {**CHAT, "model": "gpt-4o"}),
        ("/v1/chat/completions", {**CHAT, "model": "gpt-4o-mini", "models": ["gpt-4o-mini", "openai/gpt-4o"]}),
        ("/v1/responses", {"model": "gpt-4o-mini", "input": "a", "models": ["gpt-4o"]}),
        ("/v1/messages", MESSAGE),
        (GEMINI, CONTENT),
        ("/v1/models/gemini-2.5-flash:generateContent", CONTENT),
        ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "a"}),
    ],
)
async def test_a_key_uses_its_models_alone(site: Site, address: str, body: dict[str, Any]) -> None:
    _, key = await key_with(site, models=("gpt-4o-mini*", "fast"))

    refused = await site.client.post(address, json=body, headers=holding(key))

    assert (refused.status_code, refused.headers["x-twinmeter-error"]) == (403, "model_not_allowed")
    assert site.provider.requests == []
    assert (await chat(site, key)).status_code == 200
    assert (await chat(site, key, model="fast")).status_code == 200


async def test_no_other_spelling_of_a_model_gets_around_a_policy(site: Site) -> None:
    """What is allowed is what the client calls it, and so is what is asked: nothing is decoded in between."""
    _, key = await key_with(site, models=("gpt-4o-mini",))

    for model in ("openai/gpt-4o", "gpt-4o-mini/../gpt-4o", "gpt-4o-mini\n", "GPT-4O-MINI", "gpt-4o-mini--x"):
        refused = await chat(site, key, model=model)
        assert refused.status_code in {400, 403}, model
    twice = b'{"model":"gpt-4o-mini","model":"gpt-4o","messages":[]}'
    answer = await site.client.post("/v1/chat/completions", content=twice, headers=holding(key))
    sent = [received.fields["model"] for received in site.provider.requests]
    assert answer.status_code != 200 or sent == ["gpt-4o-mini"]


@pytest.mark.parametrize("address", ["/v1/chat", "/v1/chat/stream"])
async def test_our_own_addresses_know_the_policy_too(site: Site, address: str) -> None:
    _, key = await key_with(site, models=("gpt-4o-mini",), content_type="support")
    body = {"messages": [{"role": "user", "content": "one"}]}

    refused = await site.client.post(address, json={**body, "model": "gpt-4o"}, headers=holding(key))
    passed = await site.client.post(address, json={**body, "model": "gpt-4o-mini"}, headers=holding(key))

    assert refused.status_code in {403, 404}
    assert len(site.provider.requests) == 1
    assert (passed.status_code, (await site.entry(passed))["contentType"]) == (200, "support")


async def test_models_are_listed_that_the_key_may_use(site: Site) -> None:
    _, key = await key_with(site, models=("fas*", "eu-only"))

    listed = (await site.client.get("/v1/models", headers=holding(key))).json()["data"]
    hidden = await site.client.get("/v1/models/twice", headers=holding(key))

    assert {row["id"] for row in listed} == {"fast", "eu-only"}
    assert (hidden.status_code, code_of(hidden)) == (404, "model_not_found")
    assert (await site.client.get("/v1/models/fast", headers=holding(key))).status_code == 200


async def test_a_body_names_the_user_where_the_key_lets_it_and_the_header_always(site: Site) -> None:
    key_id, closed = await key_with(site)
    _, open_ = await key_with(site, user_from_body=True)

    users = [
        (await site.entry(await chat(site, key, headers, user="body")))["userId"]
        for key, headers in ((closed, {}), (open_, {}), (open_, {"x-user-id": "head"}), (closed, {"x-user-id": "head"}))
    ]

    assert users == [f"key:{key_id}", "body", "head", "head"]


async def test_a_key_says_of_which_content_type_its_calls_are(site: Site) -> None:
    _, key = await key_with(site, content_type="support")

    plain, named = await chat(site, key), await chat(site, key, {"x-twinmeter-content-type": "cover-letter"})

    assert (await site.entry(plain))["contentType"] == "support"
    assert (await site.entry(named))["contentType"] == "cover-letter"


async def test_a_changed_policy_holds_for_the_next_call(site: Site) -> None:
    key_id, key = await key_with(site, models=("gpt-4o*",))
    assert (await chat(site, key)).status_code == 200

    await site.app.state.api_keys.change(key_id, {"models": ("claude-*",)}, None)

    assert (await chat(site, key)).status_code == 403
    assert (await site.client.post("/v1/messages", json=MESSAGE, headers={"x-api-key": key})).status_code == 200


async def test_limits_that_another_process_has_made_with_a_key_hold_from_its_first_call(site: Site) -> None:
    """As those of the command, beside a running server: which looks for new limits once a second."""
    nothing = Allowance(unit=Unit.USD, window=Window.DAY, amount=Decimal(0))
    book = LimitBook(site.database, Definitions(site.database, ZoneInfo("UTC")))

    async def together(key: Any, store: Any) -> None:
        await book.add_with_key(key, store, [nothing])

    answers = []
    for _ in range(3):
        _, key = await KeyRing(site.database).create(
            client="acme", scopes=[Scope.GATEWAY], name="n", expires_at=None, created_by="x", together=together
        )
        answers.append(await chat(site, key))

    assert [answer.status_code for answer in answers] == [429] * 3
    assert site.provider.requests == []


async def test_a_key_that_has_used_up_its_limit_is_refused_and_still_told_its_own(site: Site) -> None:
    two = Allowance(unit=Unit.REQUESTS, window=Window.MONTH, amount=Decimal(2))
    _, key = await key_with(site, two)

    statuses = [(await chat(site, key)).status_code for _ in range(3)]
    refused = await chat(site, key)
    own = await site.client.get("/api/me/usage", headers=holding(key))

    assert statuses == [200, 200, 429]
    assert code_of(refused) == "insufficient_quota"
    assert refused.headers["x-should-retry"] == "false"
    (limit,) = own.json()["limits"]
    assert (limit["scope"], limit["limit"], limit["used"], limit["held"], limit["reached"]) == ("key", 2, 2, 0, True)
    assert (own.json()["cost"], own.json()["recent"]) == (None, [])
    assert (await chat(site, site.key)).status_code == 200


async def test_a_gateway_key_reads_and_reports_nothing(site: Site) -> None:
    for method, path in (
        ("GET", "/api/analytics"),
        ("GET", "/api/admin/keys"),
        ("POST", "/api/ai/track"),
        ("GET", "/api/me/usage?userId=u1"),
        ("GET", "/api/me/usage?clientId=other"),
        ("GET", "/api/admin/gateway/upstreams"),
    ):
        body: dict[str, Any] | None = {} if method == "POST" else None
        answer = await site.client.request(method, path, headers=holding(site.key), json=body)
        assert answer.status_code == 403, path


async def test_a_stream_ends_with_its_key(site: Site) -> None:
    key_id, key = await key_with(site)
    theirs = Site(site.address, site.app, site.database, site.provider)
    theirs.key = key
    reading = asyncio.create_task(theirs.read(LONG))
    await until(lambda: bool(site.provider.requests) and site.provider.requests[0].events > 1)

    await site.app.state.api_keys.revoke(key_id, None)

    received, error = await reading
    await theirs.client.aclose()
    assert isinstance(error, httpx.RemoteProtocolError)
    assert b"[DONE]" not in received
    assert events_of(received)[-1]["error"]["code"] == "key_revoked"
    (entry,) = await site.until(1)
    assert (entry["status"], entry["errorMessage"], entry["estimatedUsage"]) == ("error", "key_revoked", "tokens")
    assert 0 < entry["outputTokens"] < 2_000
    await until(lambda: site.provider.requests[0].ended == "gone")
    after = await chat(site, key)
    assert (after.status_code, code_of(after)) == (401, "invalid_api_key")


async def test_a_call_that_waits_for_its_answer_ends_with_its_key(site: Site) -> None:
    key_id, key = await key_with(site)
    asked = asyncio.create_task(chat(site, key, model="gpt-4o--late=60000"))
    await until(lambda: bool(site.provider.requests))

    await site.app.state.api_keys.revoke(key_id, None)

    answer = await asked
    assert (answer.status_code, code_of(answer)) == (401, "key_revoked")
    assert answer.headers["x-should-retry"] == "false"
    (entry,) = await site.until(1)
    assert (entry["status"], entry["errorMessage"]) == ("error", "key_revoked")


async def test_calls_of_other_keys_go_on(site: Site) -> None:
    key_id, key = await key_with(site)
    assert (await chat(site, key)).status_code == 200
    asked = asyncio.create_task(chat(site, site.key, model="gpt-4o--late=300"))
    await until(lambda: len(site.provider.requests) == 2)

    await site.app.state.api_keys.revoke(key_id, None)

    assert (await asked).status_code == 200
