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
from app.tracking import open_tracker

FEW, MANY = 100, 1_000
LINES_PER_USER = 10
"""Less than it takes to look at each of them."""


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
    yesterday = datetime.now(UTC) - timedelta(days=1)
    run = {}
    async with (
        open_tracker(settings, database, Counters(), compacting=False) as tracker,
        database.committer_session() as session,
    ):
        compactor = Compactor(database, session)
        await compactor.trailing.keep_up()  # late calls are added to trailing totals
        for users in (FEW, MANY):
            told = [
                {
                    "user_id": f"{users}-{n}",
                    "content_type": "chat",
                    "model": "gpt-4o",
                    "conversation_id": f"{users}-{n}",
                }
                for n in range(users)
            ]
            await asyncio.gather(*(tracker.track(**call, created_at=yesterday, input_tokens=1) for call in told))
            with Lines() as lines:
                await compactor.merge_all()
            run[users] = lines.run

    assert run[MANY] - run[FEW] < LINES_PER_USER * (MANY - FEW), run
