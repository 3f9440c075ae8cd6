"""More calls than can be committed in time: who waits, who goes to the spool, who is refused, and what is said."""

import asyncio
import random
from pathlib import Path

import pytest
from bson import ObjectId

from app.errors import OverloadedError
from app.ledger.outcomes import Outcome
from app.spool.journal import Depth
from tests.tracking.simulated import DEADLINE, Simulated, a_pair, simulated
from tests.tracking.virtual_time import clock, in_virtual_time

CAPACITY = 10_000
"""Calls per second of the simulated MongoDB, less what each commit costs."""


@pytest.mark.parametrize(
    ("callers", "share", "longest"),
    [(64, 0.4, 0.05), (512, 0.6, 0.15), (2_000, 0.7, 0.3), (5_000, 0.7, 0.7), (10_000, 0.65, 1.3)],
)
def test_callers_in_process_commit_at_capacity_and_none_is_told_unknown(
    tmp_path: Path, callers: int, share: float, longest: float
) -> None:
    """Beyond 2,000 the interpreter alone needs longer than the deadline: a quarter of a second for one call of 5,000.

    64 callers have batches of 64, of which what each commit costs is the larger part.
    """

    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            rate = await it.callers(callers, max(4_000, 4 * callers))
            assert set(it.statuses) <= {"committed", "spooled"}
            assert rate >= share * CAPACITY
            assert max(it.waits) <= longest
            assert not it.writer.breaker.is_open

    in_virtual_time(scenario())


def test_a_long_queue_of_senders_that_wait_is_committed_and_no_outage(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            senders = (it.report(f"s{i % 4}", within=10) for i in range(6_000))
            await asyncio.gather(*senders)
            assert it.statuses == {"committed": 6_000}
            assert it.disk.groups == []
            assert not it.writer.breaker.is_open

    in_virtual_time(scenario())


def test_a_commit_of_five_seconds_while_mongodb_answers_is_committed_in_smaller_batches(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path, each=0.02) as it:
            await asyncio.gather(*(it.report("s", within=60) for _ in range(500)))
            assert it.statuses == {"committed": 500}
            assert not it.writer.breaker.is_open
            assert [len(batch) for batch in it.mongodb.batches] == [500, 250, 125, 125, 125, 125]

    in_virtual_time(scenario())


def test_a_commit_that_ended_without_a_result_is_heeded_by_what_is_said_of_waiting(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path, each=0.02) as it:
            reports = [asyncio.create_task(it.report("s", within=60)) for _ in range(500)]
            await asyncio.sleep(4.9)
            assert it.writer.admission.seconds("s", 500) < 0.1
            await asyncio.sleep(0.2)
            assert it.writer.admission.seconds("s", 500) > 5
            await asyncio.gather(*reports)

    in_virtual_time(scenario())


@pytest.mark.parametrize("senders", [1, 4])
def test_while_calls_of_any_sender_wait_longer_than_usual_the_spool_is_to_rest(tmp_path: Path, senders: int) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path, fixed=0.12) as it:
            await asyncio.gather(*(it.report("s", within=10) for _ in range(10)))
            assert not it.writer.is_pressed  # however far away MongoDB is
            flood = [asyncio.create_task(it.report(f"s{i % senders}", within=10)) for i in range(4_000)]
            await asyncio.sleep(0.001)
            assert it.writer.is_pressed
            in_vain = asyncio.create_task(it.report())
            await asyncio.gather(*flood, in_vain)
            assert not it.writer.is_pressed

    in_virtual_time(scenario())


