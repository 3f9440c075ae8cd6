"""However a call ends, it is in the ledger once, what was held for it is settled, and no client is told a false end."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog

from app.auth.principals import Principal
from app.limits.meters import Caller
from models.key_policy import KeyPolicy, OnDisconnect
from models.limits import LimitScope, Unit, Window
from tests.limits.defined import define, limit
from tests.patience import patience
from tests.routes.gateway.conftest import Site, events_of

LONG = {"model": "gpt-4o--slow=20--tokens=2000", "messages": [{"role": "user", "content": "a b"}], "stream": True}


async def leave_after(site: Site, pieces: int, body: dict[str, Any] = LONG, user: str = "u1") -> None:
    """Ask for a stream, read so many pieces of it, and leave."""
    async with site.client.stream(
        "POST", "/v1/chat/completions", json=body, headers=site.holding(x_user_id=user)
    ) as response:
        async for _ in response.aiter_raw():
            pieces -= 1
            if pieces <= 0:
                return


@pytest.fixture
def cancelling(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key's calls are given up when their clients leave."""

    def policy(_: Principal) -> KeyPolicy:
        return KeyPolicy(on_disconnect=OnDisconnect.CANCEL)

    monkeypatch.setattr("routes.gateway.door.policy_of", policy)


async def test_a_stream_is_read_to_its_end_when_its_client_has_left(site: Site) -> None:
    short = {**LONG, "model": "gpt-4o--slow=2--tokens=40"}

    await leave_after(site, 3, short)

    (entry,) = await site.until(1)
    assert (entry["status"], entry["inputTokens"], entry["outputTokens"]) == ("success", 2, 40)
    assert "estimatedUsage" not in entry


@pytest.mark.usefixtures("cancelling")
async def test_a_stream_is_given_up_with_its_client_where_the_key_says_so(site: Site) -> None:
    await leave_after(site, 3)

    (entry,) = await site.until(1)
    assert (entry["status"], entry["errorMessage"]) == ("error", "client_gone")
    assert entry["estimatedUsage"] == "tokens"
    assert 0 < entry["outputTokens"] < 2_000
    assert "reservationId" not in entry
    async with asyncio.timeout(patience(5)):
        while not (received := site.provider.requests[0]).ended:  # noqa: ASYNC110 - of the stand-in
            await asyncio.sleep(0.01)
    assert received.ended == "gone"


@pytest.mark.usefixtures("cancelling")
async def test_a_client_may_leave_before_the_answer_begins(site: Site) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await site.client.post(
            "/v1/chat/completions",
            json={**LONG, "model": "gpt-4o--late=60000", "stream": False},
            headers=site.holding(),
            timeout=httpx.Timeout(patience(5), read=0.2),
        )

    (entry,) = await site.until(1)
    assert (entry["status"], entry["errorMessage"], entry["upstream"]) == ("error", "client_gone", "openai")
    assert (entry["inputTokens"] > 0, entry["outputTokens"], entry["estimatedUsage"]) == (True, 0, "tokens")


class Limited:
    """A client of its own with room for 10,000 tokens."""

    def __init__(self, site: Site, client: str, key: str) -> None:
        self._site = site
        self._client = client
        self.headers = {"authorization": f"Bearer {key}", "x-user-id": "u1"}

    async def used_and_held(self) -> tuple[int, int]:
        (state,) = await self._site.app.state.limits.state(Caller("u1", self._client, None, None))
        return int(state.used), int(state.held)

    async def ask(self, model: str, most: int) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "a b"}], "max_tokens": most}
        return await self._site.client.post("/v1/chat/completions", json=body, headers=self.headers)


@pytest.fixture
async def limited(site: Site) -> Limited:
    name = uuid.uuid4().hex
    room = limit(10_000, Window.MONTH, Unit.TOKENS, scope=LimitScope(client_id=name))
    await define(site.app.state.database, room)
    await site.app.state.limits.changed()
    return Limited(site, name, await site.new_key(name))


async def test_a_limit_refuses_before_anything_is_sent_and_its_holds_are_settled(site: Site, limited: Limited) -> None:
    passed = await limited.ask("gpt-4o-mini", 50)
    used = passed.json()["usage"]["total_tokens"]
    refused = await limited.ask("gpt-4o-mini", 9_999)

    assert (passed.status_code, await limited.used_and_held()) == (200, (used, 0))
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
    assert refused.headers["x-should-retry"] == "false"
    assert len(site.provider.requests) == 1
    failed = await limited.ask("gpt-4o--error=500", 50)
    assert (failed.status_code, await limited.used_and_held()) == (500, (used, 0))
    assert len(await site.entries()) == 2


async def test_what_was_held_for_one_model_is_not_held_for_its_fallback_too(limited: Limited) -> None:
    answered = await limited.ask("twice", 6_000)

    assert (answered.status_code, answered.headers["x-twinmeter-attempts"]) == (200, "2")
    assert await limited.used_and_held() == (answered.json()["usage"]["total_tokens"], 0)


async def test_a_stream_that_its_provider_ends_without_the_usual_mark_is_as_it_is(site: Site) -> None:
    received, error = await site.read({**LONG, "model": "gpt-4o--no_done--tokens=5"})

    assert (error, b"[DONE]" in received, events_of(received)[-1]["choices"][0]["finish_reason"]) == (
        None,
        False,
        "stop",
    )
    (entry,) = await site.until(1)
    assert (entry["status"], entry["outputTokens"]) == ("success", 5)


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("gpt-4o--html=200", 502, "unexpected_answer"),
        ("gpt-4o--broken_json", 502, "upstream_cut"),
        ("gpt-4o--cut=-1", 502, "upstream_cut"),
        ("on-the-moon", 502, "upstream_unreachable"),
    ],
)
async def test_an_upstream_that_does_not_answer_is_a_clear_error(
    site: Site, model: str, status: int, code: str
) -> None:
    response = await site.chat(model)

    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.headers.get_list("x-twinmeter-request-id") == [str((await site.entry(response))["_id"])]
    assert (await site.entry(response))["status"] == "error"


