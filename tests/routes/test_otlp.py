"""Spans through `/v1/traces`."""

import gzip
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import structlog
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from httpx import Response
from litestar import Litestar
from litestar.testing import AsyncTestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from app.http.problems import PROBLEM_JSON
from app.ledger.ledger import Ledger, LedgerUnavailableError
from app.observability.logs import configure_logging
from app.otlp.calls import calls_of
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
    for name in await database.writes.list_collection_names(filter={"name": {"$ne": "system.views"}}):
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
    )

    told = answered(await send(client, tokens, sent.SerializeToString()))

    assert told == (1, f"span {TRACE.hex()}-{span_id(2).hex()}: no attribute of the span names a model")
    assert len(await entries(database)) == 1


async def test_a_meter_counts_a_call_of_a_bad_user_and_a_wrong_clock_and_says_so(
    client: Client, tokens: Tokens, database: Database
) -> None:
    ahead = (int(time.time()) + 600) * 10**9
    sent = export(
        span(1, {**CHAT, **USAGE, "user.id": "a\nb"}),
        span(2, {**CHAT, **USAGE}, start_time_unix_nano=ahead, end_time_unix_nano=ahead + 10**9),
    )

    told = answered(await send(client, tokens, sent.SerializeToString()))

    of_user = "user.id must be a string of 1 to 256 characters without control characters: recorded under its hash"
    of_clock = "the span starts in the future: recorded as of its arrival"
    assert told == (0, f"1 recorded, left out: {of_user}; 1 recorded, left out: {of_clock}")
    stored = await entries(database)
    hashed = "sha256:" + sha256(b"a\nb").hexdigest()[:32]
    assert {(entry["userId"], str(entry["cost"])) for entry in stored} == {
        ("anonymous", "0.007500000000000"),
        (hashed, "0.007500000000000"),
    }
    assert {entry["metadata"]["leftOut"] for entry in stored} == {of_user, of_clock}
    assert all(entry["createdAt"] <= entry["recordedAt"] for entry in stored)


async def test_why_calls_have_no_price_is_a_warning_by_kind_and_logged_once(client: Client, tokens: Tokens) -> None:
    unknown = {**CHAT, **USAGE, "gen_ai.usage.hologram_tokens": 7}
    sent = export(span(1, unknown), span(2, unknown), span(3, {**CHAT, **USAGE, "gen_ai.request.model": "house-7"}))
    content = sent.SerializeToString()

    configure_logging("warning")
    with structlog.testing.capture_logs() as lines:
        told = answered(await send(client, tokens, content))
        again = answered(await send(client, tokens, content))
    configure_logging("error")

    of_usage = "unpriced: usage_unreadable: gen_ai.usage.hologram_tokens is usage of a kind that is not known here"
    of_model = "unpriced: model_unknown: no price list has house-7"
    assert told == again == (0, f"2 recorded, {of_usage}; 1 recorded, {of_model}")
    logged = [line["reason"] for line in lines if line["event"] == "call.unpriced"]
    assert [f"unpriced: {reason}" for reason in logged] == [of_usage, of_model]


async def test_at_most_five_kinds_of_warnings_are_told(client: Client, tokens: Tokens) -> None:
    spans = [span(n, {**CHAT, **USAGE, f"gen_ai.usage.hologram_{n}": n}) for n in range(1, 9)]

    rejected, message = answered(await send(client, tokens, export(*spans).SerializeToString()))

    assert rejected == 0
    assert message.count("unpriced: usage_unreadable") == 5
    assert message.endswith("; and 3 more kinds of warnings")


ID = {"gen_ai.response.id": "chatcmpl-CkS8m1tPqVx2Zr9aYw4NfB7u"}
SHORT_ID = {"gen_ai.response.id": "chatcmpl-1"}
OTHER_TRACE = bytes(range(2, 18))


