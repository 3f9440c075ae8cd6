"""Campaigns over HTTP: definitions and the limits that their budgets are, reports, and who sees what."""

import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from tests.conftest import SECRET
from tests.patience import until
from tests.routes.conftest import bearer, holding

Client = AsyncTestClient[Litestar]
PATH = "/api/admin/campaigns"
TODAY = datetime.now(UTC).date()
SPRING: dict[str, Any] = {"campaignId": "spring", "name": "Spring", "owner": "marketing", "begins": "2026-01-01"}
ADMIN = bearer(Tokens(SECRET), Role.ADMIN)
# gpt-4o: $2.50 and $10 for a million tokens
CALL: dict[str, Any] = {
    "userId": "u1",
    "contentType": "chat",
    "model": "gpt-4o",
    "inputTokens": 1_000,
    "outputTokens": 500,
    "campaignId": "spring",
}
COST = Decimal("0.0075")


async def admin_of(client: Client, owner: str) -> dict[str, str]:
    body = {"name": "boss", "clientId": owner, "scopes": ["admin"]}
    return holding((await client.post("/api/admin/keys", json=body, headers=ADMIN)).json()["key"])


async def track(client: Client, *, days: int = 0, **more: Any) -> None:
    at = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    answer = await client.post("/api/ai/track", json={**CALL, "createdAt": at, **more}, headers=ADMIN)
    assert answer.json()["status"] == "committed"


async def ask(client: Client, path: str, headers: dict[str, str] = ADMIN, **params: Any) -> Any:
    answer = await client.get(f"{PATH}{path}", headers=headers, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json(parse_float=Decimal)


async def limit_of(client: Client, campaign: dict[str, Any]) -> Any:
    answer = await client.get(f"/api/admin/limits/{campaign['limitId']}", headers=ADMIN)
    return answer.json(parse_float=Decimal)


async def test_one_is_defined_found_changed_and_listed(client: Client) -> None:
    made = await client.post(PATH, json={**SPRING, "note": "why"}, headers=ADMIN)
    again = await client.post(PATH, json=SPRING, headers=ADMIN)
    changed = await client.patch(f"{PATH}/spring", json={"ends": "2026-02-01", "note": None}, headers=ADMIN)

    assert (made.status_code, again.status_code, changed.status_code) == (201, 409, 200)
    assert (made.json()["state"], made.json()["budget"], made.json()["limitId"]) == ("running", None, None)
    assert changed.json() == {**made.json(), "ends": "2026-02-01", "note": None, "state": "ended"}
    assert await ask(client, f"/{made.json()['id']}") == await ask(client, "/spring") == changed.json()
    assert await ask(client, "") == {"campaigns": [changed.json()], "undefined": [], "nextCursor": None}


async def test_a_budget_is_a_soft_limit_that_comes_changes_and_goes_with_it(client: Client) -> None:
    made = (await client.post(PATH, json={**SPRING, "budget": 5}, headers=ADMIN)).json()
    first = await limit_of(client, made)
    raised = (await client.patch(f"{PATH}/spring", json={"budget": 7.5}, headers=ADMIN)).json()
    second = await limit_of(client, raised)
    without = (await client.patch(f"{PATH}/spring", json={"budget": None}, headers=ADMIN)).json()
    ended = await limit_of(client, raised)
    anew = (await client.patch(f"{PATH}/spring", json={"budget": 1}, headers=ADMIN)).json()

    assert (first["scope"]["campaignId"], first["unit"], first["window"], first["kind"]) == (
        *("spring", "usd", "lifetime"),
        "soft",
    )
    assert (first["amount"], first["name"], first["alertPercents"]) == (5, "budget of Spring", [80, 90, 100])
    assert (second["id"], second["amount"]) == (first["id"], Decimal("7.5"))
    assert (without["budget"], without["limitId"], ended["endedAt"] is not None) == (None, None, True)
    assert anew["limitId"] not in {None, first["id"]}
    # who ends the limit beside the campaign ends what it is, and a budget makes another one
    await client.post(f"/api/admin/limits/{anew['limitId']}/end", headers=ADMIN)
    assert (await ask(client, "/spring/report"))["budget"] is None
    again = (await client.patch(f"{PATH}/spring", json={"budget": 2}, headers=ADMIN)).json()
    assert (await limit_of(client, again))["endedAt"] is None


async def test_a_budget_alerts_as_any_limit_does(client: Client) -> None:
    made = (await client.post(PATH, json={**SPRING, "budget": "0.015"}, headers=ADMIN)).json()
    await track(client)
    await track(client)  # 0.0075 each: 50 % and 100 %
    found: list[dict[str, Any]] = []

    async def told() -> bool:
        alerts = (await client.get("/api/admin/alerts", headers=ADMIN)).json()["alerts"]
        found[:] = [alert for alert in alerts if alert["limitId"] == made["limitId"]]
        return len(found) == 3

    await until(told)
    assert {(alert["threshold"], alert["subject"]) for alert in found} == {
        (percent, "campaign:spring") for percent in (80, 90, 100)
    }


async def test_of_two_at_once_one_is_made_with_one_limit(client: Client) -> None:
    answers = await asyncio.gather(*(client.post(PATH, json={**SPRING, "budget": 5}, headers=ADMIN) for _ in range(4)))
    limits = (await client.get("/api/admin/limits", params={"campaignId": "spring"}, headers=ADMIN)).json()["limits"]

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert len(limits) == 1


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ({"ends": "2025-12-31"}, "ends", "must be its last day, from 2026-01-01"),
        ({"begins": "1999-12-31"}, "begins", "must be from 2000-01-01"),
        ({"name": "<script>"}, "name", "must be plain text"),
        ({"campaignId": "a<b"}, "campaignId", "must be plain text"),
        ({"owner": "a\nb"}, "owner", "control characters"),
        ({"campaignId": "c" * 257}, "campaignId", "256"),
        ({"campaignId": {"$gt": ""}}, "campaignId", "string"),
        ({"budget": 0}, "budget", "must be above 0 USD"),
        ({"budget": -1}, "budget", "greater than or equal to 0"),
        ({"budget": "NaN"}, "budget", ""),
        ({"begins": "soon"}, "begins", "date"),
        ({"surprise": 1}, "surprise", ""),
    ],
)
async def test_what_cannot_be_is_refused_by_field(empty: Client, more: dict[str, Any], field: str, words: str) -> None:
    answer = await empty.post(PATH, json={**SPRING, **more}, headers=ADMIN)

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (400, field)
    assert words in error["message"]
    assert (await ask(empty, ""))["campaigns"] == []