async def test_who_asks_for_a_stream_and_gets_none_is_told(site: Site) -> None:
    response = await site.chat("gpt-4o--no_stream", stream=True)

    assert (response.status_code, response.json()["error"]["code"]) == (502, "no_stream")
    assert (await site.entry(response))["outputTokens"] > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_the_same_idempotency_key_again_is_a_call_again(site: Site, stream: bool) -> None:
    answers = [await site.chat(headers={"idempotency-key": "k1"}, stream=stream) for _ in range(3)]

    ids = {answer.headers["x-twinmeter-request-id"] for answer in answers}
    assert {str(entry["_id"]) for entry in await site.entries()} == ids
    assert len(ids) == 3
    assert (await site.entry(answers[2]))["costSource"] == "priced"
    assert [each.header("idempotency-key") for each in site.provider.requests] == ["k1"] * 3


async def test_names_in_headers_are_checked_and_pass_no_line_ends(site: Site) -> None:
    odd = await site.client.post(
        "/v1/chat/completions", json={}, headers=[*site.holding().items(), ("x-user-id", "a\tb")]
    )

    assert (odd.status_code, odd.json()["error"]["code"]) == (400, "invalid_header")


async def test_counting_tokens_is_no_call_of_the_ledger(site: Site) -> None:
    body = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "a b c"}]}

    response = await site.client.post("/v1/messages/count_tokens", json=body, headers={"x-api-key": site.key})

    assert response.json() == {"input_tokens": 3}
    assert await site.entries() == []


async def test_models_are_those_of_the_file(site: Site) -> None:
    listed = await site.client.get("/v1/models", headers=site.holding())
    one = await site.client.get("/v1/models/fast", headers=site.holding())
    none = await site.client.get("/v1/models/nobody", headers=site.holding())
    hello = await site.client.head("/api/hello")

    assert "fast" in {each["id"] for each in listed.json()["data"]}
    assert (one.json()["id"], none.status_code, hello.status_code) == ("fast", 404, 200)
    assert json.loads(none.content)["error"]["code"] == "model_not_found"


async def test_a_fault_of_ours_is_told_recorded_and_logged_without_a_word_of_the_call(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("canary")

    monkeypatch.setattr("app.gateway.passage.relay", fail)
    with structlog.testing.capture_logs() as logs:
        received, error = await site.read(LONG)

    assert isinstance(error, httpx.RemoteProtocolError)
    assert events_of(received)[-1]["error"]["code"] == "internal_error"
    (entry,) = await site.until(1)
    assert (entry["status"], entry["errorMessage"]) == ("error", "internal_error")
    assert "gateway.failed" in {line["event"] for line in logs}
    assert "canary" not in str(logs)


async def test_a_header_that_cannot_be_passed_on_is_refused_before_anything_is_held(site: Site) -> None:
    headers = [*site.holding().items(), ("openai-beta", "a\u00e9".encode())]

    odd = await site.client.post("/v1/chat/completions", json=LONG, headers=headers)  # type: ignore[arg-type]

    assert (odd.status_code, odd.json()["error"]["code"]) == (400, "invalid_header")
    assert await site.entries() == []


async def test_an_answer_whose_usage_is_no_usage_is_answered_and_recorded_as_unpriced(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reported(*_: object) -> dict[str, object]:
        return {"input_tokens": -5, "output_tokens": 7}

    monkeypatch.setattr("app.gateway.formats.readings.WholeReading.reported", reported)

    response = await site.chat()

    assert response.json()["choices"][0]["message"]["content"]
    entry = await site.entry(response)
    assert (entry["status"], entry["costSource"], entry["unreadableUsage"]) == ("success", "unpriced", True)
    assert entry["requestDuration"] >= 0


async def test_tracking_that_fails_takes_no_answer_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(site.app.state.tracker, "track_call", fail)

    whole, stream = await site.chat(), await site.chat(stream=True)

    assert whole.json()["choices"][0]["message"]["content"]
    assert stream.content.endswith(b"data: [DONE]\n\n")
    assert await site.entries() == []


@pytest.mark.parametrize("length", [b"content-length: 99999999", b"content-length: 9999999999999999"])
async def test_a_body_that_is_too_large_is_refused_before_it_is_read(site: Site, length: bytes) -> None:
    host, port = site.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + site.key.encode()
    writer.write(head + b"\r\n" + length + b"\r\n\r\n{")

    answer = await reader.readuntil(b"\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"x-twinmeter-error: request_too_large" in answer
    writer.close()


async def test_many_bodies_that_do_not_say_how_long_they_are_take_as_much_room_as_they_have(site: Site) -> None:
    body = json.dumps({"model": "gpt-4o--late=300", "messages": [{"role": "user", "content": "a b"}]}).encode()

    async def in_chunks() -> AsyncIterator[bytes]:
        yield body[:20]
        yield body[20:]

    asked = [site.client.post("/v1/chat/completions", content=in_chunks(), headers=site.holding()) for _ in range(12)]
    assert [each.status_code for each in await asyncio.gather(*asked)] == [200] * 12
