"""Product events over HTTP: each is stored once, beside the events of AI calls, and is none of them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Decimal128
from httpx import Response
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from tests.conftest import SECRET
from tests.routes.conftest import bearer, holding

Client = AsyncTestClient[Litestar]
EVENT = {"userId": "u1", "event": "purchase"}
AT = "2026-05-04T10:00:00Z"


@pytest.fixture
def service(tokens: Tokens) -> dict[str, str]:
    return bearer(tokens, Role.SERVICE)


def of_client(client: str, user: str = "app", role: Role = Role.SERVICE) -> dict[str, str]:
    return holding(Tokens(SECRET).issue(user, role, timedelta(minutes=5), client))


async def stored(database: Database) -> list[dict[str, Any]]:
    return await database.events.find({}).sort("_id", 1).to_list(None)


async def send(client: Client, headers: dict[str, str], *events: dict[str, Any]) -> Response:
    if len(events) == 1:
        return await client.post("/api/events", json=events[0], headers=headers)
    return await client.post("/api/events/batch", json=list(events), headers=headers)


async def test_an_event_is_stored_with_all_that_was_said(
    client: Client, service: dict[str, str], database: Database
) -> None:
    sent = {
        **EVENT,
        "createdAt": AT,
        "requestId": "order-7",
        "experiment": "tone",
        "variant": "<b>warm</b>",
        "properties": {"plan": "pro", "seats": 3, "trial": False},
        "synthetic": True,
        "clerkUserId": "user_1",
    }
    body = json.dumps(sent)[:-1] + ', "value": 19.990000000000000001}'
    response = await client.post("/api/events", content=body, headers={**service, "Content-Type": "application/json"})

    assert response.status_code == 201
    receipt = response.json()
    (event,) = await stored(database)
    assert receipt == {"id": str(event.pop("_id")), "status": "committed", "conflicting": False, "errors": []}
    assert event == {
        "schemaVersion": 1,
        "userId": "u1",
        "clientId": "default",
        "event": "purchase",
        "properties": {"plan": "pro", "seats": 3, "trial": False},
        "experiment": "tone",
        "variant": "<b>warm</b>",
        "value": Decimal128("19.990000000000000"),
        "clerkUserId": "user_1",
        "synthetic": True,
        "createdAt": datetime(2026, 5, 4, 10, tzinfo=UTC),
    }


async def test_an_event_that_is_sent_again_counts_once(
    client: Client, service: dict[str, str], database: Database
) -> None:
    named = {**EVENT, "requestId": "order-7", "value": 5}

    first, again = await send(client, service, named), await send(client, service, named)
    other = await send(client, service, {**named, "value": 6})
    by_header = await client.post("/api/events", json=EVENT, headers={**service, "Idempotency-Key": '"order-7"'})

    assert (first.status_code, again.status_code, other.status_code, by_header.status_code) == (201, 200, 200, 200)
    assert {response.json()["id"] for response in (first, again, other, by_header)} == {first.json()["id"]}
    assert [response.json()["conflicting"] for response in (again, other, by_header)] == [False, True, True]
    (event,) = await stored(database)
    assert event["value"] == Decimal128("5.000000000000000")


async def test_a_request_id_is_its_client_s_and_of_a_user_s_own_token_the_user_s(
    client: Client, database: Database
) -> None:
    named = {"event": "purchase", "requestId": "r"}
    callers = [
        (of_client("a"), {"userId": "u"}),
        (of_client("b"), {"userId": "u"}),
        (of_client("a", "u", Role.USER), {}),
        (of_client("a", "v", Role.USER), {}),
    ]

    answers = [await send(client, headers, {**named, **more}) for headers, more in callers]

    assert [answer.status_code for answer in answers] == [201] * 4
    assert {(event["clientId"], event["userId"]) for event in await stored(database)} == {
        ("a", "u"),
        ("b", "u"),
        ("a", "v"),
    }
    assert len(await stored(database)) == 4


async def test_a_call_and_an_event_with_the_same_request_id_are_two(
    client: Client, service: dict[str, str], database: Database
) -> None:
    call = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1, "requestId": "r"}

    assert (await client.post("/api/ai/track", json=call, headers=service)).status_code == 201
    assert (await send(client, service, {**EVENT, "requestId": "r"})).status_code == 201

    assert sorted(event["event"] for event in await stored(database)) == ["ai_generation", "purchase"]


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ({"event": "ai_generation"}, "event", "is written by twinmeter itself, one for each call: report the call"),
        ({"event": "ai_feedback"}, "event", "must not begin with ai_"),
        ({"event": "AI_x"}, "event", "must not begin with ai_"),
        ({"event": ""}, "event", "at least 1 character"),
        ({"event": "a\nb"}, "event", "must not contain control characters"),
        ({"userId": None}, "userId", "valid string"),
        ({"experiment": "tone"}, "variant", "is missing: an experiment and its variant belong together"),
        ({"variant": "b"}, "experiment", "is missing: an experiment and its variant belong together"),
        ({"value": "19.99x"}, "value", "valid decimal"),
        ({"value": 1e12}, "value", "less than or equal to 1000000000"),
        ({"properties": {"a": {"b": 1}}}, "properties", "a must be a string, a number, true, false or null"),
        ({"properties": {"$where": "1"}}, "properties.$where", "does not start with $"),
        ({"properties": {str(n): n for n in range(33)}}, "properties", "at most 32 keys"),
        ({"properties": {"a": "x" * 5_000}}, "properties", "at most 4096 bytes"),
        ({"createdAt": "2026-05-04T10:00:00"}, "createdAt", "timezone"),
        ({"createdAt": "2199-01-01T00:00:00Z"}, "createdAt", "in the future"),
        ({"createdAt": "1999-01-01T00:00:00Z"}, "createdAt", "is before 2000-01-01"),
        ({"clientId": "*"}, "clientId", "stands for all clients"),
        ({"surprise": 1}, "surprise", "unknown field"),
    ],
)
async def test_what_is_no_event_is_refused_with_the_reason(
    empty: Client, tokens: Tokens, more: dict[str, Any], field: str, words: str
) -> None:
    response = await send(empty, bearer(tokens, Role.ADMIN), {**EVENT, **more})

    assert response.status_code == 400
    errors = response.json()["errors"]
    assert [error for error in errors if error["field"] == field and words in error["message"]], errors


async def test_a_bad_row_of_a_batch_affects_no_other(
    client: Client, service: dict[str, str], database: Database
) -> None:
    rows = [{**EVENT, "requestId": "r"}, {"event": "ai_generation"}, 7, {**EVENT, "requestId": "r"}, EVENT]

    response = await client.post("/api/events/batch", json=rows, headers=service)
    lines = b"\n".join(json.dumps(row).encode() for row in ({**EVENT, "requestId": "r"}, EVENT))
    ndjson = {**service, "Content-Type": "application/x-ndjson"}
    again = await client.post("/api/events/batch", content=lines, headers=ndjson)

    assert (response.status_code, again.status_code) == (200, 200)
    assert response.json()["summary"] == {"committed": 2, "rejected": 2, "duplicate": 1}
    statuses = [receipt["status"] for receipt in response.json()["receipts"]]
    assert statuses == ["committed", "rejected", "rejected", "duplicate", "committed"]
    assert response.json()["receipts"][2]["errors"] == [{"field": "", "message": "an event must be a JSON object"}]
    assert again.json()["summary"] == {"duplicate": 1, "committed": 1}
    assert len(await stored(database)) == 3


async def test_nobody_reports_for_others(empty: Client, tokens: Tokens) -> None:
    user, theirs = of_client("a", "u", Role.USER), of_client("a")

    for headers, sent in ((user, {**EVENT, "userId": "v"}), (theirs, {**EVENT, "clientId": "b"})):
        response = await send(empty, headers, sent)
        assert (response.status_code, response.json()["errors"][0]["message"][:23]) == (400, "is not the caller's own")
    assert (await empty.post("/api/events", json=EVENT)).status_code == 401
    panel = bearer(tokens, Role.PANEL)
    assert (await empty.post("/api/events", json=EVENT, headers=panel)).status_code in {401, 403}


async def test_the_dashboard_and_the_audit_count_calls_alone(
    client: Client, service: dict[str, str], tokens: Tokens
) -> None:
    await send(client, service, EVENT, EVENT)

    stats = (await client.get("/api/admin/stats", headers=bearer(tokens, Role.ADMIN))).json()

    assert (stats["aiRequestsToday"], stats["recentActivity"]) == (0, [])


async def test_events_are_in_the_metrics(client: Client, service: dict[str, str], tokens: Tokens) -> None:
    await send(client, service, {**EVENT, "requestId": "r"}, {**EVENT, "requestId": "r"}, {**EVENT, "event": "ai_x"})

    metrics = (await client.get("/metrics", headers=bearer(tokens, Role.ADMIN))).text

    for status in ("committed", "duplicate", "rejected"):
        assert f'twinmeter_events_total{{status="{status}"}} 1.0' in metrics
    assert 'door="events"' not in metrics


async def test_too_large_and_too_many(empty: Client, service: dict[str, str]) -> None:
    many = await empty.post("/api/events/batch", json=[EVENT] * 1_001, headers=service)
    keyed = await empty.post("/api/events/batch", json=[EVENT], headers={**service, "Idempotency-Key": "k"})
    typed = await empty.post("/api/events", content=b"x", headers={**service, "Content-Type": "text/plain"})
    large = await empty.post(
        "/api/events", content=b"x" * 1_000_001, headers={**service, "Content-Type": "application/json"}
    )

    assert [each.status_code for each in (many, keyed, typed, large)] == [413, 400, 415, 413]
