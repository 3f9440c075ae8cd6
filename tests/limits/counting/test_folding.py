"""When folds are made, and what they tell."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from pymongo.errors import ConnectionFailure

from app.database import Database
from app.limits.counting.fold_steps import FoldSteps
from app.limits.limits import Limits
from models.alerts import BEYOND, FAR_BEYOND, Crossing
from models.counters import COUNTERS, UNCOUNTED
from models.limits import LimitScope, Unit, Window
from models.money import to_decimal
from tests.limits.counting.test_counters import record
from tests.limits.defined import define, limit
from tests.patience import until

UTC_ZONE = ZoneInfo("UTC")
TOLD = tuple[str, int, Decimal]


@asynccontextmanager
async def limits_of(database: Database) -> AsyncIterator[tuple[Limits, list[TOLD]]]:
    """Limits, and what they tell."""
    limits = Limits(database, UTC_ZONE)
    told: list[TOLD] = []
    await limits.definitions.refresh()

    async def on_crossed(crossings: Sequence[Crossing]) -> None:
        told.extend((each.limit.id, each.threshold, each.used) for each in crossings)

    limits.crossings.on_crossed = on_crossed
    yield limits, told


async def counted(database: Database) -> dict[str, Decimal]:
    return {
        each["subject"]: to_decimal(each["used"]) async for each in database.writes[COUNTERS].find({"counting": None})
    }


def now() -> datetime:
    return datetime.now(UTC)


async def test_all_that_was_committed_before_is_counted_now(database: Database) -> None:
    await define(database, limit(10, Window.LIFETIME, scope=LimitScope(everyone=True)))
    async with limits_of(database) as (limits, _):
        for calls in (1, 2, 3):
            await record(database, *[{"created_at": now()}] * calls)
            await asyncio.gather(*(limits.fold.now() for _ in range(5)))
        assert await counted(database) == {"everyone": 6}


async def test_thresholds_are_told_when_reached_also_of_calls_before_the_limit_and_several_at_once(
    database: Database,
) -> None:
    await record(database, *[{"created_at": now()}] * 7)
    await define(
        database,
        limit(10, Window.LIFETIME, id="l1", scope=LimitScope(user_id="u1")),
        limit(
            "0.0350",
            Window.LIFETIME,
            id="l2",
            unit=Unit.USD,
            scope=LimitScope(client_id="default"),
            alert_percents=(50, 100),
        ),
        limit(10, Window.LIFETIME, id="l3", scope=LimitScope(user_id="u2")),
    )
    async with limits_of(database) as (limits, told):
        await limits.fold.now()
        assert told == [("l2", 50, Decimal("0.0245"))]
        told.clear()
        await record(database, {"created_at": now()})
        await limits.fold.now()
        assert told == [("l1", 80, Decimal(8))]
        told.clear()
        await record(database, *[{"created_at": now()}] * 4)
        await limits.fold.now()
        beyond = (100, BEYOND, FAR_BEYOND)
        assert [each for each in told if each[0] == "l1"] == [("l1", each, Decimal(12)) for each in (90, *beyond)]
        assert [each for each in told if each[0] == "l2"] == [("l2", each, Decimal("0.042")) for each in beyond]


async def test_a_crossing_that_could_not_be_told_is_told_by_who_completes_the_fold(database: Database) -> None:
    await define(database, limit(1, Window.LIFETIME, id="l1", scope=LimitScope(user_id="u1"), alert_percents=(100,)))
    await record(database, {"created_at": now()})
    async with limits_of(database) as (crashed, _), limits_of(database) as (limits, told):

        async def fails(_: object) -> None:
            raise ConnectionFailure("gone")

        crashed.crossings.on_crossed = fails
        with suppress(ConnectionFailure):
            await crashed.fold.now()
        assert await database.writes[UNCOUNTED].count_documents({}) == 1
        await limits.fold.now()
        assert told == [("l1", 100, Decimal(1))]
        assert await counted(database) == {"user:u1": 1}


async def test_a_limit_that_is_lowered_below_what_is_used_is_told_with_the_next_call(database: Database) -> None:
    scope = LimitScope(user_id="u1")
    await define(database, limit(100, Window.LIFETIME, id="l1", scope=scope))
    async with limits_of(database) as (limits, told):
        await record(database, *[{"created_at": now()}] * 5)
        await limits.fold.now()
        await define(database, limit(5, Window.LIFETIME, id="l1", scope=scope, generation=2))
        await limits.changed()
        await record(database, {"created_at": now()})
        await limits.fold.now()
        assert told == [("l1", percent, Decimal(6)) for percent in (80, 90, 100, BEYOND, FAR_BEYOND)]


async def test_what_was_counted_before_its_process_knew_of_the_limit_is_told_when_it_does(database: Database) -> None:
    user, everyone = LimitScope(user_id="u1"), LimitScope(everyone=True)
    async with limits_of(database) as (limits, told):
        await define(
            database,
            limit(2, Window.LIFETIME, id="l1", scope=user, alert_percents=(100,)),
            limit(1, Window.LIFETIME, id="l2", scope=everyone, unit=Unit.IMAGES, alert_percents=(50,)),
            limit(4, Window.LIFETIME, id="l3", scope=everyone, alert_percents=(50,)),
        )
        await record(database, *[{"created_at": now()}] * 2)
        await limits.fold.now()
        assert told == []
        task = asyncio.create_task(limits.fold.run())
        await limits.changed()
        await until(lambda: len(told) == 2)
        assert sorted(told) == [("l1", 100, Decimal(2)), ("l3", 50, Decimal(2))]
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_late_call_counts_in_its_own_period(database: Database) -> None:
    await define(database, limit(10, Window.YEAR, scope=LimitScope(everyone=True)))
    async with limits_of(database) as (limits, _):
        await record(database, {"created_at": now()})
        await limits.fold.now()
        await record(database, {"created_at": now() - timedelta(days=400)})
        await limits.fold.now()
        # nobody asks about a period that is over: it gets no counter
        assert await counted(database) == {"everyone": 1}


async def test_a_fold_that_its_process_left_is_completed_in_the_background(database: Database) -> None:
    await define(database, limit(10, Window.LIFETIME, scope=LimitScope(everyone=True)))
    await record(database, {"created_at": now()})
    FoldSteps(database).begin()
    async with limits_of(database) as (limits, _):
        task = asyncio.create_task(limits.fold.run())
        limits.fold.wake()

        async def is_counted() -> bool:
            return await counted(database) == {"everyone": 1}

        await until(is_counted)
        task.cancel()
