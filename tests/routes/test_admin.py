"""What administrators read over HTTP, and what they are told when they ask wrongly."""

import json
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from pydantic import BaseModel

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.settings import Settings
from routes.administration.alert_bodies import NewEndpoint
from routes.administration.grant_bodies import NewGrant
from routes.administration.limit_bodies import NewLimit
from routes.administration.plan_bodies import NewPlan
from routes.administration.subscription_bodies import NewSubscription
from routes.limit_rows import NewCheck, NewReservation
from routes.panel import NewPanelToken
from tests.routes.conftest import bearer

Client = AsyncTestClient[Litestar]


async def track(client: Client, tokens: Tokens, **reported: Any) -> None:
    call = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 500}
    response = await client.post("/api/ai/track", json={**call, **reported}, headers=bearer(tokens, Role.SERVICE))
    assert response.status_code == 201


async def ask(client: Client, tokens: Tokens, path: str, **params: str | int) -> Any:
    response = await client.get(path, params=params, headers=bearer(tokens, Role.ADMIN))
    assert response.status_code == 200, response.text
    return json.loads(response.content, parse_float=Decimal)


async def test_a_call_is_in_every_report_when_its_receipt_comes(client: Client, tokens: Tokens) -> None:
    await track(client, tokens, requestDuration=800)
    await track(client, tokens, success=False, inputTokens=0, outputTokens=0, userId="u2")

    overview = await ask(client, tokens, "/api/admin/ai/overview")
    usage = await ask(client, tokens, "/api/admin/ai/usage", days=1)
    stats = await ask(client, tokens, "/api/admin/stats")

    expected = {
        "requests": 2,
        "cost": Decimal("0.0075"),
        "savedCost": 0,
        "tokens": {"input": 1_000, "output": 500, "total": 1_500},
        "successes": 1,
        "errors": 1,
        "cached": 0,
        "unpriced": 0,
        "estimated": 0,
        "successRate": 50,
        "cacheHitRate": 0,
        "averageDuration": 800,
    }
    assert overview["today"] == {**expected, "activeUsers": 2, "p95Duration": 800}
    assert usage["totals"] == expected
    assert usage["byFeature"] == [{**expected, "feature": "chat", "earlier": None}]
    assert usage["byModel"] == [{**expected, "provider": "openai", "model": "gpt-4o", "earlier": None}]
    today = datetime.now(UTC).date().isoformat()
    assert usage["window"] == {"from": today, "to": today, "days": 1, "timezone": "UTC"}
    assert [day["day"] for day in usage["daily"]] == [today]
    assert [user["userId"] for user in usage["topUsers"]] == ["u1", "u2"]
    assert (stats["aiRequestsToday"], stats["aiCostToday"], stats["uniqueUsersToday"]) == (2, Decimal("0.0075"), 2)
    assert [row["success"] for row in stats["recentActivity"]] == [False, True]


async def test_the_change_of_a_cost_is_explained_by_exact_parts(client: Client, tokens: Tokens) -> None:
    day = (datetime.now(UTC) - timedelta(days=1)).replace(hour=12, minute=0)
    await track(client, tokens, createdAt=(day - timedelta(days=7)).isoformat())
    for user in ("u1", "u2"):
        await track(client, tokens, createdAt=day.isoformat(), userId=user)
    days = {"from": day.date().isoformat(), "to": day.date().isoformat()}
    earlier = (day - timedelta(days=7)).date().isoformat()

    report = await ask(client, tokens, "/api/admin/ai/explain", **days, compareFrom=earlier, compareTo=earlier)
    of_before = await ask(client, tokens, "/api/admin/ai/explain", **days)

    nothing = dict.fromkeys(("days", "mix", "tokens", "price", "caching"), 0)
    part = {"name": "gpt-4o in chat", "provider": "openai", "model": "gpt-4o", "serviceType": "chat", "feature": "chat"}
    cost = Decimal("0.0075")
    side = {"cached": 0, "unpriced": 0}
    explained = {
        "status": "both",
        "now": {"requests": 2, "cost": 2 * cost, "tokens": 3_000, **side},
        "earlier": {"requests": 1, "cost": cost, "tokens": 1_500, **side},
        "change": cost,
        "effects": {**nothing, "volume": cost},
        "largest": "volume",
    }
    assert report["top"] == [{**part, **explained}]
    assert report["totals"] == {"name": "all calls", **explained}
    assert [(user["userId"], user["status"], user["change"]) for user in report["byUser"]] == [("u2", "new", cost)]
    assert report["otherUsers"] == {"users": 1, "change": 0}
    assert (of_before["totals"]["status"], of_before["totals"]["change"]) == ("new", 2 * cost)


