"""Of which features the new users upgraded: next to a count by hand, and to a recount of random histories."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.database import Database
from app.finance.figures.finance import Finance
from app.finance.upgrades.answers import FeatureUpgrades
from app.finance.upgrades.upgrades import FeatureUpgradesReports
from app.observability.metrics import Counters
from app.reports.query import Filters, ReportQuery
from app.reports.reports import Reports
from app.reports.windows import TimeWindow
from app.rollups.compactor import Compactor
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.limits import Interval, LimitScope
from models.plans import Discount, Price, Subscription, Term
from tests.finance.figures.stored import store_subscriptions
from tests.twins import entries

ZONE = ZoneInfo("UTC")
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
FIRST, LAST = date(2026, 5, 1), date(2026, 5, 31)
WINDOW = TimeWindow(FIRST, LAST, ZONE)
DAY = timedelta(days=1)


@pytest.fixture
async def tracker(settings: Settings, database: Database) -> AsyncIterator[Tracker]:
    async with open_tracker(settings, database, Counters(), compacting=False) as tracker:
        yield tracker


async def track(tracker: Tracker, *calls: dict[str, Any]) -> None:
    receipts = await asyncio.gather(*(tracker.track(model="gpt-4o", **call) for call in calls))
    assert {receipt.status for receipt in receipts} == {"committed"}


def use(user: str, day: date, content_type: str = "chat", **more: Any) -> dict[str, Any]:
    at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    return {"user_id": user, "content_type": content_type, "created_at": at, "cost": Decimal("0.25"), **more}


def pays(user: str, *prices: tuple[date, int], client: str | None = None, **more: Any) -> Subscription:
    """A subscription that costs so many USD a month from each of these days on."""
    terms = [
        Term(
            plan="pro",
            version=1,
            anchor=since,
            interval=Interval.MONTH,
            timezone="UTC",
            since=datetime(since.year, since.month, since.day, 10, tzinfo=UTC),
            price=Price(amount=Decimal(amount)),
            **more,
        )
        for since, amount in prices
    ]
    scope = LimitScope(user_id=user, client_id=client)
    return Subscription(id=f"of-{user}", scope=scope, terms=tuple(terms), created_at=NOW, created_by="someone")


async def asked(database: Database, **filters: str) -> dict[str | None, FeatureUpgrades]:
    finance = Finance(database, ZONE, clock=lambda: NOW)
    reports = Reports(database, ZONE, clock=lambda: NOW)
    report = await FeatureUpgradesReports(database, finance, reports).report(
        ReportQuery(WINDOW, Filters(client_id=filters.get("client_id")))
    )
    return {None: report.whole, **{each.feature: each for each in report.features}}


async def test_who_upgraded_within_thirty_days_after_the_first_use_is_counted(
    tracker: Tracker, database: Database
) -> None:
    day = date(2026, 5, 4)
    await track(
        tracker,
        use("begins", day),
        use("raises", day),
        use("raises", day + DAY),
        use("too-late", day),
        use("before", day),
        use("lowers", day),
        use("old", FIRST - DAY),
        use("old", day),
        use("still-open", date(2026, 5, 20)),
        use("never", day),
    )
    await store_subscriptions(
        database,
        [
            pays("begins", (day, 10)),
            pays("raises", (FIRST, 10), (day + 30 * DAY, 20)),
            pays("too-late", (day + 31 * DAY, 10)),
            pays("before", (day - DAY, 10)),
            pays("lowers", (FIRST, 20), (day + DAY, 10)),
            pays("old", (day + DAY, 10)),
            pays("still-open", (date(2026, 5, 21), 10)),
        ],
    )

    found = (await asked(database))["chat"]

    # of begins, raises, too-late, before, lowers and never the 30 days are over, of still-open they are not
    assert (found.new_users, found.observed, found.upgraded, found.upgraded_so_far) == (7, 6, 2, 3)
    assert found.upgrade_percent == Decimal("33.33")
    assert (found.cost, found.cost_per_upgrade) == (Decimal("2.25"), Decimal("0.75"))
    assert found.small


async def test_an_upgrade_that_is_yet_to_come_is_none(tracker: Tracker, database: Database) -> None:
    await track(tracker, use("u", date(2026, 5, 20)))
    discount = Discount(percent=Decimal(50), until=datetime(2026, 6, 16, tzinfo=UTC))
    await store_subscriptions(database, [pays("u", (date(2026, 5, 1), 10), discounts=(discount,))])

    found = (await asked(database))["chat"]

    assert (found.new_users, found.upgraded_so_far, found.cost_per_upgrade) == (1, 0, None)


async def test_one_client_sees_the_subscriptions_of_its_users_alone(tracker: Tracker, database: Database) -> None:
    day = date(2026, 5, 4)
    await track(tracker, use("a", day, client_id="shop"), use("b", day, client_id="other"))
    await store_subscriptions(database, [pays("a", (day, 10), client="shop"), pays("b", (day, 10), client="other")])

    found = await asked(database, client_id="shop")

    assert found[None].model_dump(exclude={"feature"}) == found["chat"].model_dump(exclude={"feature"})
    assert (found["chat"].new_users, found["chat"].upgraded) == (1, 1)


async def test_counts_are_those_of_a_plain_recount(tracker: Tracker, database: Database) -> None:
    rng = random.Random(8)
    users = [f"u{number}" for number in range(30)]
    some_day = FIRST - 20 * DAY
    await track(
        tracker,
        *(
            use(rng.choice(users), some_day + rng.randrange(60) * DAY, rng.choice(["chat", "summary"]))
            for _ in range(120)
        ),
    )
    days = {user: some_day + rng.randrange(70) * DAY for user in users if rng.random() < 0.7}
    await store_subscriptions(database, [pays(user, (day, 10)) for user, day in days.items()])

    def recounted(rows: list[dict[str, Any]]) -> tuple[int, int, int, int]:
        first: dict[str, date] = {}
        for row in rows:
            day = row["createdAt"].date()
            first[row["userId"]] = min(day, first.get(row["userId"], day))
        new = {user: day for user, day in first.items() if FIRST <= day <= LAST}
        over = {user for user, day in new.items() if day + 30 * DAY < NOW.date()}
        soon = {
            user for user, day in new.items() if user in days and day <= days[user] <= min(day + 30 * DAY, NOW.date())
        }
        return len(new), len(over), len(over & soon), len(soon)

    async def check() -> None:
        rows = await entries(database)
        for feature, found in (await asked(database)).items():
            of = [row for row in rows if feature in {None, row["feature"]}]
            assert (found.new_users, found.observed, found.upgraded, found.upgraded_so_far) == recounted(of)

    await check()
    async with database.committer_session() as session:
        compactor = Compactor(database, session, clock=lambda: NOW)
        await compactor.merge_all()
        await compactor.trailing.keep_up()
        await compactor.sheets.make_all()
    await check()
