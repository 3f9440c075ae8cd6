"""A year through Stripe's events comes to what was worked out by hand, in whatever order they come."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from app.database import Database
from app.finance.figures.finance import Finance
from app.finance.revenue.rates import Rates
from app.finance.stripe.events import Sent
from app.finance.stripe.settling import Settling
from app.rollups.state import RollupState
from models.plans import PLANS, PlanVersion
from models.revenue import REVENUE, NewRate, Revenue
from models.stripe import EVENTS, OBJECTS
from tests.finance.a_year import ENTRIES, RATES, at, client_of
from tests.finance.figures.the_months import ZONE, check_months
from tests.finance.stripe.objects import seconds
from tests.finance.stripe.the_year import year

ACCOUNT = year()
PLAN_NAMES = ("basic", "pro", "team", "annual", "quarterly", "weekly")


@pytest.fixture
async def settling(database: Database) -> Settling:
    plans = [
        PlanVersion(plan=name, version=1, name=name, created_at=datetime(2024, 1, 1, tzinfo=UTC), created_by="test")
        for name in PLAN_NAMES
    ]
    await database.writes[PLANS].insert_many([plan.stored() for plan in plans])
    rates = [NewRate(currency=currency, day=day, usd=usd) for (currency, day), usd in RATES.items()]
    await Rates(database).add(rates, by="test")
    settling = Settling(database, ZONE, {})
    await settling.prepare()
    return settling


async def tell(settling: Settling, events: Sequence[dict[str, Any]]) -> None:
    for event in events:
        sent = Sent.model_validate(event)
        await settling.take(sent.event, [sent.received()])


async def tell_together(settling: Settling, events: Sequence[dict[str, Any]], most: int) -> None:
    """Several in one transaction, which is faster; nothing knows then which events came before."""
    for first in range(0, len(events), most):
        received = [Sent.model_validate(event).received() for event in events[first : first + most]]
        await settling.take(None, received)


async def check_the_year(database: Database) -> None:
    left = {"state": {"$nin": ["settled", "new"]}}
    assert [(one["_id"], one["reason"]) async for one in database.writes[OBJECTS].find(left)] == []
    entries = [Revenue.read(stored) async for stored in database.writes[REVENUE].find()]
    assert sorted(map(_told, entries)) == sorted(_expected())
    await RollupState.open(database, ZONE)  # of no calls
    await check_months(Finance(database, ZONE, clock=lambda: datetime(2026, 3, 1, tzinfo=UTC)))


def _told(entry: Revenue) -> tuple[Any, ...]:
    who = entry.user_id or entry.client_id
    times = entry.start, entry.end, entry.at
    return (who, entry.client_id, entry.kind.value, entry.amount, *times, entry.plan or "", entry.currency)


def _expected() -> list[tuple[Any, ...]]:
    return [
        (each.customer, client_of(each.customer), each.kind, each.amount, *times, plan, each.currency)
        for each in ENTRIES
        for times in [(each.start, each.end, each.at)]
        # what is used of a subscription is of the plan that it had
        for plan in ["team" if each.kind == "usage" else each.plan or ""]
    ]


async def test_each_event_once(database: Database, settling: Settling) -> None:
    events = [event for event in ACCOUNT.events if event["created"] < seconds(at(2))]
    await tell(settling, [event for event in events for _ in range(2)])
    assert await database.writes[EVENTS].count_documents({}) == len(events)
    await tell_together(settling, ACCOUNT.events[len(events) :], 60)
    await check_the_year(database)


async def test_backwards(database: Database, settling: Settling) -> None:
    await tell_together(settling, ACCOUNT.events[::-1], 80)
    await check_the_year(database)


@pytest.mark.parametrize("seed", range(1))
async def test_shuffled_and_doubled(database: Database, settling: Settling, seed: int) -> None:
    events = ACCOUNT.events * 2
    random.Random(seed).shuffle(events)
    await tell_together(settling, events, 80)
    await check_the_year(database)
