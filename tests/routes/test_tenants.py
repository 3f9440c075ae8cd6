"""No key and no token ever gets a row of another client, nor a user's token one of another user.

Two clients with two users each report calls whose every name says whose it is. Then every kind of caller asks every
route of the OpenAPI schema, also for what is not its own, and each answer is searched for the names of others.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from tests.conftest import SECRET
from tests.routes.conftest import application, bearer, holding

Client = AsyncTestClient[Litestar]
HOUR = timedelta(hours=1)
MONTH = f"{datetime.now(UTC):%Y-%m}"
ALPHA, BETA = "alpha-inc", "beta-inc"
USERS = {ALPHA: ("alpha-ann", "alpha-art"), BETA: ("beta-bob", "beta-bea")}
ANN, ART = USERS[ALPHA]
OPEN, READ, ADMIN = "open", "read", "admin"
"""Who may ask a route: anyone, whoever has that scope."""
ROUTES = {
    "/health": OPEN,
    "/livez": OPEN,
    "/ready": OPEN,
    "/readyz": OPEN,
    "/metrics": OPEN,
    "/api/analytics": READ,
    "/api/me/usage": OPEN,
    "/api/admin/ai/overview": ADMIN,
    "/api/admin/ai/usage": ADMIN,
    "/api/admin/ai/providers": ADMIN,
    "/api/admin/ai/models": ADMIN,
    "/api/admin/ai/users": ADMIN,
    "/api/admin/ai/retention": ADMIN,
    "/api/admin/ai/summary": ADMIN,
    "/api/admin/ai/upgrades": ADMIN,
    "/api/admin/ai/calls": ADMIN,
    "/api/admin/ai/search": ADMIN,
    "/api/admin/ai/calls/{call_id}": ADMIN,
    "/api/admin/ai/latency": ADMIN,
    "/api/admin/ai/explain": ADMIN,
    "/api/admin/ai/timeline": ADMIN,
    "/api/admin/ai/technical": ADMIN,
    "/api/admin/ai/download/{file}": ADMIN,
    "/api/admin/ai/data-quality": ADMIN,
    "/api/admin/stats": ADMIN,
    "/api/admin/audit": ADMIN,
    "/api/admin/prices": ADMIN,
    "/api/admin/settings": ADMIN,
    "/api/admin/repricing": ADMIN,
    "/api/admin/keys": ADMIN,
    "/api/admin/plans": ADMIN,
    "/api/admin/plans/{plan}": ADMIN,
    "/api/admin/subscriptions": ADMIN,
    "/api/admin/subscriptions/{subscription_id}": ADMIN,
    "/api/admin/limits": ADMIN,
    "/api/admin/limits/applying": ADMIN,
    "/api/admin/limits/{limit_id}": ADMIN,
    "/api/admin/grants": ADMIN,
    "/api/admin/grants/{grant_id}": ADMIN,
    "/api/admin/alerts": ADMIN,
    "/api/admin/alerts/{alert_id}": ADMIN,
    "/api/admin/alerts/mutes": ADMIN,
    "/api/admin/notes": ADMIN,
    "/api/admin/views": ADMIN,
    "/api/admin/deliveries": ADMIN,
    "/api/admin/deliveries/{delivery_id}": ADMIN,
    "/api/admin/endpoints": ADMIN,
    "/api/admin/endpoints/{endpoint_id}": ADMIN,
    "/api/admin/gateway/upstreams": ADMIN,
    "/api/admin/gateway/cache": ADMIN,
    "/api/admin/gateway/figures": ADMIN,
    "/api/admin/reports/month/{report}": ADMIN,
    "/api/admin/provider-invoices": ADMIN,
    "/api/admin/finance/forecast": ADMIN,
    "/api/admin/finance/forecast/budgets": ADMIN,
    "/api/admin/campaigns": ADMIN,
    "/api/admin/campaigns/{campaign}": ADMIN,
    "/api/admin/campaigns/{campaign}/report": ADMIN,
    "/api/admin/campaigns/{campaign}/report.csv": ADMIN,
    "/api/admin/experiments": ADMIN,
    "/api/admin/experiments/{name}": ADMIN,
    "/api/admin/experiments/{name}/results": ADMIN,
    "/api/admin/finance/overview": ADMIN,
    "/api/admin/finance/margins": ADMIN,
    "/api/admin/finance/margins.csv": ADMIN,
    "/api/admin/finance/loss-making": ADMIN,
    "/api/admin/billing/stripe": ADMIN,
    "/api/admin/revenue": ADMIN,
    "/api/admin/revenue/entries.csv": ADMIN,
    "/api/admin/revenue/rates": ADMIN,
}
"""Every GET route of the schema. A new one needs an entry here, and then holds to the same."""
ENDLESS = {"/api/admin/ai/live"}
"""Routes whose answers do not end; whom they tell what is tested with them."""
RESERVATIONS = {"/api/ai/reservations/{reservation_id}"}
"""Routes of what ends; whose it is, is tested with them."""
TABLES = ("daily", "features", "models", "providers", "users", "calls", "conversations", "data-quality")
NOTHING_BY_CLIENT = {
    *("/health", "/livez", "/ready", "/readyz", "/metrics", "/api/admin/gateway/upstreams"),
    *("/api/admin/gateway/cache", "/api/admin/revenue/rates", "/api/admin/views"),
    *(
        "/api/admin/prices",
        "/api/admin/repricing",
        "/api/admin/settings",
        "/api/admin/ai/technical",
        "/api/admin/plans",
        "/api/admin/plans/{plan}",
    ),
    *("/api/admin/subscriptions/{subscription_id}", "/api/admin/limits/{limit_id}", "/api/admin/grants/{grant_id}"),
    *("/api/admin/alerts/{alert_id}", "/api/admin/deliveries/{delivery_id}", "/api/admin/endpoints/{endpoint_id}"),
}
"""Routes without a `clientId` to ask for."""
OWN_NAMES = {
    "/api/analytics": ["talk"],
    "/api/admin/ai/usage": ["model", "provider"],
    "/api/admin/ai/providers": ["provider"],
    "/api/admin/ai/explain": ["model", "provider"],
    "/api/admin/ai/timeline": ["model"],
    "/api/admin/ai/summary": ["", "model"],
    "/api/admin/ai/models": ["model"],
    "/api/admin/ai/users": [""],
    "/api/admin/ai/calls": ["", "talk", "model"],
    "/api/admin/ai/data-quality": ["type", "model"],
    "/api/admin/stats": ["", "type"],
    "/api/admin/subscriptions": [""],
    "/api/admin/revenue": [""],
    "/api/admin/limits": ["", "limit"],
    "/api/admin/grants": [""],
    "/api/admin/endpoints": ["endpoint"],
    "/api/admin/experiments": ["experiment"],
    "/api/admin/campaigns": ["campaign", "name"],
    "/api/admin/alerts/mutes": ["mute"],
    "/api/admin/notes": ["note"],
}
"""Which of a user's names an answer about its client has: what shows that something was there to be seen."""
QUESTIONS = {
    "/api/admin/ai/explain": "?compareFrom=2024-05-01&compareTo=2024-05-02",
    "/api/admin/ai/timeline": "?days=1&by=model",
    "/api/admin/ai/search": "?q=a",
    "/api/admin/reports/month/{report}": "?preview=true",
}
"""What routes are asked whose answers would have no calls of today otherwise."""


