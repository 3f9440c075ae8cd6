"""Reports from rollups say exactly what the ledger says, whatever was written in which order, and merged when."""

import math
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import Decimal128
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.database import Database, connected
from app.observability.metrics import Counters
from app.reports import analytics, latency, overview, panel, quality, usage
from app.reports.analytics import AnalyticsReport, AnalyticsType
from app.reports.breakdowns import USER_ORDERS
from app.reports.call_lists import CallFilters, Order
from app.reports.comparison import UNKNOWN
from app.reports.latency import LatencyReport
from app.reports.parts import speeds
from app.reports.parts.campaigns import campaign_sums
from app.reports.parts.series import SeriesBy
from app.reports.periods import Compare, Days, Wish, compared
from app.reports.queries import campaigns as queries_of_campaigns
from app.reports.queries import panel as queries
from app.reports.query import Filters, Names, ReportQuery, Synthetic, Wanted
from app.reports.reader import reading
from app.reports.reports import Reports
from app.reports.rows import Timed
from app.reports.usage import UsageReport
from app.reports.windows import TimeWindow
from app.rollups import active_users, merge, user_days
from app.rollups.compactor import Compactor
from app.rollups.recount import Recount
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.money import stored_units
from models.rollups import (
    ACTIVE_USERS,
    CAMPAIGNS,
    CHANGED,
    CONVERSATIONS,
    DAYS,
    DELTAS,
    FINDINGS,
    LATENCY,
    MERGE,
    SPEEDS,
    STATE,
    USAGE,
    USER_DAYS,
    USER_MONTHS,
    USER_SHEETS,
    USERS,
    VARIANTS,
    is_tagged,
    is_timed,
)
from tests.patience import PATIENT_MS
from tests.twins import assert_twins, entries

SLOW_MS = 10_000
Step = tuple[str, Any]
Rows = list[dict[str, Any]]
SIDES = ("now", "earlier")
CELLS = (DAYS, USAGE, LATENCY, SPEEDS, USERS, USER_MONTHS, ACTIVE_USERS, CONVERSATIONS, FINDINGS, CAMPAIGNS, VARIANTS)
# a spring day with a skipped hour in Los Angeles lies within the last days of this clock
NOW = datetime(2024, 3, 12, 9, 30, tzinfo=UTC)
AWKWARD = ("u.1", "u|2", "%7C", "$set", "u 3", "é")
MODELS = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-4.1-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google", "gpt-4o"),
    ("acme|corp", "model.with$odd%names"),
]

calls = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(AWKWARD),
        "client_id": st.sampled_from(["default", "a.b", "c|d"]),
        "content_type": st.sampled_from(["chat", "summary", "haiku", "image-generation"]),
        "seller": st.sampled_from(MODELS),
        "input_tokens": st.integers(0, 5_000),
        "output_tokens": st.integers(0, 900),
        "cached": st.booleans(),
        "status": st.sampled_from(["success", "success", "success", "error", "timeout", "rate_limited"]),
        "request_duration": st.one_of(st.none(), st.integers(0, 90_000)),
        "time_to_first_token": st.one_of(st.none(), st.integers(0, 30_000)),
        "conversation_id": st.one_of(st.none(), st.sampled_from(["c1", "c.2", "c|3"])),
        "campaign_id": st.one_of(st.none(), st.sampled_from(["spring", "c.2|%", "other"])),
        "tried": st.sampled_from(
            [{}, {}, {"experiment": "tone", "variant": "a"}, {"experiment": "a|b", "variant": "$c"}]
        ),
        "request_id": st.one_of(st.none(), st.sampled_from(["r1", "r2", "r3"])),
        "synthetic": st.sampled_from([False, False, False, True]),
        # up to 70 days late, in quarters of an hour, so that hours and days are met at their edges
        "age": st.one_of(st.integers(-8, 400), st.integers(0, 4 * 24 * 70)),
    }
)
steps = st.one_of(
    st.tuples(st.just("track"), st.tuples(st.integers(0, 1), st.lists(calls, min_size=1, max_size=12))),
    st.tuples(st.just("merge"), st.none()),
    st.tuples(st.just("subjects"), st.none()),
    st.tuples(st.just("trailing"), st.none()),
    st.tuples(st.just("sheets"), st.none()),
    st.tuples(st.just("recount"), st.integers(0, 40)),
)


