"""The timer of callers: rung once for many, and looking twice where it is late by itself."""

import asyncio

from app.tracking.deadlines import ARRIVAL_SECONDS, Alarm
from tests.tracking.virtual_time import clock, in_virtual_time


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
