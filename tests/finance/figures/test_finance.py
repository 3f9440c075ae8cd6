"""Revenue beside cost on a real MongoDB, next to a plain recount of both."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.database import Database
from app.database.connection import VERSIONS
from app.errors import DamagedDataError, DatabaseUnavailableError, InvalidRequestError
from app.finance.figures.answers import MarginRow
from app.finance.figures.finance import Finance, Page, Wanted
from app.finance.figures.margins import By
from app.finance.figures.shares import Allocation
from app.finance.revenue.recognition import recognised
from app.observability.metrics import Counters
from app.rollups.merging import merging
from app.rollups.state import RollupState
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.money import usd_of_units
from models.plans import Subscription
from models.revenue import REVENUE, STATE, Revenue
from models.rollups import USER_SHEETS
from tests.finance.a_year import Entry
from tests.finance.figures.stored import store_rates, store_revenue, store_subscriptions
from tests.finance.figures.the_months import ZONE, check_months, query
from tests.finance.figures.the_year import entries, rates, revenue, subscriptions
from tests.twins import entries as calls_of

LATER = datetime(2026, 3, 1, tzinfo=UTC)
PLANS = ("basic", "pro", "team")
USERS = [f"u{number}" for number in range(12)]
CLIENTS = ("acme", "beta")
FIRST, LAST = date(2025, 5, 1), date(2025, 5, 20)
PAST = datetime.now(UTC).date() - timedelta(days=30)
"""Sheets are made of late days alone."""
START = datetime(PAST.year, PAST.month, PAST.day, tzinfo=UTC)
LENGTH = timedelta(days=20)
LAST_PAST = PAST + timedelta(days=19)


@pytest.fixture
async def rollups(database: Database) -> None:
    """Of no calls."""
    await RollupState.open(database, ZONE)


def finance(database: Database, now: datetime = LATER) -> Finance:
    return Finance(database, ZONE, clock=lambda: now)


@pytest.mark.usefixtures("rollups")
async def test_each_month_of_the_year_is_what_was_worked_out_by_hand(database: Database) -> None:
    await store_revenue(database, entries())
    await store_rates(database, rates())
    await store_subscriptions(database, subscriptions())
    await check_months(finance(database))


# -- margins against a plain recount


def _subscriptions(rng: random.Random) -> list[Subscription]:
    """Of users, users of one client, and a client, with changes within the window, and some that end in it."""
    made = subscriptions()[0]
    found = []
    scopes = [{"user_id": user} for user in USERS[:4]]
    scopes += [{"user_id": user, "client_id": rng.choice(CLIENTS)} for user in USERS[2:7]]
    for number, scope in enumerate([*scopes, {"client_id": "beta"}]):
        since = sorted(
            datetime(2025, 4, 25, tzinfo=UTC) + timedelta(hours=rng.randrange(24 * 30))
            for _ in range(rng.randint(1, 3))
        )
        terms = [
            made.terms[0].model_copy(update={"since": at, "plan": rng.choice(PLANS), "discounts": ()}) for at in since
        ]
        ended = rng.choice([None, since[-1] + timedelta(days=rng.randint(1, 9))])
        stored = {"_id": f"s{number}", "scope": scope, "terms": tuple(terms), "ended_at": ended}
        found.append(Subscription.model_validate({**stored, "created_at": since[0], "created_by": "test"}))
    return found


def _revenue(rng: random.Random) -> list[Revenue]:
    found = []
    for number in range(1, 60):
        start = START + timedelta(milliseconds=rng.randrange(-10 * 86_400_000, 30 * 86_400_000))
        length = timedelta(milliseconds=rng.choice([0, 1_000, rng.randrange(10**9)]))
        amount = usd_of_units(rng.randrange(1, 10**17))
        entry = Entry("anna", "one_time", amount, start, start + length, start, rng.choice([None, *PLANS]))
        whose = {"user_id": rng.choice([None, *USERS]), "client_id": rng.choice([None, *CLIENTS])}
        found.append(revenue(entry, number).model_copy(update={**whose, "synthetic": rng.random() < 0.1}))
    return found


async def _track(tracker: Tracker, rng: random.Random, count: int) -> None:
    models = [("openai", "gpt-4o"), ("google", "gemini-2.0-flash"), ("acme", "unheard-of")]

    def call() -> dict[str, Any]:
        provider, model = rng.choice(models)
        at = START + timedelta(milliseconds=rng.randrange(-3 * 86_400_000, 22 * 86_400_000))
        return {
            "user_id": rng.choice(USERS),
            "client_id": rng.choice(CLIENTS),
            "content_type": rng.choice(["chat", "summary"]),
            "model": model,
            "provider": provider,
            "input_tokens": rng.randint(0, 5_000),
            "output_tokens": rng.randint(0, 900),
            "created_at": at,
            "synthetic": rng.random() < 0.1,
            "campaign_id": rng.choice([None, None, "spring", "autumn"]),
        }

    await asyncio.gather(*(tracker.track(**call()) for _ in range(count)))


def _plan_of(stored: list[Subscription], user: str, client: str, day: date) -> str:
    """Straight from the words of the definition."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    for scope in ({"user_id": user, "client_id": client}, {"user_id": user}, {"client_id": client}):
        for one in stored:
            if one.scope.model_dump(exclude_none=True) != scope:
                continue
            began, over = one.terms[0].since, one.ended_at or START + 3 * LENGTH
            if began <= start < over:
                return one.term_at(start).plan
            if start <= began < start + timedelta(days=1) and began < over:
                return one.terms[0].plan
    return "none"