async def test_what_calls_name_it_cannot_change(client: Client) -> None:
    await client.post(PATH, json=SPRING, headers=ADMIN)

    for field in ("campaignId", "clientId"):
        answer = await client.patch(f"{PATH}/spring", json={field: "x"}, headers=ADMIN)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    late = await client.patch(f"{PATH}/spring", json={"ends": "2025-01-01"}, headers=ADMIN)
    assert (late.status_code, late.json()["errors"][0]["field"]) == (400, "ends")
    assert (await client.patch(f"{PATH}/none", json={"note": "x"}, headers=ADMIN)).status_code == 404


async def test_a_report_says_cost_by_day_model_feature_client_and_user_and_what_is_left(client: Client) -> None:
    begins = (TODAY - timedelta(days=9)).isoformat()
    await client.post(PATH, json={**SPRING, "begins": begins, "budget": 0.1}, headers=ADMIN)
    for days in (4, 3, 2, 1):
        await track(client, days=days)
    await track(client, userId="u2", clientId="shop", contentType="summary")
    await track(client, model="a-model-nobody-sells")
    await track(client, days=40)  # before it began: in its budget, not in its days
    await track(client, campaignId="harvest")
    await track(client, campaignId=None)

    report = await ask(client, "/spring/report")
    table = await client.get(f"{PATH}/spring/report.csv", headers=ADMIN)

    assert report["window"]["from"] == begins
    totals = report["totals"]
    assert (totals["requests"], totals["cost"], totals["unpriced"]) == (6, 5 * COST, 1)
    assert [(day["day"], day["cost"]) for day in report["daily"] if day["requests"]] == [
        *(((TODAY - timedelta(days=days)).isoformat(), COST) for days in (4, 3, 2, 1)),
        (TODAY.isoformat(), COST),
    ]
    assert [(row["model"], row["requests"]) for row in report["byModel"]] == [
        ("gpt-4o", 5),
        ("a-model-nobody-sells", 1),
    ]
    assert {row["feature"]: row["cost"] for row in report["byFeature"]} == {"chat": 4 * COST, "content-gen": COST}
    assert {row["clientId"]: row["cost"] for row in report["byClient"]} == {"default": 4 * COST, "shop": COST}
    assert [(row["userId"], row["cost"]) for row in report["topUsers"]] == [("u1", 4 * COST), ("u2", COST)]
    assert (report["fullDays"], report["costPerDay"]) == (9, (4 * COST / 9).quantize(Decimal("1e-15")))
    budget = report["budget"]
    assert (budget["used"], budget["remaining"], budget["percent"]) == (6 * COST, Decimal("0.055"), 45)
    # four days of 0.0075: 0.055 last for 8 days, today among them
    assert (budget["reached"]["on"], budget["reached"]["paceDays"]) == ((TODAY + timedelta(days=7)).isoformat(), 4)
    assert (await limit_of(client, report["campaign"]))["current"]["used"] == budget["used"]

    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert table.headers["content-type"].startswith("text/csv")
    assert sum(Decimal(row["cost"]) for row in rows) == 5 * COST
    assert sum(int(row["requests"]) for row in rows) == 6
    week = await ask(client, "/spring/report", days=2)
    assert week["totals"]["requests"] == 3