async def test_one_call_is_told_with_all_that_is_known_of_it(client: Client, tokens: Tokens) -> None:
    more = {
        "campaignId": "spring",
        "experiment": "tone",
        "variant": "b",
        "reservationId": "r1",
        "metadata": {"page": "cv"},
        "cacheReadTokens": 200,
        "clerkUserId": "clerk-1",
        "upstream": "openai-eu",
        "attempts": [
            {"upstream": "openai", "model": "gpt-4o", "status": 529, "reason": "overloaded", "milliseconds": 12},
            {"upstream": "openai-eu", "model": "gpt-4o", "status": 200, "reason": None, "milliseconds": 90},
        ],
    }
    await track(client, tokens, requestDuration=800, timeToFirstToken=90, serviceTier="default", **more)
    (listed,) = (await ask(client, tokens, "/api/admin/ai/calls"))["calls"]

    found = await ask(client, tokens, f"/api/admin/ai/calls/{listed['id']}")

    assert {name: found[name] for name in listed} == listed
    assert {name: found[name] for name in more} == more
    assert (found["timeToFirstToken"], found["serviceTier"], found["region"]) == (90, "default", None)
    assert found["inputCost"] + found["outputCost"] + found["generationCost"] == found["cost"]
    assert (found["reasoningTokens"], found["batch"], found["ipAddress"]) == (0, False, None)


@pytest.mark.parametrize("name", ["0" * 24, "nobody", '{"$gt": ""}', "x" * 300])
async def test_a_call_that_is_not_there_is_a_problem(empty: Client, tokens: Tokens, name: str) -> None:
    response = await empty.get(f"/api/admin/ai/calls/{quote(name)}", headers=bearer(tokens, Role.ADMIN))

    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")
    assert len(response.text) < 300


async def test_latency_is_a_distribution_and_errors_have_kinds(client: Client, tokens: Tokens) -> None:
    for duration in (0, 12, 12, 95):
        await track(client, tokens, requestDuration=duration)
    await track(client, tokens, model="claude-sonnet-4-5", provider="anthropic", status="rate_limited")
    await track(client, tokens, status="timeout", requestDuration=30)

    everything = await ask(client, tokens, "/api/admin/ai/latency", days=1)
    of_one = await ask(client, tokens, "/api/admin/ai/latency", days=1, provider="anthropic")
    of_model = await ask(client, tokens, "/api/admin/ai/latency", days=1, model="gpt-4o")

    assert everything["latency"] == {"p50": 12, "p95": 95, "p99": 95}
    counts = {(bar["from"], bar["to"]): bar["count"] for bar in everything["buckets"] if bar["count"]}
    assert [sum(first <= ms <= last for first, last in counts) for ms in (0, 12, 30, 95)] == [1, 1, 1, 1]
    assert (sorted(counts.values()), everything["measured"]) == ([1, 1, 1, 2], 5)
    assert everything["errors"] == [
        {"status": "rate_limited", "provider": "anthropic", "count": 1},
        {"status": "timeout", "provider": "openai", "count": 1},
    ]
    assert (of_one["measured"], of_one["buckets"], len(of_one["errors"])) == (0, [], 1)
    assert (of_model["measured"], of_model["latency"]) == (5, everything["latency"])
    assert [(row["model"], row["measured"], row["exact"]) for row in of_model["byModel"]] == [("gpt-4o", 5, True)]
    assert of_model["errors"] == everything["errors"][1:]


async def test_technical_says_how_the_process_stands(client: Client, tokens: Tokens) -> None:
    await track(client, tokens)

    found = await ask(client, tokens, "/api/admin/ai/technical")
    ready = (await client.get("/ready")).json()

    assert {name: found[name] for name in ("status", "database", "transactions", "advice")} == {
        name: ready[name] for name in ("status", "database", "transactions", "advice")
    }
    assert found["breaker"] == {"open": False, "seconds": None}
    assert (found["queued"], found["room"], found["spool"]["calls"]) == (0, 50_000, 0)
    assert (found["overloadRefused"], 0 <= found["queueWait"] < 1) == (0, True)
    assert found["doors"] == {"track": {"committed": 1}}
    assert (found["calls"], found["replayed"]) == ({"committed": 1}, {})
    assert (found["commits"]["transactions"], found["commits"]["calls"]) == (1, 1)
    assert found["commits"]["seconds"] > 0
    (process,) = found["processes"]
    assert process.pop("since") <= datetime.now(UTC).isoformat()
    assert 0 <= process.pop("lagP99") <= process.pop("lagMax")
    assert process == {"pid": os.getpid(), "calls": 1, "queued": 0, "streams": 0, "away": False}


