"""The response cache: answers in this process, and where a deployment wants that those of all its processes."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from app.database import Database
from app.database.connection import VERSIONS
from app.database.following import follow
from app.gateway.cache.memory import Memory
from app.gateway.cache.metrics import CacheMetrics, watch
from app.gateway.cache.seals import Seals
from app.gateway.cache.shared import Shared
from app.gateway.cache.stored import Stored
from app.observability.metrics import Counters
from app.process import background
from app.settings import Settings
from models.gateway_cache import GENERATION

FOLLOW_SECONDS = 1.5
_RECORDED = 4
"""Answers that are on their way, and are to be kept, may take the so-manieth part of the memory beside it."""


class ResponseCache:
    """Of one process."""

    def __init__(
        self,
        most_bytes: int,
        shared: Shared | None = None,
        metrics: CacheMetrics | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` in Unix seconds."""
        self.memory = Memory(most_bytes)
        self.shared = shared
        self.generation = 0
        """Raised whenever all answers are to be forgotten: what began before is not kept any more."""
        self.clock = clock
        self._metrics = metrics
        self._in_hand = 0

    async def get(self, key: bytes, most_seconds: float) -> Stored | None:
        """What was kept under a key, and is no older than that."""
        now, generation = self.clock(), self.generation
        found, where = self.memory.get(key, now), "hit"
        if found is None and self.shared is not None:
            found, where = await self.shared.get(key, generation, self.memory.most_of_one), "shared_hit"
            if found is not None and found.expires_at > now and generation == self.generation:
                self.memory.put(key, found, now)
        if found is None or found.expires_at <= now or found.age(now) > most_seconds or generation != self.generation:
            found, where = None, "miss"
        if self._metrics is not None:
            self._metrics.looked(where)
        return found

    def put(self, key: bytes, stored: Stored, generation: int) -> None:
        """Keep an answer to a question that came when this was the generation."""
        if generation == self.generation and self.memory.put(key, stored, self.clock()) and self.shared is not None:
            self.shared.put(key, generation, stored)

    def take_room(self, size: int) -> bool:
        """Whether so many bytes more of an answer on its way may be held to be kept; `give_room` gives them back."""
        if self._in_hand + size > self.memory.most_bytes // _RECORDED:
            return False
        self._in_hand += size
        return True

    def give_room(self, size: int) -> None:
        """Of an answer that is kept, or is not going to be."""
        self._in_hand -= size

    async def refresh(self, database: Database) -> None:
        """Look what others have been told. Raises PyMongoError."""
        self.memory.expire(self.clock())
        stored = await database.reads[VERSIONS].find_one(GENERATION)
        self.follow_to(0 if stored is None else stored["version"])

    def follow_to(self, generation: int) -> None:
        """Forget everything where others have been told to."""
        if generation != self.generation:
            self.generation = generation
            self.memory.clear()
            if self.shared is not None:
                self.shared.forget()


@asynccontextmanager
async def open_cache(settings: Settings, database: Database, counters: Counters) -> AsyncIterator[ResponseCache | None]:
    """The cache of a process; None where it has no room. Raises PyMongoError."""
    if not settings.gateway_cache_bytes:
        yield None
        return
    shared = Shared(database, Seals(settings.signing_secret)) if settings.gateway_cache_shared else None
    cache = ResponseCache(settings.gateway_cache_bytes, shared, CacheMetrics(counters))
    watch(counters, cache.memory)

    async with AsyncExitStack() as stack:
        if shared is not None:
            await shared.prepare()
            await stack.enter_async_context(background(shared.write(), "gateway cache"))
        await cache.refresh(database)
        following = follow(partial(cache.refresh, database), what="gateway.cache", every=FOLLOW_SECONDS)
        await stack.enter_async_context(background(following, "gateway cache's generation"))
        yield cache
