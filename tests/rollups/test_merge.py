"""What is merged when, and what one merge knows of the one before: never at the cost of a figure."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from app.database import Database
from app.database.outages import TOO_LARGE
from app.observability.metrics import Counters
from app.rollups import active_users, compactor, merge
from app.rollups.compactor import Compactor
from app.rollups.lease import Lease
from app.rollups.merge import Merged
from app.rollups.subject_updates import conversation_updates
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.rollups import ACTIVE_USERS, DELTAS, EVERYONE, SET_ASIDE, USER_MONTHS, USERS
from tests.patience import until
from tests.rollups.test_compactor import in_cells, requests, track


@pytest.fixture
async def writer(settings: Settings, database: Database) -> AsyncIterator[Tracker]:
    """A tracker that leaves merging to others."""
    async with open_tracker(settings, database, Counters(), compacting=False) as tracker:
        yield tracker


async def in_user_cells(database: Database) -> int:
    return sum([cell["requests"] async for cell in database.writes[USERS].find()])


@pytest.mark.parametrize(
    "damage",
    [
        {"usage.0.users.0.user": None},
        {"usage.0.users.0.requests": "many"},
        {"usage.0.users.0.cost": 1.5},
        {"usage.0.conversations": "none"},
        {"merged": None},
        {"calls": None},
    ],
    ids=str,
)
async def test_a_delta_that_is_damaged_between_its_two_merges_is_set_aside(
    database: Database, writer: Tracker, damage: dict[str, Any]
) -> None:
    async with database.committer_session() as session:
        merging = Compactor(database, session)
        for _ in range(2):
            await track(writer, 1)
        await merging.merge_figures()
        first = await database.writes[DELTAS].find_one(sort=[("_id", 1)])
        assert first is not None
        await database.writes[DELTAS].update_one({"_id": first["_id"]}, {"$set": damage})

        await merging.merge_all()

    assert (await in_cells(database), await in_user_cells(database)) == (2, 1)
    assert [one["_id"] async for one in database.writes[SET_ASIDE].find()] == [first["_id"]]
    assert await database.writes[DELTAS].count_documents({}) == 0


async def test_a_delta_that_a_recount_cut_down_between_its_two_merges_is_sound(
    database: Database, writer: Tracker
) -> None:
    async with database.committer_session() as session:
        merging = Compactor(database, session)
        await track(writer, 7)
        await merging.merge_figures()
        pulled = {"$pull": {"usage.0.users": {"user": "u3"}}}
        await database.writes[DELTAS].update_one({}, pulled)

        await merging.merge_all()

    assert (await in_cells(database), await in_user_cells(database)) == (7, 6)


async def test_users_wait_for_more_calls_where_many_come_and_never_long(database: Database) -> None:
    merging = Compactor(database, None)
    for deltas, calls, waited, due in (
        (0, 0, 5.0, True),
        (1, 9_999, 4.9, False),
        (1, 9_999, 5.0, True),
        (20, 10_000, 5.0, False),
        (20, 10_000, 15.0, True),
        (80, 39_999, 14.9, False),
        (80, 40_000, 0.1, True),
        (299, 299, 0.1, False),
        (300, 300, 0.1, True),
    ):
        merging._subjects_merged, merging._deltas, merging._calls = 100.0, deltas, calls
        assert merging._subjects_due(100.0 + waited) is due


async def test_a_compactor_that_is_behind_merges_users_in_between(
    database: Database, writer: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a long backlog of figures would leave all of its deltas for reports to read."""
    monkeypatch.setattr(merge, "MAX_DELTAS", 3)
    monkeypatch.setattr(compactor, "MANY_DELTAS", 6)
    done: list[tuple[str, int]] = []
    async with database.committer_session() as session:
        merging = Compactor(database, session)
        for name in ("figures", "subjects"):
            step = getattr(merging._merger, name)

            def noted(name: str = name, step: Any = step) -> Merged:
                merged: Merged = step()
                done.append((name, merged.deltas))
                return merged

            monkeypatch.setattr(merging._merger, name, noted)
        for _ in range(14):
            await track(writer, 1)
        merging._subjects_merged = 1.0
        await merging._lease.acquire()
        await merging._work(2.0)

        figures, subjects = ("figures", 3), ("subjects", 3)
        behind = [figures, figures, subjects, subjects, ("subjects", 0)]
        assert done == [*behind, *behind, ("figures", 2)]
        assert (await requests(database), await in_cells(database), await in_user_cells(database)) == (14, 14, 12)
        await merging.merge_all()
    assert (await requests(database), await in_user_cells(database)) == (14, 14)


