"""What a hostile caller may try: names that lead elsewhere, requests with two ends, headers that are two."""

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import pytest

from app.auth.principals import Scope
from tests.patience import patience
from tests.routes.conftest import holding
from tests.routes.gateway.conftest import PROVIDER_KEY, Site

CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "one two three"}]}
BODY = json.dumps(CHAT).encode()
CONTENT = json.dumps({"contents": [{"parts": [{"text": "one two three"}]}]}).encode()
END = b"\r\n\r\n"


async def said(site: Site, *parts: bytes) -> bytes:
    """All that comes back until the server closes: the last request asks for that, or cannot be read."""
    host, port = site.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"".join(parts))
        async with asyncio.timeout(patience(10)):
            return await reader.read()
    finally:
        writer.close()


def request(site: Site, path: str, headers: Sequence[bytes], body: bytes, method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1".encode(), b"host: a", f"authorization: Bearer {site.key}".encode(), *headers]
    return b"\r\n".join(lines) + END + body


def sized(body: bytes) -> bytes:
    return b"content-length: %d" % len(body)


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


@pytest.mark.parametrize(
    "model",
    [
        "gemini-2/../../../v1/files",
        "gemini-2%2f..%2f..%2fupload",
        "gemini-2?key=mine&alt=media",
        "gemini-2#",
        "gemini-2:generateContent?x=:generateContent",
        "gemini-2 HTTP/1.1",
        "gemini-2\\..\\x",
        "gemini-ü",
        "gemini-2@evil.example",
    ],
)
async def test_a_name_of_a_model_stays_one_part_of_the_path(site: Site, model: str) -> None:
    path = f"/v1beta/models/{quote(model, safe='')}:generateContent"

    answers = await said(site, request(site, path, [sized(CONTENT), b"connection: close"], CONTENT))

    assert statuses(answers) in ([200], [400], [404])
    for received in site.provider.requests:
        assert received.path == f"/v1beta/models/{quote(model, safe='')}:generateContent"
        assert received.query == ""


@pytest.mark.parametrize(
    "model", ["gpt-\r\nx-injected: 1", "gpt-\x00", "gpt-\x1b[31m", "gpt-\u2028", "gpt-\ud800", "gpt-" + "x" * 600]
)
async def test_no_character_of_a_name_gets_into_a_header_or_harms_the_ledger(site: Site, model: str) -> None:
    body = json.dumps({**CHAT, "model": model}).encode()

    answers = await said(site, request(site, "/v1/chat/completions", [sized(body), b"connection: close"], body))

    (status,) = statuses(answers)
    head = answers.partition(END)[0].lower()
    assert status in {200, 400, 404}
    assert b"\r\nx-injected" not in head
    assert all(b"\x00" not in line and b"\x1b" not in line for line in head.split(b"\r\n"))
    entries = await site.entries()
    assert len(entries) == (1 if site.provider.requests else 0)


@pytest.mark.parametrize(
    "headers",
    [
        [b"content-length: %d" % len(BODY), b"transfer-encoding: chunked"],
        [b"transfer-encoding: chunked", b"content-length: 4"],
        [b"content-length: %d" % len(BODY), b"content-length: 4"],
        [b"transfer-encoding: chunked, identity", b"content-length: 4"],
        [b"transfer-encoding : chunked"],
        [b"content-length: +%d" % len(BODY)],
        [b"content-length: -1"],
    ],
)
async def test_a_request_with_two_ends_is_none(site: Site, headers: list[bytes]) -> None:
    smuggled = request(site, "/v1/chat/completions", [sized(BODY), b"connection: close"], BODY)

    answers = await said(site, request(site, "/v1/chat/completions", headers, BODY), smuggled)

    assert all(status == 400 for status in statuses(answers))
    assert len(statuses(answers)) <= 1
    assert site.provider.requests == []


async def test_what_follows_a_body_is_a_request_of_its_own_or_none(site: Site) -> None:
    """A body that is longer than it says cannot have a key from the request before it."""
    inner = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nconnection: close\r\n" + sized(BODY) + END + BODY

    answers = await said(site, request(site, "/v1/chat/completions", [sized(BODY)], BODY), inner)

    assert statuses(answers) == [200, 401]
    assert len(site.provider.requests) == 1


async def test_a_trailer_is_no_header(site: Site) -> None:
    chunked = b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\nx-user-id: smuggled\r\nauthorization: Bearer x" + END

    answers = await said(
        site,
        request(site, "/v1/chat/completions", [b"transfer-encoding: chunked", b"connection: close"], chunked),
    )

    assert statuses(answers) == [200]
    (entry,) = await site.entries()
    assert entry["userId"] == f"key:{site.key.split('_')[1]}"


@pytest.mark.parametrize(
    "line",
    [
        b"x-user-id: a\rx-api-key: b",
        b"x-user-id: a\x00b",
        b"x-user-id: \xff\xfe",
        b"x-user-id: a\x7fb",
        b"x-user-id: " + b"u" * 257,
        b"idempotency-key: a\x01b",
        b"x-twinmeter-content-type: \xc2\x85",
        b"anthropic-version: \xe2\x80\xa8",
        b" x-folded: a",
    ],
)
async def test_a_header_that_could_be_two_is_refused(site: Site, line: bytes) -> None:
    answers = await said(site, request(site, "/v1/chat/completions", [line, sized(BODY), b"connection: close"], BODY))

    assert statuses(answers) == [400]
    assert site.provider.requests == []
    assert await site.entries() == []


@pytest.mark.parametrize(
    "path",
    [
        "http://127.0.0.1:1/v1/chat/completions",
        "//127.0.0.1:1/v1/chat/completions",
        "/v1/../v1/chat/completions",
        "/v1//chat/completions",
        "/v1/chat%2fcompletions",
        "/V1/chat/completions",
        "/v1/chat/completions/",
        "/v1/models/..%2f..%2fapi%2fadmin%2fkeys",
        "/v1/models/../../api/admin/keys",
        "/openai/v1/../../api/admin/keys",
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_no_spelling_of_an_address_leads_anywhere_else(site: Site, path: str, method: str) -> None:
    headers = [
        b"connection: close", b"x-forwarded-host: evil.example", b"x-base-url: http://127.0.0.1:1", sized(BODY),
    ]  # fmt: skip

    answers = await said(site, request(site, path, headers, BODY, method))

    (status,) = statuses(answers)
    assert status in {200, 400, 403, 404, 405}
    assert b"createdBy" not in answers
    for received in site.provider.requests:  # which is the configured one
        assert (received.path, received.header("host")) == ("/v1/chat/completions", site.provider.address[7:])


async def test_no_model_and_no_header_names_an_upstream_that_is_not_in_the_file(site: Site) -> None:
    for model in (
        "http://127.0.0.1:9/x",
        "//evil.example/gpt-4o",
        "openai/../gpt-4o",
        "OPENAI/gpt-4o",
        "gone.evil/gpt-4o",
    ):
        answer = await site.chat(model)
        assert (answer.status_code, answer.headers["x-twinmeter-error"]) == (404, "model_not_found"), model
    assert site.provider.requests == []


async def test_a_client_has_nothing_of_anothers_by_the_ids_it_sends(site: Site) -> None:
    """The same request id, user and campaign of two clients: two calls, each of its own client."""
    headers = {"idempotency-key": "once", "x-user-id": "u1", "x-twinmeter-campaign-id": "spring"}
    umbrella = await site.new_key("umbrella", Scope.GATEWAY)

    ours = await site.chat(headers=headers)
    theirs = await site.client.post("/v1/chat/completions", json=CHAT, headers=holding(umbrella) | headers)

    assert ours.headers["x-twinmeter-request-id"] != theirs.headers["x-twinmeter-request-id"]
    entries = await site.entries()
    assert [(each["clientId"], each["userId"]) for each in entries].count(("umbrella", "u1")) == 1
    assert [(each["clientId"], each["userId"]) for each in entries].count(("acme", "u1")) == 1


async def test_nothing_of_a_credential_goes_on_or_comes_back(site: Site) -> None:
    """Of the client to the provider, or of the provider to the client."""
    more = {"cookie": "twinmeter_session=abc", "proxy-authorization": "Basic abc", "x-goog-api-key": site.key}
    more |= {"x-forwarded-for": "10.0.0.9", "openai-organization": "org-of-the-client", "api-key": "of-the-client"}

    answer = await site.chat(headers=more)

    (received,) = site.provider.requests
    sent = f"{received.headers}"
    assert [value for name, value in received.headers if name == "authorization"] == [f"Bearer {PROVIDER_KEY}"]
    for secret in (site.key, "twinmeter_session", "Basic abc", "10.0.0.9", "org-of-the-client", "of-the-client"):
        assert secret not in sent
    assert PROVIDER_KEY not in f"{answer.headers} {answer.text}"
