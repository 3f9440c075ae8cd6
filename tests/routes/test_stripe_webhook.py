"""Stripe's endpoint: what Stripe has signed, just now and for us, counts once; all else changes nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from models.plans import PLANS, SUBSCRIPTIONS, PlanVersion, Subscription
from models.revenue import REVENUE
from models.stripe import EVENTS, OBJECTS
from tests.finance.stripe import objects
from tests.finance.stripe.objects import SECRET, Object, became, body_of, event, signed, utc
from tests.routes.conftest import Client, application, bearer, holding

WEBHOOK, STATUS = "/api/billing/stripe/webhook", "/api/admin/billing/stripe"
AT = utc(2025, 3, 1)
PRICE = objects.price("price_pro", 3_000, plan="pro")


@asynccontextmanager
async def set_up(mongodb_uri: str, folder: Path, **more: Any) -> AsyncIterator[tuple[Client, Database]]:
    own = {"stripe_webhook_secret": SECRET, "stripe_mode": "test"} | more
    async with application(mongodb_uri, folder, **own) as (client, database):
        plan = PlanVersion(plan="pro", version=1, name="Pro", created_at=AT, created_by="test")
        await database.writes[PLANS].insert_one(plan.stored())
        yield client, database


@pytest.fixture(scope="module")
async def _running(
    mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Client, Database]]:
    async with set_up(mongodb_uri, tmp_path_factory.mktemp("stripe")) as running:
        yield running


@pytest.fixture
async def running(_running: tuple[Client, Database]) -> AsyncIterator[tuple[Client, Database]]:
    yield _running
    for name in (EVENTS, OBJECTS, REVENUE, SUBSCRIPTIONS):
        await _running[1].writes[name].delete_many({})


async def tell(client: Client, *events: Object) -> list[Object]:
    answers = []
    for one in events:
        body = body_of(one)
        response = await client.post(WEBHOOK, content=body, headers=signed(body))
        assert response.status_code == 200, response.text
        answers.append(response.json())
    return answers


def of_somebody(number: int = 1, **metadata: str) -> Object:
    """A subscription of 30 USD a month, that began on AT."""
    item = objects.item(f"si_{number}", PRICE, ends=utc(2099, 1, 1))
    whose = metadata or {"userId": "u1", "clientId": "acme"}
    return objects.subscription(f"sub_{number}", f"cus_{number}", AT, item, metadata=whose)


def paid(number: int = 1, cents: int = 3_000) -> list[Object]:
    """A paid invoice of its first month."""
    month = objects.line(f"il_{number}", cents, AT, utc(2025, 4, 1), of=PRICE, subscription=f"sub_{number}")
    draft = objects.invoice(f"in_{number}", f"cus_{number}", AT, month, subscription=f"sub_{number}")
    done = became(became(draft, "open", AT), "paid", AT)
    payment = objects.payment(f"inpay_{number}", f"in_{number}", f"pi_{number}")
    return [event("invoice.paid", done, AT), event("invoice_payment.paid", payment, AT)]


async def amounts(database: Database) -> list[str]:
    found = database.writes[REVENUE].find().sort("sequence", 1)
    return [f"{one['kind']} {one['amount']}" async for one in found]


async def test_a_subscription_gives_its_plan_at_once_and_what_is_paid_for_it_is_revenue(
    running: tuple[Client, Database], tokens: Tokens
) -> None:
    client, database = running
    admin = bearer(tokens, Role.ADMIN)

    answers = await tell(client, event("customer.subscription.created", of_somebody(), AT), *paid())

    assert answers == [{"event": "taken", "state": None, "reason": None}] * 3
    assert await amounts(database) == ["subscription 30.00"]
    found = await client.get("/api/admin/subscriptions", params={"userId": "u1"}, headers=admin)
    (one,) = found.json()["subscriptions"]
    assert (one["plan"], one["stripeSubscriptionId"], one["status"]) == ("pro", "sub_1", "active")
    status = (await client.get(STATUS, headers=admin)).json()
    assert (status["configured"], status["mode"], status["fetches"]) == (True, "test", False)
    assert (status["lastEvent"]["type"], status["open"]) == ("invoice_payment.paid", [])


async def test_an_event_that_is_sent_again_counts_once(running: tuple[Client, Database]) -> None:
    client, database = running
    created = event("customer.subscription.created", of_somebody(), AT)
    events = [created, *paid()]

    await tell(client, *events)
    again = await tell(client, *events)

    assert [answer["event"] for answer in again] == ["known"] * 3
    assert await amounts(database) == ["subscription 30.00"]
    assert await database.writes[SUBSCRIPTIONS].count_documents({}) == 1


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"Stripe-Signature": ""}, 401, "Stripe-Signature is missing"),
        ({"Stripe-Signature": "t=1,v1=00"}, 401, "no signature in Stripe-Signature"),
        ({"Stripe-Signature": b"t=1,v1=\xe9"}, 401, "not as Stripe's are"),
        ({"Stripe-Signature": "nonsense, v1, t"}, 401, "no signature in Stripe-Signature"),
        ({"Content-Type": "text/plain"}, 415, "application/json"),
    ],
)
async def test_what_is_not_signed_by_stripe_is_refused(
    running: tuple[Client, Database], change: dict[str, str | bytes], status: int, words: str
) -> None:
    client, database = running
    body = body_of(event("customer.subscription.created", of_somebody(), AT))
    headers: dict[str, str | bytes] = {**signed(body), **change}
    encoded = {name: value if isinstance(value, bytes) else value.encode() for name, value in headers.items()}

    response = await client.post(
        WEBHOOK, content=body, headers=[(name.encode(), value) for name, value in encoded.items()]
    )

    assert (response.status_code, words in response.json()["detail"]) == (status, True), response.text
    assert SECRET not in response.text
    assert await database.writes[EVENTS].count_documents({}) == 0


@pytest.mark.parametrize("kind", [[], {"$gt": 1}])
async def test_an_object_whose_kind_is_no_text_is_ignored(running: tuple[Client, Database], kind: Any) -> None:
    (answer,) = await tell(running[0], event("invoice.paid", {"id": "in_1", "object": kind}, AT))

    assert answer["event"] == "ignored"


async def test_a_signature_of_another_secret_body_or_hour_is_refused(running: tuple[Client, Database]) -> None:
    client, database = running
    body, other = (body_of(event("customer.subscription.created", of_somebody(), AT)) for _ in range(2))
    hour_ago = datetime.now(UTC) - timedelta(hours=1)

    for headers, words in (
        (signed(body, "whsec_of_another"), "no signature"),
        (signed(other), "no signature"),
        (signed(body, at=hour_ago), "more than 5 minutes ago"),
    ):
        response = await client.post(WEBHOOK, content=body, headers=headers)
        assert (response.status_code, words in response.json()["detail"]) == (401, True), response.text
    assert await database.writes[EVENTS].count_documents({}) == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [({"livemode": True}, "TWINMETER_STRIPE_MODE"), ({"account": "acct_1"}, "TWINMETER_STRIPE_ACCOUNT")],
)
async def test_an_event_for_another_deployment_is_refused(
    running: tuple[Client, Database], more: dict[str, Any], words: str
) -> None:
    client, database = running
    body = body_of(event("customer.subscription.created", of_somebody(), AT, **more))

    response = await client.post(WEBHOOK, content=body, headers=signed(body))

    assert (response.status_code, words in response.json()["detail"]) == (403, True)
    assert await database.writes[OBJECTS].count_documents({}) == 0


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"{",
        b'{"object": "event"}',
        b'{"object": "v2.core.event", "id": "evt_1"}',
        body_of(event("customer.subscription.created", {"id": "sub_1", "object": "subscription"}, AT)),
        body_of(event("invoice.paid", {**paid()[0]["data"]["object"], "currency": 7}, AT)),
        body_of(event("invoice.paid", {**paid()[0]["data"]["object"], "id": "in 1\n"}, AT)),
        body_of(event("invoice.paid", {**paid()[0]["data"]["object"], "total": 10**40}, AT)),
        body_of(event("invoice.paid", {"id": "in_1", "object": "invoice"}, AT) | {"created": 10**18}),
    ],
)
async def test_a_signed_body_that_is_no_event_is_a_clear_400(running: tuple[Client, Database], body: bytes) -> None:
    client, database = running

    response = await client.post(WEBHOOK, content=body, headers=signed(body))

    assert response.status_code == 400, response.text
    assert await database.writes[EVENTS].count_documents({}) == 0


async def test_a_body_beyond_a_megabyte_is_refused_unread(running: tuple[Client, Database]) -> None:
    client, _ = running
    body = b"{" + b" " * 1_000_001

    response = await client.post(WEBHOOK, content=body, headers=signed(body))

    assert response.status_code == 413


async def test_events_of_what_is_not_followed_are_accepted(running: tuple[Client, Database]) -> None:
    client, _ = running

    upcoming = {**paid()[0]["data"]["object"], "id": None}

    answers = await tell(
        client,
        event("payout.paid", {"id": "po_1", "object": "payout"}, AT),
        event("invoice.upcoming", upcoming, AT),
    )

    assert answers == [{"event": "ignored", "state": None, "reason": None}] * 2


async def test_who_guesses_signatures_is_slowed_down(running: tuple[Client, Database]) -> None:
    client, _ = running
    body = body_of(event("customer.subscription.created", of_somebody(), AT))

    statuses = [
        (await client.post(WEBHOOK, content=body, headers=signed(body, f"whsec_{number}"))).status_code
        for number in range(30)
    ]

    assert statuses[0] == 401
    assert statuses[-1] == 429
    # who knows the secret is not slowed down
    assert (await client.post(WEBHOOK, content=body, headers=signed(body))).status_code == 200


async def test_without_a_secret_stripe_is_not_set_up(empty: Client, tokens: Tokens) -> None:
    body = body_of(event("customer.subscription.created", of_somebody(), AT))

    response = await empty.post(WEBHOOK, content=body, headers=signed(body))

    assert (response.status_code, "TWINMETER_STRIPE_WEBHOOK_SECRET" in response.json()["detail"]) == (404, True)
    status = (await empty.get(STATUS, headers=bearer(tokens, Role.ADMIN))).json()
    assert (status["configured"], status["open"]) == (False, [])


async def test_while_a_secret_is_changed_both_hold_and_a_file_may_have_them(mongodb_uri: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("whsec_new,whsec_old\n")
    more = {"stripe_webhook_secret": None, "stripe_webhook_secret_file": file}

    async with set_up(mongodb_uri, tmp_path, **more) as (client, _):
        for secret in ("whsec_old", "whsec_new"):
            body = body_of(event("customer.subscription.created", of_somebody(), AT))
            assert (await client.post(WEBHOOK, content=body, headers=signed(body, secret))).status_code == 200


async def test_one_clients_administrator_sees_that_clients_alone(
    running: tuple[Client, Database], tokens: Tokens
) -> None:
    client, admin = running[0], bearer(tokens, Role.ADMIN)
    await tell(
        client,
        event("customer.subscription.created", of_somebody(1, userId="u1", clientId="acme"), AT),
        event("customer.subscription.created", of_somebody(2, userId="u2", clientId="beta"), AT),
        event("customer.subscription.created", of_somebody(3, userId="u2", clientId="beta"), AT),
        event("customer.subscription.created", of_somebody(4, other="x"), AT),
    )

    for kept, ids in (("beside", ["sub_2"]), ("active", ["sub_3", "sub_1"])):
        found = await client.get("/api/admin/subscriptions", params={"status": kept}, headers=admin)
        assert sorted(one["id"] for one in found.json()["subscriptions"]) == sorted(ids)
    for named, kinds, left, beside in (
        (None, 4, [("sub_4", "unmatched")], ["sub_2"]),
        ("acme", 1, [], []),
        ("beta", 2, [], ["sub_2"]),
    ):
        headers = admin
        if named is not None:
            body = {"name": "administrator", "scopes": ["admin"], "clientId": named}
            headers = holding((await client.post("/api/admin/keys", json=body, headers=admin)).json()["key"])
        status = (await client.get(STATUS, headers=headers)).json()
        assert status["kinds"].get("subscription") == kinds
        assert [(one["id"], one["state"]) for one in status["open"]] == left
        assert [one["id"] for one in status["beside"]] == beside
        assert (status["lastEvent"] is None) == (named is not None)


async def test_the_end_at_stripe_is_the_end_here(running: tuple[Client, Database]) -> None:
    client, database = running
    gone = of_somebody() | {"status": "canceled", "ended_at": objects.seconds(utc(2025, 5, 1))}

    await tell(
        client,
        event("customer.subscription.created", of_somebody(), AT),
        event("customer.subscription.deleted", gone, utc(2025, 5, 1)),
    )

    stored = await database.writes[SUBSCRIPTIONS].find_one({})
    assert stored is not None
    found = Subscription.read(stored)
    assert (found.status, found.ended_at) == ("ended", utc(2025, 5, 1))
