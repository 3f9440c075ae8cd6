"""Damage of every kind is named, repaired where the ledger can prove it, and nothing else is ever found."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any, NamedTuple

import pytest
from bson import Decimal128, ObjectId

from app.database import Database
from app.maintenance.reconcile.days import DayCheck, DayFindings
from app.maintenance.reconcile.repairs import Repairs
from app.maintenance.retention import Retention
from app.observability.metrics import Counters
from app.reports.reports import Reports
from app.rollups.compactor import Compactor
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.documents import Document
from models.rollups import (
    ACTIVE_USERS,
    CAMPAIGNS,
    CONVERSATIONS,
    DAYS,
    DELTAS,
    FINDINGS,
    LATENCY,
    SPEEDS,
    STATE,
    TRAILING,
    USAGE,
    USER_MONTHS,
    USER_SHEETS,
    USERS,
    VARIANTS,
)
from scripts.reconcile import Reconcile, arguments
from scripts.toolkit.job import Summary
from tests.reports.test_rollups import NOW, House, check
from tests.scripts.conftest import Command
from tests.scripts.jobs import Interrupted, assert_counted, dump, failing_after, run
from tests.twins import assert_twins, entries

COLLECTIONS = (
    DAYS,
    USAGE,
    LATENCY,
    SPEEDS,
    FINDINGS,
    USERS,
    USER_MONTHS,
    ACTIVE_USERS,
    CONVERSATIONS,
    CAMPAIGNS,
    VARIANTS,
)
AGES = (12, 8, 2, 1, 0)
DAYS_OF_HOUSE = ("--from", "2024-02-20", "--to", "2024-03-12")
QUIET_DAYS = ("2024-02-29", "2024-03-10")
"""With calls, while nobody writes any."""


@pytest.fixture
async def house(settings: Settings, database: Database) -> AsyncIterator[House]:
    """Eighteen calls of five days: merged, half merged and waiting."""
    async with (
        open_tracker(settings, database, Counters(), compacting=False) as one,
        open_tracker(settings, database, Counters(), compacting=False) as two,
        database.committer_session() as session,
    ):
        compactor = Compactor(database, session, clock=lambda: NOW)
        reports = Reports(database, settings.zone, lambda: NOW)
        house = House(database, (one, two), compactor, reports, settings.zone)
        await report(one, AGES[:3])
        await compactor.merge_all()
        await compactor.trailing.keep_up()
        await report(one, AGES[2:4])
        await compactor.merge_figures()
        await report(one, AGES[4:])
        yield house


async def report(tracker: Tracker, days: tuple[int, ...]) -> None:
    receipts = await asyncio.gather(
        *(
            tracker.track(
                user_id=user,
                client_id=("default", "a.b")[number % 2],
                content_type="chat",
                model=model,
                input_tokens=1_000 + day,
                conversation_id=f"c{number}",
                request_duration=300,
                synthetic=number == 2,
                clerk_user_id="clerk",
                created_at=NOW - timedelta(days=day),
            )
            for day in days
            for number, (model, user) in enumerate([("gpt-4o", "u.1"), ("of-nobody", "u|2"), ("gpt-4o", "u|2")])
        )
    )
    assert {receipt.status for receipt in receipts} == {"committed"}


async def reconcile(house: House, settings: Settings, *given: str) -> Summary:
    """Over the days of the fixture, unless others are given."""
    return await run(Reconcile, house.database, settings, arguments([*DAYS_OF_HOUSE, *given]))


def found(summary: Summary) -> list[tuple[str, str]]:
    """Kind and what is wrong."""
    return [(row["kind"], row["what"]) for row in summary.tables["found"]]


async def test_nothing_is_found_where_nothing_is_wrong(house: House, settings: Settings) -> None:
    before = await dump(house.database)

    summary = await run(Reconcile, house.database, settings, arguments([]))

    assert found(summary) == []
    assert (summary.counts["entries"], summary.counts["left"]) == (18, 0)
    assert await dump(house.database) == before
    await house.compactor.merge_all()
    assert found(await reconcile(house, settings)) == []


async def lose_event(database: Database, entry: Document) -> None:
    await database.events.delete_one({"_id": entry["_id"]})


async def change_event(database: Database, entry: Document) -> None:
    change = {"properties.cost": Decimal128("7.000000000000000"), "userId": "else", "properties.model": "x"}
    await database.events.update_one({"_id": entry["_id"]}, {"$set": change})


async def empty_event(database: Database, entry: Document) -> None:
    await database.events.update_one({"_id": entry["_id"]}, {"$set": {"properties": None}, "$unset": {"event": 1}})


async def move_event(database: Database, entry: Document) -> None:
    await database.events.update_one({"_id": entry["_id"]}, {"$set": {"createdAt": NOW - timedelta(days=20)}})


async def shorten_cost(database: Database, entry: Document) -> None:
    change = {"cost": Decimal128(str(entry["cost"].to_decimal().normalize()))}
    await database.ledger.update_one({"_id": entry["_id"]}, {"$set": change})


async def change_cell(database: Database, _: Document) -> None:
    await database.writes[USAGE].update_one({"_id.scope": "a.b"}, {"$inc": {"requests": 3, "hours.9.cost": 1}})


async def change_month(database: Database, _: Document) -> None:
    await database.writes[USER_MONTHS].update_many({"_id.user": "u|2"}, {"$bit": {"parts.x": {"or": 1 << 9}}})


async def forget_parts(database: Database, _: Document) -> None:
    await database.writes[USER_MONTHS].update_many({}, {"$unset": {"parts": 1}})


async def change_count(database: Database, _: Document) -> None:
    count = {"_id.period": "2024-03", "_id.scope": "*", "_id.synthetic": False}
    await database.writes[ACTIVE_USERS].update_one(count, {"$inc": {"users": 5}})


async def add_count(database: Database, _: Document) -> None:
    count = {"period": "2024-03-07", "scope": "*", "synthetic": False}
    await database.writes[ACTIVE_USERS].insert_one({"_id": count, "users": 5})


async def lose_deltas(database: Database, _: Document) -> None:
    await database.writes[DELTAS].delete_many({})


async def change_trailing(database: Database, _: Document) -> None:
    await database.writes[TRAILING].update_one({}, {"$inc": {"requests": 2}})


async def lose_twins(database: Database, entry: Document) -> None:
    await database.ledger.delete_one({"_id": entry["_id"]})
    await database.events.delete_one({"_id": entry["_id"]})


Damage = Callable[[Database, Document], Awaitable[None]]
OF_CALLS: list[tuple[Damage, str, str]] = [
    (lose_event, "event missing", "of u.1, gpt-4o, cost 0.002530000000000"),
    (
        change_event,
        "event differs",
        "userId is else, not u|2; model is x, not of-nobody; cost is 7.000000000000000, not None",
    ),
    (move_event, "event differs", "createdAt is datetime.datetime(2024, 2, 21"),
    (shorten_cost, "entry", "cost 0.00252 is not quantised"),
    (empty_event, "event differs", "event is missing, not ai_generation; contentType is missing, not chat"),
    (change_cell, "cell", "hours.9.cost 1, not 0, requests 4, not 1"),
    (change_count, "cell", "users 7, not 2"),
    (add_count, "cell", "users 5, not 0"),
    (change_trailing, "trailing total", "not"),
]
OF_DAYS: list[tuple[Damage, str, str]] = [
    (lose_twins, "cell", "requests 1, not 0"),
    (lose_deltas, "cell", "requests 0, not 2"),
    (forget_parts, "cell", "parts.openai|gpt-4o|chat|chat 0, not 1"),
    (change_month, "cell", "parts.x 1, not 0"),
]


@pytest.mark.parametrize("damages", [OF_CALLS, OF_DAYS])
async def test_damage_is_named_and_repaired(
    house: House, settings: Settings, damages: list[tuple[Damage, str, str]]
) -> None:
    whole = await entries(house.database)
    for (damage, _, _), entry in zip(damages, whole, strict=False):
        await damage(house.database, entry)
    before = await dump(house.database)

    looked = await reconcile(house, settings)
    assert await dump(house.database) == before
    repaired = await reconcile(house, settings, "--execute")

    for damage, kind, said in damages:
        assert any(each == kind and said in what for each, what in found(looked)), (damage, found(looked))
    assert (repaired.counts["left"], looked.counts["repaired"]) == (0, 0)
    # a recount of a day does away with the trailing totals that cover it
    unsaid = {kind for kind, what in found(looked) if (kind, what) not in found(repaired)}
    assert unsaid <= {"trailing total"}
    assert found(await reconcile(house, settings)) == []
    assert await entries(house.database) == whole[damages is OF_DAYS :]
    await assert_counted(house)


async def test_a_lost_entry_is_named_with_the_way_out_and_the_rest_is_repaired(
    house: House, settings: Settings
) -> None:
    (lost, *_) = await entries(house.database)
    await house.database.ledger.delete_one({"_id": lost["_id"]})

    summary = await reconcile(house, settings, "--execute")
    again = await reconcile(house, settings, "--execute")

    alone = [("entry missing", str(lost["_id"]), "left")]
    rows = [(row["kind"], row["id"], row["state"]) for row in again.tables["found"]]
    assert rows == alone
    assert "report it again with backfill_usage" in again.tables["found"][0]["what"]
    assert (summary.counts["left"], again.counts["left"], again.counts["repaired"]) == (1, 1, 0)
    assert summary.counts["repaired"] > 0  # the cells counted the call
    await house.database.events.delete_one({"_id": lost["_id"]})
    await check(house)


async def test_an_entry_that_contradicts_itself_is_named_and_left(house: House, settings: Settings) -> None:
    changes: dict[str, dict[str, Any]] = {
        "parts sum to 9.000000000000000, not to the cost": {
            "$set": {"inputCost": Decimal128("9.000000000000000"), "outputCost": Decimal128("0.000000000000000")}
        },
        "cost is None, and its source priced": {"$set": {"costSource": "priced"}},
        "cannot be counted, nor can its day: cost is 0.5": {"$set": {"cost": 0.5}},
        "cannot be counted, nor can its day: provider is missing": {"$unset": {"provider": 1}},
        "cannot be counted, nor can its day: savedCost is NaN": {"$set": {"savedCost": Decimal128("NaN")}},
        "createdAt is '2024-03-12': the call belongs to no day": {"$set": {"createdAt": "2024-03-12"}},
    }
    stored = await entries(house.database)
    for entry, change in zip(stored, changes.values(), strict=False):
        await house.database.ledger.update_one({"_id": entry["_id"]}, change)

    await reconcile(house, settings, "--execute")
    summary = await reconcile(house, settings, "--execute")

    rows = {row["id"]: row for row in summary.tables["found"] if row["kind"] == "entry"}
    assert [rows[str(entry["_id"])]["state"] for entry in stored[: len(changes)]] == ["left"] * len(changes)
    for entry, said in zip(stored, changes, strict=False):
        assert said in rows[str(entry["_id"])]["what"]


async def test_an_event_without_a_time_is_named(house: House, settings: Settings) -> None:
    event = {"_id": ObjectId(), "event": "ai_generation", "userId": "u", "properties": None}
    await house.database.events.insert_one(event)
    await house.database.events.update_one(
        {"_id": (await entries(house.database))[0]["_id"]}, {"$unset": {"createdAt": 1}}
    )

    looked = await reconcile(house, settings)
    await reconcile(house, settings, "--execute")
    again = await reconcile(house, settings)

    assert [kind for kind, _ in found(looked)] == ["event differs", "entry missing"]
    assert [(row["kind"], row["id"]) for row in again.tables["found"]] == [("entry missing", str(event["_id"]))]


async def test_no_event_is_written_for_an_entry_that_goes_meanwhile(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    (entry, *_) = await entries(house.database)
    await house.database.events.delete_one({"_id": entry["_id"]})
    attempts, again = 0, asyncio.Event()
    original = Repairs._write_events

    async def attempt(self: Repairs, *arguments: Any) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 2:
            again.set()
        await original(self, *arguments)

    monkeypatch.setattr(Repairs, "_write_events", attempt)
    async with await house.database.writes.client.start_session() as session:
        async with session.start_transaction():
            await house.database.ledger.delete_one({"_id": entry["_id"]}, session=session)
            repairing = asyncio.create_task(Repairs(house.database, house.zone).repair(*await first_day(house)))
            meets_us = asyncio.create_task(again.wait())
            await asyncio.wait([repairing, meets_us], return_when=asyncio.FIRST_COMPLETED)
        meets_us.cancel()
        await repairing

    await assert_twins(house.database)


async def first_day(house: House) -> tuple[date, DayFindings]:
    day = (NOW - timedelta(days=AGES[0])).date()
    return day, await DayCheck(house.database, house.zone).day(day, first=True)


async def test_a_day_that_retention_begins_on_meanwhile_is_left_alone(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.database.writes[USAGE].delete_many({"_id.day": QUIET_DAYS[0]})
    cells = (await dump(house.database))[USAGE]
    original = Repairs.repair

    async def late(self: Repairs, *arguments: Any) -> None:
        await Retention(house.database).begin(house.zone, NOW.date())
        await original(self, *arguments)

    monkeypatch.setattr(Repairs, "repair", late)
    summary = await reconcile(house, settings, "--execute")

    assert summary.counts["left"] == 0
    assert (await dump(house.database))[USAGE] == cells


async def test_looking_at_a_database_that_nobody_has_opened_writes_nothing(
    settings: Settings, database: Database
) -> None:
    await database.ledger.insert_one({"_id": ObjectId(), "createdAt": NOW})
    before = await dump(database)

    summary = await run(Reconcile, database, settings, arguments([]))

    assert summary.counts["left"] == 1
    assert await dump(database) == before


async def test_cells_of_a_day_without_any_entry_are_not_thrown_away(house: House, settings: Settings) -> None:
    old = {"createdAt": {"$lt": NOW - timedelta(days=10)}}
    await house.database.ledger.delete_many(old)
    await house.database.events.delete_many(old)
    cells = await dump(house.database)

    summary = await reconcile(house, settings, "--execute")

    assert summary.counts["left"] == summary.counts["differences"] > 0
    assert (await dump(house.database))[USAGE] == cells[USAGE]


async def test_days_that_retention_has_been_at_are_left_alone(house: House, settings: Settings) -> None:
    old = {"createdAt": {"$lt": NOW - timedelta(days=5)}}
    await house.database.ledger.delete_many(old)
    await house.database.events.delete_many(old)
    whole_from = {"wholeFrom": (NOW - timedelta(days=5)).date().isoformat()}
    await house.database.writes[STATE].update_one({"_id": "rollups"}, {"$set": whole_from})
    await report(house.writers[0], (12,))  # late, and so alone on its day

    assert found(await reconcile(house, settings, "--execute")) == []


async def test_only_the_days_asked_for_are_looked_at(house: House, settings: Settings) -> None:
    await lose_event(house.database, (await entries(house.database))[0])  # twelve days ago

    later = await reconcile(house, settings, "--from", "2024-03-01")
    before = await reconcile(house, settings, "--to", "2024-02-29")

    assert (found(later), len(found(before))) == ([], 1)


async def test_a_run_that_was_interrupted_goes_on_where_it_was(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.compactor.merge_all()
    for name in COLLECTIONS:
        await house.database.writes[name].delete_many({})
    with monkeypatch.context() as killed:
        failing_after(killed, Repairs, "_recount", 2)
        with pytest.raises(Interrupted):
            await reconcile(house, settings, "--execute")

    summary = await reconcile(house, settings, "--execute")

    assert (summary.resumed, summary.counts["left"]) == (True, 0)
    assert summary.notes == ["the table covers what was found since the run resumed; the counts cover all of it"]
    assert found(await reconcile(house, settings)) == []
    await assert_counted(house)


@pytest.mark.parametrize("seed", range(2))
async def test_random_damage_beside_writers_is_all_named_and_all_that_can_be_is_repaired(
    house: House, settings: Settings, seed: int
) -> None:
    chance = random.Random(seed)
    stored = await entries(house.database)
    async with writing_and_merging(house):
        calm = await reconcile(house, settings)
        damage = await some_damage(house.database, stored, chance)
        looked = await reconcile(house, settings)
        repaired = await reconcile(house, settings, "--execute")
        again = await reconcile(house, settings)

    assert found(calm) == []
    named = {(row["kind"], row["id"]) for row in looked.tables["found"]}
    assert {of for kind, of in named if kind == "event missing"} == damage.events
    assert {of for kind, of in named if kind == "entry missing"} == damage.entries
    assert {cell for cell in damage.cells if ("cell", cell) not in named} == set()
    lost = {("entry missing", entry) for entry in damage.entries}
    assert repaired.counts["left"] == len(lost)
    assert {(row["kind"], row["id"]) for row in again.tables["found"]} == lost
    await house.database.events.delete_many({"_id": {"$in": [ObjectId(entry) for entry in damage.entries]}})
    assert len(await assert_twins(house.database)) > len(stored) - len(lost) - len(damage.twins)
    await assert_counted(house)


@asynccontextmanager
async def writing_and_merging(house: House) -> AsyncIterator[None]:
    """A writer and a server's compactor beside a block. After it nothing is on its way to the ledger any more."""
    over = asyncio.Event()

    async def report_on() -> None:
        while not over.is_set():
            await report(house.writers[1], (0, 8))
            await asyncio.sleep(0.02)  # so that the calls do not take all of the test's time

    async with house.database.committer_session() as session:
        merger = Compactor(house.database, session, clock=lambda: NOW)
        reporting, merging = (asyncio.create_task(work) for work in (report_on(), merger.run()))
        try:
            yield
            assert not reporting.done()
            assert not merging.done()
        finally:
            over.set()
            merging.cancel()
            await asyncio.gather(reporting, merging, return_exceptions=True)


