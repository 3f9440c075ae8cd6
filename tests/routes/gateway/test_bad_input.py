"""Whatever is wrong with a request, or with its upstream, is told clearly in the shape of the API that was asked."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import httpx
import pytest

from app.auth.principals import Scope
from models.key_policy import KeyPolicy
from scripts.provider import Provider
from tests.certificates import self_signed
from tests.patience import patience
from tests.routes.gateway.conftest import UPSTREAMS, Site
from tests.routes.gateway.test_upstreams import Changed, changed

__all__ = ["changed"]

RETRIED = {408, 409, 429}
"""And all of 500 and above: by the SDKs of OpenAI and of Anthropic, where no header says otherwise."""
USER = {"role": "user", "content": "one two three"}


class Told(NamedTuple):
    """What a client is told."""

    status: int
    code: str
    asked_again: bool
    """Whether its SDK sends the request again."""


class Asks:
    """A client of one API."""

    name: str
    form: str
    """Of its upstreams."""
    of: str
    """How the names of models begin that it may ask for."""

    def sent(self, model: str, stream: bool) -> tuple[str, dict[str, Any]]:
        """The address and the body."""
        raise NotImplementedError

    def headers(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def check(self, answer: httpx.Response) -> None:
        """That an error has its shape."""
        raise NotImplementedError


class OpenAI(Asks):
    name, form, of = "openai", "openai", "gpt-4o"

    def sent(self, model: str, stream: bool) -> tuple[str, dict[str, Any]]:
        return "/v1/chat/completions", {"model": model, "messages": [USER], "stream": stream}

    def check(self, answer: httpx.Response) -> None:
        error = answer.json()["error"]
        assert set(error) >= {"message", "type", "param", "code"}
        assert error["code"] == answer.headers.get("x-twinmeter-error", error["code"])
        assert error["message"]
        assert error["type"]


class Anthropic(Asks):
    name, form, of = "anthropic", "anthropic", "claude-sonnet-4-5"

    def sent(self, model: str, stream: bool) -> tuple[str, dict[str, Any]]:
        return "/v1/messages", {"model": model, "messages": [USER], "max_tokens": 50, "stream": stream}

    def headers(self, key: str) -> dict[str, str]:
        return {"x-api-key": key, "anthropic-version": "2023-06-01"}

    def check(self, answer: httpx.Response) -> None:
        told = answer.json()
        assert (told["type"], set(told["error"]) >= {"type", "message"}) == ("error", True)
        assert told["request_id"]


class Gemini(Asks):
    name, form, of = "gemini", "gemini", "gemini-2.0-flash"

    def sent(self, model: str, stream: bool) -> tuple[str, dict[str, Any]]:
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/{quote(model, safe='')}:{verb}", {"contents": [{"parts": [{"text": "one two three"}]}]}

    def headers(self, key: str) -> dict[str, str]:
        return {"x-goog-api-key": key}

    def check(self, answer: httpx.Response) -> None:
        error = answer.json()["error"]
        assert error["code"] == answer.status_code
        assert error["message"]
        assert error["status"].isupper()


class InOneForm(OpenAI):
    name = "in one form"

    def sent(self, model: str, stream: bool) -> tuple[str, dict[str, Any]]:
        return "/v1/chat/stream" if stream else "/v1/generate", {"model": model, "prompt": "one two three"}


APIS = {each.name: each for each in (OpenAI(), Anthropic(), Gemini(), InOneForm())}


@pytest.fixture(params=APIS)
def api(request: pytest.FixtureRequest) -> Asks:
    return APIS[request.param]


async def ask(
    site: Site, api: Asks, model: str, *, stream: bool = False, headers: Any = None, key: str = "", **how: Any
) -> httpx.Response:
    path, body = api.sent(model, stream)
    how = {"json": body} | how if "content" not in how else how
    return await site.client.post(path, headers=[*api.headers(key or site.key).items(), *(headers or ())], **how)


def told(api: Asks, answer: httpx.Response) -> Told:
    """What an error of the gateway's own says, where it has the shape of the API."""
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.headers.get_list("x-twinmeter-request-id")) == 1
    api.check(answer)
    status, said = answer.status_code, answer.headers.get("x-should-retry")
    again = said == "true" if said else status in RETRIED or status >= 500
    return Told(status, answer.headers["x-twinmeter-error"], again)


