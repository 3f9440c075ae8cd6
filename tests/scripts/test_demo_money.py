"""The money of the demo: all of it synthetic, and none of it counted twice."""

from datetime import UTC, datetime, timedelta

from app.database import Database
from app.settings import Settings
from models.plans import SUBSCRIPTIONS
from models.revenue import REVENUE
from scripts.toolkit.demo_calls import USERS, Plan
from scripts.toolkit.demo_money import add_money, purchases, subscriptions

NOW = datetime(2024, 5, 31, 12, tzinfo=UTC)
PLAN = Plan(NOW.date() - timedelta(days=29), NOW, 1_000)


def test_the_demo_has_upgrades_trials_discounts_and_ends() -> None:
    found = list(subscriptions(PLAN))

    assert all(one.synthetic for one in found)
    assert len({one.id for one in found}) == len(found) > USERS / 5
    assert any(len(one.terms) > 1 for one in found)
    assert any(one.terms[0].trial_until for one in found)
    assert any(one.terms[0].discounts for one in found)
    assert any(one.ended_at for one in found)
    assert (found[0].scope.user_id, [term.plan for term in found[0].terms]) == ("user-0000", ["demo-starter"])
    bought = list(purchases(PLAN))
    assert {event.variant for event in bought} == {"plain", "warm"}
    assert all(event.synthetic for event in bought)


async def test_money_of_the_demo_is_booked_once(database: Database, settings: Settings) -> None:
    async def counted() -> tuple[int, ...]:
        stored = [database.writes[REVENUE], database.writes[SUBSCRIPTIONS], database.events]
        return tuple([await each.count_documents({}) for each in stored])

    await add_money(database, settings, PLAN)
    first = await counted()
    await add_money(database, settings, PLAN)

    assert await counted() == first
    assert first[0] > first[1] > 0
    assert await database.writes[REVENUE].count_documents({"synthetic": {"$ne": True}}) == 0
    assert await database.writes[REVENUE].count_documents({"kind": "refund"}) > 0
