"""Commands run inside the test, where a failure can be injected."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from app.database import Database
from app.rollups.recount import Recount
from app.settings import Settings
from models.rollups import USAGE
from scripts.toolkit.job import Job, Summary, run_job
from tests.reports.test_rollups import House, dumped
from tests.twins import assert_twins, entries


class Interrupted(Exception):  # noqa: N818 - no error, but what a kill would do
    pass


async def run(make: Callable[..., Job[Any]], database: Database, settings: Settings, given: Any) -> Summary:
    return await run_job(make(database, settings, given), database, execute=given.execute, restart=given.restart)


def failing_after(monkeypatch: pytest.MonkeyPatch, place: type, name: str, calls: int) -> None:
    """Let a method do its work so many times, and then no more."""
    original, done = getattr(place, name), 0

    async def failing(*arguments: Any, **more: Any) -> Any:
        nonlocal done
        if done == calls:
            raise Interrupted
        done += 1
        return await original(*arguments, **more)

    monkeypatch.setattr(place, name, failing)


async def dump(database: Database) -> dict[str, list[Any]]:
    """Every document of every collection."""
    names = [name for name in await database.writes.list_collection_names() if name != "system.views"]
    return {name: await database.writes[name].find().sort("_id").to_list(None) for name in sorted(names)}


async def assert_counted(house: House) -> None:
    """Both collections hold the same calls, and every cell says what a recount of them gives."""
    await assert_twins(house.database)
    await house.compactor.merge_all()
    before = await dumped(house.database)
    days = {entry["createdAt"].astimezone(house.zone).date() for entry in await entries(house.database)}
    days |= {date.fromisoformat(day) for day in await house.database.writes[USAGE].distinct("_id.day")}
    for day in sorted(days):
        await Recount(house.database, house.zone).days(day, day)
    await house.compactor.merge_all()
    assert await dumped(house.database) == before
