"""Backfills make the twins whole: each once, beside whoever writes, and from wherever they were interrupted."""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from types import ModuleType
from typing import Any

import bson
import pytest
from bson import Decimal128, ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from app.database import Database
from app.maintenance.backfill.twinning import Prepared, Twinning, TwinningResult, _refusal
from app.rollups.merging import merging
from app.rollups.recount import Recount
from app.settings import Settings
from app.tracking import Tracker
from models.documents import Document
from models.rollups import DELTAS
from scripts import backfill_analytics, backfill_usage
from scripts.backfill_analytics import BackfillAnalytics
from scripts.backfill_usage import BackfillUsage
from scripts.toolkit import backfilling
from scripts.toolkit.job import CHECKPOINTS, Summary, run_job
from tests.maintenance.test_uncounted import in_ledger, told
from tests.reports.test_rollups import dumped
from tests.scripts.conftest import Command
from tests.scripts.jobs import Interrupted, dump, failing_after
from tests.twins import assert_twins, entries, events

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
PROPERTIES = {"contentType": "chat", "model": "gpt-4o", "provider": "openai", "cached": False}
ESTIMATE = Decimal128("0.004997500000000")
KINDS: tuple[dict[str, Any], ...] = (
    {},
    {"properties": {"contentType": "summary", "model": "claude-sonnet-4-5", "cached": True}},
    {"properties": {"contentType": "haiku", "model": "nobody-knows", "provider": "acme"}},
    {"properties": {**PROPERTIES, "cost": 0.25, "inputTokens": 10.0, "outputTokens": 2}},
    {"properties": {**PROPERTIES, "tokens": 700}, "clientId": "acme"},
    {"userId": None, "clerkUserId": "user_2x", "synthetic": True},
    {"createdAt": "2026-03-02T01:00:00Z", "properties": None},
)
BROKEN: tuple[dict[str, Any], ...] = (
    {"_id": 7},
    {"_id": "seven"},
    {"_id": {"a": 1}},
    {"userId": None},
    {"createdAt": "yesterday"},
    {"properties": "chat"},
    {"properties": {**PROPERTIES, "cost": -1}},
)


def old(number: int, **fields: Any) -> Document:
    """An event of a system that wrote nothing else."""
    moment = AT + timedelta(minutes=number)
    fresh = {"_id": ObjectId.from_datetime(moment), "userId": f"user-{number % 7}", "event": "ai_generation"}
    return {**fresh, "properties": dict(PROPERTIES), "createdAt": moment, **fields}


def history(count: int) -> list[Document]:
    """Events of every usable kind."""
    return [old(number, **KINDS[number % len(KINDS)]) for number in range(count)]


def _entry(number: int) -> Document:
    """What an event says of its entry, as the ledger has it."""
    event = old(number, userId="anna", clientId="default")
    said = {"contentType": "chat", "aiModel": "gpt-4o", "provider": "openai", "feature": "chat"}
    figures = {"cached": False, "success": True, "cost": ESTIMATE, "synthetic": False}
    return {**{name: event[name] for name in ("_id", "userId", "clientId", "createdAt")}, **said, **figures}


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfilling, "BATCH", 5)


@pytest.fixture
def usage(database: Database, settings: Settings) -> Callable[..., Awaitable[Summary]]:
    return lambda **options: _run(BackfillUsage, database, settings, **options)


@pytest.fixture
def analytics(database: Database, settings: Settings) -> Callable[..., Awaitable[Summary]]:
    return lambda **options: _run(BackfillAnalytics, database, settings, **options)


async def _run(
    kind: type[backfilling.Backfill],
    database: Database,
    settings: Settings,
    *,
    execute: bool = True,
    first: date | None = None,
    last: date | None = None,
    client: str = "default",
) -> Summary:
    arguments = argparse.Namespace(first=first, last=last, client=client)
    return await run_job(kind(database, settings, arguments), database, execute=execute)


