"""Merging leaves the event loop to those who report."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any, Self

from app.database import Database
from app.observability.metrics import Counters
from app.rollups.compactor import Compactor
from app.settings import Settings
from app.tracking import Tracker, open_tracker

FEW, MANY = 100, 1_000
LINES_PER_USER = 10
"""Less than it takes to look at each of them."""
TRIES = 3
"""While a merge waits, other tasks run their lines too, the more the longer it takes: the least of some counts."""


class Lines:
    """Counts the lines of Python that this thread runs in a block."""

    def __init__(self) -> None:
        self.run = 0

    def __enter__(self) -> Self:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _trace(self, _: FrameType, event: str, __: Any) -> Any:
        self.run += event == "line"
        return self._trace


async def test_what_a_merge_does_on_the_loop_does_not_grow_with_its_users(
    settings: Settings, database: Database
) -> None:
    run = {}
    async with (
        open_tracker(settings, database, Counters(), compacting=False) as tracker,
        database.committer_session() as session,
    ):
        compactor = Compactor(database, session)
        await compactor.trailing.keep_up()  # late calls are added to trailing totals
        for users in (FEW, MANY):
            tries = [await lines_of_a_merge(compactor, tracker, users, number) for number in range(TRIES)]
            run[users] = min(tries)

    assert run[MANY] - run[FEW] < LINES_PER_USER * (MANY - FEW), run


async def lines_of_a_merge(compactor: Compactor, tracker: Tracker, users: int, number: int) -> int:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    names = [f"{users}-{number}-{user}" for user in range(users)]
    told = [{"user_id": name, "content_type": "chat", "model": "gpt-4o", "conversation_id": name} for name in names]
    await asyncio.gather(*(tracker.track(**call, created_at=yesterday, input_tokens=1) for call in told))
    await asyncio.sleep(0)  # lets go of their tasks, each of which runs lines when it does
    with Lines() as lines:
        await compactor.merge_all()
    return lines.run