async def test_what_nobody_has_defined_is_listed_and_reported_too(client: Client) -> None:
    await track(client, campaignId="=cmd|'/c'!A1")
    await track(client, campaignId="spring", clientId="shop")
    await client.post(PATH, json={**SPRING, "clientId": "mill"}, headers=ADMIN)

    (first, second) = (await ask(client, ""))["undefined"]
    report = await ask(client, "/spring/report")
    missing = await client.get(f"{PATH}/autumn/report", headers=ADMIN)

    assert {(one["campaignId"], one["clientId"], one["requests"], one["cost"]) for one in (first, second)} == {
        ("=cmd|'/c'!A1", "default", 1, COST),
        ("spring", "shop", 1, COST),
    }
    assert first["advice"].startswith("not defined: define it")
    # the definition of the only client that has one is found by the name
    assert (report["campaign"]["clientId"], report["totals"]["requests"]) == ("mill", 0)
    of_shop = await ask(client, "/spring/report", clientId="shop")
    assert (of_shop["campaign"], of_shop["advice"] is not None, of_shop["totals"]["requests"]) == (None, True, 1)
    assert (missing.status_code, "no call of these days names it" in missing.json()["detail"]) == (404, True)


async def test_one_clients_administrator_has_campaigns_of_its_own(client: Client) -> None:
    shop, mill = await admin_of(client, "shop"), await admin_of(client, "mill")
    ours = (await client.post(PATH, json={**SPRING, "budget": 1}, headers=shop)).json()
    over_all = (await client.post(PATH, json={**SPRING, "budget": 1}, headers=ADMIN)).json()
    for owner in ("shop", "mill"):
        await track(client, clientId=owner)

    assert (ours["clientId"], over_all["clientId"]) == ("shop", None)
    assert [one["id"] for one in (await ask(client, "", shop))["campaigns"]] == [ours["id"]]
    report = await ask(client, "/spring/report", shop)
    assert (report["totals"]["requests"], report["budget"]["used"]) == (1, COST)
    assert [row["clientId"] for row in report["byClient"]] == ["shop"]
    whole = await ask(client, "/spring/report")
    assert (whole["totals"]["requests"], whole["budget"]["used"]) == (2, 2 * COST)
    # what is of nobody, or of all, is to another client a name in its own calls
    theirs = await ask(client, "/spring/report", mill)
    assert (theirs["campaign"], theirs["budget"], theirs["totals"]["requests"]) == (None, None, 1)
    for id_ in (ours["id"], over_all["id"]):
        assert (await client.get(f"{PATH}/{id_}", headers=mill)).status_code == 404
        assert (await client.patch(f"{PATH}/{id_}", json={"note": "x"}, headers=mill)).status_code == 404
    assert (await client.post(PATH, json={**SPRING, "clientId": "shop"}, headers=mill)).status_code == 403
    assert (await client.get(f"{PATH}/spring/report", params={"clientId": "shop"}, headers=mill)).status_code == 403
    named = await client.get("/api/admin/ai/calls", params={"campaignId": "spring"}, headers=mill)
    assert [call["clientId"] for call in named.json()["calls"]] == ["mill"]


async def test_calls_are_listed_by_campaign_and_by_variant(client: Client) -> None:
    await track(client, experiment="tone", variant="a", userId="a")
    await track(client, experiment="tone", variant="b", userId="b", campaignId=None)

    async def users(**params: str) -> list[str]:
        found = await client.get("/api/admin/ai/calls", params=params, headers=ADMIN)
        return sorted(call["userId"] for call in found.json()["calls"])

    assert await users(campaignId="spring") == ["a"]
    assert await users(experiment="tone") == ["a", "b"]
    assert await users(experiment="tone", variant="b") == ["b"]
    assert await users(campaignId='{"$gt": ""}') == []