STORED = {
    By.CLIENT: "clientId",
    By.USER: "userId",
    By.FEATURE: "feature",
    By.MODEL: "aiModel",
    By.CAMPAIGN: "campaignId",
}


class Recount:
    """Of entries and calls one by one."""

    def __init__(self, entries: list[Revenue], calls: list[dict[str, Any]], stored: list[Subscription]) -> None:
        start, end = START, START + LENGTH
        self.revenue = [(each, recognised(each, start, end)) for each in entries if not each.synthetic]
        self.calls = [each for each in calls if not each["synthetic"] and start <= each["createdAt"] < end]
        self._stored = stored

    def revenue_by(self, name: Callable[[Revenue], str | None]) -> dict[str | None, Decimal]:
        sums: defaultdict[str | None, Decimal] = defaultdict(Decimal)
        for entry, amount in self.revenue:
            sums[name(entry)] += amount
        return sums

    def cost_by(self, by: By) -> dict[str | None, Decimal]:
        sums: defaultdict[str | None, Decimal] = defaultdict(Decimal)
        for call in self.calls:
            sums[self._name(by, call)] += call["cost"].to_decimal() if call["cost"] else 0
        return sums

    def _name(self, by: By, call: dict[str, Any]) -> str | None:
        if by is By.PLAN:
            return _plan_of(self._stored, call["userId"], call["clientId"], call["createdAt"].date())
        name: str | None = call.get(STORED[by])
        return name


def sums_of(rows: list[MarginRow]) -> tuple[Decimal, Decimal, int]:
    return (
        sum((row.recognised or Decimal(0) for row in rows), Decimal(0)),
        sum((row.cost for row in rows), Decimal(0)),
        sum(row.calls for row in rows),
    )


