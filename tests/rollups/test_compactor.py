"""Merging: each delta exactly once, whoever merges, and whoever is killed while merging."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo.errors import PyMongoError

from app.database import Database
from app.observability.metrics import Counters
from app.reports.query import ReportQuery
from app.reports.reports import Reports
from app.reports.windows import requested_window
from app.rollups.compactor import Compactor
from app.rollups.lease import Lease
from app.rollups.state import STATE_KEY, stored_state
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.rollups import DAYS, DELTAS, STATE, TRAILING
from tests.forked import Forked
from tests.patience import patience, until

ROOT = Path(__file__).parents[2]
UTC = ZoneInfo("UTC")
SECOND = timedelta(seconds=1)
CALL = {"content_type": "chat", "model": "gpt-4o", "input_tokens": 1_000, "conversation_id": "c"}


async def track(tracker: Tracker, calls: int) -> None:
    receipts = await asyncio.gather(*(tracker.track(user_id=f"u{n % 7}", **CALL) for n in range(calls)))
    assert {receipt.status for receipt in receipts} == {"committed"}


async def requests(database: Database) -> int:
    """What the usage report says of today and yesterday, so that midnight makes no difference."""
    reports = Reports(database, UTC)
    window = requested_window(days=2, first=None, last=None, now=reports.now(), zone=UTC)
    return (await reports.usage(ReportQuery(window))).totals.requests


async def in_cells(database: Database) -> int:
    return sum([cell["requests"] async for cell in database.writes[DAYS].find({"_id.scope": "*"})])


async def until_merged(database: Database, seconds: float) -> float:
    """Wait until no delta is left, and return the seconds that took."""
    started = time.monotonic()
    while await database.writes[DELTAS].count_documents({}) > 0:
        assert time.monotonic() - started < patience(seconds)
        await asyncio.sleep(0.05)
    return time.monotonic() - started


@pytest.fixture
async def writer(settings: Settings, database: Database) -> AsyncIterator[Tracker]:
    """A tracker that leaves merging to others."""
    async with open_tracker(settings, database, Counters(), compacting=False) as tracker:
        yield tracker


async def test_a_compactor_killed_in_mid_merge_is_replaced_within_ten_seconds_and_changes_no_figure(
    settings: Settings, database: Database, writer: Tracker
) -> None:
    await track(writer, 50)
    assert settings.mongodb_uri is not None
    uri = settings.mongodb_uri.get_secret_value()
    command = [sys.executable, "-m", "tests.rollups.compactor_process", uri, settings.database]
    with Forked(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "merging\n"
        assert (await requests(database), await in_cells(database)) == (50, 0)
        process.send_signal(signal.SIGKILL)

    async with database.committer_session() as session:
        running = asyncio.create_task(Compactor(database, session).run())
        await track(writer, 50)
        assert await requests(database) == 100
        await until_merged(database, 10)
        running.cancel()

    assert (await requests(database), await in_cells(database)) == (100, 100)


async def test_a_merge_that_the_server_hears_of_when_its_compactor_is_gone_holds_up_nobody_for_long(
    database: Database, writer: Tracker
) -> None:
    """Its start lay unread in a socket while the next compactor ended all that the one before had left open."""
    await track(writer, 1)
    async with database.committer_session() as dead, database.committer_session() as session:
        assert dead is not None
        lease = Lease(database, session)
        await Lease(database, dead).acquire()
        await lease.acquire(by_force=True)
        dead.start_transaction()
        await database.writes[STATE].update_one(STATE_KEY, {"$inc": {"merges": 1}}, session=dead)

        running = asyncio.create_task(Compactor(database, session, lease).run())
        await until_merged(database, 50)  # by itself the server gives up on it after a minute or more
        running.cancel()


async def test_two_that_merge_at_once_count_nothing_twice(database: Database, writer: Tracker) -> None:
    async def merge(compactor: Compactor) -> None:
        while await database.writes[DELTAS].count_documents({}) > 0:
            try:
                await compactor.merge_all()
            except PyMongoError as error:
                assert error.has_error_label("TransientTransactionError")  # noqa: PT017 - the other one was first

    async with database.committer_session() as one, database.committer_session() as two:
        compactors = Compactor(database, one), Compactor(database, two)
        for _ in range(10):
            for _ in range(8):
                await track(writer, 5)
            await asyncio.gather(*map(merge, compactors))

    assert (await requests(database), await in_cells(database)) == (400, 400)


async def test_a_report_is_exact_before_while_and_after_its_calls_are_merged(
    database: Database, tracker: Tracker
) -> None:
    """The tracker's own compactor merges beside."""
    for round_ in range(1, 31):
        await track(tracker, 10)
        assert await requests(database) == 10 * round_


