"""The views over real cells, next to a plain recount of the ledger in Python."""

import asyncio
import math
import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import Decimal128
from pymongo.errors import PyMongoError

from app.database import Database, connected
from app.observability.metrics import Counters
from app.reports.queries.views import VIEWS, ensure_views, model_costs
from app.rollups.compactor import Compactor
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.active_days import bit_of, masks
from models.latency import bucket_of, duration_of
from models.rollups import ACTIVE_USERS, DAYS, LATENCY, USAGE, USER_MONTHS
from tests.conftest import new_settings
from tests.twins import entries

Rows = list[dict[str, Any]]

ODD = "50%.off|v2$%2E"
"""A model's name with everything that is escaped, and what looks escaped already."""
MODELS = [("openai", "gpt-4o"), ("openai", "gpt-4.1-mini"), ("google", "gemini-2.0-flash"), ("acme", ODD)]


@cache
def calm_zone() -> ZoneInfo:
    """A zone where it is about noon when first asked for, so that no midnight falls into a test."""
    return ZoneInfo(f"Etc/GMT{datetime.now(UTC).hour - 12:+d}")


def day_of(days_ago: int, zone: ZoneInfo) -> str:
    return (datetime.now(zone).date() - timedelta(days=days_ago)).isoformat()


async def fill(settings: Settings, database: Database) -> None:
    """Report some 900 calls of the last 100 days, put all of them into the cells, and make the views."""
    settings = settings.model_copy(update={"timezone": calm_zone().key})
    async with open_tracker(settings, database, Counters(), compacting=False) as tracker:
        await track_some(tracker)
    async with database.committer_session() as session:
        await Compactor(database, session).merge_all()
    await ensure_views(database, calm_zone().key)


