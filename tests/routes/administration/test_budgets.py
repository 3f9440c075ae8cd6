"""Forecasts over HTTP: who sees what, and when limits in USD will be used up."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from tests.routes.conftest import bearer, holding

Client = AsyncTestClient[Litestar]
DAY = timedelta(days=1)


async def twenty_days(client: Client, tokens: Tokens) -> None:
    """2 USD on each of the last twenty days: of `shop`, in a campaign; and half of that of another client."""
    now = datetime.now(UTC)
    call = {"userId": "u", "contentType": "chat", "model": "gpt-4o", "provider": "openai"}
    rows: list[dict[str, Any]] = []
    for ago in range(1, 21):
        at = (now - ago * DAY).isoformat()
        rows += [
            {**call, "createdAt": at, "cost": 2, "clientId": "shop", "campaignId": "spring"},
            {**call, "createdAt": at, "cost": 1, "clientId": "other", "contentType": "summary"},
        ]
    response = await client.post("/api/ai/track/batch", json=rows, headers=bearer(tokens, Role.ADMIN))
    assert response.json()["summary"] == {"committed": 40}, response.text


async def get(client: Client, headers: dict[str, str], path: str, **params: str) -> Any:
    response = await client.get(f"/api/admin/finance/{path}", params=params, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def test_budgets_say_when_they_will_be_used_up(client: Client, tokens: Tokens) -> None:
    await twenty_days(client, tokens)
    root = bearer(tokens, Role.ADMIN)
    for scope, amount, more in (
        ({"everyone": True}, 75, {}),
        ({"clientId": "shop"}, 50, {}),
        ({"campaignId": "spring"}, 30, {}),
        ({"feature": "chat"}, 100_000, {}),
        ({"clientId": "shop", "userId": "u"}, 50, {}),
        ({"clientId": "other"}, 50, {"filter": {"serviceType": "image"}}),
    ):
        limit = {"scope": scope, "unit": "usd", "window": "lifetime", "amount": amount, "kind": "soft", **more}
        made = await client.post("/api/admin/limits", json=limit, headers=root)
        assert made.status_code == 201, made.text

    found = (await get(client, root, "forecast/budgets"))["budgets"]
    today = date.fromisoformat((await get(client, root, "forecast"))["today"])

    by_scope = {
        next(name for name, value in one["scope"].items() if value): one for one in found if one["amount"] != 50
    }
    everyone, campaign, feature = (by_scope[name] for name in ("everyone", "campaignId", "feature"))
    assert (everyone["used"], everyone["reached"]["prospect"]) == (60, "expected")
    assert everyone["reached"]["on"] == (today + 4 * DAY).isoformat()  # 15 are left, at 3 a day
    assert (campaign["used"], campaign["reached"]["prospect"], campaign["reached"]["on"]) == (40, "used-up", None)
    assert feature["reached"]["prospect"] == "unlikely"
    assert Decimal(str(feature["reached"]["cost"])) == 40 + 2 * 366
    whys = {
        (one["scope"]["userId"], one["filter"]["serviceType"]): (one["reached"]["refused"] or {}).get("why")
        for one in found
        if one["amount"] == 50
    }
    assert whys == {
        (None, None): None,
        ("u", None): "calls of one user, key or subscription are not forecast",
        (None, "image"): "calls of one service type are not forecast",
    }

    shop = holding(await key_of(client, root, "shop"))
    own = (await get(client, shop, "forecast/budgets"))["budgets"]
    assert {one["scope"]["clientId"] for one in own} == {"shop"}
    whole = await get(client, shop, "forecast", by="client")
    assert [part["name"] for part in whole["parts"]] == ["shop"]
    assert Decimal(str(whole["whole"]["next30Days"]["cost"])) == 60


async def key_of(client: Client, root: dict[str, str], owner: str) -> str:
    body = {"name": "admin", "clientId": owner, "scopes": ["admin"]}
    response = await client.post("/api/admin/keys", json=body, headers=root)
    assert response.status_code == 201, response.text
    key: str = response.json()["key"]
    return key


async def test_a_forecast_that_nobody_can_make_is_asked_in_vain(empty: Client, tokens: Tokens) -> None:
    root = bearer(tokens, Role.ADMIN)

    nothing = await get(empty, root, "forecast")
    wrong = await empty.get("/api/admin/finance/forecast", params={"by": "user"}, headers=root)
    of_one = await empty.get("/api/admin/finance/forecast", params={"userId": "u1"}, headers=root)
    other = await empty.get("/api/admin/finance/forecast/budgets", params={"limit": "51"}, headers=root)

    assert nothing["whole"]["refused"] == {
        "why": "a forecast needs 14 full days, and there are no calls yet",
        "possibleFrom": None,
    }
    assert nothing["whole"]["monthEnd"] is None
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "by")
    assert (of_one.status_code, of_one.json()["errors"][0]["field"]) == (400, "userId")
    assert other.status_code == 400


async def test_retention_and_upgrades_refuse_what_they_cannot_answer(empty: Client, tokens: Tokens) -> None:
    root = bearer(tokens, Role.ADMIN)

    async def fields(path: str) -> list[str]:
        response = await empty.get(f"/api/admin/ai/{path}", headers=root)
        assert response.status_code == 400, response.text
        return [error["field"] for error in response.json()["errors"]]

    assert await fields("retention?weeks=0") == await fields("retention?weeks=53") == ["weeks"]
    assert await fields("upgrades?feature=chat") == ["feature"]
    assert await fields("upgrades?userId=u") == ["userId"]

    retention = (await empty.get("/api/admin/ai/retention", headers=root)).json()
    upgrades = (await empty.get("/api/admin/ai/upgrades", headers=root)).json()
    assert (retention["features"], retention["weeks"], retention["leastUsers"]) == ([], 12, 20)
    assert (upgrades["features"], upgrades["whole"]["newUsers"], upgrades["whole"]["small"]) == ([], 0, True)
    assert [formula["name"] for formula in upgrades["formulas"]] == ["upgradePercent", "costPerUpgrade"]
