"""Limits over HTTP: set, listed, changed and ended, by whom, and what is refused."""

from decimal import Decimal
from typing import Any

import pytest

from app.database import Database
from app.reports import cursors
from models.counters import COUNTERS
from tests.routes.administration.conftest import Admin, Client

DAILY = {"unit": "requests", "window": "day", "amount": 10, "kind": "hard"}


def of(user: str, **more: Any) -> dict[str, Any]:
    return {"scope": {"userId": user}, **DAILY, **more}


async def test_a_limit_is_set_shown_listed_and_ended(admin: Admin) -> None:
    made = await admin.post("/limits", of("u1"))

    assert {name: made[name] for name in ("unit", "window", "amount", "kind", "generation", "endedAt")} == {
        **DAILY,
        "generation": 1,
        "endedAt": None,
    }
    assert (made["scope"]["userId"], made["alertPercents"], made["whenAway"]) == ("u1", [80, 90, 100], "lease")
    assert (await admin.get(f"/limits/{made['id']}"))["id"] == made["id"]
    assert [one["id"] for one in (await admin.get("/limits", userId="u1"))["limits"]] == [made["id"]]
    assert [one["id"] for one in (await admin.get("/limits/applying", userId="u1"))["limits"]] == [made["id"]]

    ended = await admin.post(f"/limits/{made['id']}/end", None, 200)
    again = await admin.post(f"/limits/{made['id']}/end", None, 200)

    assert ended["endedAt"] == again["endedAt"] is not None
    assert (await admin.get("/limits/applying", userId="u1"))["limits"] == []
    assert [one["id"] for one in (await admin.get("/limits", userId="u1", ended=True))["limits"]] == [made["id"]]
    assert (await admin.get("/limits", userId="u1", ended=False))["limits"] == []


async def test_a_higher_amount_begins_a_new_generation_and_a_lower_one_does_not(admin: Admin) -> None:
    made = await admin.post("/limits", of("u2"))
    path = f"/limits/{made['id']}"

    raised = await admin.patch(path, {"amount": 20, "alertPercents": [100, 50]})
    lowered = await admin.patch(path, {"amount": 0})
    soft = await admin.patch(path, {"kind": "soft", "overageCap": 5, "whenAway": "open", "unbounded": "allow"})
    uncapped = await admin.patch(path, {"overageCap": None})

    assert (raised["amount"], raised["generation"], raised["alertPercents"]) == (20, 2, [50, 100])
    assert (lowered["amount"], lowered["generation"]) == (0, 2)
    assert (soft["kind"], soft["overageCap"], soft["whenAway"], soft["unbounded"]) == ("soft", 5, "open", "allow")
    assert (uncapped["overageCap"], uncapped["amount"]) == (None, 0)


@pytest.mark.parametrize("field", ["scope", "filter", "unit", "window", "timezone"])
async def test_what_a_limit_counts_cannot_change(admin: Admin, field: str) -> None:
    made = await admin.post("/limits", of("u3"))

    problem = await admin.patch(f"/limits/{made['id']}", {field: of("u4").get(field, {})}, 400)

    assert problem["errors"] == [{"field": field, "message": "cannot change: end this limit, and make another one"}]


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"amount": -1}, "amount", "greater than or equal to 0"),
        ({"amount": 10**15, "unit": "USD"}, "amount", "1,000,000,000 USD at most"),
        ({"amount": 10**16}, "amount", "less than or equal to"),
        ({"amount": "much"}, "amount", "valid decimal"),
        ({"amount": "NaN"}, "amount", "finite number"),
        ({"amount": "1e309"}, "amount", "less than or equal to"),
        ({"amount": "1e-999999999"}, "amount", "15 decimals at most"),
        (
            {"amount": "1.5", "unit": "usd", "window": "month", "kind": "soft", "overageCap": f"0.{40 * '3'}"},
            "overageCap",
            "15",
        ),
        ({"amount": Decimal("1.5")}, "amount", "whole number of requests"),
        ({"window": "fortnight"}, "window", "'minute', 'hour', 'day', 'week', 'month', 'year'"),
        ({"window": "2026-02-31"}, "window", "'minute', 'hour', 'day', 'week', 'month', 'year'"),
        ({"window": "period"}, "window", "use month"),
        ({"unit": "concurrent"}, "window", "lifetime"),
        ({"unit": "bananas"}, "unit", "'requests', 'tokens'"),
        ({"timezone": "Europe/Atlantis"}, "timezone", "IANA"),
        ({"overageCap": 5}, "overageCap", "soft"),
        ({"alertPercents": [0]}, "alertPercents.0", "greater than or equal to 1"),
        ({"scope": {}}, "scope", "exactly one"),
        ({"scope": {"userId": "u", "feature": "chat"}}, "scope", "exactly one"),
        ({"scope": {"keyId": "nothing"}}, "scope.keyId", "/api/admin/keys"),
        ({"scope": {"subscription": "nothing"}}, "scope.subscription", "/api/admin/subscriptions"),
        ({"surprise": 1}, "surprise", "unknown field"),
        ({"filter": {"colour": "red"}}, "filter.colour", "unknown field"),
    ],
)
async def test_a_limit_that_cannot_be_is_refused_by_its_field(
    admin: Admin, change: dict[str, Any], field: str, words: str
) -> None:
    body = of("u5", **change)
    if isinstance(body["amount"], Decimal):
        body["amount"] = float(body["amount"])

    fields, detail = await admin.refused("/limits", body)

    assert fields == [field]
    assert words in detail
    assert (await admin.get("/limits", userId="u5"))["limits"] == []