async def test_deltas_are_merged_within_two_seconds(database: Database, tracker: Tracker) -> None:
    await track(tracker, 20)

    async def are_merged() -> bool:
        return await in_cells(database) >= 20

    await until(are_merged, 2.5)
    assert await in_cells(database) == 20


async def test_one_process_has_the_lease_until_it_lets_go(database: Database) -> None:
    async with database.committer_session() as one, database.committer_session() as two:
        first, second = Lease(database, one), Lease(database, two)

        assert [await first.acquire(), await second.acquire(), await first.acquire()] == [True, False, True]
        await second.release()
        assert not await second.acquire()
        await first.release()
        assert [await second.acquire(), await first.acquire()] == [True, False]
        assert await first.acquire(by_force=True)
        assert not await second.acquire()


@pytest.mark.parametrize(
    "end",
    [
        {"$dateSubtract": {"startDate": "$$NOW", "unit": "second", "amount": 1}},
        {"$dateAdd": {"startDate": "$$NOW", "unit": "day", "amount": 1}},
    ],
    ids=["it ran out", "from when the server's clock was ahead"],
)
async def test_a_lease_that_cannot_be_valid_is_free(database: Database, end: dict[str, Any]) -> None:
    async with database.committer_session() as one, database.committer_session() as two:
        first, second = Lease(database, one), Lease(database, two)
        await first.acquire()
        await database.writes[STATE].update_one({"_id": "compactor"}, [{"$set": {"until": end}}])

        assert await second.acquire()
        assert not await first.acquire()


async def test_freshness_is_right_again_as_soon_as_a_clock_is(database: Database, writer: Tracker) -> None:
    async def shown() -> datetime:
        moment = (await Reports(database, UTC).freshness()).last_commit
        assert moment is not None
        return moment

    async with database.committer_session() as session:
        compactor = Compactor(database, session)
        await track(writer, 1)
        await database.writes[DELTAS].update_many({}, [{"$set": {"at": {"$add": ["$at", 86_400_000]}}}])
        before = datetime.now(UTC)
        waiting = await shown()
        await compactor.merge_all()
        merged = await shown()
        await track(writer, 1)
        (delta,) = await database.writes[DELTAS].find().to_list(None)
        await compactor.merge_all()

        assert before - SECOND < waiting <= merged <= datetime.now(UTC) + SECOND
        assert await shown() == delta["at"]


async def test_a_day_that_a_clock_began_too_early_is_taken_back(database: Database, writer: Tracker) -> None:
    """Until then every merge of today was late: rankings were summed from the days, on a busy server all day long."""
    now = datetime.now(UTC)

    async def kept(compactor: Compactor) -> tuple[str, set[str], int]:
        await compactor.trailing.keep_up()
        state = await stored_state(database)
        return state["today"], {window["last"] for window in state["trailing"]}, state["late"]

    async with database.committer_session() as session:
        await track(writer, 3)
        await Compactor(database, session).merge_all()
        early = await kept(Compactor(database, session, clock=lambda: now + timedelta(days=1)))
        right = await kept(compactor := Compactor(database, session, clock=lambda: now))
        await track(writer, 3)
        await compactor.merge_all()
        after = await kept(compactor)

    yesterday, today, tomorrow = ((now + timedelta(days=days)).date().isoformat() for days in (-1, 0, 1))
    assert early[:2] == (tomorrow, {today})
    assert right[:2] == (today, {yesterday})
    assert after == right
    assert await database.writes[TRAILING].count_documents({"last": {"$gte": today}}) == 0


async def test_the_freshness_of_a_report_says_how_far_the_views_lie_behind(database: Database, writer: Tracker) -> None:
    reports = Reports(database, UTC)
    assert (await reports.freshness()).model_dump() == {
        "last_commit": None,
        "views_lag_seconds": 0,
        "pending_deltas": 0,
        "set_aside_deltas": 0,
    }

    await track(writer, 1)
    await track(writer, 1)
    waiting = await reports.freshness()
    async with database.committer_session() as session:
        await Compactor(database, session).merge_all()
    merged = await reports.freshness()

    assert (waiting.pending_deltas, merged.pending_deltas) == (2, 0)
    assert merged.views_lag_seconds == Decimal(0)
    assert waiting.views_lag_seconds > 0
    assert waiting.last_commit is not None
    assert merged.last_commit == waiting.last_commit