class Lost(NamedTuple):
    """Ids of what is gone, as they are reported; of `twins` nobody can know."""

    events: set[str]
    entries: set[str]
    twins: set[str]
    cells: set[str]


async def some_damage(database: Database, stored: list[Document], chance: random.Random) -> Lost:
    """Delete events of any day, and cells of some days, entries and twins of others.

    A cell and its only call, both lost, leave no trace but the event; and on a day that keeps no entry at all, nobody
    can tell whether it had any.
    """
    shuffled = chance.sample(stored, len(stored))
    kept = {day_of(entry): entry["_id"] for entry in shuffled}.values()
    loud = [entry["_id"] for entry in shuffled if day_of(entry) not in QUIET_DAYS and entry["_id"] not in kept]
    split = chance.randint(1, len(loud) - 1)
    lost_entries, lost_twins = loud[:split], loud[split:]
    left = [entry["_id"] for entry in stored if entry["_id"] not in loud]
    lost_events = chance.sample(left, chance.randint(1, 6))
    await database.events.delete_many({"_id": {"$in": lost_events + lost_twins}})
    await database.ledger.delete_many({"_id": {"$in": lost_entries + lost_twins}})
    cells = {cell for name in COLLECTIONS for cell in await lose_cells(database, name, chance)}
    events, lost, twins = ({str(each) for each in ids} for ids in (lost_events, lost_entries, lost_twins))
    return Lost(events, lost, twins, cells)


