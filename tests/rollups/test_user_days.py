"""What is kept of busy users' days is right or gone, and spares a report the calls of these days."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.database import Database
from app.observability.metrics import Counters
from app.reports.query import Filters, ReportQuery
from app.reports.reports import Reports
from app.reports.usage import UsageReport
from app.reports.windows import requested_window
from app.rollups import user_days
from app.rollups.compactor import Compactor
from app.rollups.corrections import correction
from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from app.rollups.state import STATE_KEY
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.rollups import DELTAS, STATE, USER_DAYS

NOW = datetime.now(UTC)
CALL: dict[str, Any] = {"content_type": "chat", "model": "gpt-4o", "input_tokens": 1_000, "request_duration": 120}


@dataclass
class Place:
    """Three days ago and the day after it, `ann` made two calls each, and `bob` one."""

    database: Database
    tracker: Tracker
    compactor: Compactor
    settings: Settings

    async def track(self, user: str, days_ago: int) -> None:
        await self.tracker.track(user_id=user, created_at=NOW - timedelta(days=days_ago), **CALL)

    async def usage(self, user: str = "ann", **filters: str) -> UsageReport:
        zone = self.settings.zone
        window = requested_window(days=7, first=None, last=None, now=NOW, zone=zone)
        reports = Reports(self.database, zone, lambda: NOW)
        return await reports.usage(ReportQuery(window, Filters(user_id=user, **filters)))

    async def forget(self) -> None:
        await self.database.writes[USER_DAYS].delete_many({})
        await self.database.writes[STATE].update_one(STATE_KEY, {"$inc": {"sheets": 1}})

    async def kept(self) -> list[str | None]:
        found = self.database.writes[USER_DAYS].find().sort("_id", 1)
        return [kept["_id"]["user"] async for kept in found]


@pytest.fixture
async def place(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr(user_days, "BUSY_CALLS", 2)
    async with (
        open_tracker(settings, database, Counters(), compacting=False) as tracker,
        database.committer_session() as session,
    ):
        place = Place(database, tracker, Compactor(database, session), settings)
        for days_ago in (3, 2):
            for user in ("ann", "ann", "bob"):
                await place.track(user, days_ago)
        await place.compactor.merge_all()
        await place.compactor.sheets.make_all()
        await place.compactor.user_days.make_all()
        yield place


async def test_a_busy_users_past_days_are_not_read_from_the_calls(place: Place) -> None:
    assert await place.kept() == [None, "ann", None, "ann"]
    await place.database.ledger.delete_many({})

    found = await place.usage()

    assert (found.totals.requests, found.totals.cost, found.latency.p50) == (4, Decimal("0.01"), 120)
    assert (await place.usage(model="gpt-4o")).totals.requests == 4
    assert (await place.usage(model="o3")).totals.requests == 0
    assert (await place.usage("bob")).totals.requests == 0  # who was not busy


async def test_a_late_call_is_there_at_once_and_takes_only_its_users_day_away(place: Place) -> None:
    await place.track("ann", 3)
    assert (await place.usage()).totals.requests == 5
    await place.compactor.merge_figures()
    assert (await place.usage()).totals.requests == 5
    await place.compactor.merge_subjects()
    assert await place.kept() == [None, "ann"]
    assert (await place.usage()).totals.requests == 5

    await place.compactor.sheets.make_all()
    await place.compactor.user_days.make_all()

    assert await place.kept() == [None, "ann", None, "ann"]
    await place.database.ledger.delete_many({})
    assert (await place.usage()).totals.requests == 5


async def test_a_correction_that_changes_no_figure_of_users_is_there_at_once(place: Place) -> None:
    before = await place.database.ledger.find({"userId": "ann"}).to_list(None)
    after = [{**entry, "costSource": "estimated"} for entry in before]
    zone = LocalTime(place.settings.zone)
    delta = await correction(before, after, zone, NameCaps(place.database))
    assert not any(row["users"] for row in delta["usage"])
    await place.database.ledger.update_many({"userId": "ann"}, {"$set": {"costSource": "estimated"}})
    await place.database.writes[DELTAS].insert_one(delta)

    assert (await place.usage()).totals.estimated == 4
    await place.compactor.merge_all()
    assert await place.kept() == []
    assert (await place.usage()).totals.estimated == 4


async def test_what_retention_has_deleted_is_not_reported(place: Place) -> None:
    whole_from = (NOW - timedelta(days=2)).astimezone(place.settings.zone).date().isoformat()
    await place.database.ledger.delete_many({"createdAt": {"$lt": NOW - timedelta(days=2, hours=12)}})
    await place.database.writes[STATE].update_one(STATE_KEY, {"$set": {"wholeFrom": whole_from}})

    assert (await place.usage()).totals.requests == 2


async def test_nothing_is_kept_of_a_day_that_changes_while_it_is_counted(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.forget()
    count, changed = place.compactor.user_days._rows, list[int]()

    async def changing(*arguments: Any) -> Any:
        if not changed:
            late = await place.database.writes[STATE].update_one(STATE_KEY, {"$inc": {"late": 1, "heeded": 1}})
            changed.append(late.modified_count)
        return await count(*arguments)

    monkeypatch.setattr(place.compactor.user_days, "_rows", changing)
    await place.compactor.user_days.keep_up()
    assert (changed, await place.kept()) == ([1], [])
    await place.compactor.user_days.make_all()
    assert await place.kept() == [None, "ann", None, "ann"]


async def test_a_user_with_too_many_rows_has_none_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    await place.forget()
    monkeypatch.setattr(user_days, "MOST_ROWS", 0)

    await place.compactor.user_days.make_all()

    assert await place.kept() == [None, None]
    assert (await place.usage()).totals.requests == 4


async def test_days_are_counted_a_few_users_at_a_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    await place.forget()
    monkeypatch.setattr(user_days, "BUSY_CALLS", 1)
    monkeypatch.setattr(user_days, "SLICE_SECONDS", 0.0)

    await place.compactor.user_days.keep_up()
    assert await place.kept() == ["ann"]
    await place.compactor.user_days.make_all()
    assert await place.kept() == [None, "ann", "bob", None, "ann", "bob"]
