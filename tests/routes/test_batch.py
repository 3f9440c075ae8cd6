"""Many calls in one request."""

import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from httpx import Response
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from tests.routes.conftest import bearer
from tests.twins import assert_twins, entries

CALL = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 500}
NDJSON = "application/x-ndjson"
Client = AsyncTestClient[Litestar]


async def send(client: Client, tokens: Tokens, content: bytes, **headers: str) -> Response:
    own = {**bearer(tokens, Role.SERVICE), "Content-Type": "application/json", **headers}
    return await client.post("/api/ai/track/batch", content=content, headers=own)


def ndjson(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


async def test_each_row_is_answered_in_order_and_a_bad_one_sinks_no_other(
    client: Client, tokens: Tokens, database: Database
) -> None:
    rows = [{**CALL, "requestId": "r"}, {**CALL, "inputTokens": -1, "odd": 1}, {**CALL, "requestId": "r"}, 7, CALL]

    response = await send(client, tokens, json.dumps(rows).encode())

    assert response.status_code == 200
    answer = json.loads(response.content, parse_float=Decimal)
    assert answer["summary"] == {"committed": 2, "rejected": 2, "duplicate": 1}
    receipts = answer["receipts"]
    assert [receipt["status"] for receipt in receipts] == [
        "committed",
        "rejected",
        "duplicate",
        "rejected",
        "committed",
    ]
    assert receipts[0]["cost"] == Decimal("0.0075")
    assert {error["field"] for error in receipts[1]["errors"]} == {"inputTokens", "odd"}
    assert receipts[3]["errors"] == [{"field": "", "message": "a call must be a JSON object"}]
    assert await assert_twins(database) == {receipts[0]["id"], receipts[4]["id"]}


async def test_of_very_many_faults_each_row_has_its_first_and_the_answer_stays_small(
    empty: Client, tokens: Tokens
) -> None:
    rows = [{**CALL, **{f"odd{n}": n for n in range(90)}} for _ in range(1_000)]

    response = await send(empty, tokens, json.dumps(rows).encode())

    receipts = response.json()["receipts"]
    assert response.json()["summary"] == {"rejected": 1_000}
    assert [len(receipt["errors"]) for receipt in receipts] == [21] * 47 + [14] + [2] * 952
    assert receipts[0]["errors"][-1] == {"field": "...", "message": "and 70 more"}
    assert receipts[999]["errors"][-1] == {"field": "...", "message": "and 89 more"}
    assert len(response.content) < 500_000


async def test_ndjson_in_gzip_is_the_same(client: Client, tokens: Tokens, database: Database) -> None:
    content = gzip.compress(ndjson(CALL) + b"\r\n  \n{cut\n" + ndjson({**CALL, "userId": "u2"}).rstrip())

    response = await send(client, tokens, content, **{"Content-Type": NDJSON, "Content-Encoding": "gzip"})

    assert [receipt["status"] for receipt in response.json()["receipts"]] == ["committed", "rejected", "committed"]
    assert "the row is not valid JSON" in response.json()["receipts"][1]["errors"][0]["message"]
    assert [entry["userId"] for entry in await entries(database)] == ["u1", "u2"]


async def test_a_thousand_rows_are_committed_in_the_order_in_which_they_came(
    client: Client, tokens: Tokens, database: Database
) -> None:
    response = await send(client, tokens, json.dumps([{**CALL, "userId": f"u{i}"} for i in range(1_000)]).encode())

    assert response.json()["summary"] == {"committed": 1_000}
    ids = [receipt["id"] for receipt in response.json()["receipts"]]
    stored = {str(entry["_id"]): entry["userId"] for entry in await entries(database)}
    assert [stored[id_] for id_ in ids] == [f"u{i}" for i in range(1_000)]


async def test_an_empty_batch_is_answered(empty: Client, tokens: Tokens) -> None:
    assert (await send(empty, tokens, b"[]")).json() == {"summary": {}, "receipts": []}
    assert (await send(empty, tokens, b"\n", **{"Content-Type": NDJSON})).json() == {"summary": {}, "receipts": []}


WHOLE = gzip.compress(json.dumps([CALL]).encode())


def bomb() -> bytes:
    return gzip.compress(b"[" + b" " * 300_000_000 + b"]", compresslevel=1)


@pytest.mark.parametrize(
    ("content", "headers", "status", "said"),
    [
        (WHOLE[:-9], {"Content-Encoding": "gzip"}, 400, "truncated gzip"),
        (WHOLE + b"more", {"Content-Encoding": "gzip"}, 400, "not valid gzip"),
        (b"no gzip", {"Content-Encoding": "gzip"}, 400, "not valid gzip"),
        (bomb, {"Content-Encoding": "gzip"}, 413, "at most 5 MB"),
        (b" " * 5_100_000 + b"[]", {}, 413, "at most 5 MB"),
        (WHOLE, {"Content-Encoding": "br"}, 415, "gzip, not br"),
        (json.dumps([CALL]).encode(), {"Content-Type": "text/csv"}, 415, "not text/csv"),
        (json.dumps(CALL).encode(), {}, 400, "a JSON array"),
        (json.dumps([CALL] * 1_001).encode(), {}, 413, "at most 1,000 rows"),
        (ndjson(CALL) * 1_001, {"Content-Type": NDJSON}, 413, "at most 1,000 rows"),
        (b"[" * 1_000_000, {}, 400, "nested too deeply"),
        (json.dumps([CALL]).encode()[:-1], {}, 400, "not valid JSON"),
        (json.dumps([CALL]).encode(), {"Idempotency-Key": "k"}, 400, "requestId"),
    ],
    ids=[
        "truncated gzip",
        "more than gzip",
        "no gzip",
        "gzip bomb",
        "too large",
        "another encoding",
        "another type",
        "one call",
        "too many rows",
        "too many lines",
        "deep",
        "cut",
        "idempotency key",
    ],
)
async def test_a_fault_of_the_body_is_a_clear_4xx_and_nothing_is_stored(
    empty: Client,
    empty_database: Database,
    tokens: Tokens,
    content: bytes | Callable[[], bytes],
    headers: dict[str, str],
    status: int,
    said: str,
) -> None:
    response = await send(empty, tokens, content if isinstance(content, bytes) else content(), **headers)

    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert said in response.json()["detail"]
    assert await entries(empty_database) == []


async def test_a_deep_row_of_ndjson_is_that_row_s_fault_alone(client: Client, tokens: Tokens) -> None:
    content = ndjson(CALL) + b'{"metadata":' + b"[" * 1_000_000 + b"\n" + ndjson(CALL)

    response = await send(client, tokens, content, **{"Content-Type": NDJSON})

    assert [receipt["status"] for receipt in response.json()["receipts"]] == ["committed", "rejected", "committed"]


async def test_clocks_far_off_are_those_rows_faults_alone(client: Client, tokens: Tokens) -> None:
    moments = ["2999-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "yesterday", "2026-01-01T00:00:00"]
    content = json.dumps([{**CALL, "createdAt": moment} for moment in moments] + [CALL]).encode()

    receipts = (await send(client, tokens, content)).json()["receipts"]

    assert [receipt["status"] for receipt in receipts] == ["rejected"] * 4 + ["committed"]
    assert {receipt["errors"][0]["field"] for receipt in receipts[:4]} == {"createdAt"}


async def test_what_the_queue_cannot_hold_is_refused_whole_with_a_time_to_come_back(
    client: Client, tokens: Tokens, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.tracking.admission.MAX_QUEUED", 12)

    refused = await send(client, tokens, json.dumps([CALL] * 11).encode())
    taken = await send(client, tokens, json.dumps([CALL] * 9).encode())

    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert taken.json()["summary"] == {"committed": 9}
    assert len(await assert_twins(database)) == 9


async def test_more_bytes_at_once_than_a_process_holds_are_refused_before_they_are_read(
    client: Client, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.http.bodies.MAX_IN_HAND", 500)

    refused = await send(client, tokens, json.dumps([CALL] * 10).encode())
    gzipped = await send(client, tokens, WHOLE, **{"Content-Encoding": "gzip"})
    taken = await send(client, tokens, json.dumps([CALL]).encode())

    assert [response.status_code for response in (refused, gzipped, taken)] == [429, 429, 200]


async def test_an_idempotency_key_is_the_request_id(client: Client, tokens: Tokens, database: Database) -> None:
    async def track(key: str, **more: str) -> Response:
        headers = {**bearer(tokens, Role.SERVICE), "Idempotency-Key": key}
        return await client.post("/api/ai/track", json={**CALL, **more}, headers=headers)

    assert (await track("k1")).status_code == 201
    assert (await track('"k1"')).json()["status"] == "duplicate"
    assert (await track("k1", requestId="k1")).json()["status"] == "duplicate"
    differs = await track("k1", requestId="k2")
    assert (differs.status_code, differs.json()["errors"][0]["field"]) == (400, "Idempotency-Key")
    empty = await track("")
    assert (empty.status_code, empty.json()["errors"][0]["field"]) == (400, "Idempotency-Key")
    assert len(await entries(database)) == 1
