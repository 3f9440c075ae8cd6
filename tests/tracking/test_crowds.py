"""Many requests of one client at once, each of several hundred calls: all are committed in the end, none is spooled."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from app.errors import OverloadedError
from app.tracking.intake import Intake, Kind
from tests.tracking.simulated import Simulated, a_pair, simulated
from tests.tracking.virtual_time import clock, in_virtual_time

SENDERS, REQUESTS, CALLS = 64, 3, 100
DEADLINE = 10.0


class Crowd:
    """Senders that report one request after the other, and come again when they are told to."""

    def __init__(self, it: Simulated, decode: float) -> None:
        self.it, self.decode = it, decode
        self.intake = Intake(it.writer.admission, asyncio.get_running_loop())
        self.statuses: Counter[str] = Counter()
        self.refused: list[int] = []
        """How often each request was told to come again."""
        self.longest = 0.0

    async def come(self) -> None:
        """All at once."""
        await asyncio.gather(*(self.send(number) for number in range(SENDERS)))

    async def send(self, number: int) -> None:
        for request in range(REQUESTS):
            began, refused = clock().now, 0
            while (wait := await self._request(size=100_000 + REQUESTS * number + request)) is not None:
                refused += 1
                await asyncio.sleep(wait)
            self.refused.append(refused)
            self.longest = max(self.longest, clock().now - began)

    async def _request(self, size: int) -> float | None:
        """In how many seconds to come again; None where it was taken."""
        try:
            with self.intake.place(Kind("crowd", "batch"), size, DEADLINE, most=1_000) as place:
                await place.turn()
                await asyncio.sleep(self.decode * CALLS)
                place.has(CALLS)
                told = []
                for _ in range(CALLS):
                    place.enters()
                    told.append(self.it.writer.write(a_pair(), "batch", "crowd", place.seconds))
                place.leave()
            self.statuses.update(outcome.status for outcome in await asyncio.gather(*told))
        except OverloadedError as error:
            return error.retry_after
        return None


@pytest.mark.parametrize(("decode", "commit"), [(0.00025, 0.0005), (0.004, 0.0005), (0.001, 0.004)])
def test_a_crowd_is_committed_in_the_end_and_none_of_it_is_spooled(
    tmp_path: Path, decode: float, commit: float
) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path, each=commit) as it:
            crowd, began = Crowd(it, decode), clock().now
            await crowd.come()
            rate = SENDERS * REQUESTS * CALLS / (clock().now - began)
            assert crowd.statuses == {"committed": SENDERS * REQUESTS * CALLS}
            assert max(crowd.refused) <= 5
            assert rate >= 0.75 / max(decode, commit)

    in_virtual_time(scenario())


def test_nothing_of_a_crowd_is_spooled_where_commits_take_four_times_as_long_all_of_a_sudden(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path, each=0.0005) as it:
            crowd = Crowd(it, 0.00025)
            coming = asyncio.create_task(crowd.come())
            while not coming.done():
                await asyncio.sleep(2)
                it.mongodb.each = 0.002 if it.mongodb.each < 0.002 else 0.0005
            await coming
            assert crowd.statuses == {"committed": SENDERS * REQUESTS * CALLS}
            assert max(crowd.refused) <= 5

    in_virtual_time(scenario())