async def test_a_request_without_a_model(site: Site) -> None:
    for api in (APIS["openai"], APIS["anthropic"]):
        for body in ({"messages": [USER]}, {"model": None, "messages": [USER]}, {"model": "", "messages": [USER]}):
            answer = await ask(site, api, "", json={**body, "max_tokens": 5})
            assert told(api, answer) == Told(400, "invalid_request", False)
    assert site.provider.requests == []


async def test_a_model_that_nobody_has(site: Site, api: Asks) -> None:
    for model in ("nobody", "../../etc/passwd", "a" * 200, "ü💩"):
        assert told(api, await ask(site, api, model)) == Told(404, "model_not_found", False)
    assert told(api, await ask(site, api, "a" * 300)) == Told(400, "invalid_request", False)
    assert await site.entries() == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"null", b'"x"', b"\xff\xfe{", b"[" * 100_000, b"{}}"])
async def test_a_body_that_is_no_json_object(site: Site, api: Asks, content: bytes) -> None:
    answer = await ask(site, api, api.of, content=content, headers=[("content-type", "application/json")])

    said = told(api, answer)
    assert said in {Told(400, "invalid_json", False), Told(400, "invalid_request", False)}
    assert site.provider.requests == []


async def test_twenty_megabytes_are_a_request_as_any_other(site: Site, api: Asks) -> None:
    path, body = api.sent(api.of, stream=False)
    text = json.dumps(body).replace("one two three", "x" * 20_000_000)

    answer = await site.client.post(
        path, content=text, headers={**api.headers(site.key), "content-type": "application/json"}
    )

    assert answer.status_code == 200, answer.text[:300]
    assert (await site.entry(answer))["inputTokens"] == 1


async def test_more_than_a_body_may_have(site: Site, api: Asks) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 1_000_000

    path, _ = api.sent(api.of, stream=False)
    headers = {**api.headers(site.key), "content-type": "application/json"}
    try:
        said = told(api, await site.client.post(path, content=endless(), headers=headers))
        assert said == Told(413, "request_too_large", False)
    except httpx.WriteError:  # it was told, and sent on all the same
        pass
    assert (await raw(site, head(path, headers, b"content-length: 99000000"))).startswith(b"HTTP/1.1 413")
    assert site.provider.requests == []


async def test_a_stream_from_an_upstream_that_does_not_stream(site: Site) -> None:
    for api in (APIS["openai"], APIS["anthropic"]):
        answer = await ask(site, api, f"{api.of}--no_stream", stream=True)
        assert told(api, answer) == Told(502, "no_stream", False)
        assert (await site.entry(answer))["outputTokens"] > 0


async def test_a_key_that_is_none(site: Site, api: Asks) -> None:
    for key in ("twm_nobody", "sk-proj-of-the-provider", f"{site.key}x", "x" * 3_000):
        said = told(api, await ask(site, api, api.of, key=key))
        assert said == Told(401, "invalid_api_key", False)
    path, body = api.sent(api.of, stream=False)
    answer = await site.client.post(path, json=body)
    assert told(api, answer) == Told(401, "invalid_api_key", False)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert site.provider.requests == []


async def test_two_keys_that_differ(site: Site, api: Asks) -> None:
    other = await site.new_key("other")
    for more in ("authorization", "x-api-key", "x-goog-api-key"):
        value = f"Bearer {other}" if more == "authorization" else other
        answer = await ask(site, api, api.of, headers=[(more, value)])
        assert told(api, answer)[:2] == (401, "conflicting_credentials")
    path, body = api.sent(api.of, stream=False)
    query = f"{path}{'&' if '?' in path else '?'}key={other}"
    answer = await site.client.post(query, json=body, headers=api.headers(site.key))
    assert told(api, answer)[:2] == (401, "conflicting_credentials")
    assert site.provider.requests == []


