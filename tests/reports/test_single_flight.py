"""Equal requests share a computation, and none is answered with what was read before it came."""

import asyncio

import pytest

from app.reports.single_flight import SharedComputations


class Counted:
    """A computation that waits until it is let go, and counts its starts."""

    def __init__(self) -> None:
        self.started = 0
        self.gate = asyncio.Event()

    async def __call__(self) -> int:
        self.started += 1
        mine = self.started
        await self.gate.wait()
        return mine


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_requests_that_come_while_one_runs_share_the_next_one() -> None:
    shared, compute = SharedComputations(), Counted()

    first = asyncio.create_task(shared.share("usage", compute))
    await turn()
    later = [asyncio.create_task(shared.share("usage", compute)) for _ in range(10)]
    await turn()
    compute.gate.set()

    assert await first == 1
    assert await asyncio.gather(*later) == [2] * 10
    assert await shared.share("usage", compute) == 3


async def test_requests_that_come_together_share_one() -> None:
    shared, compute = SharedComputations(), Counted()
    compute.gate.set()

    assert await asyncio.gather(*(shared.share("usage", compute) for _ in range(10))) == [1] * 10


async def test_other_requests_do_not_wait() -> None:
    shared, slow, quick = SharedComputations(), Counted(), Counted()
    quick.gate.set()

    waiting = asyncio.create_task(shared.share("usage", slow))
    await turn()

    assert await shared.share("overview", quick) == 1
    slow.gate.set()
    assert await waiting == 1


async def test_a_caller_that_goes_away_leaves_the_others_their_answer() -> None:
    shared, compute = SharedComputations(), Counted()
    gone = asyncio.create_task(shared.share("usage", compute))
    stays = asyncio.create_task(shared.share("usage", compute))
    await turn()

    gone.cancel()
    compute.gate.set()

    assert await stays == 1
    assert gone.cancelled() or gone.cancelling()


async def test_a_failure_reaches_everyone_and_the_next_request_tries_again() -> None:
    shared = SharedComputations()
    calls = 0

    async def fails_once() -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ConnectionError("away")
        return "answer"

    both = await asyncio.gather(*(shared.share("usage", fails_once) for _ in range(2)), return_exceptions=True)

    assert [str(error) for error in both] == ["away", "away"]
    assert await shared.share("usage", fails_once) == "answer"
    with pytest.raises(ConnectionError):
        await shared.share("other", _fails)


async def _fails() -> None:
    raise ConnectionError("away")