async def test_a_window_by_dates_and_filters(client: Client, tokens: Tokens) -> None:
    await track(client, tokens, createdAt="2024-05-01T10:00:00Z")
    await track(client, tokens, createdAt="2024-05-02T10:00:00+02:00", contentType="summary", userId="u2")

    window = {"from": "2024-05-01", "to": "2024-05-31"}
    everything = await ask(client, tokens, "/api/admin/ai/usage", **window)
    summaries = await ask(client, tokens, "/api/admin/ai/usage", **window, feature="content-gen", userId="u2")
    nobody = await ask(client, tokens, "/api/admin/ai/usage", **window, userId='{"$gt": ""}')

    assert [report["totals"]["requests"] for report in (everything, summaries, nobody)] == [2, 1, 0]
    assert len(everything["daily"]) == 31


async def test_demo_data_is_left_out_unless_asked_for_and_then_said(client: Client, tokens: Tokens) -> None:
    await track(client, tokens, synthetic=True)

    for synthetic, requests in [("exclude", 0), ("include", 1), ("only", 1)]:
        report = await ask(client, tokens, "/api/admin/ai/usage", days=1, synthetic=synthetic)
        assert (report["synthetic"], report["totals"]["requests"]) == (synthetic, requests)
    assert (await ask(client, tokens, "/api/admin/ai/overview"))["synthetic"] == "exclude"


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"days": "0"}, "days"),
        ({"days": "367"}, "days"),
        ({"days": "many"}, "days"),
        ({"from": "2024-05-02", "to": "2024-05-01"}, "from"),
        ({"from": "2023-01-01", "to": "2024-05-01"}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"to": "2024-05-01"}, "from"),
        ({"from": "2024-05-01", "to": "2024-13-01"}, "to"),
        ({"synthetic": "some"}, "synthetic"),
        ({"userId": "u" * 300}, "userId"),
        ({"compare": "next"}, "compare"),
        ({"series": "user"}, "series"),
    ],
)
async def test_a_bad_parameter_is_a_problem_that_names_it(
    empty: Client, tokens: Tokens, params: dict[str, str], field: str
) -> None:
    response = await empty.get("/api/admin/ai/usage", params=params, headers=bearer(tokens, Role.ADMIN))

    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in response.json()["errors"]] == [field]