@dataclass
class House:
    """Two writers and one compactor over one database."""

    database: Database
    writers: tuple[Tracker, Tracker]
    compactor: Compactor
    reports: Reports
    zone: ZoneInfo
    whole: bool = True
    """Whether the ledger still has every call that the rollups have."""

    async def do(self, step: Step) -> None:
        kind, given_ = step
        if kind == "track":
            writer, reported = given_
            for call in reported:
                await self.track(self.writers[writer], call)
        elif kind == "merge":
            await self.compactor.merge_figures()
        elif kind == "subjects":
            await self.compactor.merge_subjects()
        elif kind == "trailing":
            await self.compactor.trailing.keep_up()
        elif kind == "sheets":
            await self.compactor.trailing.keep_up()
            await self.compactor.sheets.make_all()
            await self.compactor.user_days.make_all()
        else:
            day = NOW.astimezone(self.zone).date() - timedelta(days=given_)
            await Recount(self.database, self.zone).days(day, day)

    async def track(self, writer: Tracker, call: dict[str, Any]) -> None:
        provider, model = call["seller"]
        others = {"seller", "age", "tried"}
        fields = {key: value for key, value in call.items() if key not in others and value is not None} | call["tried"]
        moment = NOW - call["age"] * timedelta(minutes=15)
        receipt = await writer.track(**fields, provider=provider, model=model, created_at=moment)
        assert receipt.status in {"committed", "duplicate"}

    async def clear(self) -> None:
        for name in await self.database.writes.list_collection_names():
            if name not in {"rollup_state", "rollup_names", "system.views"}:
                await self.database.writes[name].delete_many({})
        await self.database.writes.rollup_state.update_one(
            {"_id": "rollups"},
            {"$set": {"today": "2024-03-01", "trailing": []}, "$inc": {**CHANGED, "epoch": 1, "late": 1}},
        )


