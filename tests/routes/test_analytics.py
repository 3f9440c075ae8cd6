"""The reports beside overview and usage, over HTTP: figures, pages, clients, and what bad questions are told."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.reports.cursors import encoded
from tests.routes.conftest import bearer, holding

Client = AsyncTestClient[Litestar]
HOUR = timedelta(hours=1)


async def track(client: Client, tokens: Tokens, **reported: Any) -> str:
    call = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 500}
    response = await client.post("/api/ai/track", json={**call, **reported}, headers=bearer(tokens, Role.ADMIN))
    assert response.status_code == 201
    return str(response.json()["id"])


async def ask(client: Client, tokens: Tokens, path: str, **params: str | int) -> Any:
    response = await client.get(path, params=params, headers=bearer(tokens, Role.ADMIN))
    assert response.status_code == 200, response.text
    return json.loads(response.content, parse_float=Decimal)


async def test_providers_tell_latency_and_service_types(client: Client, tokens: Tokens) -> None:
    for duration in (100, 200, 400):
        await track(client, tokens, requestDuration=duration)
    await track(client, tokens, contentType="summary", requestDuration=50, success=False)
    await track(client, tokens, model="claude-sonnet-4-5")

    openai, anthropic = (await ask(client, tokens, "/api/admin/ai/providers", days=1))["providers"]

    assert (openai["provider"], openai["requests"], openai["successRate"]) == ("openai", 4, 75)
    # so few are told exactly
    assert openai["latency"] == {"p50": 100, "p95": 400, "p99": 400}
    assert [(row["serviceType"], row["requests"], row["latency"]["p50"]) for row in openai["services"]] == [
        ("chat", 3, 200),
        ("content", 1, 50),
    ]
    assert (anthropic["provider"], anthropic["latency"]["p95"]) == ("anthropic", None)
    under_a_model = await ask(client, tokens, "/api/admin/ai/providers", days=1, model="gpt-4o")
    assert under_a_model["providers"][0]["latency"] == {"p50": 100, "p95": 400, "p99": 400}


async def test_models_tell_costs_media_and_users(client: Client, tokens: Tokens) -> None:
    await track(client, tokens)
    await track(client, tokens, userId="u2")
    await track(client, tokens, contentType="image-generation", model="dall-e-3", images=2, size="1024x1024",
                quality="standard", inputTokens=0, outputTokens=0)  # fmt: skip
    await track(client, tokens, model="unheard-of")

    models = (await ask(client, tokens, "/api/admin/ai/models", days=1))["models"]

    assert [(row["model"], row["requests"], row["cost"], row["uniqueUsers"]) for row in models] == [
        ("dall-e-3", 1, Decimal("0.08"), 1),
        ("gpt-4o", 2, Decimal("0.015"), 2),
        ("unheard-of", 1, 0, 1),
    ]
    assert (models[0]["images"], models[0]["serviceTypes"]) == (2, ["image"])
    assert (models[1]["inputCost"], models[1]["outputCost"], models[1]["averageCost"]) == (
        Decimal("0.005"),
        Decimal("0.01"),
        Decimal("0.0075"),
    )
    assert (models[2]["unpriced"], models[2]["averageCost"]) == (1, None)


async def test_users_come_page_by_page_in_the_order_asked_for(client: Client, tokens: Tokens) -> None:
    for user, calls in (("a", 1), ("b", 3), ("c", 2), ("d", 2)):
        for _ in range(calls):
            await track(client, tokens, userId=user)

    async def pages(**params: str | int) -> list[str]:
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await ask(client, tokens, "/api/admin/ai/users", days=1, limit=2, **params, **cursor)
            assert page["activeUsers"] == 4
            found += [user["userId"] for user in page["users"]]
            if page["nextCursor"] is None:
                return found
            cursor = {"cursor": page["nextCursor"]}

    assert await pages() == ["b", "c", "d", "a"]
    assert await pages(sort="cost") == ["a", "c", "d", "b"]
    assert await pages(sort="-tokens") == ["b", "c", "d", "a"]


async def test_calls_come_newest_first_and_new_ones_shift_no_page(client: Client, tokens: Tokens) -> None:
    now = datetime.now(UTC)
    ids = [
        await track(client, tokens, createdAt=(now - n * HOUR).isoformat(), success=n != 2, userId=f"u{n}")
        for n in range(5)
    ]

    first = await ask(client, tokens, "/api/admin/ai/calls", days=3, limit=2)
    await track(client, tokens)
    second = await ask(client, tokens, "/api/admin/ai/calls", days=3, limit=2, cursor=first["nextCursor"])
    last = await ask(client, tokens, "/api/admin/ai/calls", days=3, limit=2, cursor=second["nextCursor"])

    pages = [[call["id"] for call in page["calls"]] for page in (first, second, last)]
    assert pages == [ids[:2], ids[2:4], ids[4:]]
    assert last["nextCursor"] is None
    failed = await ask(client, tokens, "/api/admin/ai/calls", days=3, status="error")
    assert [call["id"] for call in failed["calls"]] == [ids[2]]
    (call,) = (await ask(client, tokens, "/api/admin/ai/calls", days=3, userId="u4"))["calls"]
    assert (call["id"], call["cost"], call["costSource"]) == (ids[4], Decimal("0.0075"), "priced")


async def test_the_dearest_call_is_found_among_several_users_models_and_outcomes(
    client: Client, tokens: Tokens
) -> None:
    tracked = [
        await track(client, tokens, userId=user, model=model, inputTokens=size, success=good)
        for user, model, size, good in (
            ("ann", "gpt-4o", 1_000, True),
            ("bob", "gpt-4o", 9_000, False),
            ("bea", "gpt-4.1-mini", 4_000, True),
            ("eve", "unheard-of", 50_000, True),
        )
    ]
    ann, bob, bea, eve = tracked

    async def listed(query: str) -> list[str]:
        answer = await client.get(f"/api/admin/ai/calls?days=3&{query}", headers=bearer(tokens, Role.ADMIN))
        assert answer.status_code == 200, answer.text
        return [call["id"] for call in answer.json()["calls"]]

    assert await listed("sort=-cost") == [bob, ann, bea]
    assert await listed("sort=cost&limit=1") == [bea]
    assert await listed("sort=createdAt&userId=ann&userId=bea") == [ann, bea]
    assert await listed("sort=createdAt&notUserId=ann&notModel=unheard-of") == [bob, bea]
    assert await listed("sort=createdAt&userPrefix=b") == [bob, bea]
    assert await listed("sort=createdAt&notStatus=error&model=gpt-4o&model=unheard-of") == [ann, eve]
    assert await listed("sort=-cost&minCost=0.003&maxCost=0.02") == [ann]


async def test_what_is_typed_finds_names_and_ids_of_ones_own_client(client: Client, tokens: Tokens) -> None:
    mine = {"clientId": "mine", "conversationId": "ann-1", "model": "gpt-4o"}
    call = await track(client, tokens, userId="ann", **mine)
    for number in range(9):
        await track(client, tokens, userId=f"anna-{number}", clientId="theirs", model="gpt-4.1-mini")
    made = await client.post(
        "/api/admin/keys",
        json={"name": "of mine", "clientId": "mine", "scopes": ["admin"]},
        headers=bearer(tokens, Role.ADMIN),
    )
    of_mine = holding(made.json()["key"])

    async def found(text: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        headers = headers or bearer(tokens, Role.ADMIN)
        answer: dict[str, Any] = (await client.get("/api/admin/ai/search", params={"q": text}, headers=headers)).json()
        return answer

    assert (await found("ann"))["users"] == ["ann"]  # the others are not merged yet
    assert (await found("anna-3"))["users"] == ["anna-3"]
    assert (await found("GPT-4"))["models"] == [
        {"provider": "openai", "model": "gpt-4.1-mini"},
        {"provider": "openai", "model": "gpt-4o"},
    ]
    assert (await found("ann-"))["conversations"] == [{"clientId": "mine", "conversationId": "ann-1"}]
    assert [each["userId"] for each in (await found(call))["calls"]] == ["ann"]
    assert (await found("m"))["clients"] == ["mine"]
    assert (await found("$ne"))["users"] == []
    own = await found("an", of_mine)
    assert (own["clients"], (await found("theirs", of_mine))["clients"]) == ([], [])
    assert (await found("anna-3", of_mine))["users"] == []
    assert [each["model"] for each in (await found("gpt", of_mine))["models"]] == ["gpt-4o"]


async def test_several_users_narrow_lists_of_calls_alone_and_no_client_sees_anothers(
    client: Client, tokens: Tokens
) -> None:
    mine = await track(client, tokens, clientId="mine", userId="a")
    await track(client, tokens, clientId="theirs", userId="a")
    made = await client.post(
        "/api/admin/keys",
        json={"name": "of mine", "clientId": "mine", "scopes": ["admin"]},
        headers=bearer(tokens, Role.ADMIN),
    )
    of_mine = holding(made.json()["key"])

    both = await client.get("/api/admin/ai/usage?userId=a&userId=b", headers=bearer(tokens, Role.ADMIN))
    assert both.status_code == 400
    assert "lists of calls" in both.text
    refused = await client.get("/api/admin/ai/calls?clientId=mine&clientId=theirs", headers=of_mine)
    assert refused.status_code == 403
    for query in ("notClientId=other", "userId=a&userId=b", "clientId=mine"):
        found = await client.get(f"/api/admin/ai/calls?days=3&{query}", headers=of_mine)
        assert [call["id"] for call in found.json()["calls"]] == [mine]
    none = await client.get("/api/admin/ai/calls?days=3&notClientId=mine", headers=of_mine)
    assert none.json()["calls"] == []


async def test_analytics_are_those_of_the_callers_client(client: Client, tokens: Tokens) -> None:
    await track(client, tokens, clientId="mine", conversationId="c1")
    await track(client, tokens, clientId="mine", conversationId="c2", inputTokens=9_000)
    await track(client, tokens, clientId="theirs", conversationId="c1")
    mine = {"Authorization": f"Bearer {tokens.issue('app', Role.SERVICE, HOUR, 'mine')}"}

    own = (await client.get("/api/analytics", params={"days": 2}, headers=mine)).json()
    refused = await client.get("/api/analytics", params={"clientId": "theirs"}, headers=mine)
    everyone = await ask(client, tokens, "/api/analytics", days=2)
    theirs = await ask(client, tokens, "/api/analytics", days=2, clientId="theirs", type="daily")

    assert (own["clientId"], own["summary"]["requests"], own["summary"]["activeUsers"]) == ("mine", 2, 1)
    assert [(row["conversationId"], row["tokens"]) for row in own["byConversation"]] == [("c2", 9_500), ("c1", 1_500)]
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "this caller is limited to mine; leave clientId out",
    )
    assert (everyone["clientId"], everyone["summary"]["requests"], len(everyone["byConversation"])) == (None, 3, 3)
    filtered = await ask(client, tokens, "/api/analytics", model="gpt-4o")
    assert filtered["byConversation"] is None
    assert (theirs["summary"]["requests"], theirs["weekly"], theirs["monthly"]) == (1, None, None)
    assert [day["requests"] for day in theirs["daily"]][-1] == 1


async def test_weeks_are_iso_weeks_and_compared_with_the_week_before(client: Client, tokens: Tokens) -> None:
    # Monday 2024-04-29 begins 2024-W18
    for day, calls in (("2024-04-22", 2), ("2024-04-29", 3), ("2024-05-05", 1), ("2024-05-06", 5)):
        for _ in range(calls):
            await track(client, tokens, createdAt=f"{day}T12:00:00Z")

    window = {"from": "2024-05-01", "to": "2024-05-08"}
    report = await ask(client, tokens, "/api/analytics", **window, type="all")

    weeks = {row["week"]: row for row in report["weekly"]}
    assert [row["week"] for row in report["weekly"]][-3:] == ["2024-W17", "2024-W18", "2024-W19"]
    assert len(weeks) == 12
    assert [weeks[week]["requests"] for week in ("2024-W17", "2024-W18", "2024-W19")] == [2, 4, 5]
    assert (weeks["2024-W18"]["requestsChange"], weeks["2024-W18"]["first"]) == (100, "2024-04-29")
    # the window ends within it
    assert (weeks["2024-W19"]["complete"], weeks["2024-W19"]["requestsChange"]) == (False, None)
    months = {row["month"]: (row["requests"], row["complete"]) for row in report["monthly"]}
    assert (months["2024-04"], months["2024-05"], len(months)) == ((5, True), (6, False), 12)
    assert report["summary"]["requests"] == 6


@pytest.mark.parametrize(
    ("path", "params", "field", "allowed"),
    [
        ("/api/analytics", {"type": "hourly"}, "type", "all, daily, weekly, monthly, conversation"),
        ("/api/analytics", {"timezone": "Mars/Olympus"}, "timezone", "UTC"),
        ("/api/analytics", {"clientId": "*"}, "clientId", "leave it out for all clients"),
        ("/api/analytics", {"userId": "u1", "days": "93"}, "userId", "92 days"),
        ("/api/admin/ai/overview", {"clientId": "*"}, "clientId", "leave it out for all clients"),
        ("/api/admin/ai/models", {"userId": "u1"}, "userId", "usage, calls and analytics"),
        ("/api/admin/ai/users", {"sort": "name"}, "sort", "requests, cost, tokens, lastActive"),
        ("/api/admin/ai/users", {"cursor": "nonsense!"}, "cursor", "nextCursor"),
        (
            "/api/admin/ai/users",
            {"cursor": encoded({"sort": "-requests", "skip": 10**30})},
            "cursor",
            "without a cursor",
        ),
        ("/api/admin/ai/users", {"limit": "1000"}, "limit", "100"),
        ("/api/admin/ai/calls", {"cursor": "e30"}, "cursor", "start without a cursor"),
        ("/api/admin/ai/calls", {"status": "lost"}, "status", "success, error, rate_limited, timeout"),
        ("/api/admin/ai/calls", {"costSource": "guessed"}, "costSource", "reported, priced, estimated"),
        ("/api/admin/ai/calls", {"serviceType": "poetry"}, "serviceType", "content, chat, image"),
        ("/api/admin/ai/calls", {"hour": "24"}, "hour", "23"),
        ("/api/admin/ai/calls", {"weekday": "0"}, "weekday", "1"),
        ("/api/admin/ai/calls", {"minDuration": "soon"}, "minDuration", "int"),
        (
            "/api/admin/ai/calls",
            {"minDuration": "9", "maxDuration": "8"},
            "minDuration",
            "not exceed maxDuration (8)",
        ),
        ("/api/admin/ai/calls", {"minCost": "much"}, "minCost", "0.25"),
        ("/api/admin/ai/calls", {"minCost": "2", "maxCost": "1"}, "minCost", "not exceed maxCost (1)"),
        ("/api/admin/ai/calls", {"sort": "price"}, "sort", "-createdAt, createdAt, -cost, cost"),
        ("/api/admin/ai/calls", {"notModel": ""}, "notModel", "1 to 256 characters"),
        ("/api/admin/ai/calls", {"conversationId": ""}, "conversationId", ">= 1"),
        ("/api/admin/ai/usage", {"synthetic": "some"}, "synthetic", "exclude, include, only"),
        ("/api/admin/ai/usage", {"userId": "u", "days": "200"}, "userId", "92 days"),
        ("/api/admin/ai/explain", {"userId": "u", "days": "200"}, "userId", "92 days"),
        ("/api/admin/ai/timeline", {"step": "second"}, "step", "minute, hour, day"),
        ("/api/admin/ai/timeline", {"by": "user"}, "by", "provider, model, feature, serviceType"),
        ("/api/admin/ai/timeline", {"days": "2", "step": "minute"}, "step", "24 hours"),
        ("/api/admin/ai/timeline", {"fromTime": "2024-05-01T10:00:00Z"}, "toTime", "is missing"),
        (
            "/api/admin/ai/usage",
            {"fromTime": "2024-05-01T10:00:00Z", "toTime": "2024-05-01T11:00:00Z", "compare": "previous"},
            "compare",
            "leave it out",
        ),
        (
            "/api/admin/ai/latency",
            {"fromTime": "2024-05-01T10:00:00Z", "toTime": "2024-05-03T11:00:00Z"},
            "fromTime",
            "24 hours",
        ),
        ("/api/admin/ai/calls", {"fromTime": "today", "toTime": "2024-05-01T10:00:00Z"}, "fromTime", "time zone"),
        ("/api/admin/ai/calls", {"fromTime": "2024-05-01T10:00:00Z", "days": "7"}, "days", "give either"),
        ("/api/admin/ai/explain", {"days": "1"}, "from", "is today"),
        ("/api/admin/ai/explain", {"compare": "next"}, "compare", "previous, week, month, year"),
        ("/api/admin/ai/explain", {"compareFrom": "2024-05-02"}, "compareTo", "is missing"),
        ("/api/admin/ai/explain", {"compareTo": "2024-05-02"}, "compareFrom", "is missing"),
        (
            "/api/admin/ai/explain",
            {"compareFrom": "2024-05-02", "compareTo": "2024-05-01"},
            "compareFrom",
            "not be after compareTo",
        ),
        (
            "/api/admin/ai/explain",
            {"compare": "year", "compareFrom": "2024-05-02", "compareTo": "2024-05-02"},
            "compare",
            "either compare",
        ),
    ],
)
async def test_a_bad_question_is_told_what_is_allowed(
    empty: Client, tokens: Tokens, path: str, params: dict[str, str], field: str, allowed: str
) -> None:
    response = await empty.get(path, params=params, headers=bearer(tokens, Role.ADMIN))

    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["field"] == field
    assert allowed in error["message"]


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59.999999+00:00", "0001-01-01T00:00:00+00:00"])
async def test_a_cursor_at_an_end_of_the_calendar_is_a_page_like_any_other(
    client: Client, tokens: Tokens, moment: str
) -> None:
    await track(client, tokens)
    cursor = encoded({"sort": "-createdAt", "at": [moment, "f" * 24], "place": 1, "back": False})

    page = await ask(client, tokens, "/api/admin/ai/calls", cursor=cursor)

    assert len(page["calls"]) == (1 if moment.startswith("9") else 0)


async def test_a_cursor_of_another_order_is_refused(client: Client, tokens: Tokens) -> None:
    for user in "abc":
        await track(client, tokens, userId=user)
    page = await ask(client, tokens, "/api/admin/ai/users", days=1, limit=1)

    response = await client.get(
        "/api/admin/ai/users",
        params={"sort": "cost", "cursor": page["nextCursor"]},
        headers=bearer(tokens, Role.ADMIN),
    )

    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "cursor")


async def test_ready_says_how_fresh_the_rollups_are(client: Client, tokens: Tokens) -> None:
    await track(client, tokens)

    ready = (await client.get("/ready")).json()
    overview = await ask(client, tokens, "/api/admin/ai/overview")

    assert ready["freshness"]["lastCommit"] == overview["freshness"]["lastCommit"]
    assert ready["freshness"]["lastCommit"] is not None
    assert overview["health"]["score"] == 100