async def test_the_same_key_twice_is_one(site: Site, api: Asks) -> None:
    headers = [("authorization", f"Bearer {site.key}"), ("x-api-key", site.key), ("x-goog-api-key", site.key)]
    path, body = api.sent(api.of, stream=False)

    answer = await site.client.post(path, json=body, headers=headers)

    assert answer.status_code == 200
    received = site.provider.requests[0]
    assert all(site.key not in value for _, value in received.headers)


async def test_a_key_that_may_not_use_the_model(site: Site, api: Asks) -> None:
    _, key = await site.app.state.api_keys.create(
        client="acme", scopes=[Scope.GATEWAY], name="n", expires_at=None, created_by="test",
        policy=KeyPolicy(models=("nothing-*",)),
    )  # fmt: skip

    assert told(api, await ask(site, api, api.of, key=key)) == Told(403, "model_not_allowed", False)
    assert site.provider.requests == []
    assert await site.entries() == []


@pytest.fixture
async def of_nobody(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a provider whose certificate nobody has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path / "cert.pem", "localhost", "127.0.0.1"))
    provider = await Provider().start(tls=context)
    yield provider.address
    await provider.stop()


BROKEN = """
[upstreams.broken]
key_file = "key"
format = "{format}"
provider = "openai"
base_url = "{base}"
models = ["broken-*"]
"""


async def test_an_upstream_that_cannot_be_trusted_found_or_understood(
    site: Site, api: Asks, changed: Changed, of_nobody: str
) -> None:
    bases = {
        of_nobody: "the upstream's certificate is not valid",
        "http://no-such-host.invalid": "the upstream's name has no address",
        "http://127.0.0.1:9": "the upstream cannot be reached",
    }
    for base, message in bases.items():
        changed.to(UPSTREAMS + BROKEN.format(format=api.form, base=base))
        answer = await ask(site, api, "broken-1")
        assert told(api, answer)[:2] == (502, "upstream_unreachable")
        assert message in answer.text
        assert urlsplit(base).netloc not in answer.text
        entry = await site.entry(answer)
        assert (entry["status"], entry["errorMessage"]) == ("error", "upstream_unreachable")


async def test_a_rate_limit_of_an_hour_is_passed_on_as_it_is(site: Site, api: Asks) -> None:
    answer = await ask(site, api, f"{api.of}--rate_limit=3600")

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
    assert "x-twinmeter-error" not in answer.headers
    assert (await site.entry(answer))["status"] == "rate_limited"


async def test_a_page_in_the_place_of_json(site: Site, api: Asks, changed: Changed) -> None:
    changed.to(UPSTREAMS)
    for stream in (False, True):
        said = told(api, answer := await ask(site, api, f"{api.of}--html=200", stream=stream))
        assert (said.status, said.code) == (502, "unexpected_answer")
        assert "<html" not in answer.text
        assert (await site.entry(answer))["status"] == "error"
    page = await ask(site, api, f"{api.of}--html=503")
    own = "application/json" if api.name == "in one form" else "text/html"
    assert (page.status_code, page.headers["content-type"]) == (503, own)


async def test_an_alias_that_leads_back_here(site: Site, api: Asks, changed: Changed) -> None:
    base = f"{site.address}/v1" if api.form == "openai" else site.address
    circle = BROKEN.format(format=api.form, base=base).replace('key_file = "key"', "key_env = 'KEY_OF_OURS'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEY_OF_OURS", site.key)
        changed.to(UPSTREAMS + circle + "[models.round]\nto = 'broken/broken-1'\n")
        answer = await ask(site, api, "round")

    # the inner answer is passed on byte for byte, as any upstream's
    api.check(answer)
    assert answer.status_code == 508
    assert "leads back here" in answer.text


