"""Spans through `/v1/traces`."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from httpx import Response
from litestar import Litestar
from litestar.testing import AsyncTestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from app.http.problems import PROBLEM_JSON
from app.ledger.ledger import Ledger, LedgerUnavailableError
from app.settings import Settings
from tests.otlp.exports import CHAT, START_NS, TRACE, export, span, span_id
from tests.routes.conftest import bearer
from tests.twins import assert_twins, entries

DATA = Path(__file__).parents[1] / "data" / "otlp"
PROTOBUF = "application/x-protobuf"
USAGE = {"gen_ai.usage.input_tokens": 1_000, "gen_ai.usage.output_tokens": 500}
Client = AsyncTestClient[Litestar]


async def send(client: Client, tokens: Tokens, content: bytes, **headers: str) -> Response:
    own = {**bearer(tokens, Role.SERVICE), "Content-Type": PROTOBUF, **headers}
    return await client.post("/v1/traces", content=content, headers=own)


def answered(response: Response) -> tuple[int, str]:
    """Rejected spans and the message of a partial success."""
    assert (response.status_code, response.headers["content-type"]) == (200, PROTOBUF), response.text
    partial = ExportTraceServiceResponse.FromString(response.content).partial_success
    return partial.rejected_spans, partial.error_message


async def everything_on_disk(database: Database, settings: Settings) -> str:
    """Every document of every collection, and every file of the data folder, as text."""
    documents: list[Any] = []
    for name in await database.writes.list_collection_names():
        documents += await database.writes[name].find().to_list(None)
    files = [path.read_bytes() for path in settings.data_dir.rglob("*") if path.is_file()]
    return repr(documents) + repr(files)


async def test_the_recorded_exports_become_calls_and_no_content_reaches_the_disk(
    client: Client, tokens: Tokens, database: Database, settings: Settings
) -> None:
    recorded = (DATA / "openllmetry.pb").read_bytes()
    assert b"SECRET" in recorded

    assert answered(await send(client, tokens, recorded)) == (0, "")
    stored = await entries(database)
    assert len(await assert_twins(database)) == len(stored) > 0
    assert "SECRET" not in await everything_on_disk(database, settings)

    # the same spans as JSON, gzip: each counts once
    as_json = gzip.compress((DATA / "openllmetry.otlp.json").read_bytes())
    again = await send(client, tokens, as_json, **{"Content-Type": "application/json", "Content-Encoding": "gzip"})
    assert (again.status_code, again.json()) == (200, {})
    assert await entries(database) == stored


async def test_a_span_is_a_call_of_the_key_s_client_priced_to_the_digit(
    client: Client, tokens: Tokens, database: Database
) -> None:
    sent = export(span(1, {**CHAT, **USAGE, "twinmeter.user_id": "u7"}), span(2, {"http.route": "/x"}))

    assert answered(await send(client, tokens, sent.SerializeToString())) == (0, "")

    (entry,) = await entries(database)
    assert (entry["userId"], entry["clientId"], entry["aiModel"]) == ("u7", "default", "gpt-4o")
    assert (str(entry["cost"]), entry["requestDuration"]) == ("0.007500000000000", 250)
    assert entry["createdAt"].timestamp() == START_NS // 1_000_000 / 1_000
    assert entry["metadata"]["traceId"] == TRACE.hex()


async def test_a_user_s_own_token_reports_for_that_user_alone(
    client: Client, tokens: Tokens, database: Database
) -> None:
    sent = export(span(1, {**CHAT, "twinmeter.user_id": "somebody-else"})).SerializeToString()

    await send(client, tokens, sent, **bearer(tokens, Role.USER))

    assert [entry["userId"] for entry in await entries(database)] == ["someone"]


async def test_bad_spans_are_a_partial_success(client: Client, tokens: Tokens, database: Database) -> None:
    sent = export(
        span(1, {**CHAT, **USAGE}),
        span(2, {"gen_ai.operation.name": "chat"}),
        span(3, CHAT, start_time_unix_nano=4_102_444_800 * 10**9, end_time_unix_nano=4_102_444_801 * 10**9),
    )

    rejected, message = answered(await send(client, tokens, sent.SerializeToString()))

    assert rejected == 2
    assert f"{TRACE.hex()}-{span_id(2).hex()}" in message
    assert "createdAt is more than 5 minutes in the future" in message
    assert len(await entries(database)) == 1


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"\xff\xff garbage", {}, 400),
        (b"{", {"Content-Type": "application/json"}, 400),
        (b'{"resourceSpans":' + b"[" * 1_000_000, {"Content-Type": "application/json"}, 400),
        (gzip.compress(b"x" * 100)[:-5], {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"\0" * 9_000_000), {"Content-Encoding": "gzip"}, 413),
        (export(*(span(i + 1, {}) for i in range(10_001))).SerializeToString(), {}, 413),
        (b"", {"Content-Type": "text/plain"}, 415),
        (b"", {"Authorization": "Bearer nobody"}, 401),
    ],
    ids=["garbage", "cut JSON", "deep JSON", "truncated gzip", "gzip bomb", "too many spans", "another type", "nobody"],
)
async def test_a_fault_of_the_body_is_a_google_rpc_status(
    empty: Client, empty_database: Database, tokens: Tokens, content: bytes, headers: dict[str, str], status: int
) -> None:
    response = await send(empty, tokens, content, **headers)

    assert response.status_code == status
    if headers.get("Content-Type", PROTOBUF) == PROTOBUF:
        said = Status.FromString(response.content)
    else:
        said = json_format.Parse(response.content, Status())
    assert said.code != 0
    assert len(said.message) > 10
    assert await entries(empty_database) == []


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", "/v1/chat/completions", 404), ("GET", "/v1/traces", 405)]
)
async def test_beside_the_export_errors_below_v1_are_problems(
    empty: Client, tokens: Tokens, method: str, path: str, status: int
) -> None:
    response = await empty.request(method, path, headers=bearer(tokens, Role.SERVICE))

    assert (response.status_code, response.headers["content-type"]) == (status, PROBLEM_JSON)
    assert response.json()["status"] == status


async def test_an_empty_export_is_answered(empty: Client, tokens: Tokens) -> None:
    assert answered(await send(empty, tokens, b"")) == (0, "")


async def test_spans_are_spooled_while_mongodb_is_away(
    client: Client, tokens: Tokens, monkeypatch: pytest.MonkeyPatch, app: Litestar
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise LedgerUnavailableError("away")

    monkeypatch.setattr(Ledger, "commit", away)
    sent = export(span(1, CHAT)).SerializeToString()

    assert answered(await send(client, tokens, sent)) == (0, "")
    ready = (await client.get("/ready")).json()
    assert (ready["spool"]["calls"], ready["calls"]) == (1, {"spooled": 1})

    app.state.tracker.writer.spooler._spool.max_bytes = 1
    full = await send(client, tokens, export(span(2, CHAT)).SerializeToString())
    assert (full.status_code, full.headers["retry-after"]) == (503, "1")
    assert "none counts twice" in Status.FromString(full.content).message