@pytest.fixture(scope="module")
async def filled(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    """A database with some 900 calls, for all tests that leave it as it is."""
    settings = new_settings(mongodb_uri, tmp_path_factory.mktemp("views"))
    async with connected(mongodb_uri, settings.database) as database:
        await fill(settings, database)
        yield database
        await database.writes.client.drop_database(settings.database)


@pytest.fixture(scope="module")
async def rows(filled: Database) -> Rows:
    """Its entries, each with its `day`."""
    zone = calm_zone()
    return [{**row, "day": row["createdAt"].astimezone(zone).date().isoformat()} for row in await entries(filled)]


async def track_some(tracker: Tracker) -> None:
    rng, now = random.Random(5), datetime.now(UTC)

    def call(days_ago: float, **reported: Any) -> dict[str, Any]:
        provider, model = rng.choice(MODELS)
        return {
            "user_id": f"u{rng.randint(1, 40)}",
            "client_id": rng.choice(["web", "app"]),
            "content_type": rng.choice(["chat", "summary", "keywords"]),
            "model": model,
            "provider": provider,
            "input_tokens": rng.randint(0, 5_000),
            "output_tokens": rng.randint(0, 900),
            "success": rng.random() < 0.8,
            "request_duration": rng.choice([None, 0, rng.randint(1, 90), rng.randint(1, 90_000)]),
            "created_at": now - timedelta(days=days_ago),
            "synthetic": rng.random() < 0.1,
            **reported,
        }

    image = {"content_type": "image-generation", "provider": "openai", "model": "dall-e-3", "images": 2}
    video = {
        "content_type": "video-generation",
        "provider": "google",
        "model": "veo-3",
        "video_seconds": Decimal("4.5"),
    }
    calls = [
        *(call(rng.random() * 30) for _ in range(500)),
        *(call(rng.choice([0, *range(4, 100)])) for _ in range(300)),
        *(call(rng.random() * 40, **rng.choice([image, video])) for _ in range(100)),
        # the edges of both windows, each with a user of its own
        *(call(ago, user_id=f"only-{ago}", synthetic=False) for ago in (0, 29, 30, 89, 90)),
        call(1, user_id="demo", model="demo-model", synthetic=True),
    ]
    receipts = await asyncio.gather(*(tracker.track(**each) for each in calls))
    assert {receipt.status for receipt in receipts} == {"committed"}


async def read(database: Database, view: str) -> Rows:
    return await database.reads[view].find().to_list(None)


def since(days_ago: int, rows: Rows) -> Rows:
    first = day_of(days_ago, calm_zone())
    return [row for row in rows if row["day"] >= first and not row["synthetic"]]


def grouped(rows: Rows, *names: str) -> dict[tuple[str, ...], Rows]:
    keys = {tuple(row[name] for name in names) for row in rows}
    return {key: [row for row in rows if tuple(row[name] for name in names) == key] for key in keys}


def total(rows: Rows, name: str) -> int:
    return sum(row.get(name, 0) for row in rows)


def amount(rows: Rows, name: str) -> Decimal128:
    found = [row[name].to_decimal() for row in rows if row.get(name) is not None]
    return Decimal128(sum(found, Decimal(0)))


def success_rate(rows: Rows) -> Decimal:
    return round(Decimal(100 * sum(row["success"] for row in rows)) / len(rows), 2)


def durations(rows: Rows) -> list[int]:
    return [row["requestDuration"] for row in rows if "requestDuration" in row]


def percentile(rows: Rows, percent: int) -> Any:
    """By nearest rank, as something to compare with: within 1 %."""
    ordered = sorted(durations(rows))
    return pytest.approx(ordered[math.ceil(len(ordered) * percent / 100) - 1], rel=0.01) if ordered else None


def decimal(value: Any) -> Decimal | None:
    assert value is None or isinstance(value, Decimal128)
    return None if value is None else value.to_decimal()


async def test_daily_metrics_equal_a_plain_recount(rows: Rows, filled: Database) -> None:
    found = await read(filled, "mv_daily_metrics")

    days = grouped(since(89, rows), "day")
    assert 50 < len(days) < 90  # there are days without calls, too
    assert [row["day"] for row in found] == [day_of(ago, calm_zone()) for ago in range(89, -1, -1)]
    for row in found:
        calls = days.get((row["day"],), [])
        assert row.keys() == {"day", "activeUsers", "requests", "cost", "successRate", "p50", "p95"}
        assert (row["requests"], row["activeUsers"]) == (len(calls), len({call["userId"] for call in calls}))
        assert decimal(row["cost"]) == decimal(amount(calls, "cost"))
        assert decimal(row["successRate"]) == (success_rate(calls) if calls else None)
        assert (row["p50"], row["p95"]) == (percentile(calls, 50), percentile(calls, 95))


async def test_provider_performance_equals_a_plain_recount(rows: Rows, filled: Database) -> None:
    found = await read(filled, "mv_provider_performance")

    services = grouped(since(29, rows), "provider", "serviceType")
    assert len(found) == len(services) >= 7
    for row in found:
        calls = services[row["provider"], row["serviceType"]]
        of_calls = durations(calls)
        assert row == {
            "provider": row["provider"],
            "serviceType": row["serviceType"],
            "requests": len(calls),
            "cost": row["cost"],
            "successRate": Decimal128(success_rate(calls)),
            "averageDuration": Decimal128(round(Decimal(sum(of_calls)) / len(of_calls), 2)),
            "p95": percentile(calls, 95),
        }
        assert decimal(row["cost"]) == decimal(amount(calls, "cost"))


async def test_model_costs_equal_a_plain_recount(rows: Rows, filled: Database) -> None:
    found = await read(filled, "mv_model_costs")

    models = grouped(since(29, rows), "provider", "aiModel", "serviceType")
    assert len(found) == len(models) >= 9
    for row in found:
        calls = models[row["provider"], row["model"], row["serviceType"]]
        assert row == {
            "provider": row["provider"],
            "model": row["model"],
            "serviceType": row["serviceType"],
            "requests": len(calls),
            **{name: total(calls, name) for name in ("inputTokens", "outputTokens", "tokensUsed", "images")},
            "cost": row["cost"],
            "videoSeconds": row["videoSeconds"],
            "uniqueUsers": len({call["userId"] for call in calls}),
        }
        assert decimal(row["cost"]) == decimal(amount(calls, "cost"))
        assert decimal(row["videoSeconds"]) == decimal(amount(calls, "videoSeconds"))
    assert {row["model"] for row in found} == {*(model for _, model in MODELS), "dall-e-3", "veo-3"}
    assert sum(row["images"] for row in found) > 0
    assert sum(row["videoSeconds"].to_decimal() for row in found) > 0


@pytest.mark.parametrize(
    ("view", "filters"),
    [
        ("mv_daily_metrics", {"requests": {"$gt": 3}}),
        ("mv_provider_performance", {"provider": "openai"}),
        ("mv_provider_performance", {"p95": {"$gt": 70_000}}),
        ("mv_model_costs", {"model": ODD}),
        ("mv_model_costs", {"provider": "openai", "serviceType": "image"}),
    ],
)
async def test_filters_of_a_reader_do_not_change_the_figures(
    filled: Database, view: str, filters: dict[str, Any]
) -> None:
    """The server moves them to the front, through renamed fields and unions."""
    found = await filled.reads[view].find(filters).to_list(None)

    def fits(row: dict[str, Any]) -> bool:
        return all(row[k] > v["$gt"] if isinstance(v, dict) else row[k] == v for k, v in filters.items())

    every = await read(filled, view)
    assert found == [row for row in every if fits(row)]
    assert 0 < len(found) < len(every)


@pytest.mark.parametrize("view", VIEWS)
async def test_plans_can_be_asked_for(filled: Database, view: str) -> None:
    """Some pipelines crash MongoDB 6.0.5 when it explains them."""
    for filters in ({}, {"requests": {"$gt": 3}}, {"provider": "openai"}):
        for verbosity in ("queryPlanner", "executionStats", "allPlansExecution"):
            query = {"find": view, "filter": filters}
            assert (await filled.reads.command("explain", query, verbosity=verbosity))["ok"] == 1


async def test_a_clock_a_little_ahead_changes_nothing(settings: Settings, database: Database) -> None:
    await fill(settings, database)
    before = {view: await read(database, view) for view in VIEWS}
    tomorrow = day_of(-1, calm_zone())
    everyone = {"day": tomorrow, "scope": "*", "synthetic": False}
    part = {"provider": "openai", "model": "gpt-4o", "serviceType": "chat"}
    bits = bit_of(tomorrow)
    user = {"month": tomorrow[:7], "client": "web", "synthetic": False, "user": "ahead"}

    await database.writes[DAYS].insert_one({"_id": everyone, "requests": 1, "latency": {"500": 1}})
    await database.writes[USAGE].insert_one({"_id": {**everyone, **part, "feature": "chat"}, "requests": 1})
    await database.writes[LATENCY].insert_one({"_id": {**everyone, **part}, "latency": {"900": 9_000}})
    await database.writes[ACTIVE_USERS].insert_one({"_id": {"period": tomorrow, "scope": "*", "synthetic": False}})
    parts = {"openai|gpt-4o|chat|chat": bits, "openai|gpt-4%2E1-mini|chat|chat": bits}
    await database.writes[USER_MONTHS].insert_one({"_id": user, "days": bits, "parts": parts})

    assert {view: await read(database, view) for view in VIEWS} == before


@pytest.mark.parametrize(
    "today",
    [
        pytest.param(date(2024, 5, 15), id="two months"),
        pytest.param(date(2023, 3, 1), id="three months"),
        pytest.param(date(2024, 3, 1), id="all of a leap February"),
        pytest.param(date(2024, 5, 30), id="from the first of this month"),
        pytest.param(date(2024, 5, 31), id="within this month"),
        pytest.param(date(2024, 1, 1), id="all but a day of last year"),
    ],
)
async def test_users_are_those_of_the_window_in_any_month(database: Database, today: date) -> None:
    rng = random.Random(today.isoformat())
    first = today - timedelta(days=29)
    window = masks(first, today)
    days = masks(first - timedelta(days=40), today + timedelta(days=40))
    active = set()
    for number in range(300):
        month = rng.choice(list(days))
        bits = days[month] & (1 << rng.randrange(31) | 1 << rng.randrange(31))
        user = f"u{number % 120}"
        key = {"month": month, "client": f"c{number}", "synthetic": False, "user": user}
        await database.writes[USER_MONTHS].insert_one({"_id": key, "days": bits, "parts": {"acme|m|chat|f": bits}})
        active |= {user} if bits & window.get(month, 0) else set()
    cell = {"day": today.isoformat(), "scope": "*", "synthetic": False, "provider": "acme", "model": "m"}
    await database.writes[USAGE].insert_one({"_id": {**cell, "serviceType": "chat", "feature": "f"}, "requests": 1})
    pipeline = at(model_costs("Asia/Kolkata"), datetime.combine(today, datetime.min.time(), ZoneInfo("Asia/Kolkata")))

    [found] = await database.reads[USER_MONTHS].aggregate(pipeline).to_list(None)

    assert found["uniqueUsers"] == len(active)
    assert 0 < len(active) < 120


def at(expression: Any, now: datetime) -> Any:
    """A pipeline as if it were `now`."""
    if isinstance(expression, dict):
        return {name: at(value, now) for name, value in expression.items()}
    if isinstance(expression, list):
        return [at(value, now) for value in expression]
    return now if expression == "$$NOW" else expression


async def test_every_bucket_stands_for_the_same_duration_as_in_reports(database: Database) -> None:
    await ensure_views(database, calm_zone().key)
    days = [day_of(ago, calm_zone()) for ago in range(89, -1, -1)]
    longest = bucket_of(1_000_000_000)
    for start in range(-1, longest, len(days)):
        buckets = [min(start + position, longest) for position in range(len(days))]
        await database.writes[DAYS].delete_many({})
        await database.writes[DAYS].insert_many(
            {"_id": {"day": day, "scope": "*", "synthetic": False}, "latency": {str(bucket): 1}}
            for day, bucket in zip(days, buckets, strict=True)
        )

        found = await read(database, "mv_daily_metrics")

        assert [row["p50"] for row in found] == [duration_of(bucket) for bucket in buckets]


async def definitions(database: Database) -> dict[str, Any]:
    found = await database.reads.list_collections(filter={"name": {"$in": list(VIEWS)}})
    return {view["name"]: view["options"] async for view in found}


async def test_many_processes_make_the_views_at_once(database: Database) -> None:
    await asyncio.gather(*(ensure_views(database, "UTC") for _ in range(10)))
    made = await definitions(database)

    await ensure_views(database, "UTC")

    assert made.keys() == VIEWS.keys()
    assert await definitions(database) == made


async def test_another_zone_has_another_today(database: Database) -> None:
    last_days = []
    for zone in ("Etc/GMT+12", "Pacific/Kiritimati"):  # 26 hours apart: never the same day
        await ensure_views(database, zone)
        last_days.append((await read(database, "mv_daily_metrics"))[-1]["day"])
        assert zone in str(await definitions(database))

    assert last_days[0] < last_days[1]
    assert "Etc/GMT+12" not in str(await definitions(database))


async def test_a_collection_of_the_same_name_is_not_touched(database: Database) -> None:
    await database.writes["mv_model_costs"].insert_one({"mine": True})

    with pytest.raises(PyMongoError):
        await ensure_views(database, "UTC")

    assert await database.reads["mv_model_costs"].count_documents({"mine": True}) == 1
