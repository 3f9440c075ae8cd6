"""Cells of speeds, where an earlier release has merged calls without them."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.database import Database
from app.maintenance.reconcile.days import DayCheck
from app.observability.metrics import Counters
from app.reports.parts import speeds
from app.reports.query import ReportQuery
from app.reports.reports import Reports
from app.reports.windows import TimeWindow
from app.rollups import filling
from app.rollups.compactor import Compactor
from app.rollups.timed import TimedCells
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.rollups import DELTAS, SPEEDS, STATE, is_timed
from models.speeds import speed_bucket
from tests.twins import entries

NOON = datetime(2026, 10, 9, 12, tzinfo=UTC)
CALL: dict[str, Any] = {"user_id": "u", "content_type": "chat", "provider": "openai", "output_tokens": 30}
KEY = {"_id": "rollups"}


@pytest.fixture
async def tracker(settings: Settings, database: Database) -> AsyncIterator[Tracker]:
    async with open_tracker(settings, database, Counters(), compacting=False) as tracker:
        yield tracker


async def track(tracker: Tracker, number: int) -> None:
    """A call of one of four days and two models."""
    times = {"request_duration": 100 + 37 * number, "time_to_first_token": 10 + number}
    call = {**CALL, "model": ("gpt-4o", "gpt-4.1-mini")[number % 2], **times}
    receipt = await tracker.track(**call, created_at=NOON - timedelta(days=number % 4, minutes=number))
    assert receipt.status == "committed"


async def forget(database: Database, compactor: Compactor) -> None:
    """As an earlier release leaves it."""
    await compactor.merge_all()
    await database.writes[SPEEDS].delete_many({})
    await database.writes[STATE].update_one(KEY, {"$unset": {"timed": ""}})


async def state_of(database: Database) -> dict[str, Any]:
    return await database.writes[STATE].find_one(KEY) or {}


async def durations(database: Database) -> dict[tuple[str, str], Counter[int]]:
    """By day and model, what the cells of everyone have."""
    found: dict[tuple[str, str], Counter[int]] = {}
    condition = {"_id.scope": "*", "_id.feature": None}
    async for cell in database.writes[SPEEDS].find(condition):
        counts = {int(bucket): count for bucket, count in cell["duration"].items() if count}
        found.setdefault((cell["_id"]["day"], cell["_id"]["model"]), Counter()).update(counts)
    return found


async def check(database: Database, zone: Any) -> None:
    """Cells are what a plain count of the ledger says, and what reconcile expects."""
    expected: dict[tuple[str, str], Counter[int]] = {}
    for entry in await entries(database):
        key = entry["createdAt"].astimezone(zone).date().isoformat(), entry["aiModel"]
        expected.setdefault(key, Counter())[speed_bucket(entry["requestDuration"])] += 1
    assert await durations(database) == expected
    for days in range(4):
        day = (NOON - timedelta(days=days)).astimezone(zone).date()
        assert (await DayCheck(database, zone).day(day, first=False)).differences == []


async def test_days_are_filled_beside_writers_and_a_restart_goes_on(
    settings: Settings, database: Database, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SLICE_SECONDS", -1.0)  # one day each time
    async with database.committer_session() as session:
        compactor = Compactor(database, session)
        for number in range(24):
            await track(tracker, number)
        await forget(database, compactor)

        passes = 0
        while not is_timed(await state_of(database)):
            # another process each time, which knows nothing but the state
            await TimedCells(database, session).keep_up()
            await track(tracker, 100 + passes)
            if passes % 2:
                await compactor.merge_figures()
            passes += 1

        assert passes == 5
        await compactor.merge_all()
        await check(database, settings.zone)


async def test_until_then_only_groups_of_few_calls_are_known(
    settings: Settings, database: Database, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speeds, "EXACT_CALLS", 5)
    reports = Reports(database, settings.zone, lambda: NOON)
    query = ReportQuery(TimeWindow((NOON - timedelta(days=5)).date(), NOON.date(), settings.zone))
    for number in (*range(0, 16, 2), 1, 3):
        await track(tracker, number)
    async with database.committer_session() as session:
        compactor = Compactor(database, session)
        await forget(database, compactor)

        told = await reports.latency(query)
        models = {row.model: row for row in (await reports.models(query)).models}

        assert (told.complete, [row.model for row in told.by_model]) == (False, ["gpt-4.1-mini"])
        assert (models["gpt-4o"].latency.p95, models["gpt-4.1-mini"].latency.p95) == (None, 211)

        await database.writes[DELTAS].delete_many({})
        await compactor.timed.fill_all()
        told = await reports.latency(query)

    assert (told.complete, [row.measured for row in told.by_model]) == (True, [8, 2])
