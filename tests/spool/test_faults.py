"""A fault of our own is no outage: it opens no breaker, blocks no other call, and is told until it is gone."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect, InvalidOperation, NetworkTimeout

from app.database import Database
from app.ledger.ledger import Ledger
from app.ledger.outcomes import Outcome
from app.ledger.twins import Pair
from app.observability.metrics import Counters
from app.settings import Settings
from app.spool import replayer as module
from app.spool.journal import Spool
from app.tracking import Tracker, open_tracker
from tests.ledger.test_ledger import ledger_of, pair
from tests.patience import until
from tests.spool.spools import waiting
from tests.tracking.test_durability import delivered
from tests.twins import assert_twins

CALL = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "input_tokens": 10}
MB = 10_000_000


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_RETRY_SECONDS", 0.5)


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Pair], Exception | None]], None]:
    """Let what a commit does to some pairs fail, in the middle of its transaction."""
    commit = Ledger._commit_whole

    def fail_at(fault_of: Callable[[Pair], Exception | None]) -> None:
        def failing(ledger: Ledger, pairs: list[Pair], **options: Any) -> dict[ObjectId, Outcome]:
            for each in pairs:
                if (fault := fault_of(each)) is not None:
                    raise fault
            return commit(ledger, pairs, **options)

        monkeypatch.setattr(Ledger, "_commit_whole", failing)

    return fail_at


def spooled(settings: Settings, pairs: Sequence[Pair]) -> None:
    spool = Spool.of(settings.data_dir, settings.database, MB)
    spool.append(pairs)
    spool.close()


async def codes(tracker: Tracker) -> dict[str, str]:
    return {trouble.code: trouble.reason for trouble in (await tracker.standing()).troubles}


async def test_one_call_with_a_fault_is_set_aside_and_all_others_are_delivered(
    settings: Settings, database: Database, faulty: Any
) -> None:
    pairs = [pair(f"r{i}") for i in range(200)]
    spooled(settings, pairs)
    faulty(lambda each: InvalidOperation("cannot") if each.id in {pairs[0].id, pairs[120].id} else None)

    async with open_tracker(settings, database, Counters()) as tracker:
        await delivered(tracker)
        standing = await tracker.standing()
        assert not tracker.writer.breaker.is_open
        assert {trouble.code: trouble.count for trouble in standing.troubles} == {"refused": 2}
        assert (standing.spool.calls, standing.spool.refused) == (0, 2)

    assert await assert_twins(database) == {str(each.id) for each in pairs} - {str(pairs[0].id), str(pairs[120].id)}


async def test_a_fault_that_every_call_meets_sets_none_aside_and_delivers_all_when_it_is_gone(
    settings: Settings, database: Database, faulty: Any
) -> None:
    spooled(settings, [pair(f"r{i}") for i in range(50)])
    there = [True]
    reason = "read preference in a transaction must be primary"
    faulty(lambda _: InvalidOperation(reason) if there[0] else None)

    async with open_tracker(settings, database, Counters()) as tracker:

        async def is_told() -> bool:
            return (await codes(tracker)).get("delivery") == f"the driver refused it: {reason}"

        await until(is_told)
        during = await tracker.track(**CALL)
        assert (during.status, tracker.writer.breaker.is_open) == ("spooled", False)
        assert set(await codes(tracker)) == {"delivery", "commit", "overdue"}  # they are of 2024
        assert (await tracker.standing()).spool.refused == 0
        there[0] = False
        await delivered(tracker)
        assert (await tracker.track(**CALL)).status == "committed"

        async def is_well() -> bool:
            return await codes(tracker) == {}

        await until(is_well)
    assert len(await assert_twins(database)) == 52


async def test_in_a_batch_only_the_call_with_a_fault_goes_to_the_spool(
    tracker: Tracker, database: Database, faulty: Any
) -> None:
    faulty(lambda each: ZeroDivisionError() if each.entry["userId"] == "odd" else None)

    receipts = await asyncio.gather(
        *(tracker.track(**{**CALL, "user_id": "odd" if i == 7 else "u"}) for i in range(20))
    )

    assert sum(receipt.status == "committed" for receipt in receipts) == 19
    assert receipts[7].status == "spooled"
    assert (await codes(tracker))["commit"] == "internal error: ZeroDivisionError"
    assert len(await assert_twins(database)) == 19


async def test_a_fault_that_is_over_is_gone_though_no_call_follows(tracker: Tracker, faulty: Any) -> None:
    faults = [ZeroDivisionError()]
    faulty(lambda _: faults.pop() if faults else None)
    assert (await tracker.track(**CALL)).status == "spooled"

    await delivered(tracker)
    assert await codes(tracker) == {}


async def test_an_attempt_that_is_hopeless_ends_soon(database: Database, faulty: Any) -> None:
    tried: list[Pair] = []

    def fault_of(each: Pair) -> Exception:
        tried.append(each)
        return InvalidOperation("always")

    faulty(fault_of)
    async with database.committer_session() as session:
        outcomes = await ledger_of(database, session).commit([pair(f"r{i}") for i in range(1_000)], seconds=10)

    assert {(outcome.status, str(outcome.fault)) for outcome in outcomes} == {("unknown", "always")}
    assert len(tried) < 40


async def test_a_row_that_cannot_be_read_delays_no_other(settings: Settings, database: Database) -> None:
    pairs = [pair(f"r{i}") for i in range(300)]
    spooled(settings, pairs)
    path = settings.data_dir / f"spool-{settings.database}.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE calls SET pair = x'00' WHERE seq = 1")
        connection.execute("UPDATE calls SET pair = (SELECT pair FROM calls WHERE seq = 9) WHERE seq = 150")
        connection.execute("UPDATE calls SET pair = 'a text' WHERE seq = 300")
        connection.commit()

    async with open_tracker(settings, database, Counters()) as tracker:
        await delivered(tracker)
        standing = await tracker.standing()
        assert {trouble.code: trouble.count for trouble in standing.troubles} == {"unreadable": 3}
    with closing(sqlite3.connect(path)) as connection:
        kept = connection.execute("SELECT reason FROM unreadable ORDER BY number").fetchall()
    assert [reason for (reason,) in kept] == [
        f"the call {pairs[0].id}: its checksum is another one",
        f"the call {pairs[149].id}: its checksum is another one",
        f"the call {pairs[299].id}: it is a str, not a document",
    ]
    assert len(await assert_twins(database)) == 297


async def test_a_spool_that_is_damaged_while_it_is_used_is_salvaged_and_delivered(
    settings: Settings, database: Database
) -> None:
    spooled(settings, [pair(f"r{i}") for i in range(200)])
    path = settings.data_dir / f"spool-{settings.database}.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'calls'").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4_096)
        file.write(b"\xff" * 4_096)

    async with open_tracker(settings, database, Counters()) as tracker:

        async def all_are_there() -> bool:
            return await database.ledger.count_documents({}) == 200

        await until(all_are_there)
        await delivered(tracker)
        assert (await tracker.standing()).spool.damaged == 1
        assert set(await codes(tracker)) == {"damaged"}
    assert len(await assert_twins(database)) == 200


async def test_a_page_that_takes_too_long_is_delivered_in_parts(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [pair(f"r{i}") for i in range(300)]
    spooled(settings, pairs)
    commit = Ledger._commit_whole

    def slow(ledger: Ledger, pairs: list[Pair], **options: Any) -> dict[ObjectId, Outcome]:
        if len(pairs) > 70:
            raise NetworkTimeout("timed out")
        return commit(ledger, pairs, **options)

    monkeypatch.setattr(Ledger, "_commit_whole", slow)
    async with open_tracker(settings, database, Counters()) as tracker:
        await delivered(tracker)
        assert not tracker.writer.breaker.is_open
    assert len(await assert_twins(database)) == 300


async def test_a_large_commit_of_one_client_sends_no_other_straight_to_the_spool(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, go_on = Ledger.commit, asyncio.Event()

    async def large(ledger: Ledger, pairs: list[Pair], **options: Any) -> list[Outcome]:
        await go_on.wait()
        return await commit(ledger, pairs, **options)

    own = settings.model_copy(update={"track_deadline_ms": 100})
    async with open_tracker(own, database, Counters()) as tracker:
        monkeypatch.setattr(Ledger, "commit", large)
        assert (await tracker.track(**CALL)).status in {"spooled", "unknown"}
        await until(lambda: not tracker.writer.presence.is_asking)
        assert not tracker.writer.breaker.is_open
        go_on.set()
        monkeypatch.setattr(Ledger, "commit", commit)
        await delivered(tracker)
    assert len(await assert_twins(database)) == 1


async def test_a_call_that_can_be_delivered_and_not_removed_is_passed_over(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [pair(f"r{i}") for i in range(2_500)]
    spooled(settings, pairs)
    settle, full = Spool.settle, [True]

    def on_a_full_disk(spool: Spool, *arguments: Any) -> None:
        if full[0]:
            with spool.transaction():
                raise sqlite3.OperationalError("database or disk is full")
        settle(spool, *arguments)

    monkeypatch.setattr(Spool, "settle", on_a_full_disk)
    async with open_tracker(settings, database, Counters()) as tracker:

        async def all_are_there() -> bool:
            return await database.ledger.count_documents({}) == 2_500

        await until(all_are_there)
        await until(lambda: tracker.counters.delivered() == {"committed": 2_500})
        assert (await tracker.standing()).spool.calls == 2_500
        assert "is full" in (await codes(tracker))["settle"]
        full[0] = False
        await delivered(tracker)

        async def is_well() -> bool:
            return await codes(tracker) == {}

        await until(is_well)
        assert tracker.counters.delivered() == {"committed": 2_500}
    assert len(await assert_twins(database)) == 2_500


async def test_what_waits_for_more_than_a_minute_is_told(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    spooled(settings, [pair("r")])  # recorded in 2024

    def away(*_: object, **__: object) -> None:
        raise AutoReconnect("away")

    monkeypatch.setattr(Ledger, "_commit_whole", away)
    async with open_tracker(settings, database, Counters()) as tracker:
        assert (await codes(tracker))["overdue"] == "an acknowledged call waits for more than a minute"
    spool = Spool.of(settings.data_dir, settings.database, MB)
    assert len(waiting(spool)) == 1
    spool.close()


async def test_a_chore_that_ends_is_begun_again(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = 0

    async def broken(_: object) -> None:
        nonlocal begun
        begun += 1
        raise KeyError("price")

    monkeypatch.setattr("app.pricing.price_book.PriceBook.keep_fresh", broken)
    monkeypatch.setattr("app.tracking.write_path.AGAIN_SECONDS", 0.01)
    async with open_tracker(settings, database, Counters()) as tracker:
        await until(lambda: begun > 3)
        assert await codes(tracker) == {"chore": "prices: internal error: KeyError"}