OPEN = {"/api/billing/stripe/webhook", "/health", "/livez", "/ready", "/readyz", "/metrics"}
# shells without data, and the session that a browser starts and ends
PAGES = {
    *("/", "/admin", "/admin/{place:str}", "/admin/{place:str}/{view:str}"),
    *("/admin/static/{version:str}/{name:path}", "/admin/session"),
    *("/docs", "/admin/sign-in", "/admin/sign-in/callback", "/admin/sign-in/out"),
    *("/usage", "/embed/twinmeter-usage.js"),
}
PROTECTED = [
    ("POST", "/api/ai/track"),
    ("POST", "/api/ai/track/batch"),
    ("POST", "/v1/traces"),
    ("POST", "/api/events"),
    ("POST", "/api/events/batch"),
    ("GET", "/api/admin/ai/overview"),
    ("GET", "/api/admin/ai/usage"),
    ("GET", "/api/admin/ai/providers"),
    ("GET", "/api/admin/ai/models"),
    ("GET", "/api/admin/ai/users"),
    ("GET", "/api/admin/ai/retention"),
    ("GET", "/api/admin/ai/summary"),
    ("GET", "/api/admin/ai/upgrades"),
    ("GET", "/api/admin/ai/calls"),
    ("GET", "/api/admin/ai/search"),
    ("GET", "/api/admin/ai/calls/{call_id:str}"),
    ("GET", "/api/admin/ai/latency"),
    ("GET", "/api/admin/ai/explain"),
    ("GET", "/api/admin/ai/timeline"),
    ("GET", "/api/admin/ai/technical"),
    ("GET", "/api/admin/ai/download/{file:str}"),
    ("GET", "/api/analytics"),
    ("GET", "/api/admin/ai/data-quality"),
    ("GET", "/api/admin/stats"),
    ("GET", "/api/admin/finance/forecast"),
    ("GET", "/api/admin/finance/forecast/budgets"),
    ("GET", "/api/admin/campaigns"),
    ("POST", "/api/admin/campaigns"),
    ("GET", "/api/admin/campaigns/{campaign:str}"),
    ("PATCH", "/api/admin/campaigns/{campaign:str}"),
    ("GET", "/api/admin/campaigns/{campaign:str}/report"),
    ("GET", "/api/admin/campaigns/{campaign:str}/report.csv"),
    ("GET", "/api/admin/experiments"),
    ("POST", "/api/admin/experiments"),
    ("GET", "/api/admin/experiments/{name:str}"),
    ("PATCH", "/api/admin/experiments/{name:str}"),
    ("GET", "/api/admin/experiments/{name:str}/results"),
    ("GET", "/api/admin/reports/month/{report:str}"),
    ("POST", "/api/admin/reports/month/{month:str}/close"),
    ("GET", "/api/admin/provider-invoices"),
    ("POST", "/api/admin/provider-invoices"),
    ("GET", "/api/admin/finance/overview"),
    ("GET", "/api/admin/finance/margins"),
    ("GET", "/api/admin/finance/margins.csv"),
    ("GET", "/api/admin/finance/loss-making"),
    ("GET", "/api/admin/billing/stripe"),
    ("GET", "/api/admin/revenue"),
    ("GET", "/api/admin/revenue/entries.csv"),
    ("POST", "/api/admin/revenue"),
    ("GET", "/api/admin/revenue/rates"),
    ("POST", "/api/admin/revenue/rates"),
    ("GET", "/api/admin/audit"),
    ("GET", "/api/admin/repricing"),
    ("POST", "/api/admin/repricing"),
    ("POST", "/api/admin/repricing/preview"),
    ("GET", "/api/admin/settings"),
    ("GET", "/api/admin/prices"),
    ("POST", "/api/admin/prices"),
    ("POST", "/api/admin/prices/{override_id:str}/end"),
    ("GET", "/api/admin/keys"),
    ("POST", "/api/admin/keys"),
    ("PATCH", "/api/admin/keys/{key_id:str}"),
    ("POST", "/api/admin/keys/{key_id:str}/revoke"),
    ("GET", "/api/admin/ai/live"),
    ("GET", "/api/me/usage"),
    ("POST", "/api/panel-tokens"),
    ("POST", "/api/ai/limits/check"),
    ("POST", "/api/ai/reservations"),
    ("GET", "/api/ai/reservations/{reservation_id:str}"),
    ("DELETE", "/api/ai/reservations/{reservation_id:str}"),
    *(
        (method, f"/api/admin/{path}")
        for one in (
            "plans/{plan:str}",
            "subscriptions/{subscription_id:str}",
            "limits/{limit_id:str}",
            "grants/{grant_id:str}",
            "endpoints/{endpoint_id:str}",
        )
        for method, path in (
            ("GET", one.partition("/")[0]),
            ("POST", one.partition("/")[0]),
            ("GET", one),
            ("PATCH", one),
            ("POST", f"{one}/end"),
        )
    ),
    ("GET", "/api/admin/limits/applying"),
    ("POST", "/api/admin/endpoints/{endpoint_id:str}/rotate"),
    ("POST", "/api/admin/endpoints/{endpoint_id:str}/test"),
    ("GET", "/api/admin/gateway/upstreams"),
    ("GET", "/api/admin/gateway/cache"),
    ("GET", "/api/admin/gateway/figures"),
    ("DELETE", "/api/admin/gateway/cache"),
    ("GET", "/api/admin/alerts"),
    ("GET", "/api/admin/alerts/{alert_id:str}"),
    ("GET", "/api/admin/alerts/mutes"),
    ("POST", "/api/admin/alerts/mutes"),
    ("POST", "/api/admin/alerts/mutes/{mute_id:str}/end"),
    ("GET", "/api/admin/notes"),
    ("POST", "/api/admin/notes"),
    ("PATCH", "/api/admin/notes/{note_id:str}"),
    ("DELETE", "/api/admin/notes/{note_id:str}"),
    ("GET", "/api/admin/views"),
    ("POST", "/api/admin/views"),
    ("PATCH", "/api/admin/views/{view_id:str}"),
    ("DELETE", "/api/admin/views/{view_id:str}"),
    ("GET", "/api/admin/deliveries"),
    ("GET", "/api/admin/deliveries/{delivery_id:str}"),
    ("POST", "/api/admin/deliveries/{delivery_id:str}/resend"),
]


