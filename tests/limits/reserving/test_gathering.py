"""Group commit: who is answered together, and who waits for it."""

import asyncio
from collections.abc import Sequence

import pytest

from app.limits.reserving.gathering import Gathering


async def test_who_asks_alone_never_waits_and_many_are_answered_together() -> None:
    taken: list[list[int]] = []

    async def work(items: Sequence[int]) -> Sequence[int]:
        taken.append(list(items))
        await asyncio.sleep(0)
        return items

    hour = Gathering(work, pause=3_600)
    assert [await hour.ask(n) for n in range(3)] == [0, 1, 2]
    assert await asyncio.gather(*map(hour.ask, range(3, 9))) == [3, 4, 5, 6, 7, 8]
    assert taken == [[0], [1], [2], [3, 4, 5, 6, 7, 8]]

    with pytest.raises(TimeoutError):  # it rests
        await hour.ask(9, asyncio.get_running_loop().time() + 0.01)
