"""Subscriptions over HTTP: who has which plan, from when on, and what a change may not touch."""

from decimal import Decimal
from typing import Any

import pytest

from tests.routes.administration.conftest import Admin
from tests.routes.administration.test_plans import CHATS, plan


def of(user: str, name: str, **more: Any) -> dict[str, Any]:
    return {"scope": {"userId": user}, "plan": name, **more}


@pytest.fixture
async def plans(admin: Admin) -> None:
    """`small`, `large` and `yearly`, once for all tests."""
    if "small" not in [one["plan"] for one in (await admin.get("/plans", limit=200))["plans"]]:
        await admin.post("/plans", plan("small", {**CHATS, "amount": 10}))
        await admin.post("/plans", plan("large", {**CHATS, "amount": 1_000}))
        await admin.post("/plans", plan("yearly", {**CHATS, "amount": 5_000}, interval="year"))


pytestmark = pytest.mark.usefixtures("plans")


async def test_a_user_subscribes_and_the_plan_is_its_own(admin: Admin) -> None:
    body = of("s1", "small", anchor="2026-01-31", timezone="UTC", stripeCustomerId="cus_1", usageAlertsEnabled=False)

    made = await admin.post("/subscriptions", body)

    assert (made["plan"], made["version"], made["status"], made["interval"]) == ("small", 1, "active", "month")
    assert (made["anchor"], made["timezone"], made["next"], made["endedAt"]) == ("2026-01-31", "UTC", None, None)
    assert (made["stripeCustomerId"], made["usageAlertsEnabled"]) == ("cus_1", False)
    assert made["renewsAt"][8:] in {"30T00:00:00.000Z", "31T00:00:00.000Z", "28T00:00:00.000Z", "29T00:00:00.000Z"}
    assert await admin.get(f"/subscriptions/{made['id']}") == made
    assert (await admin.get("/subscriptions", userId="s1"))["subscriptions"] == [made]
    applying = await admin.get("/limits/applying", userId="s1")
    assert (applying["plan"], applying["planName"], applying["subscription"]) == ("small", "Small", made["id"])
    assert [one["resetsAt"] for one in applying["limits"]] == [made["renewsAt"]]


async def test_a_subject_has_one_subscription(admin: Admin) -> None:
    made = await admin.post("/subscriptions", of("s2", "small"))

    again = await admin.post("/subscriptions", of("s2", "large"), 409)
    assert again["detail"] == f"user s2 has subscription {made['id']}: change that one, or end it first"

    await admin.post(f"/subscriptions/{made['id']}/end", {"effective": "now"}, 200)
    assert (await admin.post("/subscriptions", of("s2", "large")))["plan"] == "large"
    statuses = [one["status"] for one in (await admin.get("/subscriptions", userId="s2"))["subscriptions"]]
    assert statuses == ["active", "ended"]
    active = await admin.get("/subscriptions?userId=s2&status=active")
    assert [one["plan"] for one in active["subscriptions"]] == ["large"]


async def test_an_upgrade_holds_at_once_and_a_downgrade_when_the_period_ends(admin: Admin) -> None:
    made = await admin.post("/subscriptions", of("s3", "small"))
    path = f"/subscriptions/{made['id']}"

    upgraded = await admin.patch(path, {"plan": "large"})
    downgraded = await admin.patch(path, {"plan": "small"})

    assert (upgraded["plan"], upgraded["next"], upgraded["renewsAt"]) == ("large", None, made["renewsAt"])
    assert (downgraded["plan"], downgraded["next"]["plan"]) == ("large", "small")
    assert downgraded["next"]["at"] == made["renewsAt"]
    assert [one["allowance"] for one in (await admin.get("/limits/applying", userId="s3"))["limits"]] == [1_000]

    undone = await admin.patch(path, {"plan": "large"})
    forced = await admin.patch(path, {"plan": "small", "effective": "now"})
    assert (undone["plan"], undone["next"]) == ("large", None)
    assert (forced["plan"], forced["next"]) == ("small", None)


async def test_the_current_period_ends_as_it_was_promised(admin: Admin) -> None:
    made = await admin.post("/subscriptions", of("s4", "small", timezone="Europe/Berlin"))
    path = f"/subscriptions/{made['id']}"

    zoned = await admin.patch(path, {"timezone": "America/New_York"})
    yearly = await admin.patch(path, {"plan": "yearly"})

    for one in (zoned, yearly):
        assert (one["timezone"], one["renewsAt"]) == ("Europe/Berlin", made["renewsAt"])
    assert (zoned["next"]["timezone"], zoned["next"]["at"]) == ("America/New_York", made["renewsAt"])
    assert (yearly["plan"], yearly["interval"]) == ("yearly", "month")
    assert (yearly["next"]["timezone"], yearly["next"]["interval"]) == ("America/New_York", "year")