# --- headers --------------------------------------------------------------------------------------------------------


def head(path: str, headers: dict[str, str], *lines: bytes) -> bytes:
    said = [f"POST {path} HTTP/1.1".encode(), b"host: gateway", b"connection: close"]
    said += [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]
    return b"\r\n".join([*said, *lines, b"", b""])


async def raw(site: Site, request: bytes) -> bytes:
    """All that comes back on a bare socket."""
    url = urlsplit(site.address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        async with asyncio.timeout(patience(10)):
            writer.write(request)
            return await reader.read()
    finally:
        writer.close()


async def test_a_name_of_a_model_puts_nothing_into_headers_or_addresses(site: Site, api: Asks) -> None:
    for tail in ("\r\nx-evil: 1", "\nx-evil: 1", "?x=1#y", "/../../models", "%0d%0ax-evil: 1", "\u2028x", " x"):
        answer = await ask(site, api, api.of + tail)
        assert "x-evil" not in answer.headers
        assert answer.status_code in {200, 400, 404}
    for received in site.provider.requests:
        assert received.header("x-evil") is None
        expected = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}.get(api.form)
        assert received.path == expected or received.path.startswith(f"/v1beta/models/{api.of}")
        assert "/.." not in received.path
        assert "x=1" not in received.query


@pytest.mark.parametrize(
    "line",
    [
        b"x-user-id: a\rx-evil: 1",
        b"x-user-id: a\x00b",
        b"x-user-id: \xff\xfe",
        b"x-user-id: " + b"u" * 2_000,
        b"idempotency-key: a\x0bb",
        b"x-twinmeter-content-type: \x7f",
        b"x-twinmeter-campaign-id: \xe2\x80\xae\xff",
        b"x-twinmeter-conversation-id: " + b"c" * 2_000,
        b"x-twinmeter-experiment: tone",
        b"x-twinmeter-variant: b",
    ],
)
async def test_a_header_that_is_no_name_is_refused_and_goes_nowhere(site: Site, line: bytes) -> None:
    path, body = APIS["openai"].sent("gpt-4o", stream=False)
    content = json.dumps(body).encode()
    length = b"content-length: %d" % len(content)

    answer = await raw(site, head(path, site.holding(), line, length) + content)

    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")), answer[:200]
    assert b"x-evil" not in answer.lower()
    assert site.provider.requests == []
    assert await site.entries() == []


async def test_headers_of_a_hop_or_of_ours_are_not_passed_on(site: Site) -> None:
    path, body = APIS["openai"].sent("gpt-4o", stream=False)
    content = json.dumps(body).encode()
    lines = [
        b"x-user-id: anna", b"cookie: tm_session=secret", b"proxy-authorization: Basic x", b"te: trailers",
        b"x-forwarded-for: 10.0.0.1", b"forwarded: for=10.0.0.1", b"accept-encoding: gzip, br, zstd",
        b"connection: x-secret", b"x-secret: 1", b"content-length: %d" % len(content),
    ]  # fmt: skip

    answer = await raw(site, head(path, site.holding(), *lines) + content)

    assert answer.startswith(b"HTTP/1.1 200")
    (received,) = site.provider.requests
    names = {name for name, _ in received.headers}
    assert names.isdisjoint(
        {"x-user-id", "cookie", "proxy-authorization", "te", "x-forwarded-for", "forwarded", "x-secret"}
    )
    assert received.header("accept-encoding") in {None, "identity"}


async def test_a_body_that_is_packed_is_refused(site: Site, api: Asks) -> None:
    path, _ = api.sent(api.of, stream=False)
    packed = head(path, api.headers(site.key), b"content-encoding: gzip", b"content-length: 3") + b"abc"

    answer = await raw(site, packed)

    assert answer.startswith(b"HTTP/1.1 415")
