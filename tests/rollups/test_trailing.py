"""Trailing totals whose making comes to nothing."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, NetworkTimeout, PyMongoError

from app.database import Database
from app.observability.metrics import Counters
from app.rollups import trailing
from app.rollups.compactor import Compactor
from app.rollups.trailing import Trailing
from app.settings import Settings
from app.tracking import open_tracker
from models.rollups import STATE, TRAILING, TRAILING_DAYS
from tests.patience import patience


@pytest.fixture
async def totals(settings: Settings, database: Database) -> AsyncIterator[Trailing]:
    """Of three users who made a call on a day that is over."""
    call = {"content_type": "chat", "model": "gpt-4o", "input_tokens": 10}
    async with open_tracker(settings, database, Counters(), compacting=False) as tracker:
        for user in range(3):
            await tracker.track(user_id=f"u{user}", created_at=datetime.now(UTC) - timedelta(days=2), **call)
    async with database.committer_session() as session:
        compactor = Compactor(database, session)
        await compactor.merge_all()
        yield compactor.trailing


async def stored(database: Database) -> int:
    return await database.writes[TRAILING].count_documents({})


@pytest.mark.parametrize(("retry", "left"), [(30.0, 6), (0.0, 6 * len(TRAILING_DAYS))])
async def test_totals_that_late_calls_disturbed_are_removed_before_the_next_attempt(
    database: Database, totals: Trailing, monkeypatch: pytest.MonkeyPatch, retry: float, left: int
) -> None:
    monkeypatch.setattr(trailing, "RETRY_SECONDS", retry)
    make = trailing.totals_of

    def disturbed(window: Any, client: str | None) -> Any:
        database.blocking[STATE].update_one({"_id": "rollups"}, {"$inc": {"late": 1, "heeded": 1}})
        return make(window, client)

    with monkeypatch.context() as patched:
        patched.setattr(trailing, "totals_of", disturbed)
        for _ in range(3):
            await totals.keep_up()
        assert await stored(database) == left

    monkeypatch.setattr(totals, "_not_before", 0.0)
    await totals.keep_up()
    assert await stored(database) == 6 * len(TRAILING_DAYS)


@pytest.mark.parametrize(("error", "seconds"), [(NetworkTimeout("too slow"), 600), (AutoReconnect("gone"), 30)])
async def test_totals_that_cannot_be_made_are_not_tried_again_at_once(
    database: Database, totals: Trailing, monkeypatch: pytest.MonkeyPatch, error: PyMongoError, seconds: int
) -> None:
    tried = 0

    def failing(_: Any, __: Any) -> Any:
        nonlocal tried
        tried += 1
        raise error

    monkeypatch.setattr(trailing, "totals_of", failing)
    with pytest.raises(type(error)):
        await totals.keep_up()
    await totals.keep_up()
    assert tried == 1
    assert seconds - patience(5) < totals._not_before - time.monotonic() <= seconds

    monkeypatch.undo()
    monkeypatch.setattr(totals, "_not_before", 0.0)
    await totals.keep_up()
    assert await stored(database) == 6 * len(TRAILING_DAYS)
