"""What cannot be settled yet says what it waits for, and is settled once that is there; nothing counts twice."""

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.database import Database, connected
from app.finance.revenue.rates import Rates
from app.finance.stripe.events import Sent
from app.finance.stripe.settling import Settling
from app.finance.stripe.status import status_of
from app.finance.stripe.waiting import Waiting
from app.limits.defining.plans import PlanBook
from app.limits.defining.subscriptions import SubscriptionBook
from app.limits.definitions import Definitions
from app.observability.troubles import Troubles
from models.limits import LimitScope
from models.moments import moment_now
from models.plans import PLANS, SUBSCRIPTIONS, PlanVersion
from models.revenue import REVENUE, NewRate
from models.stripe import EVENTS, OBJECTS
from tests.finance.stripe import objects
from tests.finance.stripe.objects import Object, became, event, seconds, utc

UTC = ZoneInfo("UTC")
START, END = utc(2025, 3, 1), utc(2025, 4, 1)
PRO = objects.price("price_pro", 3_000, plan="pro")
TEAM = objects.price("price_team", 6_000, plan="team")
U1 = {"userId": "u1", "clientId": "acme"}


@pytest.fixture
async def settling(database: Database) -> Settling:
    made = [
        PlanVersion(plan=name, version=1, name=name, created_at=START, created_by="test") for name in ("pro", "team")
    ]
    await database.writes[PLANS].insert_many([one.stored() for one in made])
    settling = Settling(database, UTC, {"prod_of_pro": "pro"})
    await settling.prepare()
    return settling


async def nothing() -> None:
    pass


def subscription(number: int = 1, price: Object = PRO, *, day: int = 1, **more: Any) -> Object:
    item = objects.item(f"si_{number}", price)
    return objects.subscription(f"sub_{number}", "cus_1", utc(2025, 3, day), item, **{"metadata": U1, **more})


def invoice(number: int = 1, price: Object = PRO, cents: int = 3_000) -> Object:
    line = objects.line(f"il_{number}", cents, START, END, of=price, subscription=f"sub_{number}")
    draft = objects.invoice(f"in_{number}", "cus_1", START, line, subscription=f"sub_{number}")
    return became(became(draft, "open", START), "paid", START)


def paid(number: int = 1) -> Object:
    return objects.payment(f"inpay_{number}", f"in_{number}", f"pi_{number}")


async def take(settling: Settling, *told: Object, at: Any = START) -> list[str]:
    """The states of what was settled by each, one behind another."""
    states = []
    for one in told:
        sent = Sent.model_validate(event(f"{one['object']}.updated", one, at))
        effect = await settling.take(sent.event, [sent.received()])
        states += [f"{each.id} {each.state}" for each in effect.settled]
    return states


async def amounts(database: Database) -> list[str]:
    found = database.writes[REVENUE].find().sort("sequence", 1)
    return [f"{one['sourceId']} {one['amount']} {one.get('plan')}" async for one in found]


async def had(database: Database) -> dict[str, str]:
    found = database.writes[SUBSCRIPTIONS].find().sort("_id", 1)
    return {one["_id"]: f"{one['status']} {one['terms'][-1]['plan']}" async for one in found}


async def reasons(database: Database) -> dict[str, str | None]:
    return {one.id: one.reason for one in (await status_of(database, None)).open}


async def test_nobodys_is_shown_until_its_customer_says_whose_it_is(database: Database, settling: Settling) -> None:
    nobodys = subscription(metadata={})

    assert await take(settling, nobodys, invoice()) == ["sub_1 unmatched", "in_1 unmatched"]
    assert await amounts(database) == []
    assert list(await reasons(database)) == ["in_1", "sub_1"]

    assert await take(settling, objects.customer("cus_1", **U1)) == ["sub_1 settled", "in_1 settled"]
    (stored,) = [one async for one in database.writes[REVENUE].find()]
    assert (stored["userId"], stored["subscriptionId"], stored["plan"]) == ("u1", "sub_1", "pro")
    assert await had(database) == {"sub_1": "active pro"}
    assert await reasons(database) == {}