async def check(database: Database, settings: Settings) -> set[str]:
    """The invariants: the same ids, and cells that equal a recount. Returns the ids."""
    ids = await assert_twins(database)
    for entry, event in zip(await entries(database), await events(database), strict=True):
        for name in ("userId", "clientId", "synthetic", "createdAt"):
            assert event[name] == entry[name]
        for name in ("contentType", "feature", "cached", "success", "cost"):
            assert event["properties"][name] == entry[name]
    async with merging(database) as compactor:
        await compactor.merge_all()
        assert await database.writes[DELTAS].count_documents({}) == 0
        before = await dumped(database)
        days = [entry["createdAt"].date() for entry in await entries(database)]
        if days:
            await Recount(database, settings.zone).days(min(days), max(days))
        await compactor.merge_all()
    assert await dumped(database) == before
    return ids


async def test_events_get_their_entries_with_what_they_say_and_estimates_for_the_rest(
    database: Database, settings: Settings, usage: Callable[..., Awaitable[Summary]]
) -> None:
    await database.events.insert_many(history(23))
    await database.events.insert_one({"_id": "view", "event": "page_view", "userId": "anna"})

    summary = await usage(client="shop")

    assert dict(summary.counts) == {"made": 23, "already there": 0, "refused": 0}
    assert len(await check(database, settings)) == 23
    stored = await entries(database)
    assert [(entry["costSource"], entry["cost"]) for entry in stored[:7]] == [
        ("estimated", ESTIMATE),
        ("cached", Decimal128("0E-15")),
        ("unpriced", None),
        ("reported", Decimal128("0.250000000000000")),
        ("estimated", Decimal128("0.002537500000000")),
        ("estimated", ESTIMATE),
        ("unpriced", None),
    ]
    assert [entry["clientId"] for entry in stored[:7]] == [*["shop"] * 4, "acme", "shop", "shop"]
    assert [entry["provider"] for entry in stored[:4]] == ["openai", "anthropic", "acme", "openai"]
    assert stored[6]["createdAt"] == datetime(2026, 3, 2, 1, tzinfo=UTC)
    assert all(entry["recordedAt"] > datetime.now(UTC) - timedelta(minutes=1) for entry in stored)
    assert await database.events.find_one({"event": "page_view"}) == {
        "_id": "view",
        "event": "page_view",
        "userId": "anna",
    }


async def test_what_cannot_be_an_entry_is_counted_and_named_and_stops_nothing(
    database: Database, settings: Settings, usage: Callable[..., Awaitable[Summary]]
) -> None:
    broken = [old(100 + number, **fields) for number, fields in enumerate(BROKEN)]
    await database.events.insert_many([*history(8), *broken])

    summary = await usage()

    assert (summary.counts["made"], summary.counts["refused"]) == (8, len(BROKEN))
    assert {name: count for name, count in summary.counts.items() if name.startswith("refused for")} == {
        "refused for _id": 3,
        "refused for userId": 1,
        "refused for createdAt": 1,
        "refused for properties": 1,
        "refused for cost": 1,
    }
    assert "7: _id is not an ObjectId but of type int" in summary.notes
    assert f"{broken[4]['_id']}: createdAt is a string that is not a date" in summary.notes
    # they are as they were
    for event in broken:
        assert await database.events.find_one({"_id": event["_id"]}) == event
    await database.events.delete_many({"_id": {"$in": [event["_id"] for event in broken]}})
    assert len(await check(database, settings)) == 8


async def test_what_python_cannot_hold_does_not_sink_its_page(
    database: Database, usage: Callable[..., Awaitable[Summary]], mongodb_uri: str, settings: Settings
) -> None:
    await database.events.insert_many(history(7))
    broken = old(50, userId="xxxx")
    raw = bson.encode(broken).replace(b"xxxx", b"a\xff\xfeb")
    with MongoClient[Any](mongodb_uri) as client:
        client[settings.database].analytics.insert_one(RawBSONDocument(raw))

    summary = await usage()

    assert (summary.counts["made"], summary.counts["refused for userId"]) == (7, 1)


