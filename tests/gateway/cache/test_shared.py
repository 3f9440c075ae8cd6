"""What processes share: found by all of them, readable to nobody else, and never a reason to wait."""

import asyncio
import time
from typing import Any

import pytest
from bson import encode
from pymongo.errors import ServerSelectionTimeoutError

from app.database import Database
from app.gateway.cache.cache import ResponseCache, open_cache
from app.gateway.cache.seals import Seals
from app.gateway.cache.shared import Shared
from app.maintenance.answers import forget_answers
from app.observability.metrics import Counters
from app.settings import Settings
from models.gateway_cache import GATEWAY_CACHE
from tests.gateway.cache.asked import key, stored
from tests.patience import patience

CANARY = b"the canary sings of prompts and answers "
MB = 1_000_000


@pytest.fixture
def settings_shared(settings: Settings) -> Settings:
    return settings.model_copy(update={"gateway_cache_bytes": MB, "gateway_cache_shared": True})


async def written(database: Database, count: int = 1) -> list[dict[str, Any]]:
    async with asyncio.timeout(patience(10)):
        while len(found := await database.reads[GATEWAY_CACHE].find().to_list(None)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


async def test_another_process_finds_it_and_the_database_says_nothing(
    settings_shared: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.gateway.cache.shared.READ_SECONDS", patience(5))
    question, answer = key(user="canary-user"), stored(CANARY * 100, at=time.time(), seconds=600)
    async with (
        open_cache(settings_shared, database, Counters()) as one,
        open_cache(settings_shared, database, Counters()) as other,
    ):
        assert one is not None
        assert other is not None
        one.put(question, answer, one.generation)
        (document,) = await written(database)

        assert await other.get(question, 600) == answer
        assert len(other.memory) == 1
        assert await other.get(key(user="bob"), 600) is None
        raw = encode(document)
        assert b"canary" not in raw
        assert b"application/json" not in raw
        assert question not in raw
        assert set(document) == {"_id", "answer", "expiresAt"}

        await forget_answers(database)
        await other.refresh(database)
        assert await other.get(question, 600) is None
        assert await written(database, 0) == []
        other.put(question, answer, other.generation - 1)  # of a call that began before
        assert len(other.memory) == 0


async def test_expired_answers_go_by_themselves(settings_shared: Settings, database: Database) -> None:
    async with open_cache(settings_shared, database, Counters()):
        indexes = await database.reads[GATEWAY_CACHE].index_information()

    assert indexes["expiry"]["expireAfterSeconds"] == 0


async def test_what_mongodb_has_not_deleted_yet_is_no_answer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.gateway.cache.shared.READ_SECONDS", patience(5))
    shared = Shared(database, Seals("secret"))
    one, other = ResponseCache(MB, shared), ResponseCache(MB, shared, clock=lambda: time.time() + 100)
    writing = asyncio.create_task(shared.write())
    one.put(key(), stored(at=time.time(), seconds=50), 0)
    await written(database)

    assert await other.get(key(), 600) is None
    assert await ResponseCache(MB, shared).get(key(), 600) is not None
    writing.cancel()


class Slow:
    """A collection that answers too late, or not at all."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked = 0

    async def find_one(self, _: object) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        await asyncio.sleep(60)


@pytest.mark.parametrize("error", [None, ServerSelectionTimeoutError("away")])
async def test_a_mongodb_that_does_not_answer_is_a_miss_and_then_left_alone(
    database: Database, error: Exception | None
) -> None:
    shared, slow = Shared(database, Seals("secret")), Slow(error)
    shared._reads = slow  # type: ignore[assignment]
    cache = ResponseCache(MB, shared)

    async with asyncio.timeout(patience(10)):
        for _ in range(20):
            assert await cache.get(key(), 60) is None

    assert slow.asked == 3


async def test_what_waits_to_be_written_is_bounded(database: Database) -> None:
    shared = Shared(database, Seals("secret"))
    for number in range(1_000):
        shared.put(b"%032d" % number, 0, stored(b"x" * 100_000))

    assert len(shared._waiting) <= 64
    assert shared._waiting_bytes <= 16_000_000
    shared.forget()
    assert not shared._waiting
