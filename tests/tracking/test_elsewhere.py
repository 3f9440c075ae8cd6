"""Calls that are reported from another loop or thread than that on which tracking was opened."""

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar, get
from litestar.testing import TestClient

from app.database import Database
from app.ledger.ledger import Ledger
from app.ledger.outcomes import Outcome
from app.settings import Settings
from app.tracking import Tracker, TrackReceipt, flush, track_ai_request, tracking
from tests.patience import patience, until
from tests.tracking.hosted import CALL, Hosted, in_threads, report
from tests.tracking.test_durability import delivered
from tests.twins import assert_twins


@pytest.mark.usefixtures("tracker")
async def test_what_threads_with_loops_of_their_own_report_is_committed_and_they_are_told_so(
    database: Database,
) -> None:
    receipts = await asyncio.to_thread(in_threads, 8, lambda _: (report() for _ in range(25)))

    assert Counter(receipt.status for receipt in receipts) == {"committed": 200}
    assert {receipt.id for receipt in receipts} == await assert_twins(database)
    assert len({receipt.id for receipt in receipts}) == 200


async def test_an_endpoint_without_async_reports_by_a_loop_of_its_own(settings: Settings, database: Database) -> None:
    @get("/", sync_to_thread=True)
    def endpoint() -> str:
        return report().status

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with tracking(settings):
            yield

    def use() -> list[str]:
        with TestClient(Litestar([endpoint], lifespan=[lifespan], openapi_config=None)) as client:
            return [client.get("/").text for _ in range(60)]

    assert await asyncio.to_thread(use) == ["committed"] * 60
    assert len(await assert_twins(database)) == 60


async def test_calls_are_handed_to_the_loop_of_a_thread(settings: Settings, database: Database) -> None:
    hosted = await asyncio.to_thread(Hosted, settings)
    try:
        from_its_loop = await asyncio.to_thread(
            in_threads, 8, lambda _: (hosted.run(track_ai_request(**CALL)) for _ in range(25))
        )
        from_here = [await track_ai_request(**CALL) for _ in range(5)]
        from_threads = await asyncio.to_thread(in_threads, 1, lambda _: (report() for _ in range(5)))
    finally:
        await asyncio.to_thread(hosted.stop)

    receipts = [*from_its_loop, *from_here, *from_threads]
    assert Counter(receipt.status for receipt in receipts) == {"committed": 210}
    assert {receipt.id for receipt in receipts} == await assert_twins(database)


async def test_an_invalid_call_from_elsewhere_is_rejected_and_counted_once(tracker: Tracker) -> None:
    receipts = await asyncio.to_thread(lambda: [report(input_tokens=-1), report(input_tokens=-1, wait=False)])
    await tracker.flush()

    assert [(each.status, each.errors[0].field) for each in receipts] == [("rejected", "input_tokens")] * 2
    assert tracker.counters.snapshot() == {"rejected": 2}


async def test_whoever_waits_for_a_loop_that_is_held_up_leaves_at_the_deadline_and_the_call_is_committed(
    settings: Settings, database: Database
) -> None:
    quick = settings.model_copy(update={"track_deadline_ms": 50})
    async with tracking(quick) as tracker:
        with ThreadPoolExecutor(1) as pool:
            receipt = pool.submit(report).result()  # which holds this loop
        flushed = await tracker.flush(patience(5))
        await delivered(tracker)  # on a busy machine it goes to the disk

        assert (receipt.status, receipt.errors[0].message) == ("unknown", "the deadline passed first")
        assert flushed.waiting == 0
        assert len(await assert_twins(database)) == 1


async def test_a_caller_that_is_cancelled_leaves_its_call_behind(settings: Settings, database: Database) -> None:
    hosted = await asyncio.to_thread(Hosted, settings)
    try:
        waiting = asyncio.create_task(track_ai_request(**CALL))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await hosted.tracker.flush(patience(5)) == (0, 0)
    finally:
        await asyncio.to_thread(hosted.stop)

    assert len(await assert_twins(database)) == 1


async def test_what_is_told_while_tracking_ends_is_true(settings: Settings, database: Database) -> None:
    hosted = await asyncio.to_thread(Hosted, settings)
    begun = threading.Barrier(9)

    def until_dropped(number: int) -> Iterator[TrackReceipt]:
        begun.wait()
        for waits in itertools.cycle((number % 2 == 0, False)):
            yield (receipt := report(wait=waits))
            if receipt.status == "dropped":
                return

    reporting = asyncio.create_task(asyncio.to_thread(in_threads, 8, until_dropped))
    await asyncio.to_thread(begun.wait)
    await until(lambda: "committed" in hosted.tracker.counters.snapshot())
    await asyncio.to_thread(hosted.stop)
    receipts = await reporting

    statuses = Counter(str(receipt.status) for receipt in receipts)
    assert (set(statuses), statuses["dropped"]) == ({"committed", "queued", "dropped"}, 8)
    assert await assert_twins(database) == {each.id for each in receipts if each.status != "dropped"}


