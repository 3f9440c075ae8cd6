"""Grants over HTTP: top-ups, carry-overs and overrides, of a plan's allowance or of one limit."""

from typing import Any

import pytest

from tests.routes.administration.conftest import Admin
from tests.routes.administration.test_plans import CHATS, plan

FILTER = CHATS["filter"]


def of(user: str, kind: str = "top_up", **more: Any) -> dict[str, Any]:
    fields = {"unit": "requests", "window": "period", "filter": FILTER, "amount": 50}
    return {"kind": kind, "scope": {"userId": user}, **fields, **more}


async def subscribed(admin: Admin, user: str) -> Any:
    if "granted" not in [one["plan"] for one in (await admin.get("/plans", limit=200))["plans"]]:
        await admin.post("/plans", plan("granted", CHATS, {"unit": "requests", "window": "minute", "amount": 3}))
    return await admin.post("/subscriptions", {"scope": {"userId": user}, "plan": "granted"})


async def allowances(admin: Admin, user: str) -> list[int]:
    applying = (await admin.get("/limits/applying", userId=user))["limits"]
    return sorted(one["allowance"] for one in applying if one["window"] != "minute")


async def test_a_top_up_adds_to_the_allowance_until_it_ends(admin: Admin) -> None:
    await subscribed(admin, "g1")

    made = await admin.post("/grants", of("g1", note="an apology"))

    assert (made["kind"], made["amount"], made["spent"], made["note"]) == ("top_up", 50, 0, "an apology")
    assert await allowances(admin, "g1") == [150]
    assert (await admin.get("/grants", userId="g1"))["grants"] == [made] == [await admin.get(f"/grants/{made['id']}")]
    changed = await admin.patch(f"/grants/{made['id']}", {"expiresAt": "2099-01-01T00:00:00Z", "note": None})
    assert (changed["expiresAt"], changed["note"]) == ("2099-01-01T00:00:00.000Z", None)

    await admin.post(f"/grants/{made['id']}/end", None, 200)

    assert await allowances(admin, "g1") == [100]
    assert (await admin.get("/grants", userId="g1", ended=False))["grants"] == []
    await admin.patch(f"/grants/{made['id']}", {"note": "again"}, 409)


async def test_an_override_holds_for_its_periods(admin: Admin) -> None:
    subscription = await subscribed(admin, "g2")

    now = await admin.post("/grants", of("g2", "override", amount=7, periods=1))
    following = await admin.post("/grants", of("g2", "override", amount=9, begin="next"))

    assert (now["startsAt"], now["expiresAt"]) == (subscription["periodStart"], subscription["renewsAt"])
    assert following["startsAt"] == subscription["renewsAt"]
    assert await allowances(admin, "g2") == [7]


async def test_a_limit_beside_a_plan_is_granted_more_by_its_id(admin: Admin) -> None:
    limit = await admin.post("/limits", {"scope": {"userId": "g3"}, "unit": "usd", "window": "month", "amount": 10})

    made = await admin.post("/grants", {"kind": "top_up", "limitId": limit["id"], "amount": "2.5"})

    assert (made["limitId"], made["unit"], made["window"]) == (limit["id"], "usd", "month")
    assert [str(one) for one in await allowances(admin, "g3")] == ["12.5"]


async def test_a_carry_over_is_given_once_for_an_allowance(admin: Admin) -> None:
    await subscribed(admin, "g4")
    made = await admin.post("/grants", of("g4", "carry_over"))

    again = await admin.post("/grants", of("g4", "carry_over"), 409)

    assert again["detail"] == f"carry-over {made['id']} is for the same allowance: end it first"
    assert await allowances(admin, "g4") == [100]


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        (of("g5", amount=0), "amount", "above 0"),
        (of("g5", amount=-1), "amount", "greater than or equal to 0"),
        (of("g5", amount=1.5), "amount", "whole number of requests"),
        (of("g5", "override", amount=1.5), "amount", "whole number of requests"),
        (of("g5", "override", amount=f"1.{40 * '3'}"), "amount", "15 decimals at most"),
        (of("g5", window="minute", filter={}), "window", "rate"),
        (of("g5", window="month"), "unit", "counts requests by period, requests by minute"),
        (of("g5", expiresAt="2020-01-01T00:00:00Z"), "expiresAt", "future"),
        (of("g5", "override", expiresAt="2099-01-01T00:00:00Z"), "expiresAt", "periods"),
        (of("g5", "override", periods=0), "periods", "greater than or equal to 1"),
        (of("g5", kind="present"), "kind", "'top_up', 'carry_over' or 'override'"),
        ({"kind": "top_up", "amount": 1}, "limitId", "scope, unit and window"),
        (of("g5", scope={"feature": "chat"}), "scope", "limitId"),
        (of("g5", surprise=1), "surprise", "unknown field"),
    ],
)
async def test_a_grant_that_would_mean_nothing_is_refused(
    admin: Admin, body: dict[str, Any], field: str, words: str
) -> None:
    if not (await admin.get("/subscriptions", userId="g5"))["subscriptions"]:
        await subscribed(admin, "g5")

    fields, detail = await admin.refused("/grants", body)

    assert (fields, words in detail) == ([field], True), detail
    assert (await admin.get("/grants", userId="g5"))["grants"] == []


async def test_a_lifetime_has_no_later_periods(admin: Admin) -> None:
    limit = await admin.post("/limits", {"scope": {"userId": "g6"}, "unit": "usd", "window": "lifetime", "amount": 0})
    body = {"limitId": limit["id"], "amount": 5}

    await admin.post("/grants", {"kind": "top_up", **body})
    for more in ({"kind": "top_up", "expiresAt": "2099-01-01T00:00:00Z"}, {"kind": "carry_over"}, {"kind": "override"}):
        await admin.refused("/grants", {**body, **more})

    assert await allowances(admin, "g6") == [5]


@pytest.mark.parametrize("field", ["kind", "amount", "limitId", "scope", "unit", "window", "periods"])
async def test_what_is_granted_cannot_change(admin: Admin, field: str) -> None:
    limit = await admin.post("/limits", {"scope": {"userId": "g7"}, "unit": "usd", "window": "month", "amount": 10})
    made = await admin.post("/grants", {"kind": "top_up", "limitId": limit["id"], "amount": 1})

    problem = await admin.patch(f"/grants/{made['id']}", {field: 3}, 400)

    assert problem["errors"] == [{"field": field, "message": "cannot change: end this grant, and make another one"}]


async def test_one_clients_administrator_grants_to_that_client_alone(admin: Admin) -> None:
    ours, theirs = await admin.of_client("east"), await admin.of_client("west")
    limit = await ours.post("/limits", {"scope": {"userId": "g8"}, "unit": "usd", "window": "month", "amount": 10})

    made = await ours.post("/grants", {"kind": "top_up", "limitId": limit["id"], "amount": 1})

    assert [one["id"] for one in (await ours.get("/grants"))["grants"]] == [made["id"]]
    assert (await theirs.get("/grants"))["grants"] == []
    await theirs.get(f"/grants/{made['id']}", 404)
    await theirs.post("/grants", {"kind": "top_up", "limitId": limit["id"], "amount": 1}, 404)
