"""Where a key is set an event is a hint: the object is fetched as it is now, with all that it refers to."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from app.database import Database
from app.errors import DatabaseUnavailableError
from app.finance.revenue.book import RevenueBook
from app.finance.stripe.api import Api, StripeUnavailableError
from app.finance.stripe.billing import Billing, Secrets
from app.settings import Settings
from models.plans import PLANS, SUBSCRIPTIONS, PlanVersion, Subscription
from models.revenue import REVENUE
from models.stripe import EVENTS, OBJECTS
from tests.finance.stripe import objects
from tests.finance.stripe.objects import SECRET, Object, became, body_of, event, utc
from tests.finance.stripe.standing_in import KEY, StandIn, stand_in

START, END = utc(2025, 3, 1), utc(2025, 4, 1)
PRO = objects.price("price_pro", 3_000, plan="pro")
TEAM = objects.price("price_team", 6_000, plan="team")


@pytest.fixture(scope="module")
async def _stripe() -> AsyncIterator[StandIn]:
    async with stand_in() as found:
        yield found


@pytest.fixture
def stripe(_stripe: StandIn) -> StandIn:
    _stripe.objects.clear()
    _stripe.asked.clear()
    _stripe.failing = None
    return _stripe


async def plans(database: Database) -> None:
    made = [
        PlanVersion(plan=name, version=1, name=name, created_at=START, created_by="test") for name in ("pro", "team")
    ]
    await database.writes[PLANS].insert_many([one.stored() for one in made])


async def nothing() -> None:
    pass


@pytest.fixture
async def billing(database: Database, settings: Settings, stripe: StandIn) -> AsyncIterator[Billing]:
    await plans(database)
    api = Api(KEY, stripe.address)
    billing = Billing(settings, database, Secrets((SECRET,), KEY, live=False), api, nothing)
    await billing.settling.prepare()
    yield billing
    await api.close()


def subscription(price: Object = PRO, **more: Any) -> Object:
    return objects.subscription("sub_1", "cus_1", START, objects.item("si_1", price), **more)


def invoice(*lines: Object, **more: Any) -> Object:
    one = objects.line("il_1", 3_000, START, END, of=PRO, subscription="sub_1")
    draft = objects.invoice("in_1", "cus_1", START, *(lines or (one,)), subscription="sub_1", **more)
    return became(became(draft, "open", START), "paid", START)


async def terms(database: Database) -> list[str]:
    stored = await database.writes[SUBSCRIPTIONS].find_one({})
    return (
        []
        if stored is None
        else [f"{one.plan} {one.price.amount if one.price else 0}" for one in Subscription.read(stored).terms]
    )


async def amounts(database: Database) -> list[str]:
    return [
        f"{one['kind']} {one['amount']} {one.get('plan')}"
        async for one in database.writes[REVENUE].find().sort("sequence", 1)
    ]


async def take(billing: Billing, type_: str, of: Object) -> str:
    answer = await billing.take(body_of(event(type_, of, START)))
    return f"{answer.became} {answer.state}"


async def test_the_newest_state_counts_whatever_the_event_says(
    database: Database, billing: Billing, stripe: StandIn
) -> None:
    stripe.has(subscription(TEAM), objects.customer("cus_1", userId="u1"))

    assert await take(billing, "customer.subscription.updated", subscription(PRO)) == "taken None"

    # as it was in that second, and as it is now
    assert await terms(database) == ["pro 30", "team 60"]
    assert stripe.asked == ["/v1/subscriptions/sub_1", "/v1/customers/cus_1"]


async def test_of_an_invoice_all_that_it_needs_is_fetched(
    database: Database, billing: Billing, stripe: StandIn
) -> None:
    stripe.has(invoice(), subscription(), objects.customer("cus_1", userId="u1"), PRO)

    assert await take(billing, "invoice.paid", {**invoice(), "lines": objects.listed()}) == "taken None"

    assert await amounts(database) == ["subscription 30.00 pro"]
    assert await terms(database) == ["pro 30"]


async def test_an_invoice_of_more_lines_than_a_page_is_booked_whole(
    database: Database, billing: Billing, stripe: StandIn
) -> None:
    lines = [
        objects.line(f"il_{number}", 100 + number, START, END, of=PRO, subscription="sub_1") for number in range(5)
    ]
    short = invoice(*lines[:1])
    short["lines"]["has_more"] = True
    stripe.has({**short, "all_lines": lines}, subscription(metadata={"userId": "u1"}), PRO)

    assert await take(billing, "invoice.paid", short) == "taken None"

    assert await amounts(database) == [f"subscription 1.0{number} pro" for number in range(5)]


async def test_a_refund_finds_the_invoice_of_its_payment(database: Database, billing: Billing, stripe: StandIn) -> None:
    refund = objects.refund("re_1", "pi_1", 1_000, utc(2025, 3, 10))
    stripe.has(
        refund, objects.payment("inpay_1", "in_1", "pi_1"), invoice(), subscription(metadata={"userId": "u1"}), PRO
    )

    assert await take(billing, "refund.created", refund) == "taken None"

    assert await amounts(database) == ["subscription 30.00 pro", "refund -10.00 pro"]


@pytest.mark.parametrize("status", [500, 429, 401, 403])
async def test_when_stripe_does_not_answer_nothing_is_done_and_it_sends_again(
    database: Database, billing: Billing, stripe: StandIn, status: int
) -> None:
    stripe.has(subscription(metadata={"userId": "u1"}))
    stripe.failing = status
    body = body_of(event("customer.subscription.created", subscription(), START))

    with pytest.raises(StripeUnavailableError) as raised:
        await billing.take(body)

    assert raised.value.status == 503
    assert KEY not in str(raised.value)
    for name in (EVENTS, OBJECTS, SUBSCRIPTIONS):
        assert await database.writes[name].count_documents({}) == 0
    stripe.failing = None
    assert (await billing.take(body)).became == "taken"


async def test_what_is_gone_at_stripe_is_as_the_event_says(
    database: Database, billing: Billing, stripe: StandIn
) -> None:
    assert stripe.objects == {}

    assert await take(billing, "customer.subscription.created", subscription(metadata={"userId": "u1"})) == "taken None"

    assert await terms(database) == ["pro 30"]


@pytest.mark.parametrize("step", ["before", "after"])
async def test_what_dies_half_way_leaves_nothing_and_counts_once_when_it_comes_again(
    database: Database, billing: Billing, stripe: StandIn, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    stripe.has(invoice(), subscription(metadata={"userId": "u1"}), PRO)
    book, body = RevenueBook.book, body_of(event("invoice.paid", invoice(), START))

    async def fail(*arguments: Any, **named: Any) -> Any:
        if step == "after":
            await book(*arguments, **named)
        raise AutoReconnect("gone")

    monkeypatch.setattr(RevenueBook, "book", fail)
    with pytest.raises(DatabaseUnavailableError):
        await billing.take(body)
    for name in (EVENTS, OBJECTS, SUBSCRIPTIONS, REVENUE):
        assert await database.writes[name].count_documents({}) == 0, name

    monkeypatch.undo()
    assert (await billing.take(body)).became == "taken"
    assert (await billing.take(body)).became == "known"
    assert await amounts(database) == ["subscription 30.00 pro"]
