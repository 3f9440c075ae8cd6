"""Plans over HTTP: versions that never change, the default one, and what becomes of subscribers."""

from typing import Any

import pytest

from tests.routes.administration.conftest import Admin

CHATS = {"unit": "requests", "window": "period", "amount": 100, "filter": {"feature": "chat"}, "name": "chat messages"}


def plan(name: str, *allowances: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"plan": name, "name": name.title(), "allowances": list(allowances or (CHATS,)), **more}


async def test_the_built_in_plan_has_no_limits_and_is_the_default(admin: Admin) -> None:
    listed = await admin.get("/plans")
    demo = await admin.get("/plans/demo")

    assert (listed["defaultPlan"]["plan"], listed["defaultPlan"]["builtIn"]) == ("demo", True)
    assert (demo["name"], demo["allowances"], demo["default"]) == ("Demo (no limits)", [], True)
    for path, body in (("/plans", plan("demo")), ("/plans/demo/end", None)):
        assert "built in" in (await admin.post(path, body, 409))["detail"]


async def test_a_change_is_another_version_and_subscriptions_keep_theirs(admin: Admin) -> None:
    made = await admin.post("/plans", plan("basic", price="9.90"))
    kept = await admin.post("/subscriptions", {"scope": {"userId": "p1"}, "plan": "basic"})

    changed = await admin.patch("/plans/basic", {"allowances": [{**CHATS, "amount": 200}]})
    newer = await admin.post("/subscriptions", {"scope": {"userId": "p2"}, "plan": "basic"})

    assert (made["version"], changed["version"], changed["price"]) == (1, 2, made["price"])
    assert (kept["version"], newer["version"]) == (1, 2)
    for user, amount in (("p1", 100), ("p2", 200)):
        applying = await admin.get("/limits/applying", userId=user)
        assert [one["allowance"] for one in applying["limits"]] == [amount]
    shown = await admin.get("/plans/basic")
    assert [(one["version"], one["subscribers"]) for one in shown["versions"]] == [(2, 1), (1, 1)]
    assert shown["subscribers"] == 2


async def test_a_clients_administrator_is_told_how_many_subscribe_of_that_client(admin: Admin) -> None:
    await admin.post("/plans", plan("counted"))
    for scope in ({"userId": "p9"}, {"userId": "p9", "clientId": "shop"}, {"clientId": "rival"}):
        await admin.post("/subscriptions", {"scope": scope, "plan": "counted"})

    counted = {}
    for client in ("shop", "rival", "other"):
        shown = await (await admin.of_client(client)).get("/plans/counted")
        counted[client] = (shown["subscribers"], [one["subscribers"] for one in shown["versions"]])

    assert counted == {"shop": (1, [1]), "rival": (1, [1]), "other": (0, [0])}
    assert (await admin.get("/plans/counted"))["subscribers"] == 3


async def test_a_plan_that_ends_stays_with_its_subscribers_and_takes_no_new_ones(admin: Admin) -> None:
    await admin.post("/plans", plan("retired"))
    kept = await admin.post("/subscriptions", {"scope": {"userId": "p3"}, "plan": "retired"})

    ended = await admin.post("/plans/retired/end", None, 200)

    assert ended["subscribers"] == 1
    assert ended["message"] == "subscriptions that keep it until they are changed: 1; new ones are refused"
    assert (await admin.get(f"/subscriptions/{kept['id']}"))["plan"] == "retired"
    refused = await admin.post("/subscriptions", {"scope": {"userId": "p4"}, "plan": "retired"}, 409)
    assert "nobody subscribes to it any more" in refused["detail"]
    assert [one["allowance"] for one in (await admin.get("/limits/applying", userId="p3"))["limits"]] == [100]
    await admin.patch("/plans/retired", {"name": "Again"}, 409)
    assert "retired" not in [one["plan"] for one in (await admin.get("/plans", ended=False))["plans"]]


async def test_one_plan_at_most_is_the_default(admin: Admin) -> None:
    await admin.post("/plans", plan("first", default=True))
    await admin.post("/plans", plan("second", {**CHATS, "amount": 7}, default=True))

    assert (await admin.get("/plans"))["defaultPlan"]["plan"] == "second"
    assert (await admin.get("/plans/first"))["default"] is False
    (applying,) = (await admin.get("/limits/applying", userId="p5"))["limits"]
    assert (applying["allowance"], applying["scope"]["userId"], applying["scope"]["everyone"]) == (7, "p5", None)
    assert "default plan" in (await admin.post("/plans/second/end", None, 409))["detail"]

    back = await admin.patch("/plans/first", {"default": True})
    assert (back["version"], (await admin.get("/plans"))["defaultPlan"]["plan"]) == (1, "first")
    await admin.patch("/plans/first", {"default": False})
    assert (await admin.get("/plans"))["defaultPlan"]["plan"] == "demo"


async def test_plans_come_in_pages_by_name(admin: Admin) -> None:
    for name in ("zz-1", "zz-2", "zz-3"):
        await admin.post("/plans", plan(name))

    seen, cursor = [], None
    while True:
        page = await admin.get("/plans", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [one["plan"] for one in page["plans"]]
        if (cursor := page["nextCursor"]) is None:
            break

    assert seen == sorted(set(seen))
    assert seen[-3:] == ["zz-1", "zz-2", "zz-3"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"plan": "Two Words"}, "plan"),
        ({"name": ""}, "name"),
        ({"interval": "fortnight"}, "interval"),
        ({"price": -1}, "price"),
        ({"price": f"1.{40 * '3'}"}, "price"),
        ({"price": "1e-999999999"}, "price"),
        ({"upgradeUrl": "javascript:alert(1)"}, "upgradeUrl"),
        ({"allowances": [{**CHATS, "scope": {"userId": "u"}}]}, "allowances.0.scope"),
        ({"allowances": [{**CHATS, "amount": -1}]}, "allowances.0.amount"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_a_plan_that_cannot_be_is_refused_by_its_field(admin: Admin, change: dict[str, Any], field: str) -> None:
    fields, _ = await admin.refused("/plans", {**plan("odd"), **change})

    assert fields == [field]
    await admin.get("/plans/odd", 404)


async def test_an_address_of_another_form_is_told_which_form_it_must_have(admin: Admin) -> None:
    _, said = await admin.refused("/plans", plan("odd", upgradeUrl="javascript:alert(1)"))

    assert said == r"upgradeUrl: must match ^(https?://|/)\S*$"


async def test_a_plan_is_made_once_and_keeps_its_name(admin: Admin) -> None:
    await admin.post("/plans", plan("once"))

    again = await admin.post("/plans", plan("once"), 409)
    renamed = await admin.patch("/plans/once", {"plan": "twice"}, 400)
    nothing = await admin.patch("/plans/once", {}, 400)

    assert "PATCH /api/admin/plans/once" in again["detail"]
    assert [error["field"] for error in renamed["errors"]] == ["plan"]
    assert "nothing to change" in nothing["detail"]


async def test_one_clients_administrator_reads_plans_and_changes_none(admin: Admin) -> None:
    await admin.post("/plans", plan("shared"))
    ours = await admin.of_client("cafe")

    assert (await ours.get("/plans/shared"))["plan"] == "shared"
    for path, body in (("/plans", plan("mine")), ("/plans/shared/end", None)):
        assert "deployment's administrator" in (await ours.post(path, body, 403))["detail"]
    await ours.patch("/plans/shared", {"default": True}, 403)