@pytest.mark.parametrize(("method", "path"), PROTECTED)
async def test_nobody_gets_in_without_a_valid_token(
    empty: Client, tokens: Tokens, settings: Settings, method: str, path: str
) -> None:
    elsewhere = Tokens("another secret of at least 32 bytes")
    refused = [
        {},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer not.a.token"},
        {"Authorization": "Bearer tm_no-key"},
        {"Authorization": f"Bearer tm_abcdefghijkl_{'x' * 43}"},
        {"Authorization": f"Bearer {elsewhere.issue('me', Role.ADMIN, timedelta(minutes=5))}"},
        {"Authorization": f"Bearer {tokens.issue('me', Role.ADMIN, timedelta(minutes=-1))}"},
        {"Authorization": f"Bearer {unsigned(settings)}"},
    ]

    for headers in refused:
        response = await empty.request(method, path, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert settings.signing_secret not in response.text


def unsigned(settings: Settings) -> str:
    """A token that claims to be an administrator and says that it needs no signature."""
    header, payload, _ = Tokens(settings.signing_secret).issue("me", Role.ADMIN, timedelta(minutes=5)).split(".")
    del header
    return f"eyJhbGciOiJub25lIn0.{payload}."


async def test_every_route_that_is_not_open_is_in_the_list_above(empty: Client) -> None:
    served = {
        (method, route.path)
        for route in empty.app.routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS" and not route.path.startswith("/schema") and route.path not in OPEN | PAGES
    }

    assert served == set(PROTECTED)


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        (Role.USER, "/api/admin/ai/overview", 403),
        (Role.SERVICE, "/api/admin/ai/usage", 403),
        (Role.SERVICE, "/api/admin/stats", 403),
        (Role.ADMIN, "/api/admin/stats", 200),
    ],
)
async def test_reports_are_for_administrators(
    empty: Client, tokens: Tokens, role: Role, path: str, status: int
) -> None:
    assert (await empty.get(path, headers=bearer(tokens, role))).status_code == status


async def test_health_ready_metrics_and_schema_need_no_token(empty: Client) -> None:
    for alive in ("/health", "/livez"):
        assert (await empty.get(alive)).json() == {"status": "ok"}
    for address in ("/ready", "/readyz"):
        ready = await empty.get(address)
        assert (ready.status_code, ready.json()["transactions"], ready.json()["advice"]) == (200, True, None)
    schema = (await empty.get("/schema")).json()
    assert set(schema["paths"]) == {*OPEN, *(path.replace(":str", "") for _, path in PROTECTED)}


async def test_money_in_the_schema_is_a_number(empty: Client) -> None:
    schemas = (await empty.get("/schema/openapi.json")).json()["components"]["schemas"]

    (totals,) = [schema for name, schema in schemas.items() if name.endswith("_Totals") or name == "Totals"]
    assert totals["properties"]["cost"]["type"] == "number"


@pytest.mark.parametrize(
    "shape",
    [NewCheck, NewEndpoint, NewGrant, NewLimit, NewPanelToken, NewPlan, NewReservation, NewSubscription],
    ids=lambda shape: shape.__name__,
)
async def test_what_is_sent_about_limits_has_an_example_that_is_taken(empty: Client, shape: type[BaseModel]) -> None:
    described = (await empty.get("/schema/openapi.json")).json()
    whole = described["components"]["schemas"].get(shape.__name__)
    if whole is None:  # it stands where it is used
        posts = [path["post"] for path in described["paths"].values() if "requestBody" in path.get("post", {})]
        bodies = [post["requestBody"]["content"].get("application/json", {"schema": {}}) for post in posts]
        (whole,) = [body["schema"] for body in bodies if body["schema"].get("title") == shape.__name__]

    (example,) = whole["examples"]

    shape.model_validate(example)


async def test_an_unknown_address_is_a_problem_too(empty: Client) -> None:
    response = await empty.get("/api/nowhere")

    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")


async def test_the_summary_has_its_month_end_budgets_and_what_wants_attention(client: Client, tokens: Tokens) -> None:
    limit = {"unit": "usd", "window": "month", "amount": 10, "name": "All of it", "scope": {"everyone": True}}
    made = await client.post("/api/admin/limits", json=limit, headers=bearer(tokens, Role.ADMIN))
    assert made.status_code == 201, made.text
    await track(client, tokens, cost=9)
    await track(client, tokens, model="nobody-sells-this")

    found = await ask(client, tokens, "/api/admin/ai/summary")

    ahead = found["forecast"]
    assert (found["month"]["totals"]["cost"], ahead["monthToDate"], ahead["monthEnd"]) == (9, 9, None)
    assert "14 full days" in ahead["refused"]["why"]
    (budget,) = found["budgets"]
    assert (budget["name"], budget["amount"], budget["used"], budget["usedPercent"]) == ("All of it", 10, 9, 90)
    told = {each["kind"]: (each["text"], each["view"]) for each in found["attention"]}
    assert told["limit"] == ("All of it: 90% of $10.00 per month used", "settings/limits")
    assert told["unpriced"] == ("1 call this month without a price: not in any cost", "reliability/data-quality")
