"""Answers that all processes of a deployment share, in MongoDB: they cost a call a moment at most."""

import asyncio
import time
from collections import deque
from datetime import UTC, datetime

import pymongo
from bson import Binary
from pymongo import WriteConcern
from pymongo.errors import PyMongoError

from app.database import Database
from app.gateway.cache.seals import Seals
from app.gateway.cache.stored import Stored
from app.observability.logs import Log
from app.threads import DaemonThreads
from models.gateway_cache import GATEWAY_CACHE, INDEXES

READ_SECONDS = 0.02
WRITE_SECONDS = 2.0
MOST_BYTES = 8_000_000
"""Of one answer: MongoDB takes documents of 16 MB."""
MOST_WAITING = 64
"""Answers that wait to be written. More are not shared."""
_MOST_WAITING_BYTES = 16_000_000
_FAILURES, _PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 3, 1.0, 30.0
"""So many failures in a row, and it is left alone for a while, twice as long after each further one."""

log = Log(__name__)


class Shared:
    """Of one process."""

    def __init__(self, database: Database, seals: Seals) -> None:
        self._reads = database.reads[GATEWAY_CACHE]
        self._writes = database.writes.get_collection(GATEWAY_CACHE, write_concern=WriteConcern(w=1))
        self._seals = seals
        self._waiting: deque[tuple[bytes, int, Stored]] = deque()
        self._waiting_bytes = 0
        self._is_more = asyncio.Event()
        self._threads = DaemonThreads("gateway-cache")
        self._failures = 0
        self._pause = 0.0
        self._paused_until = 0.0

    async def prepare(self) -> None:
        """Make the index by which answers expire. Raises PyMongoError."""
        await self._writes.create_indexes(INDEXES)

    async def get(self, key: bytes, generation: int, most_bytes: int) -> Stored | None:
        """None also where MongoDB does not answer within 20 ms."""
        if time.monotonic() < self._paused_until:
            return None
        id_ = self._seals.id_of(key, generation)
        try:
            async with asyncio.timeout(READ_SECONDS):
                with pymongo.timeout(READ_SECONDS):
                    found = await self._reads.find_one({"_id": Binary(id_)})
        except (PyMongoError, TimeoutError) as error:
            self._failed(error)
            return None
        self._went_well()
        if found is None or not isinstance(sealed := found.get("answer"), bytes):
            return None
        return self._seals.opened(key, id_, sealed, most_bytes)

    def put(self, key: bytes, generation: int, stored: Stored) -> None:
        """Have it written in the background, unless too much waits already."""
        full = len(self._waiting) >= MOST_WAITING or self._waiting_bytes + stored.size > _MOST_WAITING_BYTES
        if full or stored.size > MOST_BYTES or time.monotonic() < self._paused_until:
            return
        self._waiting.append((key, generation, stored))
        self._waiting_bytes += stored.size
        self._is_more.set()

    def forget(self) -> None:
        """What waits is not written any more."""
        self._waiting.clear()
        self._waiting_bytes = 0

    async def write(self) -> None:
        """Write what waits, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._is_more.wait()
            self._is_more.clear()
            while self._waiting:
                key, generation, stored = self._waiting.popleft()
                self._waiting_bytes -= stored.size
                id_ = self._seals.id_of(key, generation)
                sealed = await loop.run_in_executor(self._threads, self._seals.sealed, key, id_, stored)
                await self._write(id_, sealed, stored.expires_at)

    async def _write(self, id_: bytes, sealed: bytes, expires_at: float) -> None:
        document = {"answer": Binary(sealed), "expiresAt": datetime.fromtimestamp(expires_at, UTC)}
        try:
            with pymongo.timeout(WRITE_SECONDS):
                await self._writes.replace_one({"_id": Binary(id_)}, document, upsert=True)
        except PyMongoError as error:
            self._failed(error)
        else:
            self._went_well()

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        if self._failures >= _FAILURES:
            if not self._pause:
                log.warning("gateway.cache_not_shared", reason=type(error).__name__)
            self._pause = min(max(2 * self._pause, _PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
            self._paused_until = time.monotonic() + self._pause

    def _went_well(self) -> None:
        self._failures, self._pause = 0, 0.0