@pytest.mark.parametrize(("seed", "sheets"), [(1, False), (2, True), (3, True), (4, True)])
async def test_parts_sum_to_the_whole_and_each_is_a_plain_recount(
    database: Database, settings: Settings, seed: int, sheets: bool
) -> None:
    rng = random.Random(seed)
    booked, stored = _revenue(rng), _subscriptions(rng)
    await store_revenue(database, booked)
    await store_subscriptions(database, stored)
    async with open_tracker(settings, database, Counters(), compacting=False) as tracker:
        await _track(tracker, rng, 150)
        if sheets:
            async with merging(database) as compactor:
                await compactor.merge_all()
                await compactor.sheets.make_all()
                assert len(await database.writes[USER_SHEETS].distinct("_id.day")) > 15
            await _track(tracker, rng, 30)  # late calls, which wait
    recount, mine = Recount(booked, await calls_of(database), stored), finance(database, START + 2 * LENGTH)
    whole = query(PAST, LAST_PAST)
    total_revenue = sum((amount for _, amount in recount.revenue), Decimal(0))
    total_cost = sum(recount.cost_by(By.CLIENT).values(), Decimal(0))
    overview = await mine.overview(whole)
    assert (overview.totals.recognised, overview.totals.cost) == (total_revenue, total_cost)
    assert overview.totals.calls == len(recount.calls)

    for by in By:
        for allocation in Allocation:
            report = await mine.margins(Wanted(whole, by, allocation))
            rows = [*report.rows, report.unallocated]
            assert sums_of(rows) == (total_revenue, total_cost, len(recount.calls)), by
            assert (report.totals.recognised, report.totals.cost) == (total_revenue, total_cost)
            costs = recount.cost_by(by)
            assert {row.name: row.cost for row in rows if row.cost} == {k: v for k, v in costs.items() if v}, by

    names: dict[By, Callable[[Revenue], str | None]] = {
        By.PLAN: lambda entry: entry.plan,
        By.CLIENT: lambda entry: entry.client_id,
        By.USER: lambda entry: entry.user_id,
    }
    for by, name in names.items():
        report = await mine.margins(Wanted(whole, by))
        expected = {key: value for key, value in recount.revenue_by(name).items() if value}
        found = {row.name: row.recognised for row in [*report.rows, report.unallocated] if row.recognised}
        assert found == expected

    for client in CLIENTS:  # what one client's administrator sees is that client's part
        of_client = await mine.margins(Wanted(query(PAST, LAST_PAST, client), By.FEATURE))
        in_whole = next(row for row in (await mine.margins(Wanted(whole, By.CLIENT))).rows if row.name == client)
        assert of_client.totals.recognised == in_whole.recognised
        assert of_client.totals.cost == in_whole.cost


async def test_a_share_is_by_cost_or_by_calls_of_the_client(database: Database, tracker: Tracker) -> None:
    at = datetime(2025, 5, 3, tzinfo=UTC)
    tokens = {"model": "gpt-4o", "provider": "openai", "created_at": at, "user_id": "u1", "client_id": "acme"}
    for feature, count in (("chat", 1), ("summary", 3)):
        for _ in range(count):
            used = {"input_tokens": 3_000 if feature == "chat" else 1_000, "output_tokens": 0}
            await tracker.track(content_type=feature, **tokens, **used)
    await store_revenue(database, [revenue(Entry("anna", "one_time", Decimal(8), at, at, at), 1)])
    mine, whole = finance(database), query(FIRST, LAST)

    async def shares(allocation: Allocation) -> dict[str | None, Decimal | None]:
        report = await mine.margins(Wanted(whole, By.FEATURE, allocation))
        assert report.allocation is allocation
        return {row.name: row.recognised for row in [*report.rows, report.unallocated]}

    # 3,000 tokens of chat cost as much as three times 1,000 of summary: half of 8; one call of four: a quarter
    assert await shares(Allocation.COST) == {"chat": 4, "content-gen": 4, None: 0}
    assert await shares(Allocation.CALLS) == {"chat": 2, "content-gen": 6, None: 0}
    assert await shares(Allocation.NONE) == {"chat": None, "content-gen": None, None: 8}
    by_user = await mine.margins(Wanted(whole, By.USER))
    assert (by_user.allocation, by_user.allocation_words) == (None, None)


