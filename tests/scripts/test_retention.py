"""Old calls go, together with their twins, and every total stays; nobody counts those days again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId

from app.database import Database
from app.errors import ConfigurationError
from app.maintenance.retention import NotCountedError, Retention
from app.observability.metrics import Counters
from app.reports.analytics import AnalyticsType
from app.reports.query import ReportQuery, Synthetic
from app.reports.reports import Reports
from app.reports.windows import TimeWindow
from app.rollups.compactor import Compactor
from app.rollups.merging import merging
from app.rollups.rebuild import Rebuild
from app.rollups.recount import LedgerNotWholeError, Recount
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.alerts import ALERTS, DELIVERIES
from models.counters import COUNTERS
from models.rollups import STATE
from scripts import retention
from scripts.reconcile import Reconcile
from scripts.reconcile import arguments as reconciling
from scripts.retention import Phase, Retain, arguments
from scripts.toolkit import job
from scripts.toolkit.job import Summary
from tests.reports.test_rollups import House, dumped
from tests.scripts.jobs import Interrupted, dump, failing_after, run
from tests.twins import assert_twins, entries

NOW = datetime.now(UTC).replace(microsecond=0)
TODAY = NOW.date()
KEPT = 30
DAYS = (0, 1, 30, 31, 40, 100)
OLD = sum(day > KEPT for day in DAYS)


@pytest.fixture
async def house(settings: Settings, database: Database) -> AsyncIterator[House]:
    """Five calls of six days: merged, half merged and waiting; and a page view of each day."""
    async with (
        open_tracker(settings, database, Counters(), compacting=False) as tracker,
        database.committer_session() as session,
    ):
        compactor = Compactor(database, session, clock=lambda: NOW)
        reports = Reports(database, settings.zone, lambda: NOW)
        house = House(database, (tracker, tracker), compactor, reports, settings.zone)
        await report(tracker, DAYS[:2])
        await compactor.merge_all()
        await report(tracker, DAYS[2:4])
        await compactor.merge_figures()
        await report(tracker, DAYS[4:])
        yield house


async def report(tracker: Tracker, days: tuple[int, ...]) -> None:
    for day in days:
        moment = NOW - timedelta(days=day)
        facts = {"content_type": "chat", "model": "gpt-4o", "created_at": moment, "input_tokens": day + 9}
        await asyncio.gather(*(tracker.track(user_id=f"u{n}", conversation_id=f"c{n}", **facts) for n in range(5)))
        view = {"event": "page_view", "userId": "u1", "clientId": "default", "properties": {}, "synthetic": False}
        tracker.writer._ledger._events.insert_one({"_id": ObjectId(), "createdAt": moment, **view})


async def retain(house: House, settings: Settings, *given: str) -> Summary:
    return await run(Retain, house.database, settings, arguments(["--days", str(KEPT), *given]))


async def answers(house: House) -> list[Any]:
    query = ReportQuery(TimeWindow(TODAY - timedelta(days=120), TODAY, house.zone))
    found = [
        await house.reports.usage(query),
        await house.reports.models(query),
        await house.reports.users(query, "-requests", limit=50, cursor=None),
        await house.reports.analytics(query, AnalyticsType.ALL),
        await house.reports.overview(Synthetic.EXCLUDE),
    ]
    return [answer.model_dump(exclude={"generated_at", "freshness"}) for answer in found]


def rebuild(house: House, first: int | None = None) -> Rebuild:
    day = None if first is None else TODAY - timedelta(days=first)
    return Rebuild(house.database, house.zone, day, None)


async def test_old_calls_go_with_their_twins_and_every_total_stays(house: House, settings: Settings) -> None:
    before = await answers(house)

    summary = await retain(house, settings, "--execute")

    assert +summary.counts == Counter({"entries": 5 * OLD, "events": 5 * OLD})
    days = {(TODAY - entry["createdAt"].date()).days for entry in await entries(house.database)}
    assert days == {0, 1, 30}  # of the thirtieth day too: N whole days are kept beside today
    await assert_twins(house.database)
    assert await house.database.events.count_documents({"event": "page_view"}) == len(DAYS)
    assert await answers(house) == before
    await house.compactor.merge_all()
    assert await answers(house) == before


async def test_other_events_go_only_where_that_was_asked_for(house: House, settings: Settings) -> None:
    summary = await retain(house, settings, "--all-events", "--execute")

    assert summary.counts["events"] == 6 * OLD
    assert await house.database.events.count_documents({"event": "page_view"}) == len(DAYS) - OLD


async def test_without_execute_nothing_is_written(house: House, settings: Settings) -> None:
    before = await dump(house.database)

    summary = await retain(house, settings, "--all-events")

    assert await dump(house.database) == before
    assert +summary.counts == Counter({"entries": 5 * OLD, "events": 6 * OLD})


@pytest.mark.parametrize(("name", "after"), [("begin", 0), ("calls", 0), ("calls", 2)])
async def test_a_run_that_was_interrupted_ends_like_one_that_was_not(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, after: int
) -> None:
    before = await answers(house)
    monkeypatch.setattr("scripts.retention.PAGE", 4)
    with monkeypatch.context() as killed:
        failing_after(killed, Retention, name, after)
        with pytest.raises(Interrupted):
            await retain(house, settings, "--all-events", "--execute")
    await assert_twins(house.database)
    assert await answers(house) == before

    summary = await retain(house, settings, "--all-events", "--execute")

    assert +summary.counts == Counter({"entries": 5 * OLD, "events": 6 * OLD})
    assert await answers(house) == before
    stored = await dump(house.database)
    again = await retain(house, settings, "--all-events", "--execute")
    assert +again.counts == Counter()
    assert await dump(house.database) == stored


async def test_a_whole_rebuild_leaves_those_days_alone_even_if_late_calls_come(
    house: House, settings: Settings
) -> None:
    await retain(house, settings, "--execute")
    await report(house.writers[0], (40,))
    await house.compactor.merge_all()
    before, cells = await answers(house), await dumped(house.database)

    whole = rebuild(house)
    days = await whole.prepare()
    await whole.run(days, lambda _: None)

    assert days[0] == TODAY - timedelta(days=KEPT)
    reconciled = await run(Reconcile, house.database, settings, reconciling(["--execute"]))
    assert reconciled.tables["found"] == []
    assert await answers(house) == before
    assert await dumped(house.database) == cells


async def test_a_late_call_that_comes_between_entries_and_events_goes_as_a_whole(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its event is met where its entry was not looked for any more."""
    original = Retain._found
    came = False

    async def late(phase: Phase, behind: dict[str, Any]) -> Any:
        nonlocal came
        if phase.collection.name == "analytics" and not came:
            came = True
            await report(house.writers[0], (40,))
        return await original(phase, behind)

    monkeypatch.setattr(Retain, "_found", staticmethod(late))
    summary = await retain(house, settings, "--execute")

    assert +summary.counts == Counter({"entries": 5 * (OLD + 1), "events": 5 * (OLD + 1)})
    assert len(await assert_twins(house.database)) == 5 * (len(DAYS) - OLD)


