"""The timer of callers: rung once for many, and looking twice where it is late by itself. Who leaves when it rings."""

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path

from app.spool.waiting import Waiting
from app.tracking.deadlines import ARRIVAL_SECONDS, SILENT_SECONDS, Alarm, Spooling
from tests.tracking.simulated import a_pair, simulated
from tests.tracking.virtual_time import clock, in_virtual_time


class BusySpooler:
    """It has been given calls, and has been writing the first of them for some seconds."""

    def __init__(self) -> None:
        self.calls: list[Waiting] = []
        self.seconds_writing = 0.0
        self.looks = 0

    @property
    def pending(self) -> int:
        return len(self.calls)

    @property
    def waiting(self) -> Sequence[Waiting]:
        self.looks += 1
        return self.calls

    def given(self, *, until: float, offered: bool = False) -> Waiting:
        call = Waiting(a_pair(), "function", "", 0.0, until - 0.05, until, asyncio.get_running_loop().create_future())
        call.offered = offered
        self.calls.append(call)
        return call


def test_an_alarm_rings_at_the_earliest_of_its_times() -> None:
    async def scenario() -> None:
        rings: list[float] = []
        alarm = Alarm(clock(), rings.append)
        for at in (1_003, 1_001, 1_002):
            alarm.set(at)
        await asyncio.sleep(5)
        assert rings == [1_001]
        alarm.set(1_006)
        alarm.stop()
        await asyncio.sleep(5)
        assert rings == [1_001]

    in_virtual_time(scenario())


def test_whenever_an_alarm_is_late_by_itself_what_has_arrived_comes_first() -> None:
    async def scenario() -> None:
        rings: list[float] = []
        alarm = Alarm(clock(), rings.append)
        for late in range(1, 4):
            alarm.set(clock().now + 1)
            clock().jump(60)
            came = clock().now
            await asyncio.sleep(1)
            assert rings[late - 1 :] == [came + ARRIVAL_SECONDS]

    in_virtual_time(scenario())


def test_while_the_disk_answers_none_of_the_callers_that_wait_for_it_is_looked_at() -> None:
    async def scenario() -> None:
        spooler = BusySpooler()
        spooling = Spooling(spooler)  # type: ignore[arg-type]
        spooling.add([spooler.given(until=1.0) for _ in range(10_000)])
        spooler.seconds_writing = 0.2
        assert spooling.due(0.9) == 0.9 + SILENT_SECONDS - 0.2
        assert spooling.late(5.0) == []
        assert spooler.looks == 0

    in_virtual_time(scenario())


def test_where_the_disk_is_silent_each_caller_leaves_at_its_own_deadline() -> None:
    async def scenario() -> None:
        spooler = BusySpooler()
        spooling = Spooling(spooler)  # type: ignore[arg-type]
        calls = [spooler.given(until=at) for at in (1.0, 1.1, 1.2)]
        offered = spooler.given(until=1.0, offered=True)
        spooling.add([*calls, offered])
        spooler.seconds_writing = 0.08
        assert spooling.late(1.0) == []
        assert spooling.late(1.05) == [offered]
        offered.settled = True
        spooler.seconds_writing = SILENT_SECONDS
        assert spooling.late(1.1) == calls[:2]
        assert spooling.due(1.1) == 1.2
        assert spooling.late(1.2) == calls
        spooler.calls.clear()
        assert spooling.late(1.3) == []
        assert spooling.due(1.3) == math.inf

    in_virtual_time(scenario())


def test_what_comes_after_all_tasks_of_a_loop_were_cancelled_is_spooled_all_the_same(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            it.writer.breaker.open("away")
            it.disk.works.clear()
            waiting = [asyncio.create_task(it.report()) for _ in range(3)]
            await asyncio.sleep(0.001)
            for task in asyncio.all_tasks():
                if task.get_name() == "twinmeter-spooler":
                    task.cancel()
            await asyncio.sleep(0.001)
            it.disk.works.set()
            waiting += [asyncio.create_task(it.report()) for _ in range(2)]
            await asyncio.wait(waiting, timeout=1)
            assert it.statuses == {"spooled": 5}

    in_virtual_time(scenario())
