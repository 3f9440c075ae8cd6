"""Each change of an administrator is in the trail once: who, when, what, before and after."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from models.audit import AUDIT
from tests.conftest import SECRET
from tests.routes.administration.conftest import Admin, Client
from tests.routes.conftest import application, bearer

READING = {"GET", "HEAD", "OPTIONS"}
SOON = (datetime.now(UTC) + timedelta(days=1)).isoformat()
LONG_AGO = datetime.now(UTC) - timedelta(days=70)
FIRST_MONTH = f"{LONG_AGO:%Y-%m}"


class House(NamedTuple):
    """An application whose trail begins with the first test."""

    client: Client
    database: Database
    root: Admin


@pytest.fixture(scope="module")
async def house(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("audit")
    private = {"webhooks_to_private_addresses": "127.0.0.0/8"}
    async with application(mongodb_uri, folder, **private) as (client, database):
        yield House(client, database, Admin(client, bearer(Tokens(SECRET), Role.ADMIN)))


class Walk:
    """Asks route after route, and looks into the trail behind each."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.walked: set[tuple[str, str]] = set()

    async def __call__(
        self, method: str, route: str, body: Any, action: str, *, status: int = 201, **named: str
    ) -> Any:
        """The answer. `action` is what the one new entry says that was done."""
        before = await self._entries()
        path = "/api/admin" + "/".join(
            named[part[1:-1].partition(":")[0]] if part.startswith("{") else part for part in route.split("/")
        )
        answer = await self._house.client.request(method, path, json=body, headers=self._house.root.headers)
        assert answer.status_code == status, (route, answer.text)
        new = (await self._entries())[len(before) :]
        assert [entry["action"] for entry in new] == [action], route
        assert new[0]["actor"] == {"subject": "someone", "how": "token"}
        self.walked.add((method, f"/api/admin{route}"))
        return answer.json()

    async def _entries(self) -> list[dict[str, Any]]:
        return await self._house.database.reads[AUDIT].find().sort("_id", 1).to_list(None)


async def test_each_route_that_changes_something_leaves_one_entry(house: House) -> None:
    walk = Walk(house)
    key = (await walk("POST", "/keys", {"name": "k", "scopes": ["gateway"]}, "key.created"))["id"]
    await walk("PATCH", "/keys/{key_id:str}", {"models": ["gpt-4o"]}, "key.changed", status=200, key_id=key)
    await walk("POST", "/keys/{key_id:str}/revoke", {}, "key.revoked", status=200, key_id=key)

    await of_prices_and_plans(walk)
    await of_limits_and_alerts(walk)
    await of_money(walk)
    await walk("DELETE", "/gateway/cache", None, "gateway.forgotten", status=200)

    routes = house.client.app.routes
    changing = {
        (method, route.path) for route in routes for method in getattr(route, "methods", set()) if method not in READING
    }
    changing -= {("POST", "/api/admin/repricing/preview")}  # it writes nothing
    assert walk.walked == {(method, path) for method, path in changing if path.startswith("/api/admin/")}


async def of_prices_and_plans(walk: Walk) -> None:
    price = (await walk("POST", "/prices", {"model": "m", "prices": {"inputMtok": 1}}, "price.created"))["id"]
    await walk("POST", "/prices/{override_id:str}/end", {}, "price.ended", status=200, override_id=price)

    wish = {"firstDay": "2026-01-01", "model": "m"}
    await walk("POST", "/repricing", wish, "calls.repriced", status=202)

    plan = {"plan": "p", "name": "P", "allowances": [{"unit": "requests", "window": "period", "amount": 5}]}
    await walk("POST", "/plans", plan, "plan.created")
    await walk("PATCH", "/plans/{plan:str}", {"name": "Q"}, "plan.changed", status=200, plan="p")
    subscription = {"scope": {"userId": "u1"}, "plan": "p"}
    found = await walk("POST", "/subscriptions", subscription, "subscription.created")
    of = {"status": 200, "subscription_id": found["id"]}
    grant = {"kind": "top_up", "scope": {"userId": "u1"}, "unit": "requests", "window": "period", "amount": 1}
    granted = (await walk("POST", "/grants", grant, "grant.created"))["id"]
    await walk("PATCH", "/grants/{grant_id:str}", {"note": "n"}, "grant.changed", status=200, grant_id=granted)
    await walk("POST", "/grants/{grant_id:str}/end", {}, "grant.ended", status=200, grant_id=granted)
    await walk(
        "PATCH", "/subscriptions/{subscription_id:str}", {"timezone": "Asia/Tokyo"}, "subscription.changed", **of
    )
    await walk("POST", "/subscriptions/{subscription_id:str}/end", {}, "subscription.ended", **of)
    await walk("POST", "/plans/{plan:str}/end", {}, "plan.ended", status=200, plan="p")