async def test_who_asks_to_count_those_days_again_is_refused(house: House, settings: Settings) -> None:
    await retain(house, settings, "--execute")
    whole_from = TODAY - timedelta(days=KEPT)
    before = await answers(house)

    with pytest.raises(LedgerNotWholeError, match=f"retention has deleted calls from before {whole_from}"):
        await rebuild(house, first=KEPT + 1).prepare()
    with pytest.raises(LedgerNotWholeError):
        await Recount(house.database, house.zone).days(whole_from - timedelta(days=1), TODAY)
    with pytest.raises(LedgerNotWholeError):
        await Rebuild(house.database, ZoneInfo("Asia/Tokyo"), None, None).prepare()

    assert await answers(house) == before
    assert (await rebuild(house, first=KEPT).prepare())[0] == whole_from


async def test_a_recount_that_has_begun_does_not_count_what_is_left(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read the ledger before the first call went, or some pages later: either way it must not write."""
    before = await answers(house)
    original = Recount._replace

    async def late(self: Recount, *arguments: Any) -> int:
        await retain(house, settings, "--execute")
        return await original(self, *arguments)

    monkeypatch.setattr(Recount, "_replace", late)
    async with merging(house.database):
        with pytest.raises(LedgerNotWholeError):
            await Recount(house.database, house.zone).days(TODAY - timedelta(days=40), TODAY - timedelta(days=40))

    assert await answers(house) == before


async def test_calls_that_are_not_counted_yet_are_not_deleted(house: House, settings: Settings) -> None:
    await house.database.writes[STATE].update_one({"_id": "rollups"}, {"$set": {"complete": False}})
    with pytest.raises(NotCountedError, match="build them first"):
        await retain(house, settings, "--execute")

    with pytest.raises(ConfigurationError):
        await Retention(house.database).check(ZoneInfo("Asia/Tokyo"), execute=True)

    assert len(await entries(house.database)) == 5 * len(DAYS)


async def test_a_shorter_retention_never_takes_back_what_was_noted(house: House, settings: Settings) -> None:
    await retain(house, settings, "--execute")
    await run(Retain, house.database, settings, arguments(["--days", "60", "--execute"]))

    state = await house.database.writes[STATE].find_one({"_id": "rollups"})
    assert state is not None
    assert state["wholeFrom"] == (TODAY - timedelta(days=KEPT)).isoformat()


async def test_the_command_is_this_job(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["retention", "--days", "30"])
    made: list[object] = []
    monkeypatch.setattr(job, "run", lambda given, make: made.append((given.execute, type(make(database, settings)))))

    retention.main()

    assert made == [(False, Retain)]


@pytest.mark.parametrize("days", ["0", "-1", "a month", "36501"])
def test_a_number_of_days_that_is_none_is_refused(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments([f"--days={days}"])

    assert f"{days!r} is not a number of days from 1 to 36,500" in capsys.readouterr().err


async def test_of_limits_what_is_over_goes_and_what_still_counts_stays(house: House, settings: Settings) -> None:
    writes, old, new = house.database.writes, NOW - timedelta(days=KEPT + 2), NOW - timedelta(days=KEPT - 1)
    await writes[COUNTERS].insert_many(
        [
            {"_id": "of a day", "start": old - timedelta(days=1), "end": old},
            {"_id": "of a year", "start": old, "end": NOW + timedelta(days=100)},
        ]
    )
    await writes[ALERTS].insert_many([{"_id": "old", "at": old}, {"_id": "new", "at": new}])
    await writes[DELIVERIES].insert_many([{"_id": "old", "createdAt": old}, {"_id": "new", "createdAt": new}])

    shown = await retain(house, settings)
    done = await retain(house, settings, "--execute")
    again = await retain(house, settings, "--execute")

    of_limits = ("counters", "alerts", "deliveries")
    assert [shown.counts[name] for name in of_limits] == [done.counts[name] for name in of_limits] == [1, 1, 1]
    assert [again.counts[name] for name in of_limits] == [0, 0, 0]
    left = [await writes[name].distinct("_id") for name in (COUNTERS, ALERTS, DELIVERIES)]
    assert left == [["of a year"], ["new"], ["new"]]
