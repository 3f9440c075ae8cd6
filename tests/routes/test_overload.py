"""What a sender is told when more is sent than can be committed in time, and how it says how long it waits."""

import gzip
import json
import random

import pytest
from google.rpc import code_pb2, error_details_pb2
from google.rpc.status_pb2 import Status

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from tests.otlp.exports import CHAT, export, span
from tests.routes.conftest import Client, bearer
from tests.twins import entries

CALL = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1}
PROTOBUF = {"Content-Type": "application/x-protobuf"}


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [(None, None), ("wait=3", "wait=3"), ("respond-async, wait=900", "wait=10"), ("wait=soon", None)],
)
async def test_a_request_says_how_long_it_waits_and_is_told_what_was_applied(
    client: Client, tokens: Tokens, prefer: str | None, applied: str | None
) -> None:
    headers = bearer(tokens, Role.SERVICE) | ({} if prefer is None else {"Prefer": prefer})
    spans = export(span(1, CHAT)).SerializeToString()

    answers = [
        await client.post("/api/ai/track", json=CALL, headers=headers),
        await client.post("/api/ai/track/batch", json=[CALL], headers=headers),
        await client.post("/v1/traces", content=spans, headers=headers | PROTOBUF),
    ]

    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert [answer.headers.get("preference-applied") for answer in answers] == [applied] * 3


async def test_the_description_tells_of_the_wait_and_of_the_refusal(client: Client) -> None:
    paths = (await client.get("/schema/openapi.json")).json()["paths"]
    told = {
        path: (
            "Prefer" in {one["name"] for one in operation["parameters"]},
            list(operation["responses"][status]["headers"]),
        )
        for path, status in (("/api/ai/track", "429"), ("/api/ai/track/batch", "429"), ("/v1/traces", "503"))
        for operation in [paths[path]["post"]]
    }

    assert told == dict.fromkeys(told, (True, ["Retry-After"]))


async def test_what_is_refused_is_not_stored_and_every_door_says_when_to_come_back(
    client: Client, tokens: Tokens, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.tracking.admission.MAX_QUEUED", 0)
    headers = bearer(tokens, Role.SERVICE)

    single = await client.post("/api/ai/track", json=CALL, headers=headers)
    batch = await client.post("/api/ai/track/batch", json=[CALL], headers=headers)
    spans = export(span(1, CHAT)).SerializeToString()
    traces = await client.post("/v1/traces", content=spans, headers=headers | PROTOBUF)

    assert [answer.status_code for answer in (single, batch, traces)] == [429, 429, 503]
    assert single.json()["title"] == "Overloaded"
    seconds = {int(answer.headers["retry-after"]) for answer in (single, batch, traces)}
    assert min(seconds) >= 1
    said = Status.FromString(traces.content)
    retry = error_details_pb2.RetryInfo()
    assert said.code == code_pb2.UNAVAILABLE
    assert said.details[0].Unpack(retry)
    assert retry.retry_delay.ToSeconds() == int(traces.headers["retry-after"])
    assert await entries(database) == []
    assert (await client.get("/ready")).json()["calls"] == {}
    technical = await client.get("/api/admin/ai/technical", headers=bearer(tokens, Role.ADMIN))
    assert technical.json()["overloadRefused"] == 3  # a call at each door


async def test_a_batch_for_which_there_is_no_room_is_refused_unread_and_each_refusal_counts_once(
    client: Client, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = bearer(tokens, Role.SERVICE)
    assert (await client.post("/api/ai/track", json=CALL, headers=headers)).status_code == 201
    monkeypatch.setattr("app.tracking.admission.MAX_QUEUED", 0)
    counter = client.app.state.tracker.counters.refused

    single = await client.post("/api/ai/track", json=CALL, headers=headers)
    assert (single.status_code, counter._value.get()) == (429, 1)
    as_json = headers | {"Content-Type": "application/json"}
    batch = await client.post("/api/ai/track/batch", content=b"no json" * 1_000, headers=as_json)
    assert (batch.status_code, counter._value.get()) == (429, 1 + 7)
    traces = await client.post("/v1/traces", content=b"no spans" * 1_000, headers=headers | PROTOBUF)
    assert (traces.status_code, counter._value.get()) == (503, 1 + 7 + 8)


async def test_an_export_that_cannot_be_compressed_has_room_after_some_that_could(
    client: Client, tokens: Tokens
) -> None:
    headers = bearer(tokens, Role.SERVICE) | PROTOBUF | {"Content-Encoding": "gzip"}
    noise = random.Random(1).randbytes(2_000_000).hex()

    for spans in ([span(number, CHAT) for number in range(1, 1_001)], [span(1_001, CHAT | {"prompt": noise})]):
        content = gzip.compress(export(*spans).SerializeToString())
        assert (await client.post("/v1/traces", content=content, headers=headers)).status_code == 200


async def test_bodies_are_alike_whatever_their_senders_call_json(client: Client, tokens: Tokens) -> None:
    headers = bearer(tokens, Role.SERVICE)
    for name in ("application/json", "application/x+json", f"application/{'y' * 10_000}+json"):
        response = await client.post(
            "/api/ai/track/batch", content=json.dumps([CALL]), headers=headers | {"Content-Type": name}
        )
        assert response.status_code == 200

    assert len(client.app.state.tracker.intake._bytes) == 1