@dataclass(frozen=True)
class Caller:
    """One kind of caller, what it may ask, and whose names it may see."""

    headers: dict[str, str]
    may: frozenset[str]
    users: tuple[str, ...]
    everything: bool = False

    def strangers(self) -> Iterable[str]:
        """Names that none of its answers may hold."""
        if not self.everything:
            yield BETA
            yield "beta-"
            yield from (user for user in USERS[ALPHA] if user not in self.users)

    def status(self, route: str) -> int:
        needed = ROUTES[route]
        return 200 if needed == OPEN or needed in self.may else 403


@dataclass(frozen=True)
class House:
    client: Client
    callers: dict[str, Caller]
    ids: dict[str, dict[str, str]]
    """By user: the ids of its call, and of what is defined for it."""

    def addresses(self, route: str, user: str = ANN) -> list[str]:
        """The addresses of a route, with every table, or with a user's call, where it names one."""
        named = [
            route.format(**self.ids[user], plan="pro", file=f"{table}.csv", report=f"{MONTH}.{table}")
            for table in _tables(route)
        ]
        return [f"{address}{QUESTIONS.get(route, '')}" for address in named]


def _tables(route: str) -> tuple[str, ...]:
    if "{report}" in route:
        return "json", "csv"
    return TABLES if "{file}" in route else ("",)


def call_of(user: str) -> dict[str, Any]:
    """A call whose every name is its user's. Its model and content type are unknown, so data quality names them too."""
    names = {"contentType": "type", "model": "model", "provider": "provider", "conversationId": "talk"}
    return {"userId": user, "inputTokens": 100, **{field: f"{user}-{kind}" for field, kind in names.items()}}