async def test_what_the_server_will_not_take_is_found_and_the_others_are_written(
    database: Database, settings: Settings, usage: Callable[..., Awaitable[Summary]]
) -> None:
    await database.events.insert_many(history(20))
    refused = {"userId": {"$ne": "user-2"}, "clientId": {"$ne": "acme"}}
    await database.writes.command({"collMod": "aiusages", "validator": refused})

    summary = await usage()

    assert (summary.counts["made"], summary.counts["refused for the server"]) == (14, 6)
    await database.writes.command({"collMod": "aiusages", "validator": {}})
    assert (await usage()).counts["made"] == 6
    assert len(await check(database, settings)) == 20


@pytest.mark.parametrize("kind", [BackfillUsage, BackfillAnalytics])
async def test_without_execute_nothing_is_written(
    database: Database, settings: Settings, kind: type[backfilling.Backfill]
) -> None:
    await database.events.insert_many(history(9))
    await database.ledger.insert_many([_entry(number) for number in range(100, 106)])
    before = await dump(database)

    summary = await _run(kind, database, settings, execute=False)

    made = {BackfillUsage: 9, BackfillAnalytics: 6}[kind]
    assert (summary.executed, summary.counts["made"], summary.counts["already there"]) == (False, made, 0)
    assert await dump(database) == before


async def test_a_command_says_what_it_did_and_a_second_run_changes_nothing(
    command: Command, database: Database, settings: Settings, usage: Callable[..., Awaitable[Summary]]
) -> None:
    await database.events.insert_many([*history(30), old(99, createdAt=None)])

    done = await asyncio.to_thread(command, "scripts.backfill_usage", "--execute", "--json")
    before = await dump(database)
    second = (await usage()).counts

    first = json.loads(done.stdout)
    assert (done.returncode, first["made"], first["refused for createdAt"]) == (3, 30, 1)
    assert (second["made"], second["already there"], second["refused"]) == (0, 30, 1)
    assert await dump(database) == before
    await database.events.delete_many({"createdAt": None})
    assert len(await check(database, settings)) == 30


async def test_the_command_for_events_says_what_there_is(command: Command, database: Database) -> None:
    await database.ledger.insert_many([_entry(number) for number in range(5)])

    shown = await asyncio.to_thread(command, "scripts.backfill_analytics")

    assert (shown.returncode, "dry run, nothing was written: add --execute" in shown.stdout) == (0, True)
    assert await database.events.count_documents({}) == 0


async def test_only_the_days_asked_for_are_done(database: Database, usage: Callable[..., Awaitable[Summary]]) -> None:
    day = timedelta(days=1)
    moments: list[object] = [AT - day, AT, AT + day, AT.isoformat(), (AT + day).isoformat()]
    await database.events.insert_many([old(n, createdAt=moment) for n, moment in enumerate(moments)])

    summary = await usage(first=AT.date(), last=AT.date())

    assert summary.counts["made"] == 2
    assert [entry["createdAt"] for entry in await entries(database)] == [AT, AT]


@pytest.mark.parametrize("pages", [0, 1, 5])
async def test_an_interrupted_run_goes_on_where_it_was(
    database: Database,
    settings: Settings,
    usage: Callable[..., Awaitable[Summary]],
    monkeypatch: pytest.MonkeyPatch,
    pages: int,
) -> None:
    await database.events.insert_many(history(60))
    with monkeypatch.context() as patch:
        failing_after(patch, BackfillUsage, "do", pages)
        with pytest.raises(Interrupted):
            await usage()

    summary = await usage()

    assert (summary.resumed, summary.counts["made"]) == (pages > 0, 60)
    assert len(await check(database, settings)) == 60
    assert await told(database) == await in_ledger(database) != {}
    assert await database.writes[CHECKPOINTS].count_documents({}) == 0