@pytest.mark.parametrize(
    ("first", "second", "calls"),
    [
        (span(1, {**CHAT, **USAGE, **ID}), span(2, {**CHAT, **USAGE, **ID}), 1),
        (span(1, {**CHAT, **USAGE, **ID}), span(2, {**CHAT, **USAGE, **ID}, trace_id=OTHER_TRACE), 1),
        (span(1, {**CHAT, **USAGE, **SHORT_ID}), span(2, {**CHAT, **USAGE, **SHORT_ID}), 1),
        (span(1, {**CHAT, **USAGE, **SHORT_ID}), span(2, {**CHAT, **USAGE, **SHORT_ID}, trace_id=OTHER_TRACE), 2),
        (
            span(1, {**CHAT, **USAGE, **SHORT_ID}),
            span(2, {**CHAT, **USAGE, **SHORT_ID}, start_time_unix_nano=START_NS + 10**9, end_time_unix_nano=0),
            2,
        ),
        (span(1, {**CHAT, **USAGE}), span(2, {**CHAT, **USAGE}), 2),
    ],
    ids=["one id", "another trace", "a short id", "a short id, another trace", "a short id, later", "no id"],
)
async def test_an_answer_that_comes_in_two_exports_counts_once(
    client: Client, tokens: Tokens, database: Database, first: Span, second: Span, calls: int
) -> None:
    for sent in (first, second, first):
        assert answered(await send(client, tokens, export(sent).SerializeToString())) == (0, "")

    assert len(await entries(database)) == calls


async def test_another_client_s_and_another_user_s_answers_are_their_own(app: Litestar) -> None:
    async with AsyncTestClient(app):
        memory = app.state.export_memory
        [one] = calls_of(export(span(1, {**CHAT, **SHORT_ID}))).calls
        [other] = calls_of(export(span(2, {**CHAT, **SHORT_ID}))).calls
        assert memory.request_id(one, "acme", None) == one.fields["request_id"]
        assert memory.request_id(other, "acme", None) == one.fields["request_id"]
        assert memory.request_id(other, "globex", None) == other.fields["request_id"]
        assert memory.request_id(other, "acme", "eve") == other.fields["request_id"]
        assert memory.request_id(one, "acme", "ann") == one.fields["request_id"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.usage.input_tokens": 2**63 - 1},
        {"gen_ai.usage.input_tokens": -1},
        {"gen_ai.usage.input_tokens": 1.5},
        {"gen_ai.usage.prompt_tokens": 999},
        {"gen_ai.usage.details.cache_read_tokens": 3, "gen_ai.usage.cache_read_tokens": 4},
        {f"gen_ai.usage.hologram_{n}": n for n in range(1, 1_001)},
        {"gen_ai.usage": '{"hologram": "' + "x" * 5_000_000 + '"}'},
        {"gen_ai.usage": "[" * 100_000},
        {"gen_ai.usage.details": [1, 2]},
        {"gen_ai.usage." + "x" * 5_000_000: 1},
    ],
    ids=[
        "2^63",
        "negative",
        "a float",
        "two names",
        "two caches",
        "a thousand",
        "5 MB",
        "deep",
        "a list",
        "a long name",
    ],
)
async def test_bad_usage_is_recorded_with_its_reason_and_no_price(
    client: Client, tokens: Tokens, database: Database, attributes: dict[str, Any]
) -> None:
    sent = export(span(1, {**CHAT, **USAGE, **attributes})).SerializeToString()

    rejected, message = answered(await send(client, tokens, sent))

    assert rejected == 0
    assert message.startswith("1 recorded, unpriced: usage_unreadable: gen_ai.usage")
    (entry,) = await entries(database)
    assert (entry["cost"], entry["costSource"]) == (None, "unpriced")


async def test_a_null_or_a_text_that_is_a_number_is_no_fault(
    client: Client, tokens: Tokens, database: Database
) -> None:
    told = {
        "gen_ai.usage.input_tokens": "1000",
        "gen_ai.usage.output_tokens": 500.0,
        "gen_ai.usage.cached_tokens": None,
    }
    assert answered(await send(client, tokens, export(span(1, {**CHAT, **told})).SerializeToString())) == (0, "")
    (entry,) = await entries(database)
    assert str(entry["cost"]) == "0.007500000000000"


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"\xff\xff garbage", {}, 400),
        (b"{", {"Content-Type": "application/json"}, 400),
        (b'{"resourceSpans":' + b"[" * 100_000, {"Content-Type": "application/json"}, 400),
        (b'{"resourceSpans":' + b"[" * 1_000_000, {"Content-Type": "application/json"}, 413),
        (gzip.compress(b"x" * 100)[:-5], {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"\0" * 9_000_000), {"Content-Encoding": "gzip"}, 413),
        (export(*(span(i + 1, {}) for i in range(10_001))).SerializeToString(), {}, 413),
        (b"", {"Content-Type": "text/plain"}, 415),
        (b"", {"Authorization": "Bearer nobody"}, 401),
    ],
    ids=[
        *("garbage", "cut JSON", "deep JSON", "deeper JSON", "truncated gzip", "gzip bomb", "too many spans"),
        *("another type", "nobody"),
    ],
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


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/v1/nothing", 404), ("GET", "/v1/traces", 405)])
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