async def test_a_customer_that_comes_with_an_invoice_frees_its_subscription_and_that_the_invoice(
    database: Database, settling: Settling
) -> None:
    await take(settling, subscription(metadata={}))
    told = [event("x.updated", one, START) for one in (invoice(), objects.customer("cus_1", **U1))]

    await settling.take(None, [Sent.model_validate(one).received() for one in told])

    assert await amounts(database) == ["in_1/il_1 30.00 pro"]
    assert await reasons(database) == {}


async def test_what_a_customer_buys_beside_a_subscription_is_of_whom_that_says(
    database: Database, settling: Settling
) -> None:
    line = objects.line("il_7", 500, START, START)
    once = became(objects.invoice("in_7", "cus_1", START, line), "open", START)

    assert await take(settling, objects.customer("cus_1"), once, subscription()) == [
        "in_7 unmatched",
        "sub_1 settled",
        "in_7 settled",
    ]
    assert await amounts(database) == ["in_7/il_7 5.00 None"]


async def test_a_checkout_says_whose_a_subscription_is(database: Database, settling: Settling) -> None:
    session = {"id": "cs_1", "object": "checkout.session", "customer": "cus_1", "subscription": "sub_1"}

    await take(settling, subscription(metadata={}), invoice(), session | {"client_reference_id": "u7", "metadata": {}})

    (stored,) = [one async for one in database.writes[REVENUE].find()]
    assert (stored["userId"], stored.get("clientId")) == ("u7", None)


async def test_a_payment_link_says_not_whose_it_is_as_its_buyer_writes_that(
    database: Database, settling: Settling
) -> None:
    session = {"id": "cs_1", "object": "checkout.session", "customer": "cus_1", "subscription": "sub_1"}
    by_link = session | {"payment_link": "plink_1", "client_reference_id": "somebody-else", "metadata": {}}

    await take(settling, subscription(metadata={}), invoice(), by_link)

    assert await amounts(database) == []
    assert set((await reasons(database)).keys()) == {"sub_1", "in_1"}


async def test_a_currency_without_a_rate_waits_for_it(database: Database, settling: Settling) -> None:
    euros = objects.price("price_eur", 10_000, currency="eur", plan="pro")
    waiting = Waiting(database, settling, Troubles(), nothing)

    assert await take(settling, subscription(price=euros), invoice(price=euros, cents=10_000)) == [
        "sub_1 settled",
        "in_1 no_rate",
    ]
    await waiting.look()
    assert await amounts(database) == []
    assert "EUR" in ((await reasons(database))["in_1"] or "")
    (trouble,) = waiting._troubles.current
    assert (trouble.code, trouble.count) == ("stripe", 1)

    await Rates(database).add([NewRate(currency="EUR", day=date(2025, 2, 1), usd=Decimal("1.1"))], by="test")
    await waiting.look()

    (stored,) = [one async for one in database.writes[REVENUE].find()]
    assert stored["usd"].to_decimal() == 110
    assert waiting._troubles.current == []


async def test_a_plan_that_is_not_here_gives_nothing_until_it_is(database: Database, settling: Settling) -> None:
    gold = objects.price("price_gold", 9_000, plan="gold")

    assert await take(settling, subscription(price=gold), invoice(price=gold)) == ["sub_1 no_plan", "in_1 settled"]
    assert await had(database) == {"sub_1": "beside gold"}
    assert await amounts(database) == ["in_1/il_1 30.00 gold"]

    made = {"plan": "gold", "name": "Gold"}
    await PlanBook(database, Definitions(database, UTC)).add(made, by="test")
    await Waiting(database, settling, Troubles(), nothing).look()

    assert await had(database) == {"sub_1": "active gold"}
    assert await reasons(database) == {}


async def test_an_invoice_waits_an_hour_for_its_price_and_is_then_of_no_plan(
    database: Database, settling: Settling
) -> None:
    other = objects.price("price_other", 500)

    assert await take(settling, subscription(), invoice(price=other)) == ["sub_1 settled", "in_1 waiting"]
    waiting = Waiting(database, settling, Troubles(), nothing)
    await waiting.look()
    assert await amounts(database) == []

    hour_ago = moment_now() - timedelta(hours=1)
    await database.writes[OBJECTS].update_one({"_id": "in_1"}, {"$set": {"since": hour_ago}})
    await waiting.look()

    # what is paid for a subscription without a plan of its own is of the plan that it has
    assert await amounts(database) == ["in_1/il_1 30.00 pro"]