def day_of(entry: Document) -> str:
    return f"{entry['createdAt']:%Y-%m-%d}"


async def lose_cells(database: Database, name: str, chance: random.Random) -> list[str]:
    """Delete one to three cells of days that nobody writes. Returns their ids as they are reported."""
    of_days = {"$or": [{f"_id.{of}": day} for of in ("day", "period") for day in QUIET_DAYS]}
    quiet = {"_id.month": "2024-02"} if name == USER_MONTHS else of_days
    cells = [cell["_id"] async for cell in database.writes[name].find(quiet, {"_id": 1}).sort("_id")]
    lost = chance.sample(cells, min(len(cells), chance.randint(1, 3)))
    await database.writes[name].delete_many({"_id": {"$in": lost}})
    return [f"{name} {dict(sorted(cell.items()))}" for cell in lost]


async def test_as_an_operator_runs_it(house: House, command: Command) -> None:
    await lose_event(house.database, (await entries(house.database))[0])

    shown = await asyncio.to_thread(command, "scripts.reconcile", "--json")

    assert shown.returncode == 3
    (row,) = json.loads(shown.stdout)["found"]
    assert (row["kind"], ObjectId.is_valid(row["id"]), row["state"]) == ("event missing", True, "left")


@pytest.mark.parametrize("given", [("--from", "2024-02-30"), ("--to", "9999-12-31"), ("--from", "0001-01-01")])
def test_days_that_are_none_are_refused(given: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        arguments(given)

    assert refused.value.code == 2
    assert f"argument {given[0]}: '{given[1]}'" in capsys.readouterr().err


async def test_a_wrong_sheet_of_a_day_is_named_and_made_anew(house: House, settings: Settings) -> None:
    await house.compactor.merge_all()
    await house.compactor.sheets.make_all()
    sheets = house.database.writes[USER_SHEETS]
    whole = {"_id.scope": "*", "_id.synthetic": False, "_id.model": None, "_id.day": "2024-03-04"}
    assert await sheets.update_one(whole, {"$set": {"requests": bytes(8)}}) is not None

    looked = await reconcile(house, settings)
    repaired = await reconcile(house, settings, "--execute")

    assert [kind for kind, _ in found(looked)] == ["sheet of a day"]
    assert repaired.counts["left"] == 0
    await house.compactor.sheets.make_all()
    assert found(await reconcile(house, settings)) == []
    assert await sheets.count_documents(whole) == 1