async def test_an_end_comes_with_the_period_and_can_be_undone(admin: Admin) -> None:
    made = await admin.post("/subscriptions", of("s5", "small"))
    path = f"/subscriptions/{made['id']}"

    ending = await admin.post(f"{path}/end", {}, 200)
    assert (ending["status"], ending["endedAt"]) == ("active", made["renewsAt"])
    back = await admin.patch(path, {"endedAt": None})
    assert (back["status"], back["endedAt"]) == ("active", None)

    zoned = await admin.patch(path, {"timezone": "Asia/Tokyo"})
    ending = await admin.post(f"{path}/end", {}, 200)
    back = await admin.patch(path, {"endedAt": None})
    assert (zoned["next"]["at"], ending["next"], back["next"]) == (made["renewsAt"], None, zoned["next"])

    ended = await admin.post(f"{path}/end", {"effective": "now"}, 200)
    assert ended["status"] == "ended"
    assert (await admin.get("/limits/applying", userId="s5"))["limits"] == []
    assert "has ended" in (await admin.patch(path, {"plan": "large"}, 409))["detail"]


async def test_what_else_is_known_changes_without_the_plan(admin: Admin) -> None:
    made = await admin.post("/subscriptions", of("s6", "small"))

    changed = await admin.patch(f"/subscriptions/{made['id']}", {"stripeCustomerId": "cus_2"})

    assert {name: value for name, value in changed.items() if value != made[name]} == {"stripeCustomerId": "cus_2"}


@pytest.mark.parametrize(
    ("change", "field", "status"),
    [
        ({"scope": {}}, ["scope"], 400),
        ({"scope": {"feature": "chat"}}, ["scope"], 400),
        ({"anchor": "2026-02-31"}, ["anchor"], 400),
        ({"timezone": "Europe/Atlantis"}, ["timezone"], 400),
        ({"version": 0}, ["version"], 400),
        ({"surprise": 1}, ["surprise"], 400),
        ({"plan": "nothing"}, [], 404),
        ({"version": 99}, [], 404),
    ],
)
async def test_a_subscription_that_cannot_be_is_refused(
    admin: Admin, change: dict[str, Any], field: list[str], status: int
) -> None:
    fields, _ = await admin.refused("/subscriptions", of("s7", "small", **change), status)

    assert fields == field
    assert (await admin.get("/subscriptions", userId="s7"))["subscriptions"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"anchor": "2026-01-01"}, "anchor"),
        ({"scope": {"userId": "other"}}, "scope"),
        ({"effective": "now"}, "effective"),
        ({"effective": "yesterday", "plan": "large"}, "effective"),
        ({"endedAt": "2026-01-01T00:00:00Z"}, "endedAt"),
    ],
)
async def test_what_a_subscription_counts_from_cannot_change(admin: Admin, change: dict[str, Any], field: str) -> None:
    user = f"s8-{field}-{len(change)}"
    made = await admin.post("/subscriptions", of(user, "small"))

    problem = await admin.patch(f"/subscriptions/{made['id']}", change, 400)

    assert [error["field"] for error in problem["errors"]] == [field]
    assert await admin.get(f"/subscriptions/{made['id']}") == made


async def test_one_clients_administrator_subscribes_that_client_and_its_users(admin: Admin) -> None:
    ours, theirs = await admin.of_client("north"), await admin.of_client("south")

    user = await ours.post("/subscriptions", of("s9", "small"))
    whole = await ours.post("/subscriptions", {"scope": {"clientId": "north"}, "plan": "large"})

    assert (user["scope"]["userId"], user["scope"]["clientId"]) == ("s9", "north")
    listed = (await ours.get("/subscriptions"))["subscriptions"]
    assert [one["id"] for one in listed] == [whole["id"], user["id"]]
    assert (await theirs.get("/subscriptions"))["subscriptions"] == []
    await theirs.get(f"/subscriptions/{user['id']}", 404)
    await theirs.post("/subscriptions", {"scope": {"clientId": "north"}, "plan": "large"}, 403)
    applying = await ours.get("/limits/applying", userId="s9")
    assert (applying["plan"], sorted(one["allowance"] for one in applying["limits"])) == ("small", [10, 1_000])


