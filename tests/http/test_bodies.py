"""Compressed bodies: inflated within their limit, in time that grows with their size and not with its square."""

import asyncio
import gzip
import time
import zlib
from contextlib import ExitStack

import pytest

from app.errors import BodyTooLargeError, InvalidRequestError, TooManyRequestsError
from app.http.bodies import PART_BYTES, BodyBudget, inflated
from app.process import TURN_SECONDS
from tests.patience import patience

EMPTY = gzip.compress(b"")
LIMIT = 5_000_000


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, PART_BYTES, 3 * PART_BYTES + 1, LIMIT])
async def test_what_was_compressed_comes_back(size: int) -> None:
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    stored = zlib.compressobj(level=0, wbits=31)
    for body in (gzip.compress(content), stored.compress(content) + stored.flush()):
        assert await inflated(body, LIMIT) == content
        assert await inflated(EMPTY + body + EMPTY, LIMIT) == content


async def test_the_pieces_of_a_body_are_read_one_after_another() -> None:
    assert await inflated(b"".join(gzip.compress(b"%d " % n) for n in range(1_000)), LIMIT) == b"".join(
        b"%d " % n for n in range(1_000)
    )


async def test_a_body_of_very_many_pieces_is_refused_at_once() -> None:
    started = time.thread_time()

    with pytest.raises(InvalidRequestError, match=r"more than 1,000 pieces of gzip"):
        await inflated(EMPTY * 400_000, LIMIT)

    assert time.thread_time() - started < patience(0.1)  # the square of it would be minutes


@pytest.mark.parametrize("cut", [1, 9, 17])
async def test_a_body_without_its_end_is_named(cut: int) -> None:
    with pytest.raises(InvalidRequestError, match="truncated gzip"):
        await inflated(gzip.compress(b"x" * 1_000)[:-cut], LIMIT)


async def test_a_body_is_inflated_to_its_limit_and_no_further() -> None:
    assert len(await inflated(gzip.compress(b" " * LIMIT), LIMIT)) == LIMIT
    with pytest.raises(BodyTooLargeError):
        await inflated(gzip.compress(b" " * (LIMIT + 1)), LIMIT)


async def test_others_have_their_turn_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.process.TURN_SECONDS", TURN_SECONDS / 100)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beside = asyncio.create_task(others())
    await inflated(gzip.compress(b" " * LIMIT), LIMIT)
    beside.cancel()

    assert turns > 10


def test_one_who_announces_bodies_and_does_not_send_them_leaves_room_for_others() -> None:
    budget = BodyBudget()
    with ExitStack() as held:
        for _ in range(10):
            held.enter_context(budget.claimed("slow", LIMIT))
        with pytest.raises(TooManyRequestsError), budget.claimed("slow", LIMIT):
            pass
        with budget.claimed("another", LIMIT), budget.claimed("another", LIMIT):
            pass
    with budget.claimed("slow", 10 * LIMIT):
        pass


def test_a_body_that_does_not_say_its_length_takes_what_has_come_of_it() -> None:
    budget = BodyBudget(100)
    with budget.claimed("a", 0) as claim, budget.claimed("b", 10):
        claim.holds(40)
        claim.holds(30)
        with pytest.raises(TooManyRequestsError):
            claim.holds(91)
        with pytest.raises(TooManyRequestsError), budget.claimed("c", 51):
            pass
        with budget.claimed("c", 40):
            pass
    with budget.claimed("a", 80):
        pass
