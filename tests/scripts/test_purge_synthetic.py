"""After a purge only real calls are left, in every collection and every report."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from app.database import Database
from app.maintenance.purge import Purge
from app.observability.metrics import Counters
from app.reports.analytics import AnalyticsType
from app.reports.query import ReportQuery, Synthetic
from app.reports.reports import Reports
from app.reports.windows import TimeWindow
from app.rollups.compactor import Compactor
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.rollups import CONVERSATIONS, DELTAS, ROLLUPS, USER_MONTHS, USERS
from scripts import purge_synthetic
from scripts.purge_synthetic import PurgeSynthetic, arguments
from scripts.toolkit import job
from scripts.toolkit.job import Summary
from tests.reports.test_rollups import NOW, House, check, dumped
from tests.scripts.jobs import Interrupted, assert_counted, dump, failing_after, run
from tests.twins import assert_twins, entries, events

Kept = dict[str, list[Any]]
REAL, SYNTHETIC = 3, 347


@pytest.fixture(scope="module")
def kept() -> Kept:
    """What the house holds once it has been filled: to put it back takes a tenth of the time."""
    return {}


@pytest.fixture
async def house(settings: Settings, database: Database, kept: Kept) -> AsyncIterator[House]:
    """347 synthetic calls of 100 days beside 3 real ones, of the same users: merged, half merged and waiting."""
    for name, documents in kept.items():
        await database.writes[name].delete_many({})  # what connecting has made
        await database.writes[name].insert_many(documents)
    async with (
        open_tracker(settings, database, Counters(), compacting=False) as tracker,
        database.committer_session() as session,
    ):
        compactor = Compactor(database, session, clock=lambda: NOW)
        reports = Reports(database, settings.zone, lambda: NOW)
        house = House(database, (tracker, tracker), compactor, reports, settings.zone)
        if not kept:
            await fill(house)
            kept.update({name: documents for name, documents in (await dump(database)).items() if documents})
        yield house


async def fill(house: House) -> None:
    tracker, compactor = house.writers[0], house.compactor
    await report(tracker, range(200))
    await real(tracker, 0)
    await compactor.merge_all()
    await compactor.trailing.keep_up()
    await report(tracker, range(200, 300))
    await real(tracker, 2)
    await compactor.merge_figures()
    await report(tracker, range(300, SYNTHETIC))
    await real(tracker, 40)
    view = {"userId": "anna", "clientId": "default", "event": "page_view", "properties": {}, "createdAt": NOW}
    await house.database.events.insert_many([{**view, "_id": ObjectId(), "synthetic": made} for made in (True, False)])


async def report(tracker: Tracker, numbers: range) -> None:
    await asyncio.gather(*(call(tracker, number % 100, number, synthetic=True) for number in numbers))


async def real(tracker: Tracker, days: int) -> None:
    await call(tracker, days, 7, synthetic=False)


async def call(tracker: Tracker, days: int, number: int, *, synthetic: bool) -> None:
    receipt = await tracker.track(
        user_id=("anna", "bob")[number % 2],
        client_id=("default", "acme")[number % 3 == 0],
        content_type=("chat", "haiku")[number % 5 == 0],
        model=("gpt-4o", "of-nobody")[number % 7 == 0],
        input_tokens=number,
        conversation_id=f"c{number % 4}",
        request_duration=number,
        created_at=NOW - timedelta(days=days),
        synthetic=synthetic,
    )
    assert receipt.status == "committed"


async def purge(house: House, settings: Settings, *given: str) -> Summary:
    return await run(PurgeSynthetic, house.database, settings, arguments(given))


async def answers(house: House, synthetic: Synthetic) -> list[Any]:
    today = NOW.date()
    query = ReportQuery(TimeWindow(today - timedelta(days=120), today, house.zone), synthetic=synthetic)
    found = [
        await house.reports.usage(query),
        await house.reports.models(query),
        await house.reports.users(query, "-requests", limit=50, cursor=None),
        await house.reports.analytics(query, AnalyticsType.ALL),
        await house.reports.data_quality(query),
        await house.reports.overview(synthetic),
        await house.reports.stats(synthetic),
    ]
    left_out = {"generated_at", "freshness", "synthetic", "includes_synthetic"}
    return [answer.model_dump(exclude=left_out) for answer in found]


async def assert_purged(house: House) -> None:
    """Three calls are left everywhere, and nothing whatever is synthetic."""
    assert [entry["synthetic"] for entry in await entries(house.database)] == [False] * REAL
    assert len(await assert_twins(house.database)) == REAL
    assert await house.database.events.count_documents({}) == REAL + 1
    assert [view["synthetic"] async for view in house.database.events.find({"event": "page_view"})] == [False]
    for name in ROLLUPS:
        assert await house.database.writes[name].count_documents({"_id.synthetic": True}) == 0, name
    assert await house.database.writes[DELTAS].count_documents({"usage.synthetic": True}) == 0
    for name in ("aiusages", USERS, CONVERSATIONS, USER_MONTHS):
        assert "purge_synthetic" not in await house.database.writes[name].index_information()
    await assert_counted(house)


async def test_only_the_real_calls_are_left_in_every_report(house: House, settings: Settings) -> None:
    before = await answers(house, Synthetic.EXCLUDE)

    summary = await purge(house, settings, "--execute")

    assert (summary.counts["entries"], summary.counts["events"]) == (SYNTHETIC, SYNTHETIC + 1)
    assert await answers(house, Synthetic.EXCLUDE) == before
    included = await answers(house, Synthetic.INCLUDE)
    assert (included, included[0]["totals"]["requests"]) == (before, REAL)
    assert (await answers(house, Synthetic.ONLY))[0]["totals"]["requests"] == 0
    await assert_purged(house)
    await check(house)


async def test_what_only_rollups_still_knew_goes_too(house: House, settings: Settings) -> None:
    old = {"createdAt": {"$lt": NOW - timedelta(days=60)}}
    await house.database.ledger.delete_many(old)
    await house.database.events.delete_many(old)

    await purge(house, settings, "--execute")

    assert await answers(house, Synthetic.INCLUDE) == await answers(house, Synthetic.EXCLUDE)
    await assert_purged(house)


async def test_without_execute_nothing_is_written(house: House, settings: Settings) -> None:
    before = await dump(house.database)

    summary = await purge(house, settings)

    assert await dump(house.database) == before
    assert (summary.counts["entries"], summary.counts["events"]) == (SYNTHETIC, SYNTHETIC + 1)
    assert summary.counts["cells"] > SYNTHETIC


@pytest.mark.parametrize(("name", "after"), [("calls", 0), ("calls", 3), ("events", 0), ("_take_from_deltas", 0)])
async def test_a_run_that_was_interrupted_ends_like_one_that_was_not(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, after: int
) -> None:
    monkeypatch.setattr("scripts.purge_synthetic.PAGE", 50)
    with monkeypatch.context() as killed:
        failing_after(killed, Purge, name, after)
        with pytest.raises(Interrupted):
            await purge(house, settings, "--execute")
    await assert_twins(house.database)

    summary = await purge(house, settings, "--execute")

    assert summary.counts["entries"] == SYNTHETIC
    assert summary.resumed == ((name, after) != ("calls", 0))
    await assert_purged(house)


async def test_a_call_that_comes_between_entries_and_events_goes_as_a_whole(house: House) -> None:
    """Its event is met where its entry was not looked for any more."""
    (late, *_) = [entry["_id"] for entry in await entries(house.database) if entry["synthetic"]]
    (real_call, *_) = [entry["_id"] for entry in await entries(house.database) if not entry["synthetic"]]
    await house.database.events.update_one({"_id": real_call}, {"$set": {"synthetic": True}})

    removed = await Purge(house.database, house.zone).events([late, real_call])

    assert removed == (1, 1)
    assert len(await assert_twins(house.database)) == REAL + SYNTHETIC - 1


async def test_synthetic_calls_that_nobody_can_count_go_like_all_others(house: House, settings: Settings) -> None:
    await house.database.ledger.update_many({"synthetic": True, "inputTokens": 7}, {"$unset": {"provider": 1}})

    await purge(house, settings, "--execute")

    await assert_purged(house)


async def test_a_second_run_changes_nothing(house: House, settings: Settings) -> None:
    await purge(house, settings, "--execute")
    before, cells = await dump(house.database), await dumped(house.database)

    summary = await purge(house, settings, "--execute")

    assert set(summary.counts.values()) == {0}
    assert await dumped(house.database) == cells
    changed = {name for name, documents in (await dump(house.database)).items() if documents != before[name]}
    assert changed <= {"rollup_state"}


async def test_beside_writers_and_merges_no_real_call_is_lost(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.purge_synthetic.PAGE", 50)
    monkeypatch.setattr("app.maintenance.purge.PAGE", 50)
    done, reported = asyncio.Event(), 0

    async def report_on() -> None:
        nonlocal reported
        while not done.is_set():
            await real(house.writers[0], 1)
            await call(house.writers[0], 1, 5, synthetic=True)
            reported += 1
            await asyncio.sleep(0.02)  # so that the calls do not take all of the test's time

    async def merge_on() -> None:
        async with house.database.committer_session() as session:
            running = asyncio.create_task(Compactor(house.database, session, clock=lambda: NOW).run())
            await done.wait()
            running.cancel()

    beside = [asyncio.create_task(work) for work in (report_on(), merge_on())]
    await purge(house, settings, "--execute")
    done.set()
    await asyncio.gather(*beside)

    await assert_twins(house.database)
    assert sum(not entry["synthetic"] for entry in await entries(house.database)) == REAL + reported
    await purge(house, settings, "--execute")
    assert len(await events(house.database)) == REAL + reported
    await assert_counted(house)


async def test_the_command_is_this_job(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["purge_synthetic", "--execute"])
    made: list[object] = []
    monkeypatch.setattr(job, "run", lambda given, make: made.append((given.execute, type(make(database, settings)))))

    purge_synthetic.main()

    assert made == [(True, PurgeSynthetic)]
