"""Counters that are not what they should be are found with their figures, and mended; all others are left alone."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128

from app.database import Database
from app.limits.counting.counters import Counters
from app.limits.meters import CounterKey, Meter
from app.limits.periods import first_moment
from app.maintenance.reconcile.counters import COUNTER, HELD, HOLD, STUCK, UNHELD, CounterCheck
from app.settings import Settings
from app.tracking import Tracker
from models.counters import COUNTERS, LEASES, RESERVATIONS, UNCOUNTED
from models.limits import LimitFilter, Period, Unit, Window
from models.rollups import STATE
from models.subjects import EVERYONE_SUBJECT, user_subject
from tests.scripts.jobs import dump

NOW = datetime.now(UTC)
YEAR = Period(datetime(NOW.year, 1, 1, tzinfo=UTC), datetime(NOW.year + 1, 1, 1, tzinfo=UTC))
CALL: dict[str, Any] = {"content_type": "chat", "model": "gpt-4o", "input_tokens": 1_000, "output_tokens": 10}


def key(subject: str, unit: Unit) -> CounterKey:
    return CounterKey(Meter(subject, unit, LimitFilter(), Window.YEAR), YEAR)


ANNA, ALL = key(user_subject("anna"), Unit.REQUESTS), key(EVERYONE_SUBJECT, Unit.USD)


@pytest.fixture
async def counters(database: Database, tracker: Tracker) -> Counters:
    """Of two calls; another one of hers waits to be counted."""
    for user in ("anna", "bob"):
        await tracker.track(user_id=user, **CALL)
    await database.writes[UNCOUNTED].delete_many({})  # as a fold does, while there is no counter
    counters = Counters(database)
    await counters.ensure([ANNA, ALL])
    await tracker.track(user_id="anna", **CALL)
    return counters


@pytest.fixture
def check(database: Database, settings: Settings) -> CounterCheck:
    return CounterCheck(database, settings.zone)


async def set_(database: Database, counter: CounterKey, **fields: Any) -> None:
    await database.writes[COUNTERS].update_one({"_id": counter.id}, {"$set": fields})


async def reserve(database: Database, id_: str, **more: Any) -> None:
    holds = [{"counter": ANNA.id, "amount": 1}]
    old = {"createdAt": NOW - timedelta(hours=1), "expiresAt": NOW + timedelta(hours=1)}
    await database.writes[RESERVATIONS].insert_one({"_id": id_, "state": "open", "holds": holds, **old, **more})


@pytest.mark.usefixtures("counters")
async def test_what_is_as_it_should_be_is_left_alone_also_while_calls_wait_to_be_counted(
    database: Database, check: CounterCheck
) -> None:
    await reserve(database, "open")
    await reserve(database, "recorded", state="settled")
    await database.writes[LEASES].insert_one({"_id": "process", "expires": NOW})
    await database.writes[UNCOUNTED].update_one({}, {"$set": {"settled": ["recorded"]}})
    holds = {name: {"amount": 2, "expires": NOW} for name in ("open", "recorded", "process")}
    await set_(database, ANNA, holds=holds, held=6)
    before = (await dump(database))[COUNTERS]

    assert await check.differences() == []
    await check.repair()
    assert (await dump(database))[COUNTERS] == before


@pytest.mark.usefixtures("counters")
async def test_what_differs_is_said_with_its_figures_and_mended(database: Database, check: CounterCheck) -> None:
    await reserve(database, "open")
    await reserve(database, "over", state="expired")
    holds = {name: {"amount": 1, "expires": NOW} for name in ("open", "over", "gone")}
    await set_(database, ANNA, used=7, holds=holds, held=9)
    await set_(database, ALL, used=Decimal128("1"))

    found = await check.differences()
    await check.repair()

    day = f"{NOW.year}-01-01"
    assert [tuple(each) for each in found] == [
        (COUNTER, day, ALL.id, "1 used, not 0.0052"),
        (COUNTER, day, ANNA.id, "7 used, not 1"),
        (HELD, day, ANNA.id, "9 held, and the holds sum to 3"),
        (HOLD, day, ANNA.id, "2 holds that no open reservation and no process has: over, gone"),
    ]
    assert await check.differences() == []
    anna, everyone = [await database.writes[COUNTERS].find_one({"_id": each.id}) or {} for each in (ANNA, ALL)]
    assert (anna["used"], anna["held"], list(anna["holds"])) == (1, 1, ["open"])
    assert everyone["used"].to_decimal() == Decimal("0.0052")


@pytest.mark.usefixtures("counters")
async def test_a_reservation_without_its_hold_is_said(database: Database, check: CounterCheck) -> None:
    await reserve(database, "lost")
    await reserve(database, "fresh", createdAt=datetime.now(UTC))
    await reserve(database, "ending", ending="released")

    (found,) = await check.differences()

    assert (found.kind, found.id) == (UNHELD, "lost")


@pytest.mark.usefixtures("counters")
async def test_calls_that_nobody_counts_are_said(database: Database, check: CounterCheck) -> None:
    await database.writes[UNCOUNTED].update_many({}, {"$set": {"at": NOW - timedelta(minutes=2)}})

    (found,) = await check.differences()

    assert (found.kind, found.said.partition(",")[0]) == (STUCK, "1 transactions wait to be counted")


@pytest.mark.usefixtures("counters")
async def test_what_retention_has_deleted_only_the_counter_knows(
    database: Database, check: CounterCheck, settings: Settings
) -> None:
    await database.ledger.delete_many({})
    assert len(await check.differences()) == 2

    await database.writes[STATE].update_one({"_id": "rollups"}, {"$set": {"wholeFrom": NOW.date().isoformat()}})

    assert await check.differences() == []
    assert first_moment(date(NOW.year, 1, 1), settings.zone) == YEAR.start


@pytest.mark.usefixtures("counters")
async def test_some_are_looked_at_by_chance(check: CounterCheck, database: Database) -> None:
    await set_(database, ANNA, used=7)

    found, looked = await check.sample(50)

    assert (looked, [each.id for each in found]) == (2, [ANNA.id])