async def test_a_call_whose_loop_is_ended_around_it_does_not_cancel_its_caller(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = threading.Event()

    async def never(*_: object) -> TrackReceipt:
        entered.set()
        return await asyncio.Future()

    hosted = await asyncio.to_thread(Hosted, settings)
    monkeypatch.setattr(Tracker, "_told", never)
    waiting = asyncio.create_task(track_ai_request(**CALL))
    await asyncio.to_thread(entered.wait, patience(5))

    def end() -> None:
        for task in asyncio.all_tasks(hosted.loop):
            if "Handed" in repr(task.get_coro()):
                task.cancel()

    hosted.loop.call_soon_threadsafe(end)
    receipt = await waiting
    await asyncio.to_thread(hosted.stop)

    assert receipt.status == "unknown"


async def test_where_the_loop_of_tracking_does_not_run_any_more_nothing_is_stored_and_said_to_be(
    settings: Settings, database: Database
) -> None:
    def use() -> list[TrackReceipt]:
        loop, opened = asyncio.new_event_loop(), tracking(settings)
        loop.run_until_complete(opened.__aenter__())
        receipts = [report(), report(wait=False)]
        loop.run_until_complete(opened.__aexit__(None, None, None))
        loop.close()
        return receipts

    receipts = await asyncio.to_thread(use)

    assert [receipt.status for receipt in receipts] == ["dropped", "dropped"]
    assert receipts[0].errors[0].message.startswith("the event loop on which tracking was opened is not running")
    assert await assert_twins(database) == set()


async def test_a_loop_that_is_run_again_on_another_thread_takes_its_tracker_along(
    settings: Settings, database: Database
) -> None:
    loop, opened = asyncio.new_event_loop(), tracking(settings)
    await asyncio.to_thread(loop.run_until_complete, opened.__aenter__())
    with ThreadPoolExecutor(1) as other:
        running = asyncio.get_running_loop().run_in_executor
        receipt = await running(other, loop.run_until_complete, track_ai_request(**CALL))
        await running(other, loop.run_until_complete, opened.__aexit__(None, None, None))
    loop.close()

    assert receipt.status == "committed"
    assert await assert_twins(database) == {receipt.id}


async def test_each_loop_reports_to_the_tracker_that_was_opened_on_it(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    other = settings.model_copy(update={"database": f"{settings.database}_2", "data_dir": tmp_path / "other"})
    hosted = await asyncio.to_thread(Hosted, other)
    async with tracking(settings):
        here = await track_ai_request(**CALL)
        there = await asyncio.to_thread(hosted.run, track_ai_request(**CALL))
        last = await asyncio.to_thread(report)  # on neither loop: to the one that was opened last
        directly = await hosted.tracker.track(**CALL)
    after = await track_ai_request(**CALL)  # one is left
    await asyncio.to_thread(hosted.stop)
    uri = database.writes.client
    stored = {str(entry["_id"]) async for entry in uri[other.database]["aiusages"].find()}
    await uri.drop_database(other.database)

    assert {each.status for each in (here, there, last, directly, after)} == {"committed"}
    assert await assert_twins(database) == {here.id, last.id}
    assert stored == {there.id, directly.id, after.id}


async def test_a_tracker_may_be_closed_before_one_that_was_opened_after_it(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    first, second = (tracking(settings.model_copy(update={"data_dir": tmp_path / name})) for name in "ab")
    await first.__aenter__()
    await second.__aenter__()
    await first.__aexit__(None, None, None)
    receipt = await track_ai_request(**CALL)
    await second.__aexit__(None, None, None)

    assert receipt.status == "committed"
    assert await assert_twins(database) == {receipt.id}


async def test_a_flush_waits_for_what_was_reported_before_it_and_for_no_more(
    tracker: Tracker, database: Database
) -> None:
    for _ in range(300):
        await tracker.post(**CALL)
    flushing = asyncio.create_task(flush(patience(10)))
    await asyncio.sleep(0)
    for _ in range(5):
        await tracker.post(**CALL)

    assert await flushing == (0, 0)
    assert len(await assert_twins(database)) >= 300
    assert await asyncio.to_thread(lambda: asyncio.run(flush())) == (0, 0)
    assert len(await assert_twins(database)) == 305


async def test_a_flush_says_what_still_waits(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    committed, go_on = Ledger.commit, asyncio.Event()

    async def slow(self: Ledger, *arguments: Any, **more: Any) -> list[Outcome]:
        await go_on.wait()
        return await committed(self, *arguments, **more)

    monkeypatch.setattr(Ledger, "commit", slow)
    for _ in range(3):
        await tracker.post(**CALL)

    assert await tracker.flush(0.05) == (3, 0)
    go_on.set()
    assert await tracker.flush(patience(5)) == (0, 0)


async def test_an_end_that_is_not_waited_for_spools_what_there_is_and_tells_whoever_waits(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "commit", lambda *_, **__: asyncio.Future())
        async with tracking(settings) as tracker:
            waiting = [asyncio.create_task(tracker.track(**CALL)) for _ in range(2)]
            for _ in range(3):
                await tracker.post(**CALL)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await tracker.life.close()
            assert [(await each).status for each in waiting] == ["spooled", "spooled"]
            assert tracker.life.in_hand.waiting == 0
            assert (await tracker.track(**CALL)).status == "dropped"
    async with tracking(settings) as tracker:
        await delivered(tracker)

    assert len(await assert_twins(database)) == 5


async def test_what_threads_leave_without_waiting_is_committed_at_the_end(
    settings: Settings, database: Database
) -> None:
    hosted = await asyncio.to_thread(Hosted, settings)
    receipts = await asyncio.to_thread(in_threads, 8, lambda _: (report(wait=False) for _ in range(25)))
    await asyncio.to_thread(hosted.stop)

    assert Counter(receipt.status for receipt in receipts) == {"queued": 200}
    assert {receipt.id for receipt in receipts} == await assert_twins(database)
