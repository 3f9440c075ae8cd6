"""A deployment without limits pays nothing for them, and its first ones are exact all the same."""

import asyncio
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from app.database import Database
from app.limits.counting import beginning
from app.limits.limits import Limits
from app.tracking import Tracker
from models.counters import COUNTERS, UNCOUNTED
from models.limits import LimitScope, Window
from tests.limits.counting.test_counters import record
from tests.limits.defined import define, limit
from tests.patience import until

CALL = {"user_id": "u1", "content_type": "chat", "model": "gpt-4o", "input_tokens": 1, "output_tokens": 1}


async def test_where_nothing_was_ever_defined_no_call_is_noted_to_be_counted(
    tracker: Tracker, database: Database
) -> None:
    limits = Limits(database, ZoneInfo("UTC"))
    tracker.enforce(limits)
    await limits.definitions.refresh()
    await tracker.track(**CALL)
    assert await database.writes[UNCOUNTED].count_documents({}) == 0

    await define(database, limit(10, Window.LIFETIME, scope=LimitScope(everyone=True)))
    await limits.changed()
    await tracker.track(**CALL)
    assert await database.writes[UNCOUNTED].count_documents({}) == 1
    await limits.fold.now()
    stored = await database.writes[COUNTERS].find_one({})
    assert stored is not None
    assert stored["used"] == 2


async def test_a_process_that_could_not_look_lately_notes_calls(database: Database) -> None:
    limits = Limits(database, ZoneInfo("UTC"))
    assert not limits.definitions.never_any
    await limits.definitions.refresh()
    assert limits.definitions.never_any
    limits.definitions._looked_at -= 3
    assert not limits.definitions.never_any


async def test_what_others_recorded_before_they_learned_of_the_first_limit_is_counted_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "AGAIN_AFTER", (timedelta(0),))
    limits = Limits(database, ZoneInfo("UTC"))
    await define(database, limit(10, Window.LIFETIME, scope=LimitScope(everyone=True)))
    await limits.definitions.refresh()
    await record(database, {})
    await limits.fold.now()
    await record(database, {})
    await database.writes[UNCOUNTED].delete_many({})  # as one that did not know leaves it

    task = asyncio.create_task(beginning.count_again_at_the_beginning(limits.definitions, limits.counters))

    async def is_mended() -> bool:
        return await database.writes[COUNTERS].count_documents({"used": 2}) == 1

    await until(is_mended)
    await task
