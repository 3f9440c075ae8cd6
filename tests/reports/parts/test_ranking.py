"""Rankings are exact whatever waits in deltas."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.database import Database
from app.observability.metrics import Counters
from app.reports.parts import ranking
from app.reports.query import ReportQuery, Synthetic
from app.reports.reports import Reports
from app.reports.windows import requested_window
from app.rollups.compactor import Compactor
from app.rollups.corrections import correction
from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from app.settings import Settings
from app.tracking import open_tracker
from models.rollups import DELTAS, USERS

NOW = datetime.now(UTC)
CALL: dict[str, Any] = {"content_type": "chat", "model": "gpt-4o", "input_tokens": 1_000}


async def test_a_user_of_whom_nothing_waits_is_before_those_of_whom_calls_are_being_taken_away(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "FIRST_DEPTH", 1)
    taken = {"a": 2, "b": 2, **dict.fromkeys("cdefgh", 6)}
    async with open_tracker(settings, database, Counters(), compacting=False) as tracker:
        for user, calls in (dict.fromkeys(taken, 11) | {"other": 10}).items():
            for _ in range(calls):
                await tracker.post(user_id=user, created_at=NOW - timedelta(days=2), **CALL)
        await tracker.flush()
    async with database.committer_session() as session:
        compactor = Compactor(database, session)
        await compactor.merge_all()
        await compactor.trailing.keep_up()
    gone = [
        entry
        for user, calls in taken.items()
        for entry in await database.ledger.find({"userId": user}).limit(calls).to_list(None)
    ]
    delta = await correction(gone, [], LocalTime(settings.zone), NameCaps(database))
    await database.writes[DELTAS].insert_one(delta)

    window = requested_window(days=7, first=None, last=None, now=NOW, zone=settings.zone)
    reports = Reports(database, settings.zone, lambda: NOW)
    found = await reports.users(ReportQuery(window), "-requests", limit=1, cursor=None)

    assert [(user.user_id, user.requests) for user in found.users] == [("other", 10)]


async def test_a_user_whose_emptied_cell_is_deleted_between_two_merges_is_left_out(
    settings: Settings, database: Database
) -> None:
    async with open_tracker(settings, database, Counters(), compacting=False) as tracker:
        for user, days in (("gone", 0), ("here", 0), ("here", 2)):
            await tracker.track(user_id=user, created_at=NOW - timedelta(days=days), synthetic=True, **CALL)
    async with database.committer_session() as session:
        compactor = Compactor(database, session)
        await compactor.merge_all()
        await compactor.trailing.keep_up()
        await compactor.sheets.make_all()
        gone = await database.ledger.find({"userId": "gone"}).to_list(None)
        delta = await correction(gone, [], LocalTime(settings.zone), NameCaps(database))
        await database.writes[DELTAS].insert_one(delta)
        await compactor.merge_all()
    window = requested_window(days=3, first=None, last=None, now=NOW, zone=settings.zone)
    reports, query = Reports(database, settings.zone, lambda: NOW), ReportQuery(window, synthetic=Synthetic.ONLY)
    await reports.users(query, "-requests", limit=5, cursor=None)

    await database.writes[USERS].delete_many({"requests": 0})  # as a purge does before its end
    found = await reports.users(query, "-requests", limit=5, cursor=None)

    assert [(user.user_id, user.requests) for user in found.users] == [("here", 2)]