async def of_limits_and_alerts(walk: Walk) -> None:
    limit = {"scope": {"userId": "u1"}, "unit": "usd", "window": "day", "amount": 2, "kind": "soft"}
    set_ = (await walk("POST", "/limits", limit, "limit.created"))["id"]
    await walk("PATCH", "/limits/{limit_id:str}", {"amount": 3}, "limit.changed", status=200, limit_id=set_)
    await walk("POST", "/limits/{limit_id:str}/end", {}, "limit.ended", status=200, limit_id=set_)

    hook = {"kind": "webhook", "name": "e", "url": "http://127.0.0.1:9/hook"}
    endpoint = {"endpoint_id": (await walk("POST", "/endpoints", hook, "endpoint.created"))["id"]}
    await walk("PATCH", "/endpoints/{endpoint_id:str}", {"name": "f"}, "endpoint.changed", status=200, **endpoint)
    await walk("POST", "/endpoints/{endpoint_id:str}/rotate", {}, "endpoint.changed", status=200, **endpoint)
    sent = await walk("POST", "/endpoints/{endpoint_id:str}/test", {}, "endpoint.tested", status=202, **endpoint)
    delivery = {"delivery_id": sent["deliveries"][0]["id"]}
    await walk("POST", "/deliveries/{delivery_id:str}/resend", {}, "delivery.resent", status=202, **delivery)
    await walk("POST", "/endpoints/{endpoint_id:str}/end", {}, "endpoint.ended", status=200, **endpoint)

    mute = (await walk("POST", "/alerts/mutes", {"kind": "spending.cost", "until": SOON}, "mute.created"))["id"]
    await walk("POST", "/alerts/mutes/{mute_id:str}/end", {}, "mute.ended", status=200, mute_id=mute)

    note = (await walk("POST", "/notes", {"at": SOON, "text": "n"}, "note.created"))["id"]
    await walk("PATCH", "/notes/{note_id:str}", {"text": "m"}, "note.changed", status=200, note_id=note)
    await walk("DELETE", "/notes/{note_id:str}", None, "note.deleted", status=200, note_id=note)
    view = (await walk("POST", "/views", {"name": "v", "address": "/admin/cost"}, "view.created"))["id"]
    await walk("PATCH", "/views/{view_id:str}", {"shared": True}, "view.changed", status=200, view_id=view)
    await walk("DELETE", "/views/{view_id:str}", None, "view.deleted", status=200, view_id=view)


async def of_money(walk: Walk) -> None:
    campaign = {"campaignId": "c", "name": "c", "begins": "2026-01-01"}
    await walk("POST", "/campaigns", campaign, "campaign.created")
    await walk("PATCH", "/campaigns/{campaign:str}", {"note": "n"}, "campaign.changed", status=200, campaign="c")
    variants = [{"name": variant, "weight": 0.5} for variant in "ab"]
    experiment = {"name": "x", "variants": variants, "begins": "2026-01-01"}
    await walk("POST", "/experiments", experiment, "experiment.created")
    await walk("PATCH", "/experiments/{name:str}", {"note": "n"}, "experiment.changed", status=200, name="x")

    rate = {"currency": "EUR", "day": f"{LONG_AGO:%Y-%m}-01", "usd": 1.1}
    await walk("POST", "/revenue/rates", rate, "rate.set")
    came = {"sourceId": "s", "kind": "one_time", "amount": 1, "currency": "USD", "at": LONG_AGO.isoformat()}
    await walk("POST", "/revenue", came, "revenue.booked")
    invoice = {"provider": "p", "month": FIRST_MONTH, "currency": "USD", "total": 1, "number": "n"}
    await walk("POST", "/provider-invoices", invoice, "invoice.entered")
    await walk("POST", "/reports/month/{month:str}/close", {}, "month.closed", status=200, month=FIRST_MONTH)


