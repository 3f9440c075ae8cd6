"""What day cells sum of a counter's period is what the ledger sums, whatever has been merged, in any zone."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.database import Database
from app.limits.counting.counters import Counters
from app.limits.counting.day_cells import READINESS, Stretch, zone_of
from app.limits.counting.recount import queries
from app.limits.meters import CounterKey, Meter
from app.limits.periods import first_moment
from app.observability.metrics import Counters as Metrics
from app.rollups.compactor import Compactor
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models import AIUsage
from models.counters import UNCOUNTED
from models.limits import NEVER, LimitFilter, Period, Unit, Window
from models.rollups import SET_ASIDE, STATE
from models.subjects import subject_of, user_subject

NOW = datetime(2026, 3, 9, 15, 20, tzinfo=UTC)
"""Two days after a Sunday on which clocks are set forward in New York."""
MODELS = [("chat", "gpt-4o", {}), ("image-generation", "dall-e-3", {"images": 2}), ("audio", "whisper-1", {})]


def call(rng: random.Random) -> dict[str, Any]:
    content_type, model, media = rng.choice(MODELS)
    moment = NOW - timedelta(minutes=15) * rng.randint(0, 400)
    seconds = {"audio_seconds": Decimal(rng.randint(1, 99)) / 8} if content_type == "audio" else {}
    return {
        "user_id": rng.choice("abc"),
        "client_id": rng.choice(["acme", "shop"]),
        "content_type": content_type,
        "model": model,
        "input_tokens": rng.randint(1, 900),
        "created_at": rng.choice([moment, first_moment(moment.date(), ZoneInfo("America/New_York"))]),
        "synthetic": rng.random() < 0.2,
        **media,
        **seconds,
    }


def counters() -> Iterable[CounterKey]:
    subjects = [user_subject("a"), user_subject("b", "shop"), user_subject("c"), user_subject("nobody")]
    subjects += [subject_of("client", "acme"), "everyone", subject_of("feature", "chat")]
    periods = [Period(datetime(2000, 1, 1, tzinfo=UTC), NEVER), Period(NOW - timedelta(hours=1), NOW)]
    for zone in ("UTC", "America/New_York", "Asia/Kolkata"):
        start, end = (first_moment(date(2026, 3, day), ZoneInfo(zone)) for day in (7, 9))
        periods += [Period(start, end), Period(start + timedelta(hours=7), end + timedelta(hours=3))]
    for subject in subjects:
        for period in periods:
            for unit in Unit:
                yield CounterKey(Meter(subject, unit, LimitFilter(), Window.LIFETIME), period)
            yield CounterKey(Meter(subject, Unit.USD, LimitFilter(model="gpt-4o"), Window.LIFETIME), period)


async def sums(database: Database, zone: ZoneInfo | None) -> tuple[dict[CounterKey, int], set[str]]:
    """What is used of every counter, and where that was read."""
    found: dict[CounterKey, int] = {}
    asked = queries(counters(), zone)
    for query in asked:
        cursor = database.writes[query.collection].aggregate(query.pipeline)
        found |= dict(query.sums(await cursor.to_list(None)))
    return found, {query.collection for query in asked}


async def zone_now(database: Database) -> ZoneInfo | None:
    collection, pipeline = READINESS
    return zone_of(await database.writes[collection].aggregate(pipeline).to_list(None))


@asynccontextmanager
async def tracking(settings: Settings, database: Database, timezone: str) -> AsyncIterator[tuple[Tracker, Compactor]]:
    own = settings.model_copy(update={"timezone": timezone})
    async with (
        open_tracker(own, database, Metrics(), compacting=False) as tracker,
        database.committer_session() as session,
    ):
        yield tracker, Compactor(database, session, clock=lambda: NOW)


@pytest.mark.parametrize("timezone", ["America/New_York", "Asia/Kolkata"])
async def test_cells_and_ledger_sum_the_same(settings: Settings, database: Database, timezone: str) -> None:
    rng = random.Random(timezone)
    async with tracking(settings, database, timezone) as (tracker, compactor):
        merges: list[Callable[[], Awaitable[Any]]] = [compactor.merge_figures, compactor.merge_subjects]
        for merge in (*merges, compactor.merge_all, compactor.merge_figures):
            for _ in range(25):
                await tracker.track(**call(rng))
            zone = await zone_now(database)
            assert zone == ZoneInfo(timezone)
            by_cells, read = await sums(database, zone)
            assert by_cells == (await sums(database, None))[0]
            assert read == {AIUsage.Settings.name, "rollup_users", "rollup_days"}
            await merge()
            assert (await sums(database, zone))[0] == by_cells
    assert len({used for used in by_cells.values() if used}) > 50


async def test_calls_that_retention_has_deleted_stay_in_a_counter_that_is_counted_again(
    settings: Settings, database: Database
) -> None:
    ever = Period(datetime(2000, 1, 1, tzinfo=UTC), NEVER)
    key = CounterKey(Meter(user_subject("a"), Unit.REQUESTS, LimitFilter(), Window.LIFETIME), ever)
    async with tracking(settings, database, "UTC") as (tracker, compactor):
        old = {"user_id": "a", "content_type": "chat", "model": "gpt-4o", "created_at": NOW - timedelta(days=9)}
        for _ in range(3):
            await tracker.track(**old)
        await compactor.merge_all()
    await database.writes[UNCOUNTED].delete_many({})
    await database.ledger.delete_many({})
    counters = Counters(database)
    await counters.ensure([key])
    assert await counters.mend_all() == 0
    assert await counters.used([key.id]) == {key.id: 3}


async def test_cells_are_not_believed_where_they_lack_calls_or_count_other_days(
    settings: Settings, database: Database
) -> None:
    assert await zone_now(database) is None
    async with tracking(settings, database, "UTC") as (tracker, _):
        assert await zone_now(database) == ZoneInfo("UTC")
        await tracker.track(**call(random.Random(1)))
        assert await zone_now(database) == ZoneInfo("UTC")

        state = database.writes[STATE]
        await state.update_one({"_id": "rollups"}, {"$set": {"timezone": "Asia/Tokyo"}})  # a delta counts in UTC
        assert await zone_now(database) is None
        await state.update_one({"_id": "rollups"}, {"$set": {"timezone": "UTC", "complete": False}})
        assert await zone_now(database) is None
        await state.update_one({"_id": "rollups"}, {"$set": {"complete": True}})
        await database.writes[SET_ASIDE].insert_one({"fields": ["usage"]})
        assert await zone_now(database) is None


@pytest.mark.parametrize(
    ("zone", "period", "stretch"),
    [
        ("UTC", ("2026-03-07T00:00", "2026-03-08T00:00"), ("2026-03-07", "2026-03-08", 0)),
        ("UTC", ("2026-03-07T01:00", "2026-03-09T00:00"), ("2026-03-08", "2026-03-09", 1)),
        ("UTC", ("2026-03-07T01:00", "2026-03-09T01:00"), ("2026-03-08", "2026-03-09", 2)),
        ("UTC", ("2026-03-07T01:00", "2026-03-08T23:59"), None),
        ("America/New_York", ("2026-03-08T05:00", "2026-03-09T04:00"), ("2026-03-08", "2026-03-09", 0)),
        ("America/New_York", ("2026-03-08T05:00", "2026-03-09T03:00"), None),
    ],
)
def test_the_days_of_a_period_that_are_whole(
    zone: str, period: tuple[str, str], stretch: tuple[str, str, int] | None
) -> None:
    found = Stretch.of(Period(*(datetime.fromisoformat(f"{each}Z") for each in period)), ZoneInfo(zone))

    assert (None if found is None else (found.first, found.until, len(found.rest))) == stretch