async def test_a_limit_beside_a_plan_is_of_the_subscription(admin: Admin) -> None:
    made = await admin.post("/subscriptions", of("s10", "small"))
    body = {"scope": {"subscription": made["id"]}, "unit": "usd", "window": "period", "amount": 5}

    limit = await admin.post("/limits", body)

    applying = (await admin.get("/limits/applying", userId="s10"))["limits"]
    assert {one["id"]: one["resetsAt"] for one in applying} == {
        "small@1#1": made["renewsAt"],
        limit["id"]: made["renewsAt"],
    }


# what it costs


async def test_a_subscription_has_a_price_discounts_and_a_trial_of_its_own(admin: Admin) -> None:
    half = {"percent": 50, "until": "2099-01-01T00:00:00Z"}
    costs = {"price": 12.5, "currency": "eur", "discounts": [half], "trialUntil": "2098-03-05T12:00:00Z"}

    made = await admin.post("/subscriptions", of("own1", "small", timezone="UTC", **costs))

    assert (made["price"], made["currency"], made["trialUntil"]) == (Decimal("12.5"), "EUR", "2098-03-05T12:00:00.000Z")
    assert made["discounts"] == [{"percent": 50, "amount": None, "since": None, "until": "2099-01-01T00:00:00.000Z"}]
    assert made["anchor"] == "2098-03-05"

    over = await admin.patch(f"/subscriptions/{made['id']}", {"trialUntil": None, "discounts": []})

    assert (over["trialUntil"], over["discounts"], over["price"]) == (None, [], Decimal("12.5"))


async def test_another_price_begins_with_the_next_period_unless_it_is_said(admin: Admin) -> None:
    made = await admin.post("/subscriptions", of("own2", "small", price=10))
    path = f"/subscriptions/{made['id']}"

    later = await admin.patch(path, {"price": 20})
    now = await admin.patch(path, {"price": 30, "effective": "now"})
    plans = await admin.patch(path, {"price": None, "effective": "now"})

    assert (later["price"], later["next"]["price"], later["next"]["at"]) == (10, 20, made["renewsAt"])
    assert (now["price"], now["currency"], now["next"]) == (30, "USD", None)
    assert (plans["price"], plans["currency"], plans["discounts"]) == (None, None, [])


async def test_another_plan_ends_a_price_of_its_own(admin: Admin) -> None:
    made = await admin.post("/subscriptions", of("own3", "small", price=10))

    assert (await admin.patch(f"/subscriptions/{made['id']}", {"plan": "large"}))["price"] is None
    assert (await admin.patch(f"/subscriptions/{made['id']}", {"plan": "large", "price": 9}))["price"] == 9


@pytest.mark.parametrize(
    ("more", "field", "message"),
    [
        ({"price": -1}, "price", "greater than or equal to 0"),
        ({"price": 1, "currency": "XYZ"}, "currency", "is not a currency of ISO 4217"),
        ({"currency": "EUR"}, "currency", "is that of a price: give price as well"),
        ({"trialUntil": "2020-01-01T00:00:00Z"}, "trialUntil", "must be in the future"),
        ({"discounts": [{"percent": 10, "amount": 5}]}, "discounts.0", "exactly one of percent and amount"),
        ({"discounts": [{}]}, "discounts.0", "exactly one of percent and amount"),
        ({"discounts": [{"percent": 101}]}, "discounts.0.percent", "less than or equal to 100"),
        (
            {"discounts": [{"percent": 1, "since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}]},
            "discounts.0",
            "must end after it begins",
        ),
        ({"discounts": [{"percent": 1}] * 21}, "discounts", "at most 20"),
    ],
)
async def test_what_makes_no_price_is_refused(admin: Admin, more: dict[str, Any], field: str, message: str) -> None:
    fields, detail = await admin.refused("/subscriptions", of("own4", "small", **more))

    assert fields == [field]
    assert message in detail
    assert (await admin.get("/subscriptions", userId="own4"))["subscriptions"] == []


async def test_a_second_subscription_of_a_user_is_refused_with_the_first_one_named(admin: Admin) -> None:
    made = await admin.post("/subscriptions", of("own5", "small", price=10))

    fields, detail = await admin.refused("/subscriptions", of("own5", "large", price=20), 409)

    assert fields == ["scope"]
    assert detail == f"user own5 has subscription {made['id']}: change that one, or end it first"
