"""Rollups that would answer wrongly do not answer: an older ledger, another time zone. A rebuild puts both right."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.database import Database
from app.errors import ConfigurationError, RollupsNotReadyError
from app.observability.metrics import Counters
from app.reports.query import ReportQuery, Synthetic
from app.reports.reports import Reports
from app.reports.windows import TimeWindow
from app.rollups.rebuild import Rebuild
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.rollups import CAPS, SET_ASIDE
from scripts.bench.pairs import built_pairs

UTC_ZONE, KOLKATA = ZoneInfo("UTC"), ZoneInfo("Asia/Kolkata")
# 20:00 UTC is the next day in Kolkata
CALLS: list[dict[str, Any]] = [
    {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "input_tokens": 1_000, "created_at": moment}
    for moment in (
        datetime(2024, 5, 1, 10, tzinfo=UTC),
        datetime(2024, 5, 1, 20, tzinfo=UTC),
        datetime(2024, 5, 2, 20, tzinfo=UTC),
    )
]


async def by_day(database: Database, zone: ZoneInfo) -> dict[str, int]:
    window = TimeWindow(date(2024, 4, 28), date(2024, 5, 6), zone)
    report = await Reports(database, zone).usage(ReportQuery(window))
    return {day.day.isoformat(): day.requests for day in report.daily if day.requests}


async def rebuild(database: Database, zone: ZoneInfo) -> int:
    whole = Rebuild(database, zone, None, None)
    return await whole.run(await whole.prepare(), lambda _: None)


async def test_a_ledger_older_than_its_rollups_is_said_until_they_are_built(
    settings: Settings, database: Database
) -> None:
    for pair in built_pairs(database, CALLS):
        await database.ledger.insert_one(pair.entry)
        await database.events.insert_one(pair.event)

    async with open_tracker(settings, database, Counters()) as tracker:
        assert (await tracker.track(**CALLS[0])).status == "committed"
        for refused in (
            by_day(database, UTC_ZONE),
            Reports(database, UTC_ZONE).overview(Synthetic.EXCLUDE),
            Reports(database, UTC_ZONE).freshness(),
        ):
            with pytest.raises(RollupsNotReadyError, match=r"older than its rollups.*scripts\.rebuild_rollups"):
                await refused

        assert await rebuild(database, UTC_ZONE) == 4
        assert await by_day(database, UTC_ZONE) == {"2024-05-01": 3, "2024-05-02": 1}


async def test_in_another_time_zone_nothing_is_answered_until_the_rollups_are_built_for_it(
    settings: Settings, database: Database, tracker: Tracker
) -> None:
    for call in CALLS:
        await tracker.track(**call)
    assert await by_day(database, UTC_ZONE) == {"2024-05-01": 2, "2024-05-02": 1}

    elsewhere = settings.model_copy(update={"timezone": "Asia/Kolkata"})
    async with open_tracker(elsewhere, database, Counters()) as later:
        assert (await later.track(**CALLS[0])).status == "committed"
        with pytest.raises(RollupsNotReadyError, match=r"count days in UTC, but TWINMETER_TIMEZONE is Asia/Kolkata"):
            await by_day(database, KOLKATA)
        with pytest.raises(ConfigurationError, match="rebuild the whole ledger"):
            await Rebuild(database, KOLKATA, date(2024, 5, 1), None).prepare()

        await rebuild(database, KOLKATA)

        assert await by_day(database, KOLKATA) == {"2024-05-01": 2, "2024-05-02": 1, "2024-05-03": 1}
        with pytest.raises(RollupsNotReadyError, match="count days in Asia/Kolkata"):
            await by_day(database, UTC_ZONE)


async def test_a_rebuild_that_was_interrupted_goes_on_where_it_was(database: Database, tracker: Tracker) -> None:
    for call in CALLS:
        await tracker.track(**call)

    def interrupted(_: int) -> None:
        raise InterruptedError

    first = Rebuild(database, UTC_ZONE, date(2024, 5, 1), date(2024, 5, 3))
    days = await first.prepare()
    with pytest.raises(InterruptedError):
        await first.run(days, interrupted)
    again = Rebuild(database, UTC_ZONE, date(2024, 5, 1), date(2024, 5, 3))

    assert days == [date(2024, 5, 1), date(2024, 5, 2)]
    assert await again.prepare() == days[1:]
    assert await again.run(days[1:], lambda _: None) == 1
    assert await by_day(database, UTC_ZONE) == {"2024-05-01": 2, "2024-05-02": 1}
    assert await again.prepare() == days


async def test_a_resumed_rebuild_forgets_no_delta_that_was_set_aside_of_days_it_does_not_count_again(
    database: Database, tracker: Tracker
) -> None:
    for call in CALLS:
        await tracker.track(**call)

    def interrupted(_: int) -> None:
        raise InterruptedError

    first = Rebuild(database, UTC_ZONE, None, None)
    with pytest.raises(InterruptedError):
        await first.run(await first.prepare(), interrupted)
    aside = database.writes[SET_ASIDE]
    await aside.insert_many([{"_id": day, "days": [day]} for day in ("2024-05-01", "2024-05-02")])

    await rebuild(database, UTC_ZONE)

    assert [delta["_id"] async for delta in aside.find()] == ["2024-05-01"]
    await rebuild(database, UTC_ZONE)
    assert await aside.count_documents({}) == 0


async def test_damaged_cells_are_put_right_by_a_rebuild_of_their_day(database: Database, tracker: Tracker) -> None:
    for call in CALLS:
        await tracker.track(**call)
    await rebuild(database, UTC_ZONE)
    await database.writes.rollup_days.update_many({}, {"$inc": {"requests": 7}})
    await database.writes.rollup_users.delete_many({"_id.day": "2024-05-01"})
    assert await by_day(database, UTC_ZONE) == {"2024-05-01": 9, "2024-05-02": 8}

    day = Rebuild(database, UTC_ZONE, date(2024, 5, 1), date(2024, 5, 1))
    assert await day.run(await day.prepare(), lambda _: None) == 2

    assert await by_day(database, UTC_ZONE) == {"2024-05-01": 2, "2024-05-02": 8}
    window = TimeWindow(date(2024, 5, 1), date(2024, 5, 1), UTC_ZONE)
    users = await Reports(database, UTC_ZONE).users(ReportQuery(window), "-requests", limit=5, cursor=None)
    assert [(user.user_id, user.requests) for user in users.users] == [("u", 2)]


async def test_a_rebuild_beside_living_writers_never_takes_a_call_away(database: Database, tracker: Tracker) -> None:
    acknowledged, done = 0, asyncio.Event()

    async def report_on() -> None:
        nonlocal acknowledged
        while not done.is_set():
            receipt = await tracker.track(**{**CALLS[acknowledged % 3], "user_id": f"u{acknowledged % 11}"})
            assert receipt.status == "committed"
            acknowledged += 1

    writers = [asyncio.create_task(report_on()) for _ in range(4)]
    for _ in range(4):
        part = Rebuild(database, UTC_ZONE, date(2024, 5, 1), date(2024, 5, 2))
        days, before = await part.prepare(), acknowledged
        await part.run(days, lambda _: None)
        assert sum((await by_day(database, UTC_ZONE)).values()) >= before
    done.set()
    await asyncio.gather(*writers)

    assert sum((await by_day(database, UTC_ZONE)).values()) == acknowledged
    await rebuild(database, UTC_ZONE)
    assert sum((await by_day(database, UTC_ZONE)).values()) == acknowledged


async def test_names_beyond_a_clients_cap_are_counted_together_and_said(
    settings: Settings, database: Database, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CAPS, "model", 2)
    async with open_tracker(settings, database, Counters(), compacting=False) as other:
        for writer, client, model in [
            (tracker, "a", "m1"),
            (other, "a", "m2"),
            (tracker, "a", "m3"),
            (other, "a", "m4"),
            (other, "a", "m1"),
            (tracker, "b", "m3"),
        ]:
            await writer.track(**{**CALLS[0], "client_id": client, "model": model, "provider": "acme"})

    reports = Reports(database, UTC_ZONE)
    query = ReportQuery(TimeWindow(date(2024, 5, 1), date(2024, 5, 1), UTC_ZONE))
    models = {row.model: row.requests for row in (await reports.usage(query)).by_model}
    quality = await reports.data_quality(query)

    assert models == {"m1": 2, "other": 2, "m2": 1, "m3": 1}
    assert [(folded.dimension, folded.requests) for folded in quality.folded_names] == [("model", 2)]
    stored = await database.ledger.distinct("aiModel")
    assert sorted(stored) == ["m1", "m2", "m3", "m4"]
    refused = await tracker.track(**{**CALLS[0], "client_id": "*"})
    assert (refused.status, [fault.field for fault in refused.errors]) == ("rejected", ["client_id"])