@pytest.mark.parametrize("nothing", ["-0", "0e-999999999", "0e999999999"])
async def test_nothing_is_nothing_however_it_is_written(admin: Admin, nothing: str) -> None:
    made = await admin.post("/limits", of("u19", unit="usd", amount=nothing))

    assert (str(made["amount"]), (await admin.get(f"/limits/{made['id']}"))["amount"]) == ("0", 0)


async def test_zeros_behind_an_amount_change_nothing(admin: Admin) -> None:
    made = await admin.post("/limits", of("u20", amount=f"12.{60 * '0'}"))

    assert str((await admin.get(f"/limits/{made['id']}"))["amount"]) == "12"


async def test_a_limit_of_nothing_is_a_limit(admin: Admin) -> None:
    made = await admin.post("/limits", of("u6", amount=0))

    (applying,) = (await admin.get("/limits/applying", userId="u6"))["limits"]

    assert (applying["id"], applying["allowance"], applying["ceiling"]) == (made["id"], 0, 0)


async def test_money_is_exact(admin: Admin) -> None:
    made = await admin.post("/limits", of("u7", unit="USD", amount="0.000000000000001"))

    assert (made["unit"], made["amount"]) == ("usd", Decimal("1E-15"))


async def test_of_limits_that_contradict_the_tightest_is_told(admin: Admin) -> None:
    wide = await admin.post("/limits", of("u8", amount=20))
    tight = await admin.post("/limits", of("u8", amount=5))
    soft = await admin.post("/limits", of("u8", amount=1, kind="soft"))
    other = await admin.post("/limits", of("u8", amount=3, window="month"))

    applying = (await admin.get("/limits/applying", userId="u8"))["limits"]

    assert {one["id"]: one["tightest"] for one in applying} == {
        wide["id"]: False,
        tight["id"]: True,
        soft["id"]: False,
        other["id"]: True,
    }


async def test_lists_come_in_pages_and_a_cursor_is_checked(admin: Admin) -> None:
    made = [(await admin.post("/limits", of("u9", amount=n)))["id"] for n in range(5)]

    first = await admin.get("/limits", userId="u9", limit=3)
    second = await admin.get("/limits", userId="u9", limit=3, cursor=first["nextCursor"])

    assert [one["id"] for one in first["limits"] + second["limits"]] == made[::-1]
    assert second["nextCursor"] is None
    half = cursors.encoded({"at": "2026-01-01T00:00:00Z", "id": "\ud800"})
    for cursor in ("nonsense", "e30", half):
        problem = await admin.get("/limits", 400, cursor=cursor)
        assert [error["field"] for error in problem["errors"]] == ["cursor"]


async def test_filters_select_what_a_limit_names(admin: Admin) -> None:
    hourly = await admin.post("/limits", of("u10", window="hour"))
    money = await admin.post("/limits", of("u10", unit="usd"))

    assert [one["id"] for one in (await admin.get("/limits", userId="u10", window="hour"))["limits"]] == [hourly["id"]]
    assert [one["id"] for one in (await admin.get("/limits", userId="u10", unit="usd"))["limits"]] == [money["id"]]
    problem = await admin.get("/limits", 400, unit="bananas")
    assert [error["field"] for error in problem["errors"]] == ["unit"]


async def test_one_clients_administrator_limits_that_client_alone(admin: Admin) -> None:
    ours, theirs = await admin.of_client("shop"), await admin.of_client("bank")
    made = await ours.post("/limits", of("u11"))
    key = (await ours.get("/keys"))[0]["id"]
    of_key = await ours.post("/limits", {"scope": {"keyId": key}, **DAILY})
    everywhere = await admin.post("/limits", of("u11"))

    assert (made["scope"]["userId"], made["scope"]["clientId"]) == ("u11", "shop")
    assert {one["id"] for one in (await ours.get("/limits"))["limits"]} == {made["id"], of_key["id"]}
    assert (await theirs.get("/limits"))["limits"] == []
    for path, other in ((f"/limits/{made['id']}", theirs), (f"/limits/{everywhere['id']}", ours)):
        await other.get(path, 404)
        await other.patch(path, {"amount": 1}, 404)
        await other.post(f"{path}/end", None, 404)
    await theirs.post("/limits", of("u11", scope={"clientId": "shop"}), 403)
    await theirs.post("/limits", of("u11", scope={"userId": "u11", "clientId": "shop"}), 403)
    assert (await theirs.refused("/limits", {"scope": {"keyId": key}, **DAILY}))[0] == ["scope.keyId"]
    assert (await theirs.get("/limits/applying", 400, keyId=key))["errors"][0]["field"] == "keyId"
    of_campaign = await ours.post("/limits", {"scope": {"campaignId": "spring"}, **DAILY})
    assert (of_campaign["scope"]["campaignId"], of_campaign["scope"]["clientId"]) == ("spring", "shop")
    await theirs.get(f"/limits/{of_campaign['id']}", 404)
    for scope in ({"everyone": True}, {"feature": "chat"}):
        _, detail = await ours.refused("/limits", {"scope": scope, **DAILY}, 403)
        assert "clientId" in detail


