"""Folds bring what was recorded into the counters exactly once, whoever makes them, crashes or comes too late."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128

from app.database import Database
from app.limits.counting import fold_steps
from app.limits.counting.counters import Counters
from app.limits.counting.fold_steps import Fold, FoldSteps
from app.limits.counting.recount import recounted
from app.limits.meters import CounterKey, Meter
from models.counters import COUNTERS, FOLD, RESERVATIONS, STATE, UNCOUNTED
from models.limits import LimitFilter, Period, Unit, Window
from models.subjects import subject_of, user_subject
from tests.limits.counting.test_counters import COST, DAY, LIFETIME, NOW, counter, record, used

U1 = counter(user_subject("u1"))
U1_USD = counter(user_subject("u1"), Unit.USD)
EVERYONE = counter("everyone", Unit.TOKENS, LIFETIME)


def fold(database: Database) -> None:
    """Whatever waits."""
    folds = FoldSteps(database)
    while (step := folds.begin()) is not None:
        folds.apply(step)
        folds.finish(step)


async def assert_exact(database: Database) -> int:
    """Each counter says what the ledger does. Returns how many there are."""
    with database.blocking.client.start_session(snapshot=True) as session:
        found = recounted(database.blocking, session, {})
    assert {each.stored["_id"]: each.difference for each in found if each.difference} == {}
    return len(found)


async def test_what_was_recorded_is_in_every_counter_that_it_belongs_to(database: Database) -> None:
    yesterday = counter(user_subject("u1"), period=Period(DAY.start - timedelta(days=1), DAY.start))
    keys = [U1, U1_USD, EVERYONE, yesterday, counter(subject_of("client", "shop"), model="gpt-4o")]
    await Counters(database).ensure(keys)
    await record(database, {}, {}, {"created_at": DAY.start - timedelta(seconds=1)}, {"synthetic": True})
    await record(database, {"client_id": "shop"}, {"user_id": "u2", "client_id": "shop", "model": "gpt-4o-mini"})

    fold(database)

    assert [await used(database, key) for key in keys] == [3, COST * 3, 5 * 1_100, 1, 1]
    assert await database.writes[UNCOUNTED].count_documents({}) == 0
    assert (await database.writes[STATE].find_one({"_id": FOLD}))["calls"] == []  # type: ignore[index]
    assert await assert_exact(database) == 5


async def test_many_users_and_documents_are_taken_in_parts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold_steps, "MOST_SUBJECTS", 3)
    monkeypatch.setattr(fold_steps, "MOST_DOCUMENTS", 2)
    keys = [counter(user_subject(f"u{number}")) for number in range(7)]
    await Counters(database).ensure(keys)
    for _ in range(5):
        await record(database, *({"user_id": f"u{number}"} for number in range(7)))
    step = FoldSteps(database).begin()
    assert step is not None
    assert (step.is_full, len(step.documents)) == (True, 2)
    fold(database)
    assert [await used(database, key) for key in keys] == [5] * 7
    assert await database.writes[UNCOUNTED].count_documents({}) == 0


async def test_a_boundary_belongs_to_the_later_period(database: Database) -> None:
    tomorrow = counter(user_subject("u1"), period=Period(DAY.end, DAY.end + timedelta(days=1)))
    await Counters(database).ensure([U1, tomorrow])
    moments = [DAY.start, DAY.end - timedelta(milliseconds=1), DAY.end, DAY.start - timedelta(milliseconds=1)]
    await record(database, *({"created_at": moment} for moment in moments))
    fold(database)
    assert [await used(database, U1), await used(database, tomorrow)] == [2, 1]
    assert await assert_exact(database) == 2


STEPS: list[Callable[[FoldSteps, Fold], Any]] = [
    lambda *_: None,
    lambda folds, step: folds.apply(step),
    lambda folds, step: folds._uncounted.delete_many({"_id": step.documents[0]}),
]


@pytest.mark.parametrize("crash_after", range(1, len(STEPS) + 1))
async def test_a_fold_that_crashed_after_any_step_is_completed_once(database: Database, crash_after: int) -> None:
    await Counters(database).ensure([U1, U1_USD])
    for _ in range(3):
        await record(database, {}, {})
    crashed = FoldSteps(database)
    step = crashed.begin()
    assert step is not None
    for crash in STEPS[:crash_after]:
        crash(crashed, step)
    await record(database, {})

    fold(database)
    assert [await used(database, U1), await used(database, U1_USD)] == [7, COST * 7]

    # and it wakes up much later, in the middle of what it did
    await record(database, {})
    crashed.apply(step)
    crashed.finish(step)
    fold(database)
    assert [await used(database, U1), await used(database, U1_USD)] == [8, COST * 8]
    assert await assert_exact(database) == 2


async def test_a_counter_that_is_made_in_the_middle_of_a_fold_has_all_of_it_once(database: Database) -> None:
    await record(database, {}, {})
    folds = FoldSteps(database)
    step = folds.begin()
    assert step is not None
    folds.apply(step)  # nothing to count in yet
    await Counters(database).ensure([U1])
    late = FoldSteps(database)
    taken_over = late.begin()
    assert taken_over is not None
    late.apply(taken_over)
    folds.finish(step)
    late.apply(taken_over)
    assert await used(database, U1) == 2
    assert await assert_exact(database) == 1


async def test_a_settled_hold_is_taken_out_with_the_update_that_counts_its_call(database: Database) -> None:
    tomorrow = counter(user_subject("u1"), period=Period(DAY.end, DAY.end + timedelta(days=1)))
    await Counters(database).ensure([U1, U1_USD, tomorrow])
    counters, expires = database.writes[COUNTERS], NOW
    await counters.update_one({"_id": U1.id}, {"$set": {"held": 3, "holds.r1": {"amount": 2, "expires": expires}}})
    hold = {"amount": Decimal128("0.5"), "expires": expires}
    await counters.update_one({"_id": U1_USD.id}, {"$set": {"held": Decimal128("0.5"), "holds.r1": hold}})
    holds = [{"counter": key.id, "amount": 1} for key in (U1, U1_USD)]
    await database.writes[RESERVATIONS].insert_one({"_id": "r1", "holds": holds, "state": "settled"})
    # the call is of the day after its reservation
    await record(database, {"created_at": DAY.end})
    await database.writes[UNCOUNTED].update_one({}, {"$set": {"settled": ["r1"]}})

    fold(database)

    found = {each["_id"]: (each["used"], each["held"], each["holds"]) async for each in counters.find()}
    assert found[U1.id] == (0, 1, {})
    assert found[U1_USD.id][1:] == (Decimal128("0.0"), {})
    assert found[tomorrow.id][0] == 1


async def test_a_damaged_document_stops_no_fold(database: Database) -> None:
    await Counters(database).ensure([U1])
    await record(database, {})
    await database.writes[UNCOUNTED].insert_one({"groups": [{"clientId": "x"}]})
    await database.writes[COUNTERS].insert_one({"_id": "odd", "subject": "user:u1", "start": NOW, "end": DAY.end})
    fold(database)
    assert await used(database, U1) == 1
    assert await database.writes[UNCOUNTED].count_documents({}) == 0


@asynccontextmanager
async def writing(database: Database, users: int, rng: random.Random) -> AsyncIterator[None]:
    """Calls come meanwhile."""

    async def write() -> None:
        for _ in range(6):
            await record(
                database,
                *(
                    {
                        "user_id": f"u{rng.randrange(users)}",
                        "client_id": rng.choice(["default", "shop"]),
                        "created_at": NOW - timedelta(minutes=rng.randrange(2_000)),
                        "input_tokens": rng.randrange(5_000),
                    }
                    for _ in range(rng.randrange(1, 6))
                ),
            )

    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(write())
        yield


@pytest.mark.parametrize("seed", range(3))
async def test_many_writers_folds_crashes_and_new_counters_leave_every_counter_exact(
    database: Database, seed: int
) -> None:
    rng = random.Random(seed)
    await record(database, *({"user_id": f"u{number}"} for number in range(4)))
    keys = [
        *(counter(user_subject(f"u{number}"), unit) for number in range(4) for unit in (Unit.REQUESTS, Unit.USD)),
        *(counter(user_subject(f"u{number}", "shop"), Unit.TOKENS, LIFETIME) for number in range(4)),
        *(counter("everyone", unit, LIFETIME) for unit in (Unit.USD, Unit.TOKENS)),
        CounterKey(
            Meter(subject_of("client", "shop"), Unit.REQUESTS, LimitFilter(feature="chat"), Window.HOUR),
            Period(NOW - timedelta(hours=1), NOW),
        ),
    ]
    rng.shuffle(keys)

    def some_folds() -> None:
        folds, own = FoldSteps(database), random.Random(rng.random())
        kept: list[Fold] = []
        for _ in range(10):
            if (step := folds.begin()) is None:
                continue
            kept.append(step)
            if own.random() < 0.3:
                continue  # it dies
            folds.apply(step)
            if own.random() < 0.3:
                folds._uncounted.delete_many({"_id": {"$in": [step.documents[0]]}} if step.documents else {"_id": 0})
                continue
            folds.finish(step)
            if own.random() < 0.3:
                late = own.choice(kept)
                folds.apply(late)
                folds.finish(late)

    async def make() -> None:
        counters = Counters(database)
        for key in keys:
            await counters.ensure([key], 30)

    async with writing(database, 4, rng):
        await asyncio.gather(make(), *(asyncio.to_thread(some_folds) for _ in range(3)))
    fold(database)

    assert await assert_exact(database) == len(keys)
    total = await used(database, counter("everyone", Unit.USD, LIFETIME))
    costs = [entry["cost"].to_decimal() async for entry in database.ledger.find({}, {"cost": 1})]
    assert total == sum(costs, Decimal(0)) > 0
