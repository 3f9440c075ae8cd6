"""Sheets of days with more users than fit into one transaction, or than there is time for."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.errors import BulkWriteError, NetworkTimeout

from app.database import Database
from app.database.outages import TOO_LARGE
from app.database.transactions import transact_once
from app.observability.metrics import Counters
from app.rollups import compactor, user_sheets
from app.rollups.compactor import Compactor
from app.rollups.lease import Lease
from app.rollups.state import STATE_KEY
from app.settings import Settings
from app.tracking import open_tracker
from models.rollups import STATE, USER_NUMBERS, USER_SHEETS
from tests.patience import until

TOO_MANY = BulkWriteError({"writeErrors": [{"index": 0, "code": TOO_LARGE, "errmsg": "transaction is too large"}]})


@pytest.fixture
async def merging(settings: Settings, database: Database) -> AsyncIterator[Compactor]:
    """Each of seven users has made a call on each of two days that are over."""
    now = datetime.now(UTC)
    call = {"content_type": "chat", "model": "gpt-4o", "input_tokens": 10}
    async with open_tracker(settings, database, Counters(), compacting=False) as tracker:
        for days in (2, 3):
            for user in range(7):
                await tracker.track(user_id=f"u{user}", created_at=now - timedelta(days=days), **call)
    async with database.committer_session() as session:
        compacting = Compactor(database, session)
        await compacting.merge_all()
        yield compacting


async def days_made(database: Database) -> int:
    return len(await database.writes[USER_SHEETS].distinct("_id.day"))


async def test_users_are_numbered_in_transactions_that_fit_into_a_small_servers_cache(
    database: Database, merging: Compactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_sheets, "NUMBERED_AT_ONCE", 3)

    await merging.sheets.make_all()

    assert await days_made(database) == 2
    numbers = [user["number"] async for user in database.writes[USER_NUMBERS].find()]
    assert sorted(numbers) == list(range(7))


@pytest.mark.parametrize("error", [TOO_MANY, NetworkTimeout("timed out")], ids=["too large", "too slow"])
async def test_a_day_that_is_too_much_is_not_tried_again_and_again_and_holds_up_no_other(
    database: Database, merging: Compactor, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    transact, tried = transact_once, list[str]()

    async def failing(session: Any, work: Any) -> Any:
        if work.func.__name__ == "_store":
            day = work.args[0]["day"]
            if day in tried or not tried:
                tried.append(day)
                raise error
        return await transact(session, work)

    monkeypatch.setattr("app.rollups.user_sheets.transact_once", failing)
    monkeypatch.setattr(user_sheets, "AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(user_sheets, "PAUSE_SECONDS", 0.0)
    for _ in range(5):
        try:
            await merging.sheets.keep_up()
        except NetworkTimeout as raised:
            assert raised is error  # noqa: PT017 - the first time, and only where it may be an outage

    assert len(tried) == 1
    assert await days_made(database) == 1


@pytest.mark.usefixtures("merging")
async def test_the_lease_is_kept_while_sheets_are_made(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compactor, "RENEW_SECONDS", 0.01)
    go_on, renewed, making = asyncio.Event(), 0, False

    class Counted(Lease):
        async def acquire(self, *, by_force: bool = False) -> bool:
            nonlocal renewed
            renewed += making
            return await super().acquire(by_force=by_force)

    async def slow() -> None:
        nonlocal making
        making = True
        await go_on.wait()

    async with database.committer_session() as session:
        other = Compactor(database, session, Counted(database, session))
        monkeypatch.setattr(other.sheets, "keep_up", slow)
        running = asyncio.create_task(other.run())
        await until(lambda: renewed >= 3)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_no_sheet_is_stored_of_a_day_that_changed_while_it_was_read(
    database: Database, merging: Compactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, changed = user_sheets._Sums.add, list[int]()

    def changing(sums: Any, cells: list[Any]) -> None:
        add(sums, cells)
        if not changed:
            late = database.blocking[STATE].update_one(STATE_KEY, {"$inc": {"late": 1, "heeded": 1}})
            changed.append(late.modified_count)

    monkeypatch.setattr(user_sheets._Sums, "add", changing)
    await merging.sheets.make_all()
    assert (changed, await days_made(database)) == ([1], 1)  # that day's is left for a minute
    await merging.sheets.make_all()
    assert await days_made(database) == 2


async def test_a_day_with_too_many_users_for_a_sheet_has_none(
    database: Database, merging: Compactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_sheets, "MOST_USERS", 6)
    await merging.sheets.make_all()
    assert await days_made(database) == 0