async def test_a_page_whose_place_was_not_kept_is_done_again_and_changes_nothing(
    database: Database,
    settings: Settings,
    usage: Callable[..., Awaitable[Summary]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a kill between the commit and the checkpoint."""
    await database.events.insert_many(history(60))
    do = BackfillUsage.do

    async def killed_behind(self: BackfillUsage, *arguments: Any, **options: Any) -> Any:
        await do(self, *arguments, **options)
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(BackfillUsage, "do", killed_behind)
        with pytest.raises(Interrupted):
            await usage()

    summary = await usage()

    assert (summary.resumed, summary.counts["made"], summary.counts["already there"]) == (False, 50, 10)
    assert len(await check(database, settings)) == 60


async def test_where_one_batch_fails_the_other_of_its_page_is_whole_or_absent(
    database: Database,
    settings: Settings,
    usage: Callable[..., Awaitable[Summary]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await database.events.insert_many(history(20))
    commit, failed, other = Twinning.commit, asyncio.Event(), asyncio.Event()

    async def first_fails(self: Twinning, page: Prepared) -> TwinningResult:
        if not failed.is_set():
            failed.set()
            raise Interrupted
        outcome = await commit(self, page)
        other.set()
        return outcome

    with monkeypatch.context() as patch:
        patch.setattr(Twinning, "commit", first_fails)
        with pytest.raises(Interrupted):
            await usage()

    assert other.is_set()
    assert await database.ledger.count_documents({}) == 5
    assert (await usage()).counts["made"] == 15
    assert len(await check(database, settings)) == 20


def test_a_document_is_not_refused_because_somebody_was_in_the_way() -> None:
    details = {"writeErrors": [{"errmsg": "write conflict"}]}

    refused = OperationFailure("", 121, details)
    busy = OperationFailure("", 112, {**details, "errorLabels": ["TransientTransactionError"]})

    assert (_refusal(refused), _refusal(busy)) == ("write conflict", None)


async def test_interrupted_making_of_events_goes_on_where_it_was(
    database: Database,
    settings: Settings,
    usage: Callable[..., Awaitable[Summary]],
    analytics: Callable[..., Awaitable[Summary]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await database.events.insert_many(history(45))
    await usage()
    expected = [(entry["_id"], entry["userId"], entry["cost"]) for entry in await entries(database)]
    await database.events.delete_many({})
    with monkeypatch.context() as patch:
        failing_after(patch, BackfillAnalytics, "do", 2)
        with pytest.raises(Interrupted):
            await analytics()
    assert await database.events.count_documents({}) == 20

    summary = await analytics()

    assert (summary.resumed, summary.counts["made"]) == (True, 45)
    found = await events(database)
    assert [(event["_id"], event["userId"], event["properties"]["cost"]) for event in found] == expected
    assert len(await check(database, settings)) == 45


async def test_an_entry_that_can_have_no_event_stops_nothing(
    database: Database, analytics: Callable[..., Awaitable[Summary]], mongodb_uri: str, settings: Settings
) -> None:
    broken = {**_entry(1), "userId": "xxxx"}
    raw = bson.encode(broken).replace(b"xxxx", b"a\xff\xfeb")
    await database.ledger.insert_many([_entry(0), {"_id": ObjectId(), "userId": "anna"}])
    with MongoClient[Any](mongodb_uri) as client:
        client[settings.database].aiusages.insert_one(RawBSONDocument(raw))

    counts = (await analytics()).counts

    assert (counts["made"], counts["refused for userId"], counts["refused for clientId"]) == (1, 1, 1)


async def test_calls_that_are_being_reported_meanwhile_are_not_doubled(
    database: Database, settings: Settings, tracker: Tracker, usage: Callable[..., Awaitable[Summary]]
) -> None:
    await database.events.insert_many(history(60))
    ended = asyncio.Event()

    async def report(user: str) -> int:
        calls = 0
        while not ended.is_set() and calls < 40:
            receipt = await tracker.track(user_id=user, content_type="chat", model="gpt-4o", created_at=AT)
            assert receipt.status == "committed"
            calls += 1
        return calls

    writers = [asyncio.create_task(report(f"live-{number}")) for number in range(8)]
    made = [(await usage()).counts["made"], (await usage()).counts["made"]]
    ended.set()
    live = sum(await asyncio.gather(*writers))

    assert made == [60, 0]
    assert len(await check(database, settings)) == 60 + live


async def test_two_runs_at_once_make_each_entry_once(
    database: Database, settings: Settings, usage: Callable[..., Awaitable[Summary]]
) -> None:
    await database.events.insert_many(history(120))

    summaries = await asyncio.gather(usage(), usage(), usage())

    assert sum(summary.counts["made"] for summary in summaries) == 120
    assert len(await check(database, settings)) == 120


async def test_an_event_that_changes_after_it_was_read_is_read_again(
    database: Database,
    settings: Settings,
    usage: Callable[..., Awaitable[Summary]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As an erasure does it."""
    await database.events.insert_many(history(14))
    do = BackfillUsage.do

    async def erased_meanwhile(self: BackfillUsage, *arguments: Any, **options: Any) -> Any:
        await database.events.update_many({"userId": "user-1"}, {"$set": {"userId": "erased-1"}})
        return await do(self, *arguments, **options)

    monkeypatch.setattr(BackfillUsage, "do", erased_meanwhile)
    await usage()

    users = [entry["userId"] for entry in await entries(database)]
    assert ("user-1" in users, users.count("erased-1")) == (False, 2)
    assert len(await check(database, settings)) == 14


async def test_whoever_renames_an_event_while_its_entry_is_written_is_not_overlooked(
    database: Database, settings: Settings, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the event lacks nothing, so that its own document would not be written."""
    receipt = await tracker.track(user_id="anna", content_type="chat", model="gpt-4o")
    stored = await events(database)
    await database.ledger.delete_many({})
    backfill = BackfillUsage(database, settings, argparse.Namespace(first=None, last=None, client="default"))

    async with backfill.opened(None, execute=True):
        lane = backfill._lanes[0]
        insert, renamed = lane.insert, False

        def renamed_first(made: Prepared, session: Any) -> None:
            nonlocal renamed
            if not renamed:
                renamed = True
                database.blocking.analytics.update_many({"userId": "anna"}, {"$set": {"userId": "erased-1"}})
            insert(made, session)

        monkeypatch.setattr(lane, "insert", renamed_first)
        async for page in backfill.pages(None):
            await backfill.do(page, execute=True)

    (entry,), (event,) = await entries(database), await events(database)
    assert (str(entry["_id"]), entry["userId"], event["userId"]) == (receipt.id, "erased-1", "erased-1")
    assert event == {**stored[0], "userId": "erased-1"}


async def test_entries_get_the_events_that_the_tracker_wrote(
    database: Database, settings: Settings, tracker: Tracker, analytics: Callable[..., Awaitable[Summary]]
) -> None:
    for number in range(30):
        reported: dict[str, Any] = {"model": ("gpt-4o", "nobody-knows")[number % 2], "synthetic": number % 5 == 0}
        await tracker.track(user_id=f"u{number % 3}", content_type="chat", client_id="acme", **reported)
    before = await dump(database)
    lost = [event["_id"] for number, event in enumerate(await events(database)) if number % 3]
    await database.events.delete_many({"_id": {"$in": lost}})
    await database.events.insert_one({"_id": lost[0], "event": "page_view"})

    summary = await analytics()

    assert dict(summary.counts) == {"made": 19, "already there": 10, "refused": 1, "refused for the server": 1}
    await database.events.delete_one({"_id": lost[0]})
    assert (await analytics()).counts["made"] == 1
    assert (await analytics()).counts["made"] == 0
    assert {**await dump(database), CHECKPOINTS: None} == {**before, CHECKPOINTS: None}
    assert len(await check(database, settings)) == 30


@pytest.mark.parametrize("script", [backfill_usage, backfill_analytics])
def test_help_and_wrong_arguments(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, status in ((["--help"], 0), (["--from", "2026-02-02", "--to", "2026-02-01"], 2)):
        monkeypatch.setattr("sys.argv", ["script", *arguments])
        with pytest.raises(SystemExit) as ended:
            script.main()
        assert ended.value.code == status
    said = capsys.readouterr()
    assert ("Exit status: 0" in said.out, "--from must not be after --to" in said.err) == (True, True)