@pytest.fixture(scope="module")
def house(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    @asynccontextmanager
    async def opened(timezone: str) -> AsyncIterator[House]:
        folder: Path = tmp_path_factory.mktemp("house")
        configured = Settings(
            _env_file=None,
            mongodb_uri=mongodb_uri,
            database=f"test_{uuid.uuid4().hex[:12]}",
            data_dir=folder,
            timezone=timezone,
            track_deadline_ms=PATIENT_MS,
        )
        async with (
            connected(mongodb_uri, configured.database) as database,
            open_tracker(configured, database, Counters(), compacting=False) as one,
            open_tracker(configured, database, Counters(), compacting=False) as two,
            database.committer_session() as session,
        ):
            compactor = Compactor(database, session, clock=lambda: NOW)
            yield House(
                database, (one, two), compactor, Reports(database, configured.zone, lambda: NOW), configured.zone
            )
            await database.writes.client.drop_database(configured.database)

    return opened


@pytest.mark.parametrize("timezone", ["America/Los_Angeles", "Pacific/Chatham"])
async def test_every_report_says_what_the_ledger_says(
    house: Callable[[str], Any], timezone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # in one zone nearly all latency is from sketches, in the other one all of it is exact
    monkeypatch.setattr(speeds, "EXACT_CALLS", {"Pacific/Chatham": 2}.get(timezone, speeds.EXACT_CALLS))
    # limits that every history meets
    monkeypatch.setattr(merge, "MAX_DELTAS", 4)
    monkeypatch.setattr(active_users, "MAX_KNOWN", 3)
    monkeypatch.setattr(active_users, "MAX_PLACES", 2)
    monkeypatch.setattr(user_days, "BUSY_CALLS", 1)
    histories: list[list[Step]] = []

    @settings(max_examples=3, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(steps, min_size=1, max_size=12))
    def collect(history: list[Step]) -> None:
        histories.append(history)

    collect()
    async with house(timezone) as opened:
        for history in histories:
            await opened.clear()
            for step in history:
                await opened.do(step)
            await check(opened)


async def test_users_come_from_sheets_of_past_days_and_late_calls_are_in_them_at_once(
    house: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_days, "BUSY_CALLS", 1)
    monkeypatch.setattr("app.reports.parts.user_sheets.MOST_RANKINGS", 1_000)
    batches: list[list[dict[str, Any]]] = []

    @settings(max_examples=9, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(st.lists(calls, min_size=10, max_size=20), min_size=3, max_size=3))
    def collect(found: list[list[dict[str, Any]]]) -> None:
        batches[:] = found  # the last example is no simple one

    collect()
    async with house("Pacific/Chatham") as opened:
        await opened.clear()
        sheets = opened.database.writes[USER_SHEETS]
        for position, batch in enumerate(batches):
            await opened.do(("track", (0, batch)))
            if position:
                assert await sheets.count_documents({"_id.scope": ""}) > 0
                await check_users(opened)  # they wait in deltas, some of them late
                await opened.compactor.merge_figures()
                await check_users(opened)
            await opened.compactor.merge_all()
            await check_users(opened)
            await opened.do(("sheets", None))
            days = await opened.database.writes[DAYS].distinct("_id.day", {"_id.day": {"$lt": "2024-03-12"}})
            assert sorted(await sheets.distinct("_id.day")) == sorted(days)
            assert sorted(await opened.database.writes[USER_DAYS].distinct("_id.day")) == sorted(days)
            await check_users(opened)
        # the same days have sheets again, with other sums
        await opened.do(("track", (0, [{**call, "request_id": None} for call in batches[0]])))
        await opened.compactor.merge_all()
        await opened.do(("sheets", None))
        await check_users(opened)
        # a recount leaves none of the sheets, which are of other cells now
        await opened.do(("recount", 3))
        await check_users(opened)
        await opened.compactor.merge_all()
        await opened.do(("sheets", None))
        await check_users(opened)


async def check_users(house: House) -> None:
    today = NOW.astimezone(house.zone).date()
    month = TimeWindow(today - timedelta(days=29), today, house.zone)
    ledger = await entries(house.database)
    for query in (
        ReportQuery(month),
        ReportQuery(TimeWindow(today - timedelta(days=75), today - timedelta(days=3), house.zone)),
        ReportQuery(month, Filters(provider="openai"), Synthetic.INCLUDE),
        ReportQuery(month, Filters(client_id="c|d", feature="chat")),
        ReportQuery(
            month, Filters(model=Names(without=frozenset({"gpt-4o"})), feature=Names(frozenset({"chat", "haiku"})))
        ),
    ):
        rows = [row for row in ledger if chosen(row, query)]
        await check_people(house, query, rows)
        found = await house.reports.usage(query)
        assert found.active_users == users_in(rows)
        by_day: dict[Any, Rows] = {}
        for row in rows:
            by_day.setdefault(row["createdAt"].astimezone(house.zone).date(), []).append(row)
        assert {day.day: day.active_users for day in found.daily if day.active_users} == {
            day: users_in(of_day) for day, of_day in by_day.items()
        }


async def check(house: House) -> None:
    await assert_twins(house.database)
    await check_tagged(house)
    await check_reports(house)
    await house.compactor.merge_all()
    assert await house.database.writes[DELTAS].count_documents({}) == 0
    await check_reports(house)
    await check_tagged(house)
    before = await dumped(house.database)
    today = NOW.astimezone(house.zone).date()
    await Recount(house.database, house.zone).days(today - timedelta(days=80), today + timedelta(days=2))
    await house.compactor.merge_all()
    assert await dumped(house.database) == before


async def check_tagged(house: House) -> None:
    """Campaigns and variants, from cells and what waits, are what a plain recount of the ledger says."""
    rows, writes = await entries(house.database), house.database.writes
    month = TimeWindow(NOW.date() - timedelta(days=29), NOW.astimezone(house.zone).date(), house.zone)
    by = ("day", "client", "campaign", "provider", "model", "serviceType", "feature")
    for query in (
        ReportQuery(month),
        ReportQuery(month, Filters(client_id="c|d"), Synthetic.INCLUDE),
        ReportQuery(month, Filters(provider="acme|corp", model="model.with$odd%names"), Synthetic.INCLUDE),
        ReportQuery(month, Filters(feature="chat")),
    ):
        async with reading(house.database) as read:
            state = await writes[STATE].find_one({"_id": "rollups"}) or {}
            assert is_tagged(state)
            assert is_timed(state)
            found = await campaign_sums(read, state, query, by)
            truth = await read.ledger(queries_of_campaigns.from_ledger(query, by, None))
            of_one = await campaign_sums(read, state, query, ["day"], campaign="other")
            truth_of_one = await read.ledger(queries_of_campaigns.from_ledger(query, ["day"], "other"))
        for one, other in ((found, truth), (of_one, truth_of_one)):
            assert sorted(map(plain, one)) == sorted(map(plain, other))
    counted, stored = Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]]()
    for row in rows:
        if "experiment" in row:
            day = row["createdAt"].astimezone(house.zone).date().isoformat()
            key = day, row["clientId"], row["synthetic"], row["experiment"], row["variant"], row["userId"]
            counted[*key, "requests"] += 1
            counted[*key, "tokensUsed"] += row["tokensUsed"]
            counted[*key, "unpriced"] += row["cost"] is None
            counted[*key, "cost"] += 0 if row["cost"] is None else stored_units(row["cost"])
    # of a ledger that is not whole, only the cells know the first days
    since = "" if house.whole else (NOW - timedelta(days=80)).date().isoformat()
    cells = [dict(cell["_id"]) | cell async for cell in writes[VARIANTS].find({"_id.day": {"$gte": since}})]
    async for delta in writes[DELTAS].find():
        cells += [usage | each for usage in delta["usage"] for each in usage.get("variants", ())]
    for cell in cells:
        key = tuple(cell[name] for name in ("day", "client", "synthetic", "experiment", "variant", "user"))
        for name in ("requests", "tokensUsed", "unpriced"):
            stored[*key, name] += cell.get(name, 0)
        stored[*key, "cost"] += stored_units(cell["cost"]) if "cost" in cell else 0
    assert +stored == +counted


