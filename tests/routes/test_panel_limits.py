"""Limits in a user's panel: what is used, held and left, to whom, and readable always."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.auth.principals import Role
from tests.routes.conftest import application, holding
from tests.routes.test_panel import CALL, HOUR, House


@pytest.fixture(scope="module")
async def house(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with application(mongodb_uri, tmp_path_factory.mktemp("limits")) as (client, _):
        yield House(client)


async def limit(house: House, scope: dict[str, Any], **more: Any) -> str:
    body = {"scope": scope, "unit": "requests", "window": "lifetime", "amount": 10, "kind": "hard", **more}
    response = await house.client.post("/api/admin/limits", json=body, headers=house.root)
    assert response.status_code == 201, response.text
    text: str = response.json()["id"]
    return text


async def shown(house: House, user: str) -> dict[str, dict[str, Any]]:
    return {each["unit"]: each for each in (await house.panel(house.backend, userId=user))["limits"]}


async def test_what_calls_hold_is_shown_until_they_are_reported(house: House) -> None:
    await limit(house, {"userId": "held"})
    ask = {"userId": "held", "contentType": "chat", "model": "gpt-4o", "maxOutputTokens": 10}
    reservations = [
        (await house.client.post("/api/ai/reservations", json=ask, headers=house.backend)).json()["id"]
        for _ in range(3)
    ]
    before = (await shown(house, "held"))["requests"]
    await house.track("held", reservationId=reservations[0])
    await house.client.delete(f"/api/ai/reservations/{reservations[1]}", headers=house.backend)
    after = (await shown(house, "held"))["requests"]

    assert (before["used"], before["held"], before["remaining"], before["percent"]) == (0, 3, 7, 0)
    assert (after["used"], after["held"], after["remaining"], after["percent"]) == (1, 1, 8, 10)


async def test_who_is_over_the_limit_can_read_and_reading_uses_nothing(house: House) -> None:
    await limit(house, {"userId": "over"}, amount=2)
    for _ in range(3):
        await house.track("over")
    token = await house.mint("over")
    answers = [await house.panel(token) for _ in range(5)]

    assert {(each["limits"][0]["used"], each["limits"][0]["reached"]) for each in answers} == {(3, True)}
    assert (answers[0]["limits"][0]["percent"], answers[0]["limits"][0]["overrun"]) == (150, 1)
    assert (answers[0]["cost"]["lifetimeRequests"], answers[0]["nextReset"]) == (3, None)
    assert CALL["model"] == answers[0]["recent"][0]["model"]


async def test_limits_that_users_share_have_amounts_for_their_client_alone(house: House) -> None:
    await limit(house, {"clientId": "acme"}, unit="usd", amount=1_000)
    await limit(house, {"everyone": True}, unit="images", amount=7)
    await house.track("one")
    user = await house.panel(holding(house.tokens.issue("one", Role.USER, HOUR, "acme")))
    key = await house.panel(await house.key("ingest"))
    root = await house.panel(house.root, userId="one", clientId="acme")

    assert user["limits"] == []
    assert {(each["scope"], each["percent"]) for each in user["shared"]} == {("client", 0), ("everyone", 0)}
    assert "1000" not in str(user["shared"])
    assert [(each["unit"], each["limit"]) for each in key["limits"]] == [("usd", 1_000)]
    assert [each["scope"] for each in key["shared"]] == ["everyone"]
    assert {(each["unit"], each["limit"]) for each in root["limits"]} == {("usd", 1_000), ("images", 7)}


async def test_the_plan_is_that_of_the_subscription(house: House) -> None:
    demo = (await house.panel(house.backend, userId="nobody"))["plan"]
    assert (demo["id"], demo["name"], demo["limited"], demo["upgradeUrl"]) == ("demo", "Demo (no limits)", False, None)

    pro = {
        "plan": "pro",
        "name": "Pro",
        "upgradeUrl": "https://acme.example/upgrade",
        "allowances": [{"name": "Chat messages", "unit": "requests", "window": "period", "amount": 100}],
    }
    made = await house.client.post("/api/admin/plans", json=pro, headers=house.root)
    assert made.status_code == 201, made.text
    subscription = {"scope": {"userId": "paul"}, "plan": "pro"}
    made = await house.client.post("/api/admin/subscriptions", json=subscription, headers=house.root)
    assert made.status_code == 201, made.text
    await house.track("paul")
    panel = await house.panel(await house.mint("paul"))

    assert (panel["plan"]["id"], panel["plan"]["version"], panel["plan"]["interval"]) == ("pro", 1, "month")
    assert panel["plan"]["upgradeUrl"] == "https://acme.example/upgrade"
    (messages,) = panel["limits"]
    assert (messages["name"], messages["limit"], messages["used"], messages["remaining"]) == (
        "Chat messages",
        100,
        1,
        99,
    )
    assert panel["nextReset"] == messages["resetsAt"] > panel["asOf"] > messages["periodStart"]
    assert panel["plan"]["next"] is None
    path = f"/api/admin/subscriptions/{made.json()['id']}"
    ending = (await house.client.post(f"{path}/end", json={}, headers=house.root)).json()
    panel = await house.panel(await house.mint("paul"))
    assert panel["plan"]["next"] == {"plan": "demo", "version": 1, "at": ending["endedAt"]}
    # the client's own view has no plan: it subscribes to none
    assert (await house.panel(house.backend))["plan"] is None
