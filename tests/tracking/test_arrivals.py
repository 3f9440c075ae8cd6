"""A commit of few calls waits a little for callers who are about to come, and for nobody else."""

import asyncio
from pathlib import Path

import pytest

from app.tracking.arrivals import FEW, LINGER_SECONDS, RESTS
from tests.tracking.simulated import a_pair, simulated
from tests.tracking.virtual_time import in_virtual_time

FIXED, EACH = 0.004, 0.0001


def test_callers_who_come_again_at_once_share_every_commit(tmp_path: Path) -> None:
    async def half_later() -> None:
        async with simulated(tmp_path) as it:

            async def caller(number: int) -> None:
                if number % 2:
                    await asyncio.sleep(0.001)  # the first commit is without them
                for _ in range(20):
                    await it.report("key")

            await asyncio.gather(*(caller(number) for number in range(32)))
            sizes = [len(batch) for batch in it.mongodb.batches]
            assert sizes == [16, *[32] * 19, 16]

    in_virtual_time(half_later())


def test_a_caller_alone_never_waits(tmp_path: Path) -> None:
    async def alone() -> None:
        async with simulated(tmp_path) as it:
            for _ in range(20):
                await it.report()
            assert it.waits == [pytest.approx(FIXED + EACH)] * 20

    in_virtual_time(alone())


def test_who_was_answered_and_stays_away_costs_the_others_one_short_wait(tmp_path: Path) -> None:
    async def one_by_one() -> None:
        async with simulated(tmp_path) as it:

            async def comes(at: float) -> None:
                await asyncio.sleep(at)
                await it.report()

            # each comes while the one before is committed, and none comes twice
            await asyncio.gather(*(comes(0.004 * number) for number in range(RESTS + 2)))
            assert [len(batch) for batch in it.mongodb.batches] == [1] * (RESTS + 2)
            assert max(it.waits) < 2 * (FIXED + EACH) + LINGER_SECONDS
            began = [number * 0.004 + wait - FIXED - EACH for number, wait in enumerate(it.waits)]
            ended = [moment + FIXED + EACH for moment in began]
            paused = [after - before for after, before in zip(began[1:], ended, strict=False)]
            assert paused == pytest.approx([LINGER_SECONDS, *[0] * RESTS])

    in_virtual_time(one_by_one())


def test_a_few_of_many_who_come_again_are_not_worth_a_wait(tmp_path: Path) -> None:
    async def at_a_pace() -> None:
        async with simulated(tmp_path) as it:

            async def comes(number: int) -> None:
                await asyncio.sleep(0.002 * number)  # two or three come while others are committed, one in a wait
                await it.report()

            began, calls = asyncio.get_running_loop().time(), 40
            await asyncio.gather(*(comes(number) for number in range(calls)))
            lasted, commits = asyncio.get_running_loop().time() - began, len(it.mongodb.batches)
            waited = lasted - (FIXED * commits + EACH * calls)
            assert waited < commits * LINGER_SECONDS / 4

    in_virtual_time(at_a_pace())


def test_many_calls_wait_for_no_more(tmp_path: Path) -> None:
    async def many() -> None:
        async with simulated(tmp_path) as it:
            first = [it.writer.write(a_pair(), "batch") for _ in range(FEW)]
            await asyncio.sleep(0.001)
            await it.report()
            assert all(answer.done() for answer in first)
            assert it.waits == [pytest.approx(FIXED + FEW * EACH - 0.001 + FIXED + EACH)]

    in_virtual_time(many())


def test_a_stop_waits_for_nobody_either(tmp_path: Path) -> None:
    async def stopped() -> None:
        async with simulated(tmp_path) as it:
            first, later = it.writer.write(a_pair(), "function"), asyncio.sleep(0.001)
            await later
            second = it.writer.write(a_pair(), "function")
            await first
            await asyncio.sleep(0.001)  # the second one waits for company now
            loop = asyncio.get_running_loop()
            began = loop.time()
            await it.writer.drain()
            assert second.done()
            assert loop.time() - began == pytest.approx(FIXED + EACH)

    in_virtual_time(stopped())