async def test_what_is_used_is_of_the_plan_of_a_subscription_that_had_not_begun_when_its_invoice_came(
    database: Database, settling: Settling
) -> None:
    usage = objects.price("price_usage", 5)
    usage["recurring"]["usage_type"] = "metered"

    assert await take(settling, usage, subscription(status="incomplete"), invoice(price=usage)) == [
        "sub_1 settled",
        "in_1 waiting",
    ]
    await take(settling, subscription(), at=utc(2025, 3, 2))

    assert await amounts(database) == ["in_1/il_1 30.00 pro"]


async def test_a_product_may_be_set_to_be_a_plan(database: Database, settling: Settling) -> None:
    plain = objects.price("price_plain", 3_000, product="prod_of_pro")

    await take(settling, subscription(price=plain), invoice(price=plain))

    assert await had(database) == {"sub_1": "active pro"}
    assert await amounts(database) == ["in_1/il_1 30.00 pro"]


async def test_a_refund_that_came_first_waits_for_its_payment(database: Database, settling: Settling) -> None:
    refund = objects.refund("re_1", "pi_1", 1_000, utc(2025, 3, 10))

    assert await take(settling, refund) == ["re_1 waiting"]
    await take(settling, subscription(), invoice())
    assert await amounts(database) == ["in_1/il_1 30.00 pro"]
    await take(settling, paid())

    assert await amounts(database) == ["in_1/il_1 30.00 pro", "in_1/il_1/re_1 -10.00 pro"]
    assert await reasons(database) == {}


async def test_a_refund_that_fails_later_is_given_back(database: Database, settling: Settling) -> None:
    refund = objects.refund("re_1", "pi_1", 1_000, utc(2025, 3, 10))
    await take(settling, subscription(), invoice(), paid(), refund)

    await take(settling, {**refund, "status": "failed"}, at=utc(2025, 3, 12))
    await take(settling, {**refund, "status": "failed"}, at=utc(2025, 3, 13))

    found = [one async for one in database.writes[REVENUE].find().sort("sequence", 1)]
    assert [f"{one['kind']} {one['amount']}" for one in found] == [
        "subscription 30.00",
        "refund -10.00",
        "subscription 10.00",
    ]
    assert (found[2]["start"], found[2]["end"]) == (utc(2025, 3, 12), END)


async def test_more_refunded_than_was_paid_is_told_and_counts_once(database: Database, settling: Settling) -> None:
    refund = objects.refund("re_1", "pi_1", 5_000, utc(2025, 3, 10))

    states = await take(settling, subscription(), invoice(), paid(), refund)

    assert states[-1] == "in_1 refused"
    assert await amounts(database) == ["in_1/il_1 30.00 pro", "in_1/il_1/re_1 -30.00 pro"]
    assert await reasons(database) == {"in_1": "refund re_1 of 50.00 USD is more than the 30.00 that are left"}


async def test_of_several_at_once_the_last_one_gives_the_plan_and_each_is_paid_for(
    database: Database, settling: Settling
) -> None:
    await take(settling, subscription(1), subscription(2, TEAM, day=10), invoice(1), invoice(2, TEAM, 6_000))

    assert await had(database) == {"sub_1": "beside pro", "sub_2": "active team"}
    assert await amounts(database) == ["in_1/il_1 30.00 pro", "in_2/il_2 60.00 team"]
    assert [one.id for one in (await status_of(database, None)).beside] == ["sub_1"]

    ended = {"status": "canceled", "ended_at": seconds(utc(2025, 3, 20))}
    await take(settling, subscription(2, TEAM, day=10) | ended, at=utc(2025, 3, 20))
    assert await had(database) == {"sub_1": "active pro", "sub_2": "ended team"}


async def test_one_that_was_made_by_hand_ends_where_stripes_begins(database: Database, settling: Settling) -> None:
    definitions = Definitions(database, UTC)
    book = SubscriptionBook(database, definitions)
    scope = LimitScope(user_id="u1", client_id="acme")
    by_hand = await book.add(scope, plan="team", more={}, client=None, by="test")

    await take(settling, subscription())

    assert await had(database) == {by_hand.id: "ended team", "sub_1": "active pro"}
    await definitions.refresh()
    there = await book.of(scope)
    assert there is not None
    assert there.id == "sub_1"


