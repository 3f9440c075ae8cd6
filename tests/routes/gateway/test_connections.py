"""The two connections of a call on a running gateway: packed answers, ids, and clients that leave at any moment."""

import asyncio
import ssl
from pathlib import Path

import pytest

from app.auth.principals import Principal
from models.key_policy import KeyPolicy, OnDisconnect
from tests.certificates import self_signed
from tests.gateway.raw_upstream import raw_upstream
from tests.routes.gateway.conftest import Site
from tests.routes.gateway.test_endings import leave_after
from tests.routes.gateway.test_upstreams import Changed, changed

__all__ = ["changed"]

MOMENTS = 12


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_is_packed_all_the_same_is_as_one_that_is_not(site: Site, stream: bool) -> None:
    body = {"model": "gpt-4o--tokens=20", "messages": [{"role": "user", "content": "a b"}], "stream": stream}
    plain = await site.client.post("/v1/chat/completions", json=body, headers=site.holding())
    site.provider.fail("gzip")

    packed = await site.client.post("/v1/chat/completions", json=body, headers=site.holding())

    assert (packed.status_code, packed.content) == (200, plain.content)
    assert "content-encoding" not in packed.headers
    one, other = await site.until(2)
    assert (other["status"], other["outputTokens"], other["cost"]) == ("success", 20, one["cost"])


async def test_an_answer_has_the_id_of_its_provider_alone_and_ours_under_our_name(site: Site) -> None:
    answer = await site.chat()
    refused = await site.chat("nobody-knows")

    direct = await site.direct({"model": "gpt-4o-mini", "messages": []})
    (of_provider,) = answer.headers.get_list("x-request-id")
    assert of_provider.startswith(direct.headers["x-request-id"][:4])
    assert len(answer.headers.get_list("x-twinmeter-request-id")) == 1
    assert len(refused.headers.get_list("x-request-id")) == 1
    assert len(refused.headers.get_list("x-twinmeter-request-id")) == 1


async def test_a_stream_asks_what_is_in_front_of_us_not_to_gather_it(site: Site) -> None:
    streamed, whole = await site.chat(stream=True), await site.chat()

    assert streamed.headers["x-accel-buffering"] == "no"
    assert "x-accel-buffering" not in whole.headers


@pytest.mark.parametrize("on_disconnect", OnDisconnect)
async def test_whenever_clients_leave_each_call_is_recorded_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, on_disconnect: OnDisconnect
) -> None:
    def policy(_: Principal) -> KeyPolicy:
        return KeyPolicy(on_disconnect=on_disconnect)

    monkeypatch.setattr("routes.gateway.door.policy_of", policy)
    body = {"model": "gpt-4o--slow=4--tokens=30", "messages": [{"role": "user", "content": "a b"}], "stream": True}

    await asyncio.gather(*[leave_after(site, moment * 3, body) for moment in range(MOMENTS)])

    entries = await site.until(MOMENTS)
    assert len(entries) == MOMENTS
    if on_disconnect == OnDisconnect.DRAIN:
        assert {(entry["status"], entry["outputTokens"]) for entry in entries} == {("success", 30)}
    else:
        assert {entry.get("errorMessage") for entry in entries} <= {"client_gone", None}
        assert all(entry["outputTokens"] <= 40 for entry in entries)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path / "upstream.pem", "api.example", "127.0.0.1")


async def test_a_certificate_that_nobody_knows_and_a_name_without_address_are_told_as_such(
    site: Site, changed: Changed, certificate: Path
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    async with raw_upstream(context) as upstream:
        changed.to(ELSEWHERE, at=upstream.url)

        own, nowhere = await site.chat("own/gpt-4o"), await site.chat("nowhere/gpt-4o")

    assert (own.status_code, own.headers["x-twinmeter-error"]) == (502, "upstream_unreachable")
    assert "self-signed certificate" in own.json()["error"]["message"]
    assert (nowhere.status_code, nowhere.headers["x-twinmeter-error"]) == (502, "upstream_unreachable")
    assert upstream.received == []
    assert {(entry["status"], entry["errorMessage"]) for entry in await site.until(2)} == {
        ("error", "upstream_unreachable")
    }


ELSEWHERE = """
[upstreams.own]
format = "openai"
base_url = "{at}/v1"

[upstreams.nowhere]
format = "openai"
base_url = "https://nowhere.invalid/v1"
"""
