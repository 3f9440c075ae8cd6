"""What becomes of calls while MongoDB is away, and after: spooled, delivered once, never lost in silence."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from bson import ObjectId

from app.database import Database
from app.ledger.ledger import Ledger, LedgerUnavailableError
from app.ledger.outcomes import Outcome
from app.ledger.twins import Pair
from app.observability.metrics import Counters
from app.settings import Settings
from app.spool.journal import Spool
from app.spool.rows import Page, Row
from app.tracking import Tracker, open_tracker
from tests.ledger.test_ledger import ledger_of, pair
from tests.patience import patience
from tests.tracking.test_durability import delivered
from tests.twins import assert_twins, entries

CALL = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "input_tokens": 10}


class Away:
    """MongoDB as the ledger sees it, taken away and given back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away = False
        self.frozen: asyncio.Event | None = None
        """While set to an event, a commit takes until that is set."""
        commit, answers = Ledger.commit, Database.answers

        async def commit_if_there(ledger: Ledger, pairs: list[Pair], **options: Any) -> list[Outcome]:
            if self.away:
                raise LedgerUnavailableError("away")
            if self.frozen is not None:
                await self.frozen.wait()
            return await commit(ledger, pairs, **options)

        async def answers_if_there(database: Database) -> bool:
            return not self.away and self.frozen is None and await answers(database)

        monkeypatch.setattr(Ledger, "commit", commit_if_there)
        monkeypatch.setattr(Database, "answers", answers_if_there)


@pytest.fixture
def mongodb(monkeypatch: pytest.MonkeyPatch) -> Away:
    return Away(monkeypatch)


@asynccontextmanager
async def tracker_of(settings: Settings, database: Database, **own: Any) -> AsyncIterator[Tracker]:
    async with open_tracker(settings.model_copy(update=own), database, Counters()) as tracker:
        yield tracker


def statuses(receipts: list[Any]) -> Counter[str]:
    return Counter(receipt.status for receipt in receipts)


async def test_calls_are_spooled_while_mongodb_is_away_and_committed_once_when_it_is_back(
    tracker: Tracker, database: Database, mongodb: Away
) -> None:
    mongodb.away = True
    receipts = await asyncio.gather(*(tracker.track(**CALL, request_id=f"r{i}") for i in range(2_500)))

    assert statuses(receipts) == {"spooled": 2_500}
    assert tracker.writer.spooler.depth.calls == 2_500
    assert await entries(database) == []

    mongodb.away = False
    await delivered(tracker)
    assert await assert_twins(database) == {receipt.id for receipt in receipts}
    assert tracker.counters.snapshot() == {"spooled": 2_500}
    assert b'twinmeter_replayed_calls_total{status="committed"} 2500.0' in tracker.counters.exposition()


async def test_a_commit_that_arrives_after_the_deadline_makes_the_spooled_copy_a_duplicate(
    settings: Settings, database: Database, mongodb: Away
) -> None:
    mongodb.frozen = asyncio.Event()
    async with tracker_of(settings, database, track_deadline_ms=3_000) as tracker:
        receipt = await tracker.track(**CALL)
        assert receipt.status == "spooled"
        mongodb.frozen.set()
        mongodb.frozen = None
        await delivered(tracker)

        assert await assert_twins(database) == {receipt.id}
        assert tracker.counters.snapshot() == {"spooled": 1}