async def test_one_that_was_made_by_hand_with_stripes_id_goes_on(database: Database, settling: Settling) -> None:
    book = SubscriptionBook(database, Definitions(database, UTC))
    more = {"stripe_subscription_id": "sub_1", "usage_alerts_enabled": False}
    by_hand = await book.add(LimitScope(user_id="u9"), plan="team", more=more, client=None, by="test")

    await take(settling, subscription(metadata={}), invoice())

    assert await had(database) == {by_hand.id: "active pro"}
    kept = await book.one(by_hand.id, None)
    assert (kept.scope.user_id, kept.usage_alerts_enabled, kept.created_by) == ("u9", False, "test")
    (stored,) = [one async for one in database.writes[REVENUE].find()]
    assert (stored["userId"], stored["subscriptionId"]) == ("u9", by_hand.id)


async def test_a_currency_that_nobody_knows_is_refused_and_holds_up_nothing(
    database: Database, settling: Settling
) -> None:
    coins = objects.price("price_1", 3_000, currency="zzz", plan="pro")

    assert await take(settling, subscription(price=coins), invoice(price=coins)) == ["sub_1 refused", "in_1 refused"]
    assert await amounts(database) == []
    assert "currency" in ((await reasons(database))["in_1"] or "")


async def test_a_deleted_customer_is_still_whose_it_was(database: Database, settling: Settling) -> None:
    customer = objects.customer("cus_1", **U1)
    await take(settling, customer, {**customer, "deleted": True, "metadata": {}}, subscription(metadata={}), invoice())

    assert await amounts(database) == ["in_1/il_1 30.00 pro"]


async def test_nothing_is_written_where_nothing_changed(database: Database, settling: Settling) -> None:
    await take(settling, subscription())
    before = await database.writes[SUBSCRIPTIONS].find_one({})

    await take(settling, subscription(latest_invoice="in_7"), at=utc(2025, 3, 2))

    assert await database.writes[SUBSCRIPTIONS].find_one({}) == before


async def test_two_processes_that_get_the_same_events_at_once_count_them_once(
    database: Database, settling: Settling, mongodb_uri: str
) -> None:
    refund = objects.refund("re_1", "pi_1", 1_000, utc(2025, 3, 10))
    told = [event("x.updated", one, START) for one in (subscription(), invoice(), paid(), refund)]

    async with connected(mongodb_uri, database.writes.name) as other:
        of_both = settling, Settling(other, UTC, {})
        effects = await asyncio.gather(
            *(
                each.take(sent.event, [sent.received()])
                for one in told
                for sent in [Sent.model_validate(one)]
                for each in of_both
            )
        )

    assert sorted(effect.known for effect in effects) == [False] * 4 + [True] * 4
    assert sorted(await amounts(database)) == ["in_1/il_1 30.00 pro", "in_1/il_1/re_1 -10.00 pro"]
    assert await database.writes[EVENTS].count_documents({}) == 4
    assert await had(database) == {"sub_1": "active pro"}


async def test_a_look_without_execution_leaves_nothing(database: Database, settling: Settling) -> None:
    sent = Sent.model_validate(event("customer.subscription.created", subscription(), START))

    effect = await settling.take(None, [sent.received()], execute=False)

    assert [f"{one.id} {one.state}" for one in effect.settled] == ["sub_1 settled"]
    for name in (OBJECTS, SUBSCRIPTIONS):
        assert await database.writes[name].count_documents({}) == 0


@pytest.fixture
def standalone(database: Database) -> Database:
    """A server for development, without transactions."""
    return Database(database.writes, database.reads, database.streams, transactional=False)


async def test_without_transactions_it_counts_once_as_well(standalone: Database) -> None:
    made = PlanVersion(plan="pro", version=1, name="Pro", created_at=START, created_by="test")
    await standalone.writes[PLANS].insert_one(made.stored())
    settling = Settling(standalone, UTC, {})
    await settling.prepare()

    for _ in range(2):
        await take(settling, subscription(), invoice())

    assert await amounts(standalone) == ["in_1/il_1 30.00 pro"]
