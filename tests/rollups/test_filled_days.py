"""Whoever walks days skips those of which nothing is stored, however long ago the first one is."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.database import Database
from app.observability.metrics import Counters
from app.rollups.compactor import Compactor
from app.rollups.filled_days import FilledDays
from app.rollups.rebuild import Rebuild
from app.rollups.recount import Recount
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.rollups import (
    ACTIVE_USERS,
    CAMPAIGNS,
    CONVERSATIONS,
    DAYS,
    DELTAS,
    FINDINGS,
    LATENCY,
    ROLLUPS,
    SPEEDS,
    STATE,
    USAGE,
    USER_MONTHS,
    USERS,
    VARIANTS,
)
from scripts.reconcile import Reconcile, arguments
from tests.scripts.jobs import run

ZONE = ZoneInfo("America/New_York")
LONG_AGO, LATER = datetime(2000, 5, 17, 2, tzinfo=UTC), datetime(2026, 10, 9, 12, tzinfo=UTC)
TWO = [date(2000, 5, 16), date(2026, 10, 9)]
"""Their days in New York."""
CALL = {"user_id": "u", "content_type": "haiku", "model": "unheard-of", "conversation_id": "c", "request_duration": 9}
CALL |= {"campaign_id": "spring", "experiment": "tone", "variant": "b"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"timezone": ZONE.key})


@pytest.fixture
async def tracker(settings: Settings, database: Database) -> AsyncIterator[Tracker]:
    """One call of long ago and one of later, neither merged."""
    async with open_tracker(settings, database, Counters(), compacting=False) as tracker:
        for at in (LONG_AGO, LATER):
            assert (await tracker.track(**CALL, created_at=at)).status == "committed"
        yield tracker


async def filled(database: Database, first: date | None = None, last: date | None = None) -> list[date]:
    return await FilledDays(database, ZONE).between(first, last)


async def merge(database: Database) -> None:
    async with database.committer_session() as session:
        await Compactor(database, session).merge_all()


@pytest.mark.usefixtures("tracker")
async def test_each_kind_of_document_alone_tells_its_day(database: Database) -> None:
    assert await filled(database) == TWO
    assert await filled(database, None, TWO[0]) == TWO[:1]
    assert await filled(database, date(2000, 5, 17), None) == TWO[1:]
    documents: dict[str, list[Any]] = {DELTAS: await database.writes[DELTAS].find().to_list(None)}
    await merge(database)
    for name in (*set(ROLLUPS) - {STATE, DELTAS}, "aiusages", "analytics"):
        documents[name] = await database.writes[name].find().to_list(None)

    cells = (DAYS, USAGE, LATENCY, SPEEDS, FINDINGS, USERS, CONVERSATIONS, CAMPAIGNS, VARIANTS)
    kinds = (*cells, ACTIVE_USERS, USER_MONTHS, DELTAS)
    for kind in (*kinds, "aiusages", "analytics"):
        for name in documents:
            await database.writes[name].delete_many({})
        await database.writes[kind].insert_many(documents[kind])
        assert (kind, await filled(database)) == (kind, TWO)
    await database.writes["analytics"].delete_many({})
    months = [{"_id": {"period": "2000-05", "scope": "*", "synthetic": False}, "users": 1}]
    await database.writes[ACTIVE_USERS].insert_many(months)
    assert await filled(database) == [date(2000, 5, 1)]
    assert await filled(database, date(2000, 5, 9), date(2000, 5, 20)) == [date(2000, 5, 9)]


@pytest.mark.usefixtures("tracker")
async def test_reconcile_looks_at_two_days_of_26_years(
    database: Database, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = await run(Reconcile, database, settings, arguments([]))

    assert (summary.counts["entries"], summary.counts["differences"]) == (2, 0)
    assert "days: 6 of 6" in capsys.readouterr().err  # and four pages that are no days


@pytest.mark.usefixtures("tracker")
async def test_a_rebuild_recounts_two_days_of_26_years(database: Database) -> None:
    rebuild = Rebuild(database, ZONE, None, None)

    days = await rebuild.prepare()

    assert days == TWO
    assert await rebuild.run(days, lambda _: None) == 2


@pytest.mark.usefixtures("tracker")
async def test_a_batch_of_two_eras_in_another_zone_is_recounted_around_each_of_its_days(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a process wrote it that had not heard of the other zone: in one go these were 9,642 days."""
    one, other = await database.writes[DELTAS].find().sort("_id", 1).to_list(None)
    together = {name: sorted(one[name] + other[name], key=str) for name in ("days", "usage", "findings")}
    await database.writes[DELTAS].delete_one({"_id": other["_id"]})
    spans, days = [], Recount.days

    async def noted(self: Recount, first: date, last: date) -> int:
        spans.append((last - first).days + 1)
        return await days(self, first, last)

    monkeypatch.setattr(Recount, "days", noted)
    rebuild = Rebuild(database, ZoneInfo("Asia/Kolkata"), None, None)
    todo = await rebuild.prepare()
    await database.writes[DELTAS].replace_one({"_id": one["_id"]}, {**one, **together})
    await rebuild.run(todo, lambda _: None)

    assert spans == [1, 1, 3, 3]
    cells = database.writes[DAYS].find({"_id.scope": "*"}).sort("_id", 1)
    assert [(cell["_id"]["day"], cell["requests"]) async for cell in cells] == [("2000-05-17", 1), ("2026-10-09", 1)]
    assert await database.writes[DELTAS].count_documents({}) == 0
