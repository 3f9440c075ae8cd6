"""A delta that cannot be read holds up no other: it is set aside, named, and what it held is counted again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Decimal128

from app.database import Database
from app.maintenance.retention import NotCountedError, Retention
from app.observability.metrics import Counters
from app.reports.reports import Reports
from app.rollups import compactor as module
from app.rollups.cell_updates import CellChanges
from app.rollups.compactor import Compactor
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.rollups import DELTAS, SET_ASIDE
from scripts.diagnosis import rollups as doctor
from scripts.diagnosis.finding import Deployment, Finding, Verdict, ok
from scripts.reconcile import Reconcile, arguments
from tests.patience import until
from tests.rollups.test_compactor import UTC as ZONE
from tests.rollups.test_compactor import in_cells, requests, track
from tests.scripts.jobs import run

Delta = dict[str, Any]
AT = datetime(2026, 11, 1, tzinfo=UTC)

JUNK: dict[str, Delta] = {
    "nothing": {},
    "no zone": {"at": AT, "calls": 1, "days": ["2026-11-01"], "usage": [], "findings": []},
    "an id of another kind": {"_id": {"a": [1]}, "at": "yesterday"},
    "a moment that is none": {
        "at": "yesterday",
        "calls": 1,
        "timezone": "UTC",
        "days": [],
        "usage": [],
        "findings": [],
    },
    "a list that is none": {"at": AT, "calls": 1, "timezone": "UTC", "days": "all"},
}


def to(path: str, value: object) -> Callable[[Delta], None]:
    def change(delta: Delta) -> None:
        *steps, last = [int(step) if step == "0" else step for step in path.split(".")]
        place: Any = delta
        for step in steps:
            place = place[step]
        place[last] = value

    return change


DAMAGE: dict[str, tuple[Callable[[Delta], None], str]] = {
    "text for a count": (to("usage.0.requests", "many"), "usage"),
    "a cost that is no number": (to("usage.0.cost", Decimal128("NaN")), "usage"),
    "an infinite cost": (to("usage.0.savedCost", Decimal128("Infinity")), "usage"),
    "a count that overflows": (to("usage.0.inputTokens", 2**62), "usage"),
    "an hour that is none": (to("usage.0.hours.99", {"requests": 1}), "usage"),
    "a bucket that is none": (to("usage.0.latency.long", 1), "usage"),
    "a user without a name": (to("usage.0.users.0.user", None), "usage"),
    "text for a user's count": (to("usage.0.users.0.requests", "many"), "usage"),
    "a conversation's cost": (to("usage.0.conversations.0.cost", 1.5), "usage"),
    "a day that is none": (to("usage.0.day", "2026-11-31"), "usage"),
    "users that are no list": (to("usage.0.users", "u1"), "usage"),
    "a row that is none": (to("usage.0", None), "usage"),
    "figures merged in part": (to("merged", "yes"), "merged"),
    "calls": (to("calls", None), "calls"),
}


@pytest.fixture
async def writer(settings: Settings, database: Database) -> AsyncIterator[Tracker]:
    """A tracker that leaves merging to others."""
    async with open_tracker(settings, database, Counters(), compacting=False) as tracker:
        yield tracker


async def set_aside(database: Database) -> int:
    return (await Reports(database, ZONE).freshness()).set_aside_deltas


async def examined(settings: Settings, database: Database) -> Finding:
    return await doctor.unread(Deployment(settings, database, ok("")))


async def test_junk_is_named_and_reports_go_on(settings: Settings, database: Database, writer: Tracker) -> None:
    await track(writer, 5)
    await database.writes[DELTAS].insert_many([{**junk} for junk in JUNK.values()])

    assert (await requests(database), await set_aside(database)) == (5, 0)
    found = await examined(settings, database)
    assert (found.verdict, "waiting deltas that cannot be read" in found.said) == (Verdict.PROBLEM, True)
    async with database.committer_session() as session:
        await Compactor(database, session).merge_all()

    assert (await requests(database), await in_cells(database)) == (5, 5)
    assert (await set_aside(database), await database.writes[DELTAS].count_documents({})) == (len(JUNK), 0)
    found = await examined(settings, database)
    assert f"{len(JUNK)} deltas could not be read and were set aside" in found.said
    assert found.advice.startswith("python -m scripts.reconcile --execute")
    with pytest.raises(NotCountedError, match="5 deltas could not be read"):
        await Retention(database).check(ZONE, execute=False)


async def test_what_damaged_deltas_held_is_counted_again(
    settings: Settings, database: Database, writer: Tracker
) -> None:
    """Each in its own way: the others are merged at once, and a reconciliation makes every figure exact again."""
    for _ in DAMAGE:
        await track(writer, 1)
    for delta, (damage, _) in zip(await database.writes[DELTAS].find().to_list(None), DAMAGE.values(), strict=True):
        damage(delta)
        await database.writes[DELTAS].replace_one({"_id": delta["_id"]}, delta)
    await track(writer, 2)

    async with database.committer_session() as session:
        await Compactor(database, session).merge_all()

    assert (await requests(database), await set_aside(database)) == (2, len(DAMAGE))
    kept = await database.writes[SET_ASIDE].find().sort("_id", 1).to_list(None)
    assert [one["fields"] for one in kept] == [[field] for _, field in DAMAGE.values()]
    assert {tuple(one) for one in kept} == {("_id", "at", "days", "fields")}  # nothing of its content, nor of its users

    looked = await run(Reconcile, database, settings, arguments([]))
    assert {row["kind"] for row in looked.tables["found"]} == {"cell", "delta"}
    assert await set_aside(database) == len(DAMAGE)
    repaired = await run(Reconcile, database, settings, arguments(["--execute"]))
    assert repaired.counts["left"] == 0
    assert (await requests(database), await set_aside(database)) == (len(DAMAGE) + 2, 0)
    assert (await examined(settings, database)).verdict is Verdict.OK


async def test_a_reconciliation_of_some_days_forgets_no_other(
    settings: Settings, database: Database, writer: Tracker
) -> None:
    await track(writer, 1)
    await database.writes[DELTAS].update_one({}, {"$set": {"usage.0.requests": "many"}})
    await database.writes[DELTAS].insert_one({"junk": True})
    async with database.committer_session() as session:
        await Compactor(database, session).merge_all()
    (delta,) = [one async for one in database.writes[SET_ASIDE].find({"days": {"$ne": []}})]
    day = datetime.fromisoformat(delta["days"][0])

    async def left(first: datetime, last: datetime) -> int:
        span = ["--from", str(first.date()), "--to", str(last.date()), "--execute"]
        await run(Reconcile, database, settings, arguments(span))
        return await set_aside(database)

    assert await left(day - timedelta(days=3), day - timedelta(days=1)) == 2
    assert await left(day, day) == 1  # that without days needs all of them
    await run(Reconcile, database, settings, arguments(["--execute"]))
    assert await set_aside(database) == 0


async def test_a_fault_of_ours_does_not_end_the_merging(
    database: Database, writer: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = CellChanges.add
    failed: list[Delta] = []

    def fail_once(self: CellChanges, delta: Delta) -> None:
        if not failed:
            failed.append(delta)
            raise KeyError("a fault")
        add(self, delta)

    monkeypatch.setattr(CellChanges, "add", fail_once)
    monkeypatch.setattr(module, "INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(module, "LEASE_POLL_SECONDS", 0.01)
    await track(writer, 3)

    async def merged() -> bool:
        return await in_cells(database) >= 3

    async with database.committer_session() as session:
        running = asyncio.create_task(Compactor(database, session).run())
        await until(merged)
        running.cancel()
    assert len(failed) == 1