@pytest.fixture(scope="module")
async def house(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One for all tests that leave it as it is."""
    async with application(mongodb_uri, tmp_path_factory.mktemp("house")) as (client, _):
        yield await filled(client, Tokens(SECRET))


@pytest.fixture
async def own_house(client: Client, tokens: Tokens) -> House:
    """One to change."""
    return await filled(client, tokens)


async def filled(client: Client, tokens: Tokens) -> House:
    root = bearer(tokens, Role.ADMIN)

    async def post(path: str, body: dict[str, Any] | None = None, status: int = 201) -> Any:
        response = await client.post(path, json=body, headers=root)
        assert response.status_code == status, response.text
        return response.json()

    async def key(owner: str, *scopes: str) -> dict[str, str]:
        body = {"name": f"{owner}-key", "clientId": owner, "scopes": list(scopes)}
        return holding((await post("/api/admin/keys", body))["key"])

    async def defined(owner: str, user: str) -> dict[str, str]:
        scope, allowed = {"userId": user, "clientId": owner}, {"unit": "requests", "window": "month", "amount": 100}
        limit = {"scope": scope, **allowed, "name": f"{user}-limit"}
        hook = {"kind": "webhook", "name": f"{user}-endpoint", "url": "https://hooks.invalid/", "clientId": owner}
        endpoint = (await post("/api/admin/endpoints", hook))["id"]
        mute = {"kind": "spending.cost", "model": f"{user}-mute", "clientId": owner}
        await post("/api/admin/alerts/mutes", {**mute, "until": (datetime.now(UTC) + HOUR).isoformat()})
        note = {"at": "2026-11-01T00:00:00Z", "text": f"{user}-note", "clientId": owner}
        await post("/api/admin/notes", note)
        variants = [{"name": f"{user}-{variant}", "weight": 0.5} for variant in "ab"]
        experiment = {"name": f"{user}-experiment", "clientId": owner, "begins": "2026-01-01", "variants": variants}
        came_due = {"sourceId": f"{user}-paid", "kind": "one_time", "amount": 1, "currency": "USD"}
        await post("/api/admin/revenue", {**came_due, "userId": user, "clientId": owner})
        campaign = {"campaignId": f"{user}-campaign", "name": f"{user}-name", "clientId": owner, "begins": "2026-01-01"}
        (delivery,) = (await post(f"/api/admin/endpoints/{endpoint}/test", status=202))["deliveries"]
        return {
            "endpoint_id": endpoint,
            "name": (await post("/api/admin/experiments", experiment))["name"],
            "campaign": (await post("/api/admin/campaigns", campaign))["campaignId"],
            "delivery_id": delivery["id"],
            "alert_id": delivery["alertId"],
            "subscription_id": (await post("/api/admin/subscriptions", {"scope": scope, "plan": "pro"}))["id"],
            "limit_id": (await post("/api/admin/limits", limit))["id"],
            "grant_id": (await post("/api/admin/grants", {"kind": "top_up", "scope": scope, **allowed}))["id"],
        }

    allowance = {"unit": "requests", "window": "month", "amount": 100}
    await post("/api/admin/plans", {"plan": "pro", "name": "Pro", "allowances": [allowance]})
    ids = {}
    for owner, users in USERS.items():
        for user in users:
            call = await post("/api/ai/track", {**call_of(user), "clientId": owner})
            ids[user] = {"call_id": call["id"], **await defined(owner, user)}
        price = {"model": f"{owner}-price", "clientId": owner, "prices": {"inputMtok": 1}}
        await post("/api/admin/prices", price)
    await post("/api/admin/prices", {"model": "everyones-price", "prices": {"inputMtok": 1}})
    await key(BETA, "admin")

    both = USERS[ALPHA]
    callers = {
        "ingest key": Caller(await key(ALPHA, "ingest"), frozenset({"ingest"}), both),
        "read key": Caller(await key(ALPHA, "read"), frozenset({READ}), both),
        "admin key": Caller(await key(ALPHA, "admin"), frozenset({ADMIN}), both),
        "key for all": Caller(await key(ALPHA, "ingest", "read", "admin"), frozenset({"ingest", READ, ADMIN}), both),
        "service": Caller(holding(tokens.issue("svc", Role.SERVICE, HOUR, ALPHA)), frozenset({"ingest", READ}), both),
        "user": Caller(holding(tokens.issue(ANN, Role.USER, HOUR, ALPHA)), frozenset({"ingest", READ}), (ANN,)),
        "panel": Caller(holding(tokens.issue(ANN, Role.PANEL, HOUR, ALPHA)), frozenset(), (ANN,)),
        "root": Caller(root, frozenset({"ingest", READ, ADMIN}), (*both, *USERS[BETA]), everything=True),
    }
    return House(client, callers, ids)


async def test_every_route_that_reads_is_in_the_list_above(empty: Client) -> None:
    paths = (await empty.get("/schema/openapi.json")).json()["paths"]

    assert {path for path, operations in paths.items() if "get" in operations} == set(ROUTES) | ENDLESS | RESERVATIONS
    asking = {
        path
        for path in ROUTES
        if not any(parameter["name"] == "clientId" for parameter in paths[path]["get"].get("parameters", ()))
    }
    assert asking == NOTHING_BY_CLIENT


async def test_no_answer_has_a_name_of_another(house: House) -> None:
    for name, caller in house.callers.items():
        for route, address in ((path, each) for path in ROUTES for each in house.addresses(path)):
            response = await house.client.get(address, headers=caller.headers)
            assert response.status_code == caller.status(route), (name, address, response.text)
            seen = [stranger for stranger in caller.strangers() if stranger in response.text]
            assert seen == [], (name, address)


async def test_a_call_of_another_client_does_not_exist(house: House) -> None:
    theirs = house.addresses("/api/admin/ai/calls/{call_id}", USERS[BETA][0])[0]
    for name in ("admin key", "key for all"):
        response = await house.client.get(theirs, headers=house.callers[name].headers)
        missing = await house.client.get("/api/admin/ai/calls/" + "0" * 24, headers=house.callers[name].headers)
        assert (response.status_code, missing.status_code) == (404, 404), name
        assert response.json()["title"] == missing.json()["title"]
    found = (await house.client.get(theirs, headers=house.callers["root"].headers)).json()
    assert (found["userId"], found["clientId"]) == (USERS[BETA][0], BETA)


async def test_what_is_ones_own_is_seen(house: House) -> None:
    for name, caller in house.callers.items():
        for route, kinds in OWN_NAMES.items():
            if caller.status(route) == 200:
                text = (await house.client.get(f"{route}{QUESTIONS.get(route, '')}", headers=caller.headers)).text
                own = {f'"{user}-{kind}"' if kind else f'"{user}"' for user in caller.users for kind in kinds}
                assert [each for each in own if each not in text] == [], (name, route)


async def test_figures_are_those_of_ones_own_calls(house: House) -> None:
    requests = {"read key": 2, "key for all": 2, "service": 2, "user": 1, "root": 4}
    for name, expected in requests.items():
        report = (await house.client.get("/api/analytics", headers=house.callers[name].headers)).json()
        assert (report["summary"]["requests"], report["summary"]["activeUsers"]) == (expected, expected)
        assert [len(report["byConversation"]), len(report["providers"])] == [expected, expected]
        assert report["weekly"][-1]["requests"] == report["monthly"][-1]["requests"] == expected
    for name, expected in {"admin key": 2, "key for all": 2, "root": 4}.items():
        headers = house.callers[name].headers
        overview = (await house.client.get("/api/admin/ai/overview", headers=headers)).json()
        stats = (await house.client.get("/api/admin/stats", headers=headers)).json()
        assert (overview["today"]["requests"], overview["month"]["activeUsers"]) == (expected, expected)
        assert (stats["aiRequestsThisMonth"], len(stats["recentActivity"])) == (expected, expected)
        assert (await house.client.get("/api/admin/ai/users", headers=headers)).json()["activeUsers"] == expected


async def test_answers_to_questions_at_once_are_each_callers_own(house: House) -> None:
    names = ["root", "admin key", "root", "key for all", "admin key"]
    for route in (each for path, needed in ROUTES.items() if needed == ADMIN for each in house.addresses(path)):
        answers = await asyncio.gather(*(house.client.get(route, headers=house.callers[n].headers) for n in names))
        for name, answer in zip(names, answers, strict=True):
            assert not any(stranger in answer.text for stranger in house.callers[name].strangers()), (name, route)


@pytest.mark.parametrize("wish", [{"clientId": BETA}, {"clientId": BETA, "userId": USERS[BETA][0]}])
async def test_asking_for_another_client_is_refused(house: House, wish: dict[str, str]) -> None:
    for name, caller in house.callers.items():
        for route in (each for path in ROUTES.keys() - NOTHING_BY_CLIENT for each in house.addresses(path)):
            asked = httpx.URL(route).copy_merge_params(wish)
            response = await house.client.get(asked, headers=caller.headers)
            if caller.everything:
                assert response.status_code in {200, 400, 404, 409}, (name, route, response.text)
                continue
            assert response.status_code == 403, (name, route, response.text)
            assert "beta" not in response.text, (name, route)


async def test_asking_for_a_user_of_another_client_finds_nothing(house: House) -> None:
    stranger = {"userId": USERS[BETA][0]}
    for name in ("read key", "admin key", "service"):
        caller = house.callers[name]
        for route in ("/api/analytics", "/api/admin/ai/usage", "/api/admin/ai/calls", "/api/admin/ai/latency"):
            response = await house.client.get(route, params=stranger, headers=caller.headers)
            assert response.status_code == caller.status(route), (name, route)
            # the report says whom it was asked about
            answer = response.json() | {"userId": None}
            assert "beta-" not in str(answer), (name, route)
        for table in ("daily", "features", "calls", "conversations", "data-quality"):
            address = f"/api/admin/ai/download/{table}.csv"
            response = await house.client.get(address, params=stranger, headers=caller.headers)
            assert response.status_code == caller.status("/api/admin/ai/download/{file}"), (name, table)
            assert "beta-" not in response.text, (name, table)


async def test_a_user_asking_for_another_is_refused(house: House) -> None:
    user = house.callers["user"].headers
    for wish in ({"userId": ART}, {"clientId": ALPHA, "userId": ART}, {"userId": USERS[BETA][0]}):
        response = await house.client.get("/api/analytics", params=wish, headers=user)
        assert (response.status_code, ART in response.text) == (403, False)
    nobody = await house.client.get("/api/analytics", params={"userId": ""}, headers=user)
    assert (nobody.status_code, [error["field"] for error in nobody.json()["errors"]]) == (400, ["userId"])
    own = await house.client.get("/api/analytics", params={"clientId": ALPHA, "userId": ANN}, headers=user)
    assert own.json()["summary"]["requests"] == 1


async def test_calls_are_never_reported_for_another_client(house: House) -> None:
    for name in ("ingest key", "key for all", "service", "user"):
        body = {**call_of(ANN), "clientId": BETA}
        response = await house.client.post("/api/ai/track", json=body, headers=house.callers[name].headers)
        assert response.status_code == 400, name
        assert [error["field"] for error in response.json()["errors"]] == ["clientId"]
    root = house.callers["root"].headers
    theirs = await house.client.get("/api/analytics", params={"clientId": BETA}, headers=root)
    assert theirs.json()["summary"]["requests"] == 2


async def test_a_call_without_a_client_is_the_callers_own(own_house: House) -> None:
    for name in ("ingest key", "key for all", "service", "user"):
        response = await own_house.client.post(
            "/api/ai/track", json=call_of(ANN), headers=own_house.callers[name].headers
        )
        assert response.status_code == 201, name
    root = own_house.callers["root"].headers
    mine = await own_house.client.get("/api/analytics", params={"clientId": ALPHA}, headers=root)
    assert mine.json()["summary"]["requests"] == 2 + 4


async def test_a_user_reports_for_nobody_else(house: House) -> None:
    user = house.callers["user"].headers
    named = await house.client.post("/api/ai/track", json=call_of(ART), headers=user)
    in_header = await house.client.post("/api/ai/track", json=call_of(ANN), headers={**user, "x-user-id": ART})

    for response in (named, in_header):
        assert response.status_code == 400
        assert [error["field"] for error in response.json()["errors"]] == ["userId"]


async def test_prices_of_another_client_are_neither_seen_nor_set_nor_ended(own_house: House) -> None:
    admin, root = own_house.callers["admin key"].headers, own_house.callers["root"].headers
    prices = "/api/admin/prices"
    known = {row["model"]: row["id"] for row in (await own_house.client.get(prices, headers=root)).json()}
    seen = [row["model"] for row in (await own_house.client.get(prices, headers=admin)).json()]
    new = {"model": "new", "prices": {"inputMtok": 1}}

    own = await own_house.client.post(prices, json=new, headers=admin)
    other = await own_house.client.post(prices, json={**new, "clientId": BETA}, headers=admin)

    assert sorted(seen) == [f"{ALPHA}-price", "everyones-price"]
    assert (own.status_code, own.json()["clientId"], other.status_code) == (201, ALPHA, 403)
    for model, status in {f"{ALPHA}-price": 200, f"{BETA}-price": 404, "everyones-price": 403}.items():
        end = {"effectiveTo": "2999-01-01T00:00:00Z"}
        response = await own_house.client.post(f"{prices}/{known[model]}/end", json=end, headers=admin)
        assert response.status_code == status, model
