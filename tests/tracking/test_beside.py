"""Short commits beside a long one: who reports little does not wait for the end of what others report."""

import asyncio
from pathlib import Path

from app.tracking.beside import FEW
from tests.tracking.simulated import Simulated, a_pair, simulated
from tests.tracking.virtual_time import in_virtual_time

ALONE = 0.0041
"""Seconds that a commit of one call takes."""


async def flooded(it: Simulated) -> list["asyncio.Task[object]"]:
    """A long commit of one sender has begun, and as much waits behind it as it may."""
    flood = [asyncio.create_task(it.report("flood", within=10)) for _ in range(10_000)]
    await asyncio.sleep(0.01)
    it.waits.clear()
    return list(flood)


def test_a_call_beside_a_flood_waits_as_long_as_one_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            flood = await flooded(it)
            outcomes = [await it.report("quiet", within=10) for _ in range(10)]
            assert [outcome.status for outcome in outcomes] == ["committed"] * 10
            assert max(it.waits[:10]) <= 2 * ALONE
            assert len(it.writer._queue) > 5_000
            await asyncio.gather(*flood)
            assert it.statuses == {"committed": 10_010}

    in_virtual_time(scenario())


def test_a_host_s_calls_are_committed_in_time_however_many_calls_of_the_doors_wait(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            flood = await flooded(it)
            outcomes = await asyncio.gather(*(it.report() for _ in range(50)))
            assert [outcome.status for outcome in outcomes] == ["committed"] * 50
            assert max(it.waits[:50]) <= 0.1
            await asyncio.gather(*flood)

    in_virtual_time(scenario())


def test_what_is_reported_again_meanwhile_waits_for_the_first_report_and_is_its_duplicate(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            flood, pair = await flooded(it), a_pair()
            first = asyncio.create_task(it.report("quiet", 10, pair))
            await asyncio.sleep(0.001)
            again = [asyncio.create_task(it.report("quiet", 10, pair)) for _ in range(3 * FEW)]
            assert (await first).status == "committed"
            assert {(await each).status for each in again} == {"duplicate"}
            await asyncio.gather(*flood)

    in_virtual_time(scenario())


def test_a_short_commit_that_fails_loses_no_call(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            flood = await flooded(it)
            it.mongodb.fixed = 6.0  # longer than a commit may take, while MongoDB answers
            slow = asyncio.create_task(it.report("quiet", within=10))
            await asyncio.sleep(0.001)
            it.mongodb.fixed = 0.004
            assert (await slow).status == "spooled"
            assert not it.writer.breaker.is_open
            assert (await it.report("quiet", within=10)).status == "committed"
            await asyncio.gather(*flood)

    in_virtual_time(scenario())


def test_at_the_stop_both_commits_are_awaited(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            flood = await flooded(it)
            quiet = [asyncio.create_task(it.report("quiet", within=10)) for _ in range(3 * FEW)]
            await asyncio.sleep(0.001)
            await it.writer.drain()
            await asyncio.gather(*flood, *quiet)
            assert it.statuses == {"committed": 10_000 + 3 * FEW}
            assert it.writer.queued == 0

    in_virtual_time(scenario())


def test_frozen_in_the_middle_of_both_every_call_goes_to_the_spool(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            flood = await flooded(it)
            it.mongodb.there.clear()
            quiet = [asyncio.create_task(it.report("quiet", within=10)) for _ in range(FEW)]
            await asyncio.gather(*flood, *quiet)
            assert it.statuses == {"spooled": 10_000 + FEW}
            assert it.writer.breaker.is_open

    in_virtual_time(scenario())