async def test_a_merge_that_takes_long_keeps_the_lease(
    database: Database, writer: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process would begin the same merge, and both would be undone."""
    monkeypatch.setattr(compactor, "RENEW_SECONDS", 0.01)
    store, go_on = active_users.ActiveUsers.store, threading.Event()

    def late(self: Any, *arguments: Any) -> Any:
        go_on.wait()
        return store(self, *arguments)

    monkeypatch.setattr(active_users.ActiveUsers, "store", late)
    renewed = 0

    class Counted(Lease):
        async def acquire(self, *, by_force: bool = False) -> bool:
            nonlocal renewed
            renewed += 1
            return await super().acquire(by_force=by_force)

    await track(writer, 1)
    async with database.committer_session() as session, database.committer_session() as other:
        merging = asyncio.create_task(Compactor(database, session, Counted(database, session)).merge_figures())
        await until(lambda: renewed >= 3)
        assert not await Lease(database, other).acquire()
        assert not merging.done()
        go_on.set()
        assert await merging == Merged(1, 1, more=False)


@pytest.mark.parametrize(("users", "places"), [(200_000, 1_024), (3, 2), (0, 0)])
async def test_who_was_active_is_counted_once_whatever_is_kept_in_mind(
    database: Database, writer: Tracker, monkeypatch: pytest.MonkeyPatch, users: int, places: int
) -> None:
    monkeypatch.setattr(active_users, "MAX_KNOWN", users)
    monkeypatch.setattr(active_users, "MAX_PLACES", places)
    models, expected = ("gpt-4o", "gpt-4o-mini", "o1"), {}
    async with database.committer_session() as session:
        merging = Compactor(database, session)
        for day in ("2026-10-30", "2026-10-31", "2026-11-01", "2026-10-31"):
            for user in range(4):
                for model in models[: user + 1]:
                    at = f"{day}T12:00:00Z"
                    call = {"content_type": "chat", "model": model, "input_tokens": 1, "created_at": at}
                    receipt = await writer.track(user_id=f"u{user}", **call)
                    assert receipt.status == "committed"
            expected[day] = expected[day[:7]] = 4
            await merging.merge_figures()
        assert sum(len(day.users) for day in merging._merger._users._known.values()) <= users

    condition = {"_id.scope": EVERYONE}
    counted = {row["_id"]["period"]: row["users"] async for row in database.writes[ACTIVE_USERS].find(condition)}
    assert counted == expected
    months = {
        (row["_id"]["month"], row["_id"]["user"]): (row["days"], sorted(row["parts"].values()))
        async for row in database.writes[USER_MONTHS].find()
    }
    assert len(months) == 8
    for user in range(4):
        count = min(user + 1, len(models))
        october = 3 << 29
        assert months["2026-10", f"u{user}"] == (october, [october] * count)
        assert months["2026-11", f"u{user}"] == (1, [1] * count)


async def test_a_merge_that_does_not_fit_into_the_servers_cache_takes_fewer_calls_at_once(
    database: Database, writer: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "MAX_CALLS", 8)
    monkeypatch.setattr(merge, "FEWEST", 1)
    room, store = 3, conversation_updates
    tried = []

    def in_a_small_cache(ids: list[Any]) -> Any:
        tried.append(len(ids))
        if len(ids) > room:
            raise OperationFailure("transaction is too large", TOO_LARGE)
        return store(ids)

    monkeypatch.setattr(merge, "conversation_updates", in_a_small_cache)
    for _ in range(7):
        await track(writer, 1)

    async with database.committer_session() as session:
        await Compactor(database, session).merge_all()

    assert tried == [7, 4, 2, 2, 2, 1]
    assert (await in_cells(database), await in_user_cells(database)) == (7, 7)
    assert await database.writes[DELTAS].count_documents({}) == 0


async def test_who_was_active_fits_into_the_servers_cache_likewise(
    database: Database, writer: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "MAX_CALLS", 8)
    monkeypatch.setattr(merge, "FEWEST", 1)
    store, tried = active_users.ActiveUsers.store, []

    def in_a_small_cache(active: active_users.ActiveUsers, ids: list[Any], session: Any) -> active_users.Active:
        tried.append(len(ids))
        if len(ids) > 3:
            raise OperationFailure("transaction is too large", TOO_LARGE)
        return store(active, ids, session)

    monkeypatch.setattr(active_users.ActiveUsers, "store", in_a_small_cache)
    for _ in range(7):
        await track(writer, 1)

    async with database.committer_session() as session:
        await Compactor(database, session).merge_all()

    assert tried == [7, 4, 2, 2, 2, 1]
    assert (await in_cells(database), await in_user_cells(database)) == (7, 7)
