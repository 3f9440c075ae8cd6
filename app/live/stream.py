"""The change stream of one process: each change once and in order, through failures too."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from bson.timestamp import Timestamp
from prometheus_client import Counter
from pymongo.errors import ConnectionFailure

from app.database import Database
from app.live.changes import PIPELINE, Change
from app.observability.logs import Log
from models.rollups import STATE

AWAIT_MS = 1_000
"""How long the server holds a request for more when there is nothing. What comes meanwhile is returned at once."""
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0

log = Log(__name__)


class ChangeStream:
    """Calls `heard` with every change, and `began` with the moment from which it does.

    It resumes after a failure. Where the server cannot resume (its log has moved on, the database was dropped), it
    starts over, and calls `began` again.
    """

    def __init__(
        self, database: Database, began: Callable[[Timestamp], None], heard: Callable[[Change], None], opens: Counter
    ) -> None:
        self._database = database.streams
        self._began = began
        self._heard = heard
        self._position: dict[str, Any] = {}
        self._pause = FIRST_PAUSE_SECONDS
        self._opens = opens
        self.up = asyncio.Event()
        """Set while changes are received."""

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._follow()
            except Exception as error:  # noqa: BLE001 - a bug of ours must not cut off every page
                self._went_down(error)
            else:
                self._position = {}
            await asyncio.sleep(random.uniform(0.5, 1) * self._pause)  # noqa: S311 - jitter, not a secret
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    async def _follow(self) -> None:
        """Until it fails, or the server closes it."""
        if not self._position:
            now = await self._now()
            self._position = {"start_at_operation_time": Timestamp(now.time, now.inc + 1)}
            self._began(now)
        async with self._database.watch(PIPELINE, max_await_time_ms=AWAIT_MS, **self._position) as stream:
            self._came_up()
            while stream.alive:  # type: ignore[truthy-function]  # a property, whatever the stubs say
                event = await stream.try_next()
                self._pause = FIRST_PAUSE_SECONDS
                if (token := stream.resume_token) is not None:
                    self._position = {"resume_after": token}
                if event is not None:
                    self._heard(Change.of(event))

    async def _now(self) -> Timestamp:
        """A moment up to which everything is seen by reads from now on: of the majority, not of the primary alone."""
        look = {"find": STATE, "limit": 1, "projection": {"_id": 1}, "readConcern": {"level": "majority"}}
        moment: Timestamp = (await self._database.command(look))["operationTime"]
        return moment

    def _came_up(self) -> None:
        self._opens.inc()
        self.up.set()
        log.info("live.listening")

    def _went_down(self, error: Exception) -> None:
        if self.up.is_set():
            log.warning("live.interrupted", error=str(error)[:200])
        self.up.clear()
        if not isinstance(error, ConnectionFailure):
            self._position = {}  # the server answered, and will not resume from there