def plain(row: dict[str, Any]) -> Any:
    figures = {name: str(value) for name, value in row.items() if name != "_id" and str(value) not in {"0", "0E-15"}}
    return sorted(row["_id"].items()), sorted(figures.items())


async def dumped(database: Database) -> dict[str, Any]:
    """Every cell, without figures that are zero, and without cells that have no others."""
    return {
        name: {
            str(sorted(cell.pop("_id").items())): figures
            async for cell in database.writes[name].find()
            if (figures := {key: value for key, value in flat(cell).items() if value and not _beside(key)})
        }
        for name in CELLS
    }


def _beside(key: str) -> bool:
    return key.startswith("_id") or key == MERGE


def flat(cell: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in cell.items():
        if isinstance(value, dict):
            found |= {f"{key}/{inner}": figure for inner, figure in flat(value).items()}
        else:
            found[key] = value.to_decimal() if hasattr(value, "to_decimal") else value
    return found


async def check_panels(house: House) -> None:
    """Costs of the month and of all time: of users, of those at one client, of clients and of all."""
    month = panel.month_of(NOW, house.zone)
    rows = await entries(house.database)
    users, clients = sorted({row["userId"] for row in rows}), sorted({row["clientId"] for row in rows})
    asked = [Filters(), *(Filters(client_id=client) for client in clients)]
    asked += [Filters(user_id=user, client_id=client) for user in users[:4] for client in (None, *clients)]
    for of, synthetic in product(asked, Synthetic):
        async with reading(house.database) as read:
            said = await panel.figures(read, of, house.zone, synthetic, NOW)
            truth = panel.cost_of(await read.ledger(queries.costs_in_ledger(month, of, synthetic)))
        assert said.cost == truth, (of, synthetic)
    async with reading(house.database) as read:
        # of another zone there are no cells
        abroad = await panel.figures(read, Filters(), ZoneInfo("Asia/Tokyo"), Synthetic.INCLUDE, NOW)
    assert abroad.cost.lifetime_requests == len(rows)


async def check_reports(house: House) -> None:
    if house.whole:  # else only the cells know what was spent before
        await check_panels(house)
    today = NOW.astimezone(house.zone).date()
    month = TimeWindow(today - timedelta(days=29), today, house.zone)
    windows = [
        month,
        TimeWindow(today - timedelta(days=6), today, house.zone),
        TimeWindow(today - timedelta(days=75), today - timedelta(days=3), house.zone),
        TimeWindow(today, today, house.zone),
    ]
    queries = [ReportQuery(window) for window in windows]
    queries += [ReportQuery(month, synthetic=synthetic) for synthetic in (Synthetic.ONLY, Synthetic.INCLUDE)]
    queries += [
        ReportQuery(month, filters)
        for filters in (
            Filters(client_id="a.b"),
            Filters(provider="openai"),
            Filters(model="model.with$odd%names"),
            Filters(feature="chat", client_id="c|d"),
            Filters(model="gpt-4o", provider="openai", feature="haiku"),
            Filters(model=Names(frozenset({"gpt-4o", "model.with$odd%names"}))),
            Filters(provider=Names(without=frozenset({"acme|corp"})), client_id="c|d"),
            Filters(
                feature=Names(frozenset({"chat", "haiku"}), frozenset({"haiku"})),
                model=Names(without=frozenset({"gpt-4o"})),
            ),
        )
    ]
    ledger = await entries(house.database)
    for query in queries:
        rows = [row for row in ledger if chosen(row, query)]
        await check_usage(house, query, rows, ledger)
        await check_people(house, query, rows)
        await check_lists(house, query, rows)
    for synthetic in Synthetic:
        await check_overview(house, synthetic)
    await check_overview(house, Synthetic.EXCLUDE, "a.b")


async def check_usage(house: House, query: ReportQuery, rows: Rows, ledger: Rows) -> None:
    wish = wish_of(query, rows)
    beside, series_by = compared(query, NOW, wish), SeriesBy.MODEL
    async with reading(house.database) as read:
        truth = usage.usage_report(query, await usage.from_ledger(read, query, beside, series_by), NOW)
        found_quality = quality.quality_report(query, await quality.from_ledger(read, query), NOW)
        true_latency = latency.latency_report(query, await latency.from_ledger(read, query), NOW)
    found = await house.reports.usage(query, compare=wish, series_by=series_by)
    for part in type(found).model_fields:
        assert getattr(found, part) == getattr(truth, part), part
    assert await house.reports.latency(query) == true_latency
    assert (await house.reports.data_quality(query)).model_dump() == found_quality.model_dump()
    check_latency(query, rows, found, true_latency)
    check_days(house, query, rows, found)
    check_previous(house, query, ledger, found)


def check_latency(query: ReportQuery, rows: Rows, found: UsageReport, distribution: LatencyReport) -> None:
    """How calls went and how long they took, next to a count of the entries, one by one."""
    assert found.statuses == dict(Counter(row["status"] for row in rows))
    assert {(error.status, error.provider): error.count for error in distribution.errors} == dict(
        Counter((row["status"], row["provider"]) for row in rows if not row["success"])
    )
    durations, bars = [row["requestDuration"] for row in rows if "requestDuration" in row], distribution.buckets
    assert bars is not None
    assert distribution.measured == len(durations)
    assert [bar.count for bar in bars] == [sum(bar.first <= ms <= bar.last for ms in durations) for bar in bars]
    if durations:
        exact, within = len(rows) <= speeds.EXACT_CALLS, 0.01 if speeds.is_finer(query) else 0.02
        p95 = nearest_rank(durations, 95)
        assert found.latency.p95 == pytest.approx(p95, rel=within, abs=1)
        assert distribution.latency.p95 == (p95 if exact else pytest.approx(p95, rel=within, abs=1))
    else:
        assert found.latency == distribution.latency == UNKNOWN


def check_days(house: House, query: ReportQuery, rows: Rows, found: UsageReport) -> None:
    """Who was active, and what each model did, day by day."""
    by_day: dict[Any, Rows] = {day: [] for day in query.window.days}
    by_model: dict[Any, Rows] = {}
    for row in rows:
        day = row["createdAt"].astimezone(house.zone).date()
        by_day[day].append(row)
        by_model.setdefault((day, row["aiModel"]), []).append(row)
    assert found.active_users == users_in(rows)
    assert {day.day: day.active_users for day in found.daily} == {day: users_in(of) for day, of in by_day.items()}
    assert found.series is not None
    assert {(point.day, point.name): (point.requests, point.cost) for point in found.series if point.requests} == {
        key: figures(of_key)[:2] for key, of_key in by_model.items()
    }


def check_previous(house: House, query: ReportQuery, ledger: Rows, found: UsageReport) -> None:
    """What was before, up to the same minute, and of each feature, model, provider and user."""
    previous = found.previous
    assert previous is not None
    rows = [row for row in ledger if chosen(row, query.over(previous.window.first, previous.window.last))]
    if previous.until is not None:
        clock = NOW.astimezone(house.zone).time()
        assert previous.until == f"{clock:%H:%M}"
        rows = [
            row for row in rows if not is_after(row["createdAt"].astimezone(house.zone), previous.window.last, clock)
        ]
    assert (previous.totals.requests, previous.totals.cost) == figures(rows)[:2]
    check_earlier(found.by_feature, rows, lambda each: each.feature, lambda row: row["feature"])
    check_earlier(found.by_provider, rows, lambda each: each.provider, lambda row: row["provider"])
    check_earlier(
        found.by_model, rows, lambda each: (each.provider, each.model), lambda row: (row["provider"], row["aiModel"])
    )
    check_earlier(found.top_users, rows, lambda each: each.user_id, lambda row: row["userId"])


def is_after(moment: datetime, last: date, clock: time) -> bool:
    return moment.date() == last and moment.time() >= clock


def check_earlier(found: list[Any], rows: Rows, name: Callable[[Any], Any], key: Callable[[Any], Any]) -> None:
    for each in found:
        own = [row for row in rows if key(row) == name(each)]
        earlier = None if each.earlier is None else (each.earlier.requests, each.earlier.cost, each.earlier.errors)
        errors = sum(row["status"] != "success" for row in own)
        assert earlier == ((*figures(own)[:2], errors) if own else None)


def wish_of(query: ReportQuery, rows: Rows) -> Wish:
    """Each in turn."""
    first, last = query.window.bounds
    far = timedelta(days=11)
    wishes: list[Wish] = [Compare.PREVIOUS, Compare.WEEK, Compare.YEAR, Days(first - far, last - far)]
    return wishes[len(rows) % 4]


def users_in(rows: Rows) -> int:
    return len({row["userId"] for row in rows})


def nearest_rank(values: list[Any], percent: int) -> Any:
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


async def check_overview(house: House, synthetic: Synthetic, client: str | None = None) -> None:
    found = await house.reports.overview(synthetic, client)
    async with reading(house.database) as read:
        parts = await overview.from_ledger(read, NOW, house.zone, synthetic, client)
    truth = overview.overview_report(parts, found.freshness, synthetic, NOW)
    sketched = {"today": {"p95_duration"}, "month": {"p95_duration"}, "quality": {"p50", "p95", "p99"}, "health": True}
    assert found.model_dump(exclude=sketched) == truth.model_dump(exclude=sketched)  # type: ignore[arg-type]
    for one, other in [
        (found.today.p95_duration, truth.today.p95_duration),
        (found.month.p95_duration, truth.month.p95_duration),
        (found.quality.p50, truth.quality.p50),
        (found.quality.p99, truth.quality.p99),
    ]:
        assert one == (None if other is None else pytest.approx(other, rel=0.01))
    stats = await house.reports.stats(synthetic, client)
    assert (stats.ai_requests_today, stats.ai_cost_today) == (truth.today.requests, truth.today.cost)
    assert (stats.ai_requests_this_month, stats.unique_users_today) == (truth.month.requests, truth.today.active_users)


async def check_people(house: House, query: ReportQuery, rows: Rows) -> None:
    """Users, models and conversations, next to a plain count of the entries."""
    people = {row["userId"] for row in rows}
    page = await house.reports.users(query, "-cost", limit=100, cursor=None)
    assert {user.user_id: (user.requests, user.cost, user.tokens) for user in page.users} == {
        user: figures([row for row in rows if row["userId"] == user]) for user in people
    }
    for order in USER_ORDERS:
        await check_order(house, query, order, rows)
    models = (await house.reports.models(query)).models
    keys = {(row["provider"], row["aiModel"]) for row in rows}
    assert {(row.provider, row.model): (row.requests, row.cost, row.unique_users) for row in models} == {
        key: (*figures(of_key)[:2], len({row["userId"] for row in of_key}))
        for key in keys
        for of_key in [[row for row in rows if (row["provider"], row["aiModel"]) == key]]
    }
    by_model = Counter[Any]()
    for model in models:
        own = [row for row in rows if (row["provider"], row["aiModel"]) == (model.provider, model.model)]
        check_times(own, model, 0.02)
        by_model[model.provider] += model.requests
    for provider in (await house.reports.providers(query)).providers:
        own = [row for row in rows if row["provider"] == provider.provider]
        assert by_model[provider.provider] == provider.requests == len(own)
        check_times(own, provider, 0.01 if speeds.is_finer(query) else 0.02)
        for service in provider.services:
            of_service = [row for row in own if row["serviceType"] == service.service_type]
            check_times(of_service, service, 0.01 if speeds.is_finer(query) else 0.02)
    for feature in (await house.reports.latency(query)).by_feature:
        check_times([row for row in rows if row["feature"] == feature.feature], feature, 0.02)
    await check_analytics(house, query, rows)
    if not query.filters.any_part():
        assert page.active_users == len(people)


def check_times(rows: Rows, found: Timed, within: float) -> None:
    """Percentiles of a group next to a plain recount: equal for few calls, else within their error."""
    answered = [row for row in rows if row["success"] and not row["cached"] and row["outputTokens"]]
    durations = [row["requestDuration"] for row in rows if "requestDuration" in row]
    firsts = [row["timeToFirstToken"] for row in rows if "timeToFirstToken" in row]
    rates = []
    for row in answered:
        if duration := row.get("requestDuration"):
            first_token = row.get("timeToFirstToken", 0)
            took = duration - first_token if first_token < duration else duration
            rates.append(1_000 * row["outputTokens"] / took)
    assert found.exact == (len(rows) <= speeds.EXACT_CALLS)
    told = [
        *((found.latency.model_dump()[f"p{percent}"], durations, percent) for percent in (50, 95, 99)),
        *((found.time_to_first_token.model_dump()[f"p{percent}"], firsts, percent) for percent in (50, 95)),
    ]
    for figure, values, percent in told:
        if not values:
            assert figure is None
        elif found.exact:
            assert figure == nearest_rank(values, percent)
        else:
            assert figure == pytest.approx(nearest_rank(values, percent), rel=within, abs=1)
    for name, rate in found.tokens_per_second.model_dump().items():
        if not rates:
            assert rate is None
        else:
            error = 0.0 if found.exact else 0.02
            assert float(rate) == pytest.approx(nearest_rank(rates, int(name[1:])), rel=error, abs=0.06)


async def check_order(house: House, query: ReportQuery, order: str, rows: Rows) -> None:
    """The pages of users in one order and its reverse; equal ones are in order of their names."""

    def value(user: str) -> Any:
        own = [row for row in rows if row["userId"] == user]
        requests, cost, tokens = figures(own)
        last = max(row["createdAt"] for row in own).astimezone(house.zone).date()
        return {"requests": requests, "cost": cost, "tokens": tokens, "lastActive": last}[order]

    people = sorted({row["userId"] for row in rows})
    for sign in ("", "-"):
        found, cursor = list[str](), None
        while True:
            page = await house.reports.users(query, sign + order, limit=2, cursor=cursor)
            found += [user.user_id for user in page.users]
            if (cursor := page.next_cursor) is None:
                break
        assert found == sorted(people, key=value, reverse=sign == "-"), sign + order


async def check_lists(house: House, query: ReportQuery, rows: Rows) -> None:
    """Lists of calls page by page, next to the entries in order of time."""
    limit = max(2, len(rows) // 3)
    for wanted, order in (
        (CallFilters(), Order.NEWEST),
        (CallFilters(hour=9), Order.OLDEST),
        (CallFilters(min_duration=SLOW_MS), Order.NEWEST),
        (CallFilters(users=Names(without=frozenset(AWKWARD[:1]))), Order.DEAREST),
        (CallFilters(min_cost=Decimal("0.00001"), status=Names(frozenset({"success", "error"}))), Order.CHEAPEST),
        (CallFilters(), Order.SLOWEST),
        (CallFilters(user_prefix=AWKWARD[1][:1]), Order.FASTEST),
    ):
        found, cursor, pages = list[str](), None, list[list[str]]()
        while True:
            page = await house.reports.calls(query, wanted, order=order, limit=limit, cursor=cursor)
            assert page.first_place == len(found) + 1
            pages.append([call.id for call in page.calls])
            found += pages[-1]
            if (cursor := page.next_cursor) is None:
                break
        known_of = [row for row in rows if value_of_order(row, order) is not None]
        ordered = sorted(
            known_of,
            key=lambda row: (value_of_order(row, order), row["createdAt"], row["_id"]),
            reverse=order.direction < 0,
        )
        assert found == [str(row["_id"]) for row in ordered if listed(house, row, wanted)], (wanted, order)
        # and back, page by page
        for expected in reversed(pages[:-1]):
            assert page.previous_cursor is not None
            page = await house.reports.calls(query, wanted, order=order, limit=limit, cursor=page.previous_cursor)
            assert [call.id for call in page.calls] == expected
        assert page.first_place == 1
        assert page.previous_cursor is None


def value_of_order(row: dict[str, Any], order: Order) -> Any:
    value = row.get(order.field)
    return value.to_decimal() if isinstance(value, Decimal128) else value


def listed(house: House, row: dict[str, Any], wanted: CallFilters) -> bool:
    """Whether a filter lets an entry through, said in another way than in queries."""
    cost = value_of_order(row, Order.DEAREST)
    return (
        wanted.hour in {None, row["createdAt"].astimezone(house.zone).hour}
        and (wanted.min_duration is None or row.get("requestDuration", -1) >= wanted.min_duration)
        and (wanted.min_cost is None or (cost is not None and cost >= wanted.min_cost))
        and row["userId"].startswith(wanted.user_prefix or "")
        and let_through(wanted.users, row["userId"])
        and let_through(wanted.status, row["status"])
    )


def let_through(wanted: Wanted, name: str) -> bool:
    if isinstance(wanted, Names):
        return (name in wanted.among or not wanted.among) and name not in wanted.without
    return wanted is None or wanted == name


async def check_analytics(house: House, query: ReportQuery, rows: list[dict[str, Any]]) -> None:
    """A client's report from rollups, next to the ledger and a plain count; and one user's, next to a plain count."""
    found = await house.reports.analytics(query, AnalyticsType.ALL)
    async with reading(house.database) as read:
        parts = await analytics.from_ledger(read, query, AnalyticsType.ALL)
    truth = analytics.analytics_report(query, parts, AnalyticsType.ALL, NOW)
    left_out: Any = {"summary": {"p95_duration"}} | ({} if house.whole else {"weekly": True, "monthly": True})
    told = not query.filters.any_part()
    left_out |= {} if told else {"by_conversation": True}
    assert found.model_dump(exclude=left_out) == truth.model_dump(exclude=left_out)
    assert (found.summary.active_users, found.summary.requests) == (len({row["userId"] for row in rows}), len(rows))
    if told:
        check_conversations(found, rows)
    user = AWKWARD[0]
    own = [row for row in rows if row["userId"] == user]
    filters = replace(query.filters, user_id=user)
    of_user = await house.reports.analytics(replace(query, filters=filters), AnalyticsType.ALL)
    assert (of_user.user_id, of_user.summary.active_users) == (user, min(1, len(own)))
    summary = of_user.summary
    assert (summary.requests, summary.cost, summary.tokens.total) == figures(own)
    check_conversations(of_user, own)
    await check_usage_of_user(house, replace(query, filters=filters), own)


async def check_usage_of_user(house: House, query: ReportQuery, own: Rows) -> None:
    """One user's report, from what is kept of its days, next to the ledger and a plain count."""
    wish = wish_of(query, own)
    beside, series_by = compared(query, NOW, wish), SeriesBy.FEATURE
    async with reading(house.database) as read:
        truth = usage.usage_report(query, await usage.from_ledger(read, query, beside, series_by), NOW)
    found = await house.reports.usage(query, compare=wish, series_by=series_by)
    for part in type(found).model_fields:
        assert getattr(found, part) == getattr(truth, part), part
    durations = [row["requestDuration"] for row in own if "requestDuration" in row]
    assert (found.totals.requests, found.totals.cost, found.totals.tokens.total) == figures(own)
    assert found.active_users == min(1, len(own))
    if durations:
        p95, exact = nearest_rank(durations, 95), len(own) <= speeds.EXACT_CALLS == 300
        assert found.latency.p95 == (p95 if exact else pytest.approx(p95, rel=0.01))
    else:
        assert found.latency == UNKNOWN


def check_conversations(report: AnalyticsReport, rows: list[dict[str, Any]]) -> None:
    named = {(row["clientId"], row["conversationId"]) for row in rows if "conversationId" in row}
    assert report.by_conversation is not None
    assert {(c.client_id, c.conversation_id): (c.requests, c.cost, c.tokens) for c in report.by_conversation} == {
        key: figures([row for row in rows if (row["clientId"], row.get("conversationId")) == key]) for key in named
    }


def chosen(row: dict[str, Any], query: ReportQuery) -> bool:
    names = {"feature": "feature", "provider": "provider", "aiModel": "model", "clientId": "client_id"}
    wanted = {stored: getattr(query.filters, name) for stored, name in names.items()}
    real = {Synthetic.INCLUDE: {True, False}, Synthetic.ONLY: {True}, Synthetic.EXCLUDE: {False}}
    return (
        query.window.start <= row["createdAt"] < query.window.end
        and row["synthetic"] in real[query.synthetic]
        and all(let_through(value, row[stored]) for stored, value in wanted.items())
    )


def figures(rows: list[dict[str, Any]]) -> tuple[int, Decimal, int]:
    cost = sum((row["cost"].to_decimal() for row in rows if row["cost"]), Decimal(0))
    return len(rows), cost, sum(row["tokensUsed"] for row in rows)