@pytest.mark.usefixtures("rollups")
async def test_what_is_after_now_is_in_neither_revenue_nor_cost(database: Database) -> None:
    start = datetime(2025, 5, 1, tzinfo=UTC)
    month = Entry("anna", "subscription", Decimal(31), start, start + timedelta(days=31), start, "pro")
    await store_revenue(database, [revenue(month, 1)])
    now = datetime(2025, 5, 10, 12, tzinfo=UTC)
    overview = await finance(database, now).overview(query(date(2025, 5, 1), date(2025, 5, 31)))
    assert overview.until == now
    assert overview.totals.recognised == Decimal("9.5")
    assert [day.recognised for day in overview.daily] == [*([Decimal(1)] * 9), Decimal("0.5")]
    by_plan = await finance(database, now).margins(Wanted(query(date(2025, 5, 1), date(2025, 5, 31)), By.PLAN))
    assert [(row.name, row.recognised) for row in by_plan.rows] == [("pro", Decimal("9.5"))]
    assert by_plan.rows[0].margin_percent == 100
    assert by_plan.rows[0].return_on_cost is None


@pytest.mark.usefixtures("rollups")
async def test_what_was_booked_or_changed_is_seen_at_once(database: Database) -> None:
    booked, mine = entries(), finance(database)
    january = query(date(2025, 1, 1), date(2025, 1, 31))
    await store_revenue(database, booked[:3])
    await store_subscriptions(database, subscriptions()[:2])
    before = await mine.overview(january)
    await store_revenue(database, booked[3:])
    await store_subscriptions(database, subscriptions()[2:])
    after = await mine.overview(january)
    assert (before.totals.recognised, after.totals.recognised) != (after.totals.recognised, before.totals.recognised)
    assert after.totals.recognised == Decimal(117)
    assert (before.recurring.customers, after.recurring.customers) == (2, 5)
    # an erasure: the user has another name from then on, and nothing is counted otherwise
    await database.writes[REVENUE].update_many({"userId": "anna"}, {"$set": {"userId": "erased-1"}})
    await database.writes[VERSIONS].update_one(STATE, {"$inc": {"rewritten": 1}})
    users = {row.name for row in (await mine.margins(Wanted(january, By.USER))).rows}
    assert "erased-1" in users
    assert "anna" not in users
    assert (await mine.overview(january)).totals == after.totals


@pytest.mark.usefixtures("rollups")
async def test_processes_that_read_at_once_see_the_same(database: Database) -> None:
    booked, january = entries(), query(date(2025, 1, 1), date(2025, 1, 31))
    both = finance(database), finance(database)

    async def book() -> None:
        for entry in booked:
            await store_revenue(database, [entry])

    # what any snapshot of January may have: the sums of the first n entries
    start, end = january.window.start, january.window.end
    possible = {sum((recognised(each, start, end) for each in booked[:n]), Decimal(0)) for n in range(len(booked) + 1)}

    async def watch(one: Finance) -> None:
        for _ in range(6):
            overview = await one.overview(january)
            assert overview.totals.recognised in possible
            assert overview.totals.recognised == sum(day.recognised for day in overview.daily)

    await asyncio.gather(book(), *(watch(one) for one in both))
    assert {(await one.overview(january)).totals.recognised for one in both} == {Decimal(117)}


@pytest.mark.usefixtures("rollups")
async def test_an_entry_that_was_damaged_by_hand_is_named_and_never_left_out(database: Database) -> None:
    mine, january = finance(database), query(date(2025, 1, 1), date(2025, 1, 31))
    await store_revenue(database, entries())
    right = await mine.overview(january)
    broken = {"_id": entries()[3].id}
    for field, value in (("usd", "12"), ("end", None), ("sequence", 3.5)):
        kept = await database.writes[REVENUE].find_one(broken)
        await database.writes[REVENUE].update_one(broken, {"$set": {field: value}})
        await database.writes[VERSIONS].update_one(STATE, {"$inc": {"rewritten": 1}})
        with pytest.raises(DamagedDataError, match=entries()[3].id):
            await mine.overview(january)
        assert kept is not None
        await database.writes[REVENUE].replace_one(broken, kept)
    assert (await mine.overview(january)).totals == right.totals