async def test_one_slow_disk_more_the_caller_still_leaves_at_its_deadline(
    settings: Settings, database: Database, mongodb: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongodb.frozen = asyncio.Event()
    disk = asyncio.Event()
    async with tracker_of(settings, database, track_deadline_ms=50) as tracker:
        do = tracker.writer.spooler.do

        async def slow(work: Any) -> Any:
            await disk.wait()
            return await do(work)

        monkeypatch.setattr(tracker.writer.spooler, "do", slow)
        receipt = await tracker.track(**CALL)
        assert (receipt.status, receipt.errors[0].message) == ("unknown", "the deadline passed first")
        disk.set()
        mongodb.frozen.set()
        mongodb.frozen = None
        await delivered(tracker)

    assert await assert_twins(database) == {receipt.id}


async def test_a_request_that_waits_in_the_spool_stands_before_a_later_one(
    settings: Settings, database: Database, mongodb: Away
) -> None:
    mongodb.away = True
    async with tracker_of(settings, database) as tracker:
        first = await tracker.track(**CALL, request_id="r")
        again = await tracker.track(**CALL, request_id="r")
        other = await tracker.track(**{**CALL, "input_tokens": 11}, request_id="r")
        assert [first.status, again.status, other.status] == ["spooled", "duplicate", "duplicate"]
        assert [again.conflicting, other.conflicting] == [False, True]

        tracker.writer.breaker.close()  # MongoDB is back, and nobody has replayed yet
        later = await tracker.track(**{**CALL, "input_tokens": 12}, request_id="r")
        assert (later.status, later.conflicting) == ("duplicate", True)
        mongodb.away = False
        await delivered(tracker)

    (entry,) = await entries(database)
    assert entry["inputTokens"] == 10


async def test_what_an_earlier_process_left_is_delivered_at_the_start_in_order(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [pair(f"r{i}") for i in range(2_500)]
    spool = Spool.of(settings.data_dir, settings.database, 10_000_000)
    spool.append(pairs)
    spool.close()
    seen: list[ObjectId] = []
    commit = Ledger.commit

    async def noted(ledger: Ledger, pairs: list[Pair], **options: Any) -> list[Outcome]:
        seen.extend(each.id for each in pairs)
        return await commit(ledger, pairs, **options)

    monkeypatch.setattr(Ledger, "commit", noted)
    async with open_tracker(settings, database, Counters()) as tracker:
        await delivered(tracker)

    assert seen == [each.id for each in pairs]
    assert len(await assert_twins(database)) == 2_500


async def test_calls_are_spooled_while_a_page_of_others_is_decoded_for_its_delivery(
    settings: Settings, database: Database, mongodb: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which takes a busy process longer than a caller waits."""
    decoding, told, decode = threading.Event(), threading.Event(), Page.of

    def decode_later(rows: list[Row]) -> Page:
        if len(rows) > 1:  # one is the oldest, at which the watch looks
            decoding.set()
            assert told.wait(patience(10))
        return decode(rows)

    mongodb.away = True
    async with tracker_of(settings, database) as tracker:
        monkeypatch.setattr(Page, "of", decode_later)
        try:
            receipts = list(await asyncio.gather(tracker.track(**CALL), tracker.track(**CALL)))
            assert await asyncio.to_thread(decoding.wait, patience(10))
            async with asyncio.timeout(patience(5)):
                receipts.append(await tracker.track(**CALL))
        finally:
            told.set()
        assert statuses(receipts) == {"spooled": 3}
        mongodb.away = False
        await delivered(tracker)
    assert len(await assert_twins(database)) == 3


async def test_a_replay_that_was_killed_between_commit_and_forgetting_counts_nothing_twice(
    settings: Settings, database: Database
) -> None:
    pairs = [pair(f"r{i}") for i in range(100)]
    spool = Spool.of(settings.data_dir, settings.database, 10_000_000)
    spool.append(pairs)
    spool.close()
    async with database.committer_session() as session:
        await ledger_of(database, session).commit(pairs[:60], seconds=10)

    async with open_tracker(settings, database, Counters()) as tracker:
        await delivered(tracker)
        assert b'twinmeter_replayed_calls_total{status="committed"} 100.0' in tracker.counters.exposition()
    assert len(await assert_twins(database)) == 100


async def test_what_mongodb_refuses_for_ever_is_set_aside_and_the_rest_is_delivered(
    settings: Settings, database: Database
) -> None:
    await database.writes.command({"collMod": "analytics", "validator": {"userId": {"$ne": "refused"}}})
    pairs = [pair(f"r{i}") for i in range(10)]
    pairs[4].event["userId"] = "refused"
    spool = Spool.of(settings.data_dir, settings.database, 10_000_000)
    spool.append(pairs)

    async with open_tracker(settings, database, Counters()) as tracker:
        await delivered(tracker)

    assert len(await assert_twins(database)) == 9
    assert (spool.depth().calls, spool.refused()) == (0, 1)


async def test_a_call_that_nobody_foresaw_does_not_hold_up_the_others(settings: Settings, database: Database) -> None:
    pairs = [pair(f"r{i}") for i in range(10)]
    del pairs[4].entry["createdAt"]
    spool = Spool.of(settings.data_dir, settings.database, 10_000_000)
    spool.append(pairs)

    async with open_tracker(settings, database, Counters()) as tracker:
        await delivered(tracker)

    assert len(await assert_twins(database)) == 9
    assert (spool.depth().calls, spool.refused()) == (0, 1)


async def test_beyond_the_cap_calls_are_dropped_counted_and_told(
    settings: Settings, database: Database, mongodb: Away
) -> None:
    mongodb.away = True
    async with tracker_of(settings, database) as tracker:
        spooled = await tracker.track(**CALL)
        tracker.writer.spooler._spool.max_bytes = 100
        dropped = await tracker.track(**CALL)

        assert (spooled.status, dropped.status) == ("spooled", "dropped")
        assert "cap" in dropped.errors[0].message
        assert tracker.counters.snapshot() == {"spooled": 1, "dropped": 1}
        mongodb.away = False
        await delivered(tracker)
    assert await assert_twins(database) == {spooled.id}


async def test_two_processes_share_one_folder_and_every_call_counts_once(
    settings: Settings, database: Database, mongodb: Away
) -> None:
    async with tracker_of(settings, database) as one, tracker_of(settings, database) as two:
        mongodb.away = True
        receipts = await asyncio.gather(*((one, two)[i % 2].track(**CALL) for i in range(1_000)))
        assert statuses(receipts) == {"spooled": 1_000}
        mongodb.away = False
        await delivered(one)
        await delivered(two)

        assert await assert_twins(database) == {receipt.id for receipt in receipts}
        after = [await one.track(**CALL), await two.track(**CALL)]
        assert statuses(after) == {"committed": 2}


async def test_stopping_while_mongodb_is_away_spools_what_has_queued(
    settings: Settings, database: Database, mongodb: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.tracking.writer.DRAIN_SECONDS", 0.05)
    mongodb.frozen = asyncio.Event()
    async with tracker_of(settings, database) as tracker:
        waiting = [asyncio.create_task(tracker.track(**CALL)) for _ in range(1_500)]
        await asyncio.sleep(0)

    assert statuses(await asyncio.gather(*waiting)) == {"spooled": 1_500}
    mongodb.frozen = None
    async with open_tracker(settings, database, Counters()) as tracker:
        await delivered(tracker)
    assert len(await assert_twins(database)) == 1_500


async def test_without_wait_a_call_is_queued_at_once_and_written_later(tracker: Tracker, database: Database) -> None:
    receipts = [await tracker.post(**CALL, request_id=f"r{i}") for i in range(100)]

    assert statuses(receipts) == {"queued": 100}
    await tracker.background.close()
    await tracker.writer.drain()
    assert await assert_twins(database) == {receipt.id for receipt in receipts}
    assert tracker.counters.snapshot() == {"committed": 100}


async def test_without_wait_and_without_mongodb_calls_go_to_the_spool(
    settings: Settings, database: Database, mongodb: Away
) -> None:
    mongodb.away = True
    async with tracker_of(settings, database) as tracker:
        receipts = [await tracker.post(**CALL) for _ in range(3_000)]
    assert statuses(receipts) == {"queued": 3_000}
    assert tracker.counters.snapshot() == {"spooled": 3_000}

    mongodb.away = False
    async with open_tracker(settings, database, Counters()) as tracker:
        await delivered(tracker)
    assert len(await assert_twins(database)) == 3_000


async def test_without_wait_what_the_queue_cannot_hold_is_counted(
    tracker: Tracker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.tracking.background.MAX_CALLS", 10)

    receipts = [await tracker.post(**CALL) for _ in range(15)]
    assert statuses(receipts) == {"queued": 10, "dropped": 5}
    await tracker.background.close()
    await tracker.writer.drain()
    assert tracker.counters.snapshot() == {"committed": 10, "dropped": 5}
    assert len(await assert_twins(database)) == 10


async def test_without_wait_a_tight_loop_lets_its_calls_be_written(tracker: Tracker, database: Database) -> None:
    receipts = [await tracker.post(**CALL) for _ in range(12_000)]

    assert statuses(receipts) == {"queued": 12_000}
    assert tracker.background.queued <= 10_000
    await tracker.background.close()
    await tracker.writer.drain()
    assert len(await assert_twins(database)) == 12_000


async def test_without_wait_bad_input_is_told_at_once(tracker: Tracker) -> None:
    receipt = await tracker.post(**{**CALL, "user_id": ""})

    assert (receipt.status, receipt.errors[0].field) == ("rejected", "user_id")
