"""Alerts, deliveries and endpoints over HTTP, with an outbox that sends by itself."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from standardwebhooks import Webhook

from app.alerts.alerts import Alerts
from app.alerts.endpoints import MOST_OF_A_CLIENT
from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from models.alerts import DELIVERIES, ENDPOINTS
from models.moments import moment_now
from tests.alerts.receiver import receiving
from tests.alerts.scene import crossing
from tests.conftest import SECRET
from tests.patience import until
from tests.routes.conftest import application, bearer, holding

Client = AsyncTestClient[Litestar]
HOOK = {"kind": "webhook", "name": "hook", "url": "https://hooks.example/in?token=secret"}


class Admin:
    """An administrator: of the deployment, or of the client whose key it holds."""

    def __init__(self, client: Client, headers: dict[str, str]) -> None:
        self.client, self._headers = client, headers

    async def get(self, path: str, *, status: int = 200, **query: Any) -> Any:
        return self._body(await self.client.get(f"/api/admin{path}", params=query, headers=self._headers), status)

    async def post(self, path: str, body: Any = None, status: int = 201) -> Any:
        return self._body(await self.client.post(f"/api/admin{path}", json=body, headers=self._headers), status)

    async def patch(self, path: str, body: Any, status: int = 200) -> Any:
        return self._body(await self.client.patch(f"/api/admin{path}", json=body, headers=self._headers), status)

    async def track(self, calls: list[dict[str, Any]]) -> None:
        response = await self.client.post("/api/ai/track/batch", json=calls, headers=self._headers)
        assert self._body(response, 200)["summary"] == {"committed": len(calls)}

    async def of_client(self, client_id: str) -> "Admin":
        made = await self.post("/keys", {"name": "administrator", "scopes": ["admin"], "clientId": client_id})
        return Admin(self.client, holding(made["key"]))

    def _body(self, response: Any, status: int) -> Any:
        assert response.status_code == status, response.text
        return response.json()


@pytest.fixture(scope="module")
async def _served(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Client, Database]]:
    folder = tmp_path_factory.mktemp("alerts")
    allowed = {"webhooks_to_private_addresses": "127.0.0.1", "smtp_host": "127.0.0.1", "smtp_port": 9}
    async with application(mongodb_uri, folder, **allowed) as served:
        yield served


@pytest.fixture
async def admin(_served: tuple[Client, Database]) -> AsyncIterator[Admin]:
    client, database = _served
    yield Admin(client, bearer(Tokens(SECRET), Role.ADMIN))
    await database.writes[ENDPOINTS].delete_many({})
    await database.writes[DELIVERIES].delete_many({})


@pytest.fixture
def database(_served: tuple[Client, Database]) -> Database:
    return _served[1]


def _alerts(admin: Admin) -> Alerts:
    alerts: Alerts = admin.client.app.state.alerts
    return alerts


async def _crossed(admin: Admin, user: str, threshold: int = 80, **more: Any) -> str:
    """The id of the alert."""
    crossings = [crossing(threshold, 8, subject=f"user:{user}", user_id=user, **more)]
    admin.client.blocking_portal.call(_alerts(admin).on_crossed, crossings)
    found: str = (await admin.get("/alerts", userId=user))["alerts"][0]["id"]
    return found


async def test_a_crossing_arrives_by_itself_signed_with_the_secret_that_was_shown(admin: Admin) -> None:
    async with receiving() as receiver:
        made = await admin.post("/endpoints", {**HOOK, "url": receiver.url})
        alert = await _crossed(admin, "arrives")
        await until(lambda: len(receiver.received) == 1)
        received = receiver.received[0]
        assert Webhook(made["secret"]).verify(received.body, received.headers)["data"]["id"] == alert

        async def noted() -> bool:
            return bool((await admin.get(f"/alerts/{alert}"))["deliveries"][0]["state"] == "delivered")

        await until(noted)
    told = await admin.get(f"/alerts/{alert}")
    (delivery,) = told.pop("deliveries")
    assert told["text"] == "user arrives has used 80 % of 10 requests a day: 8 requests."
    assert (told["kind"], told["threshold"], told["used"], told["allowance"]) == ("limit.warning", 80, 8, 10)
    assert (delivery["endpointId"], delivery["nextAttemptAt"]) == (made["id"], None)
    assert [(each["status"], each["error"]) for each in delivery["attempts"]] == [(204, None)]
    assert await admin.get(f"/deliveries/{delivery['id']}") == delivery


async def test_calls_that_pass_all_thresholds_of_a_limit_are_one_message(admin: Admin) -> None:
    limit = {"scope": {"userId": "all-at-once"}, "unit": "requests", "window": "day", "amount": 10, "kind": "soft"}
    call = {"userId": "all-at-once", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1, "outputTokens": 1}
    async with receiving() as receiver:
        made = await admin.post("/endpoints", {**HOOK, "url": receiver.url})
        limit_id = (await admin.post("/limits", limit))["id"]
        for calls, told in ((10, 1), (1, 2)):
            await admin.track([call] * calls)
            await until(lambda told=told: len(receiver.received) == told)  # type: ignore[misc]
        bodies = [Webhook(made["secret"]).verify(each.body, each.headers) for each in receiver.received]
    said = [(each["type"], each["data"]["threshold"], each["data"]["used"]) for each in bodies]
    assert said == [("limit.reached", 100, 10), ("limit.overage", 110, 11)]
    assert {each["data"]["limit"]["id"] for each in bodies} == {limit_id}
    found = (await admin.get("/alerts", limitId=limit_id))["alerts"]
    assert sorted(each["threshold"] for each in found) == [80, 90, 100, 101, 110]
    silent = [each["toldBy"] for each in found if each["threshold"] not in {100, 110}]
    assert set(silent) == {each["data"]["id"] for each in bodies}
    await admin.post(f"/limits/{limit_id}/end", status=200)


async def test_what_is_secret_of_an_endpoint_is_shown_once_and_stored_nowhere(admin: Admin, database: Database) -> None:
    made = await admin.post("/endpoints", HOOK)
    slack = await admin.post("/endpoints", {**HOOK, "kind": "slack", "url": "https://hooks.slack.example/T0/B0/xyz"})
    assert (made["address"], slack["address"]) == ("https://hooks.example/in?…", "https://hooks.slack.example/…")
    key_in_path = await admin.post("/endpoints", {**HOOK, "url": f"https://hooks.example/in/{'k' * 20}/json"})
    assert key_in_path["address"] == "https://hooks.example/in/…/json"
    assert slack["secret"] is None
    rotated = await admin.post(f"/endpoints/{made['id']}/rotate", status=200)
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]
    listed = json.dumps(await admin.get("/endpoints")) + json.dumps(await admin.get(f"/endpoints/{made['id']}"))
    stored = str([each async for each in database.reads[ENDPOINTS].find()])
    for secret in (made["secret"], rotated["secret"], "token=secret", "B0/xyz"):
        assert secret.removeprefix("whsec_") not in listed + stored


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"url": "ftp://hooks.example"}, "url", "must be a URL"),
        ({"url": "https://"}, "url", "must be a URL"),
        ({"url": "no url"}, "url", "must be a URL"),
        *(
            ({"url": f"https://{host}/"}, "url", "must be a URL")
            for host in ("a:99999", "a:0", "xn--a", "a..b", "a b", "%41", "[::1", "a" * 64, ".".join(["abc"] * 64))
        ),
        ({"url": "https://u:p@hooks.example"}, "url", "must not contain a user or a password"),
        ({"url": "https://hooks.example/#part"}, "url", "must be a URL"),
        ({"url": "https://169.254.169.254/latest"}, "url", "is a private address"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, "url", "is a private address"),
        ({"url": None}, "url", "must say where"),
        ({"addresses": ["a@b.example"]}, "url", "addresses is left out"),
        ({"kind": "email"}, "addresses", "url is left out"),
        ({"kind": "email", "url": None, "addresses": ["nobody"]}, "addresses.0", ""),
        ({"kind": "email", "url": None, "addresses": ["a@b.example\r\nBcc: c@d.example"]}, "addresses.0", ""),
        *(
            (
                {"kind": "email", "url": None, "addresses": [f"{name}@shop.example"]},
                "addresses.0",
                "must be an e-mail address",
            )
            for name in ("a,b", "a;b", "a..b", "a@b", "a:b", "(note)a", '"a"', "<a", "=?utf-8?q?a?=")
        ),
        ({"kind": "email", "url": None, "addresses": []}, "addresses", ""),
        ({"kinds": ["limit.none"]}, "kinds.0", ""),
        ({"kind": "pager"}, "kind", ""),
        ({"name": ""}, "name", ""),
        ({"secret": "mine"}, "secret", "unknown field"),
    ],
)
async def test_an_endpoint_that_cannot_be_is_refused(
    change: dict[str, Any], field: str, says: str, admin: Admin
) -> None:
    problem = await admin.post("/endpoints", {**HOOK, **change}, status=400)
    assert [each["field"] for each in problem["errors"]] == [field]
    assert says in problem["errors"][0]["message"]


async def test_an_endpoint_changes_is_tested_and_ends(admin: Admin) -> None:
    async with receiving(503, 204) as receiver:
        made = await admin.post("/endpoints", {**HOOK, "url": receiver.url, "kinds": ["limit.reached"]})
        changed = await admin.patch(f"/endpoints/{made['id']}", {"name": "other", "kinds": [], "on": False})
        assert (changed["name"], changed["kinds"], changed["state"]) == ("other", [], "off")
        await admin.post(f"/endpoints/{made['id']}/test", status=409)
        await admin.patch(f"/endpoints/{made['id']}", {"on": True})
        (sent,) = (await admin.post(f"/endpoints/{made['id']}/test", status=202))["deliveries"]
        await until(lambda: len(receiver.received) == 1)

        async def tried() -> bool:
            return len((await admin.get(f"/deliveries/{sent['id']}"))["attempts"]) == 1

        await until(tried)
        again = await admin.post(f"/deliveries/{sent['id']}/resend", status=202)
        assert again["state"] == "pending"
        await until(lambda: len(receiver.received) == 2)
        assert {each.headers["webhook-id"] for each in receiver.received} == {sent["alertId"]}
        for _ in range(2):
            assert (await admin.post(f"/endpoints/{made['id']}/end", status=200))["state"] == "ended"
        for ended, listed in ((True, [made["id"]]), (False, [])):
            found = (await admin.get("/endpoints", ended=ended))["endpoints"]
            assert [each["id"] for each in found] == listed
        await admin.patch(f"/endpoints/{made['id']}", {"on": True}, status=409)
        await admin.post(f"/endpoints/{made['id']}/rotate", status=409)
        await admin.post(f"/deliveries/{sent['id']}/resend", status=409)


async def test_email_goes_to_addresses_that_are_shown(admin: Admin) -> None:
    body = {"kind": "email", "name": "mail", "addresses": ["a@shop.example", "b@shop.example"]}
    made = await admin.post("/endpoints", body)
    assert (made["address"], made["secret"]) == ("a@shop.example, b@shop.example", None)
    changed = await admin.patch(f"/endpoints/{made['id']}", {"addresses": ["c@shop.example"]})
    assert changed["address"] == "c@shop.example"
    await admin.post(f"/endpoints/{made['id']}/rotate", status=409)


async def test_lists_go_on_where_the_page_before_ended(admin: Admin) -> None:
    await admin.post("/endpoints", {**HOOK, "url": "https://127.0.0.1:9/"})
    ids = {await _crossed(admin, f"paged-{number}") for number in range(5)}
    found: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await admin.get("/alerts", limit=2, limitId="l1", kind="limit.warning", **cursor)
        found += [each["id"] for each in page["alerts"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert len(found) == len(set(found))
    assert ids <= set(found)
    first = await admin.get("/deliveries", limit=3)
    rest = await admin.get("/deliveries", limit=3, cursor=first["nextCursor"])
    assert len({each["id"] for each in [*first["deliveries"], *rest["deliveries"]]}) == 5
    await admin.get("/alerts", cursor="nonsense", status=400)
    await admin.get("/alerts", kind="nonsense", status=400)
    await admin.get("/deliveries", state="nonsense", status=400)
    assert (await admin.get("/alerts", userId="nobody"))["alerts"] == []


async def test_one_clients_administrator_sees_and_changes_its_own_alone(admin: Admin) -> None:
    shop = await admin.of_client("shop")
    everything = await admin.post("/endpoints", {**HOOK, "url": "https://127.0.0.1:9/"})
    own = await shop.post("/endpoints", {**HOOK, "url": "https://127.0.0.1:9/"})
    assert own["clientId"] == "shop"
    await shop.post("/endpoints", {**HOOK, "clientId": "other"}, status=403)
    assert [each["id"] for each in (await shop.get("/endpoints"))["endpoints"]] == [own["id"]]
    for path in ("", "/end", "/test", "/rotate"):
        ask = shop.get if path == "" else shop.post
        await ask(f"/endpoints/{everything['id']}{path}", status=404)
    foreign = await _crossed(admin, "of-nobody")
    mine = await _crossed(admin, "of-shop", client_id="shop")
    assert [each["id"] for each in (await shop.get("/alerts"))["alerts"]] == [mine]
    await shop.get(f"/alerts/{foreign}", status=404)
    (delivery,) = (await shop.get(f"/alerts/{mine}"))["deliveries"]
    assert delivery["endpointId"] == own["id"]
    assert [each["id"] for each in (await shop.get("/deliveries"))["deliveries"]] == [delivery["id"]]
    others = [each["id"] for each in (await admin.get("/deliveries", endpointId=everything["id"]))["deliveries"]]
    assert len(others) == 2
    await shop.get(f"/deliveries/{others[0]}", status=404)
    await shop.post(f"/deliveries/{others[0]}/resend", status=404)


async def test_what_one_client_adds_takes_no_place_of_others(admin: Admin) -> None:
    shop = await admin.of_client("shop")
    for _ in range(MOST_OF_A_CLIENT):
        await shop.post("/endpoints", HOOK)
    refused = await shop.post("/endpoints", HOOK, status=409)
    assert refused["detail"] == "there are 20 endpoints already; end one that is not needed"
    for other in (await admin.of_client("other"), admin):
        await other.post("/endpoints", HOOK)
    one = (await shop.get("/endpoints"))["endpoints"][0]
    await shop.post(f"/endpoints/{one['id']}/end", status=200)
    await shop.post("/endpoints", HOOK)


async def test_what_one_client_mutes_takes_no_place_of_others(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.alerts.muting.MOST_OF_A_CLIENT", 2)
    monkeypatch.setattr("app.alerts.muting.MOST", 2)
    mute = {"kind": "spending.cost", "until": (moment_now() + timedelta(days=1)).isoformat()}
    shop, other = await admin.of_client("full"), await admin.of_client("empty")
    for _ in range(2):
        await shop.post("/alerts/mutes", mute)
    refused = await shop.post("/alerts/mutes", mute, status=409)
    assert refused["detail"] == "there are 2 mutes already: end some"
    made = [(each, await each.post("/alerts/mutes", mute)) for each in (other, admin)]
    for each, one in made:
        await each.post(f"/alerts/mutes/{one['id']}/end", status=200)
    for one in (await shop.get("/alerts/mutes"))["mutes"]:
        await shop.post(f"/alerts/mutes/{one['id']}/end", status=200)


async def test_what_does_not_exist_is_not_found(admin: Admin) -> None:
    for path in ("/alerts/none", "/deliveries/none", "/endpoints/none"):
        await admin.get(path, status=404)


async def test_only_administrators_may(admin: Admin) -> None:
    text = Tokens(SECRET).issue("someone", Role.USER, timedelta(minutes=5))
    user = Admin(admin.client, {"Authorization": f"Bearer {text}"})
    for path in ("/alerts", "/deliveries", "/endpoints"):
        await user.get(path, status=403)
    await user.post("/endpoints", HOOK, status=403)


async def test_unusual_spending_can_be_muted_until_a_time_and_each_client_mutes_its_own(admin: Admin) -> None:
    until_ = (moment_now() + timedelta(days=7)).isoformat()
    errors = {"kind": "spending.errors", "provider": "openai", "model": "gpt-4o", "until": until_}
    made = await admin.post("/alerts/mutes", errors)
    shop = await admin.of_client("shop")
    own = await shop.post("/alerts/mutes", {"kind": "spending.cost", "until": until_})
    assert (made["clientId"], own["clientId"]) == (None, "shop")
    assert (await admin.get("/alerts/mutes"))["mutes"] == [made, own]
    assert (await shop.get("/alerts/mutes"))["mutes"] == [own]
    await shop.post(f"/alerts/mutes/{made['id']}/end", status=404)
    await admin.post(f"/alerts/mutes/{made['id']}/end", status=200)
    await shop.post(f"/alerts/mutes/{own['id']}/end", status=200)
    assert (await admin.get("/alerts/mutes"))["mutes"] == []


@pytest.mark.parametrize(
    ("kind", "days", "field"),
    [("spending.errors", 0, "until"), ("spending.errors", 367, "until"), ("limit.reached", 1, "kind")],
)
async def test_what_cannot_be_muted_is_refused(admin: Admin, kind: str, days: int, field: str) -> None:
    refused = await admin.post(
        "/alerts/mutes", {"kind": kind, "until": (moment_now() + timedelta(days=days)).isoformat()}, status=400
    )
    assert refused["errors"][0]["field"] == field
