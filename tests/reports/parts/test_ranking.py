"""Rankings are exact whatever waits in deltas."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.database import Database
from app.observability.metrics import Counters
from app.reports.parts import ranking
from app.reports.query import ReportQuery
from app.reports.reports import Reports
from app.reports.windows import requested_window
from app.rollups.compactor import Compactor
from app.rollups.corrections import correction
from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from app.settings import Settings
from app.tracking import open_tracker
from models.rollups import DELTAS

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
