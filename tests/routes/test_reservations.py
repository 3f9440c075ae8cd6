"""Room that is held before a call is made, over HTTP, with real limits: exact figures, and whose they are."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from httpx import ASGITransport
from httpx import AsyncClient as Client
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from app.limits.refusals import QUOTA_EXCEEDED
from models.counters import COUNTERS
from models.limits import Limit, LimitFilter, LimitScope, Unit, Window
from models.plans import PlanVersion
from tests.limits.defined import allowance, define, limit, plan
from tests.patience import PATIENT_MS
from tests.routes.conftest import bearer, holding

CHAT = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "maxOutputTokens": 500}
U1 = LimitScope(user_id="u1")
OF_CHAT = LimitFilter(service_type="chat")
RESERVATIONS = "/api/ai/reservations"
HOUR = timedelta(hours=1)
LONG = PATIENT_MS / 1_000


def exact(content: bytes) -> Any:
    return json.loads(content, parse_float=Decimal)


@pytest.fixture
async def client(app: Any) -> AsyncIterator[Client]:
    """Whose requests are made at once, where several are: the usual one makes one after the other."""
    is_up, is_done = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            is_up.set()
            await is_done.wait()

    life = asyncio.create_task(live())  # its own, because it has to end in the task in which it began
    await asyncio.wait({life, asyncio.create_task(is_up.wait())}, return_when=asyncio.FIRST_COMPLETED)
    async with Client(transport=ASGITransport(app), base_url="http://test", timeout=LONG) as client:
        yield client
    is_done.set()
    await life


async def enforce(app: Litestar, database: Database, *shapes: Limit | PlanVersion) -> None:
    """Define these, in force at once."""
    await define(database, *shapes)
    await app.state.limits.changed()


async def held(database: Database) -> dict[str, Any]:
    """By subject and unit: what is held, and by how many."""
    return {
        f"{stored['subject']} {stored['unit']}": (Decimal(str(stored["held"])), len(stored["holds"]))
        async for stored in database.writes[COUNTERS].find()
    }


def midnight() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def test_ten_of_ten_pass_and_the_eleventh_is_told_all_of_it(
    app: Litestar, client: Client, tokens: Tokens, database: Database
) -> None:
    day = limit(10, scope=U1, filter=OF_CHAT, timezone="UTC")
    await enforce(app, database, day)
    headers = bearer(tokens, Role.SERVICE)

    answers = [await client.post(RESERVATIONS, json=CHAT, headers=headers) for _ in range(11)]

    assert [answer.status_code for answer in answers] == [201] * 10 + [429]
    reset = instant(midnight())
    first = answers[0].json()
    assert first == {
        "id": first["id"],
        "expiresAt": first["expiresAt"],
        "feature": "chat",
        "held": [
            {
                "id": day.id,
                "name": "chat messages",
                "unit": "requests",
                "window": "day",
                "amount": 1,
                "limit": 10,
                "left": 9,
                "resetsAt": reset,
            }
        ],
        "unenforced": False,
    }
    assert answers[0].headers["RateLimit-Policy"] == f'"{day.id}";q=10;qu="requests";w=86400'
    assert [answer.json()["held"][0]["left"] for answer in answers[:10]] == list(range(9, -1, -1))
    remaining = [answer.headers["RateLimit"].partition(";t=")[0] for answer in answers]
    assert remaining == [f'"{day.id}";r={left}' for left in (*range(9, -1, -1), 0)]
    refused = answers[10]
    told = {
        "id": day.id,
        "name": "chat messages",
        "unit": "requests",
        "window": "day",
        "filter": {"serviceType": "chat"},
        "limit": 10,
        "used": 0,
        "held": 10,
        "asked": 1,
        "resetsAt": reset,
    }
    message = (
        "0 of your 10 chat messages for today are used, and too much of what is left is held by calls that are being "
        "made. Try again when they have ended."
    )
    assert exact(refused.content) == {
        "type": QUOTA_EXCEEDED,
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "detail": message,
        "violated-policies": [day.id],
        "message": message,
        **told,
        "upgradeUrl": None,
        "violations": [told],
    }
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["RateLimit-Policy"] == f'"{day.id}";q=10;qu="requests";w=86400'
    assert refused.headers["RateLimit"].startswith(f'"{day.id}";r=0;t=')
    assert await held(database) == {"user:u1 requests": (10, 10)}


async def test_a_hundred_of_512_at_once_pass_and_all_others_leave_every_counter_as_it_was(
    app: Litestar, client: Client, tokens: Tokens, database: Database
) -> None:
    await enforce(app, database, limit(100, scope=U1), limit("1", Window.MONTH, Unit.USD, scope=U1))
    headers = bearer(tokens, Role.SERVICE)
    ask = {**CHAT, "serviceTier": "default"}  # 0.0075 USD: 133 would fit into the budget

    answers = await asyncio.gather(*(client.post(RESERVATIONS, json=ask, headers=headers) for _ in range(512)))

    assert sorted(answer.status_code for answer in answers) == [201] * 100 + [429] * 412
    assert await held(database) == {"user:u1 requests": (100, 100), "user:u1 usd": (Decimal("0.75"), 100)}


async def test_a_check_takes_nothing(app: Litestar, client: Client, tokens: Tokens, database: Database) -> None:
    await enforce(app, database, limit(1, scope=U1))
    headers = bearer(tokens, Role.SERVICE)
    for _ in range(3):
        answer = await client.post("/api/ai/limits/check", json=CHAT, headers=headers)
        assert (answer.status_code, answer.json()["allowed"]) == (200, True)
    assert (await client.post(RESERVATIONS, json=CHAT, headers=headers)).status_code == 201

    refused = await client.post("/api/ai/limits/check", json=CHAT, headers=headers)

    assert refused.status_code == 200
    body = refused.json()
    assert (body["allowed"], body["limit"], body["used"], body["held"], body["asked"]) == (False, 1, 0, 1, 1)
    assert body["message"].startswith("0 of your 1 requests for today are used")
    assert await held(database) == {"user:u1 requests": (1, 1)}


async def test_what_is_released_is_free_at_once_and_only_for_whom_it_was(
    app: Litestar, client: Client, tokens: Tokens, database: Database
) -> None:
    await enforce(app, database, limit(1, scope=U1))
    shop, other = (holding(tokens.issue("svc", Role.SERVICE, HOUR, name)) for name in ("shop", "other"))
    own, stranger = (holding(tokens.issue(name, Role.USER, HOUR, "shop")) for name in ("u1", "u2"))
    reserved = (await client.post(RESERVATIONS, json=CHAT, headers=shop)).json()
    path = f"{RESERVATIONS}/{reserved['id']}"

    for headers in (other, stranger):
        assert (await client.get(path, headers=headers)).status_code == 404
        assert (await client.delete(path, headers=headers)).status_code == 404
    seen = (await client.get(path, headers=own)).json()
    assert (seen["state"], seen["userId"], seen["clientId"], seen["contentType"]) == ("open", "u1", "shop", "chat")
    assert seen["held"] == [{"unit": "requests", "window": "day", "amount": 1}]
    assert await held(database) == {"user:u1 requests": (1, 1)}

    assert [(await client.delete(path, headers=shop)).status_code for _ in range(2)] == [204, 204]
    assert await held(database) == {"user:u1 requests": (0, 0)}
    assert (await client.get(path, headers=shop)).json()["state"] == "released"
    assert (await client.post(RESERVATIONS, json=CHAT, headers=shop)).status_code == 201


async def test_the_same_request_is_the_same_reservation(
    app: Litestar, client: Client, tokens: Tokens, database: Database
) -> None:
    await enforce(app, database, limit(2, scope=U1))
    headers = bearer(tokens, Role.SERVICE)
    ask = {**CHAT, "requestId": "r1"}

    answers = [await client.post(RESERVATIONS, json=ask, headers=headers) for _ in range(3)]
    by_header = await client.post(RESERVATIONS, json=CHAT, headers={**headers, "Idempotency-Key": '"r1"'})

    first = answers[0].json()
    assert [(answer.status_code, answer.json()["id"]) for answer in (*answers, by_header)] == [(201, first["id"])] * 4
    assert {answer.json()["expiresAt"] for answer in answers} == {first["expiresAt"]}
    assert await held(database) == {"user:u1 requests": (1, 1)}
    assert (await client.delete(f"{RESERVATIONS}/{first['id']}", headers=headers)).status_code == 204
    assert (await client.post(RESERVATIONS, json=ask, headers=headers)).status_code == 409


async def test_a_call_that_is_reported_with_its_reservation_settles_it(
    app: Litestar, client: Client, tokens: Tokens, database: Database
) -> None:
    await enforce(app, database, limit(5, scope=U1))
    headers = bearer(tokens, Role.SERVICE)
    id_ = (await client.post(RESERVATIONS, json=CHAT, headers=headers)).json()["id"]
    call = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 10, "outputTokens": 5}

    receipt = await client.post("/api/ai/track", json={**call, "reservationId": id_}, headers=headers)

    assert (receipt.status_code, receipt.json()["reservation"]) == (201, "settled")
    settled = (await client.get(f"{RESERVATIONS}/{id_}", headers=headers)).json()
    assert (settled["state"], settled["entry"]) == ("settled", receipt.json()["id"])
    refused = await client.delete(f"{RESERVATIONS}/{id_}", headers=headers)
    assert (refused.status_code, refused.json()["title"]) == (409, "Conflict")
    again = await client.post("/api/ai/track", json={**call, "reservationId": id_}, headers=headers)
    assert (again.status_code, again.json()["reservation"]) == (201, "already_settled")


async def test_what_was_used_is_what_the_refusal_the_check_and_the_report_say(
    app: Litestar, client: Client, tokens: Tokens, database: Database
) -> None:
    three = limit(3, scope=U1, filter=OF_CHAT, timezone="UTC")
    budget = limit("1", Window.LIFETIME, Unit.USD, scope=U1)
    await enforce(app, database, three, budget)
    headers, ask = bearer(tokens, Role.SERVICE), {**CHAT, "serviceTier": "default"}
    call = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 100, "outputTokens": 50}
    for _ in range(2):
        id_ = (await client.post(RESERVATIONS, json=ask, headers=headers)).json()["id"]
        await client.post("/api/ai/track", json={**call, "reservationId": id_}, headers=headers)
    # a call that nobody asked for counts, too: within a second
    await client.post("/api/ai/track", json=call, headers=headers)
    await app.state.limits.fold.now()

    refused = await client.post(RESERVATIONS, json=ask, headers=headers)
    checked = await client.post("/api/ai/limits/check", json=ask, headers=headers)

    assert refused.status_code == 429
    problem = exact(refused.content)
    assert [problem[name] for name in ("limit", "used", "held", "asked")] == [3, 3, 0, 1]
    assert problem["detail"].startswith("You have used all 3 of your chat messages for today. They reset at 00:00 on ")
    seconds = int(refused.headers["Retry-After"])
    assert 0 < seconds <= 86_400
    assert refused.headers["RateLimit"] == f'"{three.id}";r=0;t={seconds}'
    limits = {row["id"]: row for row in exact(checked.content)["limits"]}
    assert {id_: [row[name] for name in ("limit", "used", "held", "remaining")] for id_, row in limits.items()} == {
        three.id: [3, 3, 0, 0],
        budget.id: [1, Decimal("0.00225"), 0, Decimal("0.99775")],
    }
    assert exact(checked.content)["violated"] == [three.id]


async def test_the_schema_says_in_which_headers_what_is_left_is(client: Client) -> None:
    answers = (await client.get("/schema/openapi.json")).json()["paths"][RESERVATIONS]["post"]["responses"]
    names = {"RateLimit-Policy", "RateLimit"}
    assert names <= set(answers["201"]["headers"])
    assert set(answers["429"]["headers"]) == {*names, "Retry-After"}


async def test_money_without_a_bound_or_a_price_is_refused_with_the_way_out(
    app: Litestar, client: Client, tokens: Tokens, database: Database
) -> None:
    budget = limit("5", Window.MONTH, Unit.USD, scope=U1)
    await enforce(app, database, budget)
    headers = bearer(tokens, Role.SERVICE)

    open_ended = {**CHAT, "model": "gemini-2.5-pro", "maxOutputTokens": None}
    for path in (RESERVATIONS, "/api/ai/limits/check"):
        answer = await client.post(path, json=open_ended, headers=headers)
        assert (answer.status_code, answer.json()["title"]) == (422, "No upper bound")
        assert [error["field"] for error in answer.json()["errors"]] == ["maxOutputTokens"]
    unpriced = await client.post(RESERVATIONS, json={**CHAT, "model": "mine"}, headers=headers)
    assert (unpriced.status_code, unpriced.json()["errors"][0]["field"]) == (422, "model")
    assert "POST /api/admin/prices" in unpriced.json()["detail"]
    # a tenth of the budget at most: 10 pass
    dear = {**CHAT, "serviceTier": "default", "inputTokens": 0, "maxOutputTokens": 50_000}
    answers = [(await client.post(RESERVATIONS, json=dear, headers=headers)) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [201] * 10 + [429]
    assert exact(answers[10].content)["asked"] == Decimal("0.5")
    assert await held(database) == {"user:u1 usd": (5, 10)}


async def test_a_check_names_the_limit_of_the_feature_that_it_is_about(
    app: Litestar, client: Client, tokens: Tokens, database: Database
) -> None:
    of_chat, of_images = (limit(1, scope=LimitScope(feature=name)) for name in ("chat", "image_generation"))
    await enforce(app, database, of_chat, of_images)
    user = holding(tokens.issue("u1", Role.USER, HOUR, "shop"))
    root = holding(tokens.issue("root", Role.ADMIN, HOUR))
    assert (await client.post(RESERVATIONS, json=CHAT, headers=user)).status_code == 201
    checked = (await client.post("/api/ai/limits/check", json=CHAT, headers=user)).json()
    assert (checked["allowed"], checked["violated"], checked["limits"]) == (False, [of_chat.id], [])
    assert [(row["id"], row["scope"], row["reached"]) for row in checked["shared"]] == [(of_chat.id, "feature", True)]
    checked = (await client.post("/api/ai/limits/check", json=CHAT, headers=root)).json()
    assert [(row["id"], row["limit"], row["held"]) for row in checked["limits"]] == [(of_chat.id, 1, 1)]


async def test_a_user_sees_no_figures_of_limits_that_are_shared(
    app: Litestar, client: Client, tokens: Tokens, database: Database
) -> None:
    await enforce(app, database, limit(1, scope=LimitScope(client_id="shop")))
    user, shop, root = (
        holding(tokens.issue("u1", Role.USER, HOUR, "shop")),
        holding(tokens.issue("svc", Role.SERVICE, HOUR, "shop")),
        holding(tokens.issue("root", Role.ADMIN, HOUR)),
    )
    reserved = await client.post(RESERVATIONS, json=CHAT, headers=user)
    assert [(each["amount"], each["limit"], each["left"]) for each in reserved.json()["held"]] == [(1, None, None)]
    assert "RateLimit-Policy" not in reserved.headers

    hidden = await client.post(RESERVATIONS, json=CHAT, headers=user)
    assert hidden.status_code == 429
    assert [hidden.json()[name] for name in ("limit", "used", "held", "asked")] == [None, None, None, 1]
    assert hidden.json()["message"].startswith("A limit that is shared with others is reached.")
    assert "RateLimit-Policy" not in hidden.headers
    checked = (await client.post("/api/ai/limits/check", json=CHAT, headers=user)).json()
    assert [checked[name] for name in ("allowed", "limit", "used", "held", "asked")] == [False, None, None, None, 1]
    assert (checked["limits"], [sorted(row.keys() & {"limit", "used", "held"}) for row in checked["shared"]]) == (
        [],
        [[]],
    )
    for headers in (shop, root):
        seen = await client.post(RESERVATIONS, json={**CHAT, "clientId": "shop"}, headers=headers)
        assert (seen.status_code, seen.json()["limit"], seen.json()["held"]) == (429, 1, 1)


async def test_a_refusal_names_where_to_get_more(
    app: Litestar, client: Client, tokens: Tokens, database: Database
) -> None:
    free = plan("free", allowance(1), default=True, upgrade_url="https://shop.example/upgrade")
    await enforce(app, database, free)
    headers = bearer(tokens, Role.SERVICE)
    await client.post(RESERVATIONS, json=CHAT, headers=headers)

    refused = (await client.post(RESERVATIONS, json=CHAT, headers=headers)).json()

    assert (refused["upgradeUrl"], refused["violated-policies"]) == ("https://shop.example/upgrade", ["free@1#1"])


@pytest.mark.parametrize("missing", ["userId", "contentType", "model"])
async def test_what_a_reservation_needs(empty: AsyncTestClient[Litestar], tokens: Tokens, missing: str) -> None:
    body = {name: value for name, value in CHAT.items() if name != missing}
    answer = await empty.post(RESERVATIONS, json=body, headers=bearer(tokens, Role.SERVICE))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, missing)
