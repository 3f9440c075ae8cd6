"""What was turned away is counted by its reason, and nothing else of it is kept."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo.errors import AutoReconnect
from structlog.testing import CapturingLogger

from app.database import Database
from app.database.updates import apply_updates
from app.observability.metrics import Counters
from app.reports.query import ReportQuery
from app.reports.reports import Reports
from app.reports.windows import requested_window
from app.settings import Settings
from app.tracking import Fault, Tracker, open_tracker
from app.tracking import refusals as module
from app.tracking.refusals import Refusals
from models.refusals import KEPT_DAYS, LATE, REFUSALS
from scripts.diagnosis import calls
from scripts.diagnosis.finding import Deployment, ok

NOW = datetime(2026, 10, 1, 23, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


async def stored(database: Database) -> list[tuple[str, ...]]:
    found = await database.writes[REFUSALS].find().sort([("calls", -1), ("_id", 1)]).to_list(None)
    return [(*document["_id"].values(), str(document["calls"])) for document in found]


async def test_refusals_are_counted_by_day_client_channel_field_and_reason(database: Database) -> None:
    refusals = Refusals(database, BERLIN, lambda: NOW)
    for _ in range(3):
        refusals.count("acme", "track", [Fault("model", "is required")])
    refusals.count("acme", "batch", [Fault("metadata.a", "too long"), Fault("metadata.b", "too long")])
    await refusals.write()
    refusals.count("acme", "track", [Fault("model", "is required")])
    await refusals.write()

    assert await stored(database) == [
        ("2026-10-02", "acme", "track", "model", "is required", "4"),
        ("2026-10-02", "acme", "batch", "metadata", "too long", "1"),
    ]


async def test_they_are_kept_for_thirty_days(database: Database) -> None:
    indexes = await database.writes[REFUSALS].index_information()

    assert indexes["expiry"]["expireAfterSeconds"] == timedelta(days=KEPT_DAYS).total_seconds() == 2_592_000
    assert indexes["expiry"]["key"] == [("last", 1)]


async def test_how_long_they_are_kept_does_not_depend_on_a_processs_clock(database: Database) -> None:
    refusals = Refusals(database, BERLIN, lambda: datetime.now(UTC) + timedelta(days=400))
    refusals.count("acme", "track", [Fault("model", "is required")])
    await refusals.write()

    (kept,) = await database.writes[REFUSALS].find().to_list(None)
    assert abs(kept["last"] - datetime.now(UTC)) < timedelta(hours=1)


async def test_while_mongodb_is_away_they_wait(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = Refusals(database, BERLIN, lambda: NOW)
    refusals.count("acme", "track", [Fault("model", "is required")])

    async def away(*_: object) -> None:
        raise AutoReconnect("away")

    with monkeypatch.context() as patch:
        patch.setattr(module, "apply_updates", away)
        with pytest.raises(AutoReconnect):
            await refusals.write()
        await refusals.close()
    refusals.count("acme", "track", [Fault("model", "is required")])
    await refusals.write()

    assert await stored(database) == [("2026-10-02", "acme", "track", "model", "is required", "2")]


async def test_made_up_fields_fill_no_memory(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REASONS", 2)
    refusals = Refusals(database, BERLIN, lambda: NOW)
    for number in range(5):
        refusals.count("acme", "track", [Fault(f"field{number}" + "x" * 1_000, "unknown field")])
    await refusals.write()

    found = await stored(database)
    assert [(reason, calls) for *_, reason, calls in found] == [
        ("other reasons", "3"),
        ("unknown field", "1"),
        ("unknown field", "1"),
    ]
    assert max(len(field) for _, _, _, field, _, _ in found) == 200


async def test_one_client_crowds_out_no_other(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REASONS", 2)
    refusals = Refusals(database, BERLIN, lambda: NOW)
    for number in range(4):
        refusals.count("loud", "track", [Fault(f"field{number}", "unknown field")])
        await refusals.write()  # the limit is one of the day, not of what waits
    refusals.count("acme", "track", [Fault("model", "is required")])
    await refusals.write()

    assert [row[1:] for row in await stored(database)] == [
        ("loud", "track", "", "other reasons", "2"),
        ("acme", "track", "model", "is required", "1"),
        ("loud", "track", "field0", "unknown field", "1"),
        ("loud", "track", "field1", "unknown field", "1"),
    ]


async def test_of_a_name_that_is_a_text_nothing_is_kept(database: Database) -> None:
    refusals = Refusals(database, BERLIN, lambda: NOW)
    refusals.count("acme", "track", [Fault("my secret prompt", "unknown field")])
    await refusals.write()

    assert [row[1:] for row in await stored(database)] == [("acme", "track", "", "unknown field", "1")]


async def test_what_utf_8_cannot_hold_stops_no_count(settings: Settings, database: Database) -> None:
    async with open_tracker(settings, database, Counters()) as tracker:
        receipt = await tracker.track(client_id="\ud800", user_id="u1", content_type="chat", model="gpt-4o")
        assert receipt.status == "rejected"
        await refused_twice(tracker)

    assert [(client, door, calls) for _, client, door, *_, calls in await stored(database)] == [
        ("acme", "function", "2"),
        ("?", "function", "1"),
    ]


async def test_a_process_that_stops_leaves_them_in_the_database(settings: Settings, database: Database) -> None:
    async with open_tracker(settings, database, Counters()) as tracker:
        await refused_twice(tracker)

    assert [row[1:] for row in await stored(database)] == [
        ("acme", "function", "input_tokens", "Input should be greater than or equal to 0", "2")
    ]


async def refused_twice(tracker: Tracker) -> None:
    for secret in ("SECRET-1", "SECRET-2"):
        receipt = await tracker.track(
            user_id=secret, client_id="acme", content_type="chat", model="gpt-4o", input_tokens=-1, input_text=secret
        )
        assert receipt.status == "rejected"


async def test_a_stop_in_the_middle_of_a_write_loses_no_count_and_doubles_none(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any) -> None:
        begun.set()
        await go_on.wait()
        await apply_updates(*arguments)

    monkeypatch.setattr(module, "apply_updates", slow)
    monkeypatch.setattr(module, "WRITE_SECONDS", 0.0)
    async with open_tracker(settings, database, Counters()) as tracker:
        await refused_twice(tracker)
        await begun.wait()
        asyncio.get_running_loop().call_later(0.2, go_on.set)

    assert [calls for *_, calls in await stored(database)] == ["2"]


async def test_a_call_of_long_ago_is_recorded_counted_and_told_once(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = CapturingLogger()
    monkeypatch.setattr(module, "log", logger)
    now = datetime.now(UTC)
    call = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "input_tokens": 1}
    dates = [now, now - timedelta(days=89), now - timedelta(days=91), now - timedelta(days=91), now.replace(year=2000)]
    async with open_tracker(settings, database, Counters()) as tracker:
        receipts = [await tracker.track(**call, created_at=moment - timedelta(minutes=1)) for moment in dates]
        await tracker.post(**call, created_at=now - timedelta(days=400))

    assert [receipt.status for receipt in receipts] == ["committed"] * 5
    found = await database.writes[LATE].find().sort("_id.door", 1).to_list(None)
    assert [(one["_id"]["door"], one["calls"]) for one in found] == [("background", 1), ("function", 3)]
    assert [one.args for one in logger.calls if one.args[0] == "call.late"] == [("call.late",)]
    day = requested_window(days=2, first=None, last=None, now=now, zone=settings.zone)
    quality = await Reports(database, settings.zone).data_quality(ReportQuery(day))
    assert [(row.door, row.calls) for row in quality.late_calls or ()] == [("function", 3), ("background", 1)]
    assert quality.refused_calls == []
    looked = await calls.late(Deployment(settings, database, ok("")))
    assert looked.said == "4 calls in 30 days dated more than 90 days before: function (3), background (1)"