def test_while_calls_wait_in_vain_the_spool_is_to_rest(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            calls = [asyncio.create_task(it.report()) for _ in range(4_000)]
            await asyncio.sleep(0.19)
            assert it.writer.admission.backlog < 0.1  # of those that can be in time
            assert it.writer.is_pressed
            await asyncio.gather(*calls)
            assert not it.writer.is_pressed

    in_virtual_time(scenario())


def test_what_seemed_to_come_too_late_is_committed_where_mongodb_is_quicker_than_it_was(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path, each=0.00003) as it:
            calls = [asyncio.create_task(it.report()) for _ in range(4_000)]
            await asyncio.sleep(0)
            assert len(it.writer._queue.in_vain) == 2_200
            await asyncio.gather(*calls)
            assert it.statuses == {"committed": 4_000}
            assert max(it.waits) <= DEADLINE
            assert not it.writer.is_pressed

    in_virtual_time(scenario())


def test_a_call_that_alone_takes_too_long_goes_to_the_spool_and_the_others_are_committed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            slow, commit = a_pair(), it.mongodb.commit

            async def slow_for_one(pairs: list, **options: object) -> list[Outcome]:  # type: ignore[type-arg]
                it.mongodb.fixed = 9 if any(pair.id == slow.id for pair in pairs) else 0.004
                return await commit(pairs, **options)  # type: ignore[arg-type]

            it.mongodb.commit = slow_for_one  # type: ignore[assignment,method-assign]
            outcomes = await asyncio.gather(it.report("s", 60, slow), *(it.report("s", within=60) for _ in range(7)))
            assert [outcome.status for outcome in outcomes] == ["spooled"] + ["committed"] * 7
            assert not it.writer.breaker.is_open

    in_virtual_time(scenario())


def test_frozen_in_the_middle_of_a_flood_everything_goes_to_the_spool_soon_and_in_large_groups(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            flood = [asyncio.create_task(it.report(f"s{i % 3}", within=10)) for i in range(6_000)]
            hosts = [asyncio.create_task(it.report()) for _ in range(50)]
            await asyncio.sleep(0.1)
            it.mongodb.there.clear()
            await asyncio.gather(*flood, *hosts)
            assert set(it.statuses) == {"committed", "spooled"}
            assert it.writer.breaker.is_open
            assert max(it.waits) < 4
            assert it.statuses["spooled"] / len(it.disk.groups) > 100

    in_virtual_time(scenario())


def test_callers_in_process_leave_at_their_deadline_while_mongodb_and_the_disk_are_frozen(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            it.mongodb.there.clear()
            it.disk.works.clear()
            await asyncio.gather(*(it.report() for _ in range(500)))
            assert it.statuses == {"unknown": 500}
            assert max(it.waits) <= DEADLINE + 0.06
            await asyncio.gather(*(it.report() for _ in range(500)))  # which nobody can ask MongoDB to commit any more
            it.waits.clear()
            await asyncio.gather(*(it.report() for _ in range(500)))
            assert it.statuses == {"unknown": 1_500}
            assert max(it.waits) <= DEADLINE + 0.02

    in_virtual_time(scenario())


def test_what_is_on_the_disk_is_told_spooled_however_late_this_process_comes_to_its_answer(tmp_path: Path) -> None:
    """As with thousands of callers, who take the interpreter a fifth of a second in turn."""

    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            it.mongodb.there.clear()
            it.disk.late = 0.3
            await asyncio.gather(*(it.report() for _ in range(500)))
            assert it.statuses == {"spooled": 500}

    in_virtual_time(scenario())


def test_a_call_without_a_request_id_is_committed_while_the_disk_hangs_on_which_others_wait(tmp_path: Path) -> None:
    """It cannot be among those, so the disk is not asked."""

    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            it.disk.depth = Depth(1, 1_000)
            it.disk.works.clear()
            assert (await it.report()).status == "committed"
            assert it.waits[-1] <= DEADLINE / 10

    in_virtual_time(scenario())


@pytest.mark.parametrize("within", [None, 10.0])
def test_a_clock_that_jumps_makes_no_commit_late_that_has_arrived(tmp_path: Path, within: float | None) -> None:
    """As where the machine slept: the answer of MongoDB is there when it wakes up."""

    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            reports = [asyncio.create_task(it.report(within=within)) for _ in range(10)]
            await asyncio.sleep(0.002)
            clock().jump(3_600)
            await asyncio.gather(*reports)
            assert it.statuses == {"committed": 10}
            assert not it.writer.breaker.is_open
            assert (await it.report(within=within)).status == "committed"

    in_virtual_time(scenario())


def test_a_flood_of_one_sender_at_most_doubles_what_another_waits(tmp_path: Path) -> None:
    """Ten times its share, which is half of what can be committed; the other uses half of its own."""

    async def scenario(flood: int) -> float:
        async with simulated(tmp_path / str(flood), each=0.001) as it:
            await asyncio.gather(*(it.report("other", within=10) for _ in range(300)))
            rng = random.Random(1)
            refused = 0

            async def sends(sender: str, every: float, calls: int) -> list[float]:
                waits: list[asyncio.Task[float]] = []
                until = clock().now + 3
                while clock().now < until:
                    waits += [asyncio.create_task(waited(sender)) for _ in range(calls)]
                    await asyncio.sleep(rng.uniform(0, 2 * every))
                return await asyncio.gather(*waits)

            async def waited(sender: str) -> float:
                nonlocal refused
                came = clock().now
                try:
                    it.writer.admission.admit(sender, 1, 10)
                except OverloadedError:
                    refused += sender == "flood"
                    return 0.0
                await it.report(sender, within=10)
                return clock().now - came

            other, _ = await asyncio.gather(sends("other", 0.01, 2), sends("flood", 0.01, flood))
            assert set(it.statuses) == {"committed"}
            assert min(other) > 0  # none of its own was refused
            return sorted(other)[int(0.99 * len(other))]

    (tmp_path / "4").mkdir()
    (tmp_path / "40").mkdir()
    assert in_virtual_time(scenario(40)) <= 2 * in_virtual_time(scenario(4))


def test_what_would_wait_too_long_is_refused_with_the_time_at_which_there_is_room(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            await it.callers(512, 2_000)  # so that it is known how fast MongoDB is
            waiting = [asyncio.create_task(it.report("flood", within=10)) for _ in range(20_000)]
            await asyncio.sleep(0)
            it.writer.admission.admit("flood", 1_000, 10)
            it.writer.admission.admit("another", 1_000, 1)
            with pytest.raises(OverloadedError) as refused:
                it.writer.admission.admit("flood", 1_000, 1)
            again = {_retry_after(it, "flood", 1) for _ in range(20)}
            assert len(again) == 20  # senders that are refused together do not come back together
            assert all(1 <= seconds <= 4 for seconds in again)
            await asyncio.sleep(refused.value.retry_after)
            it.writer.admission.admit("flood", 1_000, 1)
            await asyncio.gather(*waiting)
            assert it.counters.refused._value.get() == 21_000

    in_virtual_time(scenario())


def test_who_resends_at_once_what_was_refused_is_refused_and_holds_up_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            await it.callers(512, 2_000)
            flood = [asyncio.create_task(it.report("flood", within=10)) for _ in range(30_000)]
            await asyncio.sleep(0)
            for _ in range(1_000):
                with pytest.raises(OverloadedError):
                    it.writer.admission.admit("flood", 1_000, 1)
            assert it.writer.admission.seconds("another") < 0.3
            stored = len(it.mongodb.stored)
            await asyncio.gather(*flood)
            assert len(it.mongodb.stored) == stored + 30_000

    in_virtual_time(scenario())


def test_a_full_queue_leaves_room_for_others_than_who_filled_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.tracking.admission.MAX_QUEUED", 1_000)

    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            it.mongodb.there.clear()
            flood = [asyncio.create_task(it.report("flood", within=60)) for _ in range(2_000)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            other = [asyncio.create_task(it.report("other", within=60)) for _ in range(50)]
            await asyncio.sleep(0.1)
            it.mongodb.there.set()
            assert {(await each).status for each in other} == {"committed"}
            await asyncio.gather(*flood)
            assert it.statuses["committed"] == 850
            assert it.statuses["dropped"] == 1_200

    in_virtual_time(scenario())


def test_a_caller_that_is_cancelled_loses_its_answer_and_not_its_call(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            pair = a_pair()
            gone = asyncio.create_task(it.report("s", 10, pair))
            await asyncio.sleep(0.001)
            gone.cancel()
            assert (await it.report("s", within=10)).status == "committed"
            again = await it.report("s", 10, pair)
            assert again.status == "duplicate"
            assert it.counters.snapshot() == {"committed": 2, "duplicate": 1}

    in_virtual_time(scenario())


def test_calls_for_which_nobody_waits_are_committed_and_not_spooled_however_many(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            for _ in range(20_000):
                it.writer.post(a_pair(), "background")
            await it.writer.drain()
            assert it.counters.snapshot() == {"committed": 20_000}
            assert it.disk.groups == []

    in_virtual_time(scenario())


def _retry_after(it: Simulated, sender: str, within: float) -> float:
    with pytest.raises(OverloadedError) as refused:
        it.writer.admission.admit(sender, 1_000, within)
    return refused.value.retry_after


def test_while_the_disk_hangs_with_calls_in_the_spool_named_requests_are_committed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            it.writer.breaker.open("away")
            assert (await it.report()).status == "spooled"
            it.writer.breaker.close()
            it.disk.works.clear()
            await asyncio.gather(*(it.report("s", 10, a_pair(ObjectId())) for _ in range(300)))
            assert it.statuses == {"spooled": 1, "committed": 300}

    in_virtual_time(scenario())


def test_where_no_call_waits_the_replay_is_not_held_up_however_slow_the_last_commit_was(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path, fixed=2.0) as it:
            await asyncio.gather(*(it.report("s", within=60) for _ in range(20)))
            assert not it.writer.is_pressed
            waiting = asyncio.ensure_future(it.report("s", within=60))
            await asyncio.sleep(0.1)
            assert it.writer.is_pressed
            await waiting

    in_virtual_time(scenario())
