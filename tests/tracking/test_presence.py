"""Whether MongoDB is there is asked once at a time, and what has come back meanwhile is its answer, too."""

import asyncio

import pytest

from app.tracking.presence import Presence
from tests.patience import until


class Asked:
    """A MongoDB that answers when it is told to."""

    def __init__(self) -> None:
        self.times = 0
        self.away: list[str] = []
        self.answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.presence = Presence(self.answers, self.away.append)

    async def answers(self) -> bool:
        self.times += 1
        return await self.answer

    async def said(self, there: bool) -> None:
        self.answer.set_result(there)
        await until(lambda: not self.presence.is_asking)


@pytest.mark.parametrize(("there", "commits", "away"), [(True, 0, 0), (False, 0, 1), (False, 1, 0)])
async def test_mongodb_is_away_where_neither_an_answer_nor_a_commit_comes_back(
    there: bool, commits: int, away: int
) -> None:
    asked = Asked()
    asked.presence.ask(0.0)
    await asyncio.sleep(0)
    for _ in range(commits):
        asked.presence.committed()
    await asked.said(there)

    assert len(asked.away) == away


async def test_it_is_asked_once_at_a_time_and_again_later() -> None:
    asked = Asked()
    for now in (0.0, 1.0, 2.0):
        asked.presence.ask(now)
        await asyncio.sleep(0)
    assert (asked.times, asked.presence.due) == (1, 3.0)
    await asked.said(True)
    asked.presence.ask(3.0)
    await asyncio.sleep(0)
    assert asked.times == 2


async def test_what_is_asked_when_the_writer_stops_ends_without_a_word() -> None:
    asked = Asked()
    asked.presence.ask(0.0)
    await asyncio.sleep(0)
    asked.presence.stop()
    await until(lambda: not asked.presence.is_asking)

    assert asked.away == []
