"""What was at Stripe before, taken over by a command, against a stand-in of its API."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.database import Database
from app.finance.stripe.events import Sent
from app.finance.stripe.settling import Settling
from app.settings import Settings
from models.plans import PLANS, SUBSCRIPTIONS, PlanVersion
from models.revenue import REVENUE
from models.stripe import OBJECTS
from tests.finance.stripe import objects
from tests.finance.stripe.objects import Object, became, event, utc
from tests.finance.stripe.standing_in import KEY, StandIn, stand_in
from tests.scripts.conftest import Command

START, END = utc(2025, 3, 1), utc(2025, 4, 1)
PRO = objects.price("price_pro", 3_000, plan="pro")


@pytest.fixture
async def stripe(database: Database) -> AsyncIterator[StandIn]:
    plan = PlanVersion(plan="pro", version=1, name="Pro", created_at=START, created_by="test")
    await database.writes[PLANS].insert_one(plan.stored())
    async with stand_in() as found:
        for number in (1, 2, 3):
            found.has(*of_user(number))
        found.has(
            PRO,
            objects.payment("inpay_1", "in_1", "pi_1"),
            objects.refund("re_1", "pi_1", 1_000, utc(2025, 3, 10)),
            objects.customer("cus_3"),
        )
        yield found


def of_user(number: int) -> list[Object]:
    """A subscription and its first invoice; of the third nobody says whose it is."""
    item = objects.item(f"si_{number}", PRO)
    metadata = {"userId": f"u{number}"} if number < 3 else {}
    held = objects.subscription(f"sub_{number}", f"cus_{number}", START, item, metadata=metadata)
    line = objects.line(f"il_{number}", 3_000, START, END, of=PRO, subscription=held["id"])
    draft = objects.invoice(f"in_{number}", f"cus_{number}", START, line, subscription=held["id"])
    return [held, became(became(draft, "open", START), "paid", START)]


async def sync(command: Command, stripe: StandIn, *arguments: str, **variables: str) -> tuple[int, Any]:
    own = {"TWINMETER_STRIPE_API_KEY": KEY, "TWINMETER_STRIPE_API_BASE": stripe.address, **variables}
    ended = await asyncio.to_thread(command, "scripts.stripe_sync", *arguments, "--json", **own)
    assert KEY not in ended.stdout + ended.stderr
    return ended.returncode, json.loads(ended.stdout) if ended.stdout else ended.stderr


async def amounts(database: Database) -> list[str]:
    found = database.writes[REVENUE].find().sort("_id", 1)
    return [f"{one['sourceId']} {one['amount']} {one['userId']}" async for one in found]


ALL = ["in_1/il_1 30.00 u1", "in_1/il_1/re_1 -10.00 u1", "in_2/il_2 30.00 u2"]


async def test_without_execute_it_says_what_would_be_and_writes_nothing(
    command: Command, database: Database, stripe: StandIn
) -> None:
    status, summary = await sync(command, stripe)

    assert (status, summary["executed"], summary["objects"]) == (3, False, 7)
    # each as if those before it had not been: the refund's invoice is looked at twice
    assert (summary["entries booked"], summary["unmatched"]) == (4, 2)
    for name in (OBJECTS, REVENUE, SUBSCRIPTIONS):
        assert await database.writes[name].count_documents({}) == 0


async def test_all_is_taken_over_once_and_what_is_nobodys_is_told(
    command: Command, database: Database, stripe: StandIn
) -> None:
    for booked in (3, 0):
        status, summary = await sync(command, stripe, "--execute")
        assert (status, summary["entries booked"], summary["unmatched"]) == (3, booked, 2)
        assert await amounts(database) == ALL
    assert "subscription sub_3: unmatched" in summary["notes"][0]

    stripe.has(objects.customer("cus_3", userId="u3"))
    status, summary = await sync(command, stripe, "--execute")
    assert (status, summary["unmatched"]) == (0, 0)
    assert await amounts(database) == [*ALL, "in_3/il_3 30.00 u3"]


async def test_what_events_told_is_left_alone(command: Command, database: Database, stripe: StandIn) -> None:
    settling = Settling(database, Settings(_env_file=None).zone, {})
    await settling.prepare()
    for one in (*of_user(1), *of_user(2)):
        sent = Sent.model_validate(event("x.updated", one, START))
        await settling.take(sent.event, [sent.received()])

    _, summary = await sync(command, stripe, "--execute")

    assert summary["entries booked"] == 1
    assert await amounts(database) == ALL


async def test_some_kinds_alone(command: Command, database: Database, stripe: StandIn) -> None:
    _, summary = await sync(command, stripe, "--kind", "subscription", "--since", "2025-01-01", "--execute")

    assert summary["objects"] == 3
    assert await database.writes[SUBSCRIPTIONS].count_documents({}) == 2
    assert await amounts(database) == []


async def test_when_stripe_does_not_answer_it_says_so(command: Command, stripe: StandIn) -> None:
    stripe.failing = 401

    status, said = await sync(command, stripe, "--execute")

    assert (status, "Stripe refuses TWINMETER_STRIPE_API_KEY" in said) == (1, True)


async def test_without_a_key_it_says_what_is_missing(command: Command, stripe: StandIn) -> None:
    status, said = await sync(command, stripe, TWINMETER_STRIPE_API_KEY="")

    assert (status, "set TWINMETER_STRIPE_API_KEY" in said) == (1, True)