async def test_a_start_brings_what_there_is_into_memory_and_reads_nothing_where_none_is(
    database: Database,
) -> None:
    told: list[datetime] = []

    async def book_due(now: datetime) -> None:
        told.append(now)

    mine = Finance(database, ZONE, book_due, clock=lambda: LATER)
    await mine.warm_up()
    assert told == []
    await store_revenue(database, entries())
    await store_subscriptions(database, subscriptions())
    await mine.warm_up()
    assert told == [LATER]
    async with finance(database).known.reading() as (_, view), mine.known.reading() as (_, warm):
        assert warm.booked == view.booked == len(entries())
        assert {*warm.subscribers.customers()} == {*view.subscribers.customers()}


async def test_a_start_where_mongodb_does_not_answer_leaves_it_to_the_first_request(database: Database) -> None:
    async def away(_: datetime) -> None:
        raise DatabaseUnavailableError("MongoDB is away")

    await store_revenue(database, entries())
    await Finance(database, ZONE, away).warm_up()


async def test_losses_are_told_apart_from_users_who_pay_nothing(database: Database, tracker: Tracker) -> None:
    at = datetime(2025, 5, 3, tzinfo=UTC)
    dear = {"model": "gpt-4o", "provider": "openai", "output_tokens": 0, "created_at": at, "client_id": "acme"}
    for user, tokens in (("loss", 4_000_000), ("gain", 400_000), ("free", 800_000)):
        await tracker.track(user_id=user, content_type="chat", input_tokens=tokens, **dear)
    made = subscriptions()[0]
    pro = Subscription.model_validate(
        {
            "_id": "s1",
            "scope": {"user_id": "loss"},
            "terms": (made.terms[0].model_copy(update={"plan": "pro"}),),
            "created_at": at,
            "created_by": "test",
        }
    )
    await store_subscriptions(database, [pro])
    paid = [Entry(user, "one_time", Decimal(5), at, at, at, "pro") for user in ("loss", "gain")]
    await store_revenue(database, [revenue(entry, number) for number, entry in enumerate(paid, 1)])
    found = await finance(database).loss_making(query(FIRST, LAST), 10)
    # 2.50 dollars for a million tokens: 10.00, 1.00 and 2.00
    assert [(row.name, row.margin) for row in found.users.rows] == [("loss", Decimal(-5))]
    assert (found.users.count, found.users.loss) == (1, Decimal(-5))
    assert (found.users_without_revenue, found.cost_without_revenue) == (1, Decimal(2))
    assert (found.plans.count, found.cost_without_plan) == (0, Decimal(3))


@pytest.mark.usefixtures("rollups")
async def test_pages_follow_each_other(database: Database) -> None:
    await store_revenue(database, entries())
    mine, year = finance(database), query(date(2025, 1, 1), date(2025, 12, 31))
    whole = await mine.margins(Wanted(year, By.USER, page=Page("-recognised", 500)))
    names, cursor = [], None
    while True:
        page = await mine.margins(Wanted(year, By.USER, page=Page("-recognised", 4, cursor)))
        names += [row.name for row in page.rows]
        assert page.totals == whole.totals
        if (cursor := page.next_cursor) is None:
            break
    assert names == [row.name for row in whole.rows]
    assert whole.count == len(names)
    of_it = (await mine.margins(Wanted(year, By.USER, page=Page("-recognised", 4)))).next_cursor
    with pytest.raises(InvalidRequestError, match="another list"):
        await mine.margins(Wanted(year, By.USER, page=Page("cost", 4, of_it)))