async def test_a_clients_administrator_is_told_no_amounts_of_limits_that_other_clients_share(admin: Admin) -> None:
    own = await admin.post("/limits", {"scope": {"clientId": "mill"}, **DAILY})
    key = (await (mill := await admin.of_client("mill")).get("/keys"))[0]["id"]
    of_key = await mill.post("/limits", {"scope": {"keyId": key}, **DAILY})
    shared = [
        await admin.post("/limits", {"scope": {"campaignId": "harvest"}, **DAILY}),
        await admin.post("/limits", {"scope": {"everyone": True}, **DAILY, "window": "year"}),
    ]

    asked = {"userId": "u12", "clientId": "mill", "keyId": key, "campaignId": "harvest"}
    told = [{one["id"] for one in (await who.get("/limits/applying", **asked))["limits"]} for who in (admin, mill)]
    await admin.post(f"/limits/{shared[1]['id']}/end", None, 200)

    assert told == [{each["id"] for each in (own, of_key, *shared)}, {own["id"], of_key["id"]}]


async def test_only_administrators_see_and_set_limits(user: Admin) -> None:
    await user.get("/limits", 403)
    await user.post("/limits", of("someone"), 403)


async def test_a_limit_that_is_not_there_or_has_ended_is_said(admin: Admin) -> None:
    made = await admin.post("/limits", of("u12"))
    await admin.post(f"/limits/{made['id']}/end", None, 200)

    missing = await admin.get("/limits/nothing", 404)
    ended = await admin.patch(f"/limits/{made['id']}", {"amount": 3}, 409)

    assert missing["detail"] == "there is no limit nothing"
    assert ended["detail"] == f"limit {made['id']} has ended: make another one"


async def test_what_is_used_of_a_limit_is_shown_to_the_last_call(served: Client, admin: Admin) -> None:
    call = {"userId": "u13", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 500}
    await served.post("/api/ai/track", json=call, headers=admin.headers)
    made = await admin.post("/limits", of("u13"))
    money = await admin.post("/limits", of("u13", unit="usd", window="month", amount=1))
    await served.post("/api/ai/track", json=call, headers=admin.headers)

    shown = await admin.get(f"/limits/{made['id']}")
    spent = await admin.get(f"/limits/{money['id']}")
    raised = await admin.patch(f"/limits/{made['id']}", {"amount": 20})

    # what was reported before the limit was set is of its period too
    assert {name: shown["current"][name] for name in ("allowance", "used", "held")} == {
        "allowance": 10,
        "used": 2,
        "held": 0,
    }
    assert spent["current"]["used"] == Decimal("0.015")
    assert (raised["current"]["allowance"], raised["current"]["used"]) == (20, 2)


async def test_what_is_used_and_held_stays_when_a_plan_changes(served: Client, admin: Admin, stored: Database) -> None:
    chats = {"unit": "requests", "window": "period", "filter": {"feature": "chat"}}
    for name, amount in (("tiny", 2), ("huge", 200)):
        await admin.post("/plans", {"plan": name, "name": name, "allowances": [{**chats, "amount": amount}]})
    subscription = await admin.post("/subscriptions", {"scope": {"userId": "u14"}, "plan": "tiny"})
    call = {"userId": "u14", "contentType": "chat", "model": "gpt-4o"}

    async def reserve(status: int) -> Any:
        response = await served.post("/api/ai/reservations", json=call, headers=admin.headers)
        assert response.status_code == status, response.text
        return response.json()

    settling = {**call, "inputTokens": 1, "reservationId": (await reserve(201))["id"]}
    await served.post("/api/ai/track", json=settling, headers=admin.headers)
    await reserve(201)
    await reserve(429)

    await admin.patch(f"/subscriptions/{subscription['id']}", {"plan": "huge"})

    await reserve(201)
    (counter,) = await stored.writes[COUNTERS].find({"subject": "user:u14"}).to_list(None)
    assert (counter["used"], counter["held"]) == (1, 2)


async def test_limits_of_keys_are_listed_alone(admin: Admin) -> None:
    limited = {"name": "shop", "scopes": ["gateway"], "limits": [{"unit": "usd", "window": "month", "amount": 10}]}
    key = await admin.post("/keys", limited)
    await admin.post("/limits", of("u-beside"))

    listed = (await admin.get("/limits", ofKeys=True, ended=False, limit=200))["limits"]

    assert listed[0]["scope"]["keyId"] == key["id"]
    assert all(one["scope"]["keyId"] for one in listed)