async def test_an_entry_says_what_was_before_and_no_secret(house: House) -> None:
    root = house.root
    limit = await root.post("/limits", {"scope": {"userId": "ada"}, "unit": "usd", "window": "day", "amount": 2})
    await root.patch(f"/limits/{limit['id']}", {"amount": 3.5})
    hook = {"kind": "webhook", "name": "hook", "url": "https://shop.example/hooks?key=abc"}
    made = await root.post("/endpoints", hook)
    await root.post(f"/endpoints/{made['id']}/rotate", {}, 200)

    (changed, created) = (await root.get("/audit", kind="limit", target=limit["id"]))["entries"]
    (rotated, added) = (await root.get("/audit", kind="endpoint", target=made["id"]))["entries"]

    assert (changed["before"], changed["after"]) == (
        {"amount": Decimal(2), "generation": 1},
        {"amount": Decimal("3.5"), "generation": 2},
    )
    assert changed["target"] == {"kind": "limit", "id": limit["id"], "clientId": None, "name": "user ada"}
    assert (created["before"], created["after"]["amount"]) == (None, 2)
    assert (rotated["before"], rotated["after"]) == ({"secrets": "(secret)"}, {"secrets": "(another secret)"})
    assert "abc" not in str(added)
    assert made["secret"] not in str([added, rotated])


async def test_of_two_changes_of_one_limit_the_second_is_told_of_the_first(house: House) -> None:
    wish = {"scope": {"userId": "bob"}, "unit": "requests", "window": "day", "amount": 2}
    limit = await house.root.post("/limits", wish)
    path = f"/limits/{limit['id']}"
    await house.root.patch(path, {"amount": 3, "version": limit["version"]})

    problem = await house.root.patch(path, {"amount": 4, "version": limit["version"]}, 409)

    assert problem["errors"][0]["field"] == "version"
    assert "changed meanwhile by someone at" in problem["detail"]
    now = await house.root.get(path)
    assert now["amount"] == 3
    assert (await house.root.patch(path, {"amount": 4, "version": now["version"]}))["amount"] == 4


async def test_a_change_that_was_refused_leaves_no_entry(house: House) -> None:
    before = await house.database.reads[AUDIT].count_documents({})
    await house.root.post("/plans", {"plan": "again", "name": "a"})
    await house.root.post("/plans", {"plan": "again", "name": "a"}, 409)
    await house.root.post("/keys/none/revoke", {}, 404)

    assert await house.database.reads[AUDIT].count_documents({}) == before + 1


async def test_what_is_done_twice_is_there_once(house: House) -> None:
    key = (await house.root.post("/keys", {"name": "twice", "scopes": ["read"]}))["id"]
    for _ in range(2):
        await house.root.post(f"/keys/{key}/revoke", {}, 200)

    found = (await house.root.get("/audit", kind="key", target=key))["entries"]

    assert [entry["action"] for entry in found] == ["key.revoked", "key.created"]


async def test_one_clients_administrator_sees_what_is_for_that_client_alone(house: House) -> None:
    alpha, beta = [await house.root.of_client(name) for name in ("alpha", "beta")]
    price = {"model": "alphas", "prices": {"inputMtok": 1}}
    await alpha.post("/prices", price)

    seen = (await alpha.get("/audit"))["entries"]
    others = (await beta.get("/audit"))["entries"]

    assert [(entry["action"], entry["actor"]["how"]) for entry in seen] == [
        ("price.created", "key"),
        ("key.created", "token"),
    ]
    assert seen[0]["actor"]["clientId"] == "alpha"
    assert [entry["action"] for entry in others] == ["key.created"]
    await beta.get("/audit", 403, clientId="alpha")


async def test_pages_and_filters(house: House) -> None:
    first = await house.root.get("/audit", limit=3)
    second = await house.root.get("/audit", limit=3, cursor=first["nextCursor"])
    times = [entry["at"] for entry in [*first["entries"], *second["entries"]]]

    assert times == sorted(times, reverse=True)
    assert len({entry["id"] for entry in [*first["entries"], *second["entries"]]}) == 6
    before = date(2020, 1, 1).isoformat()
    assert (await house.root.get("/audit", to=f"{before}T00:00:00Z"))["entries"] == []
    assert {entry["action"] for entry in (await house.root.get("/audit", action="key.revoked"))["entries"]} == {
        "key.revoked"
    }
    problem = await house.root.get("/audit", 400, to=f"{before}T00:00:00")
    assert [error["field"] for error in problem["errors"]] == ["to"]
