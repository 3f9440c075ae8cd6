"""A ledger with history: millions of twins over some days, and their rollups."""

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import NamedTuple
from zoneinfo import ZoneInfo

import bson
from beanie import init_beanie
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.write_concern import WriteConcern

from app.database import Collection, Database
from app.database.connection import DOCUMENTS
from app.ledger.twins import IdMint
from app.rollups.compactor import Compactor
from app.rollups.deltas import Increments
from app.rollups.local_time import LocalTime
from app.rollups.merging import merging
from app.rollups.name_caps import NameCaps
from app.rollups.state import STATE_KEY, RollupState
from models.documents import Document
from models.rollups import DELTAS, STATE
from scripts.bench.load import CLIENTS, CONVERSATIONS, RARE, USERS, calls
from scripts.bench.pairs import built_pairs
from scripts.toolkit.command import Advance

TEMPLATES = 20_000
BATCH = 10_000
IN_FLIGHT = 2
CALLS_PER_DELTA = 100_000
"""A delta of so many, or of a day, stays below 16 MB. It is merged alone, so that few cells are written twice."""
RARE_EVERY = 200_000
UNCONFIRMED = WriteConcern(1)
_SIZE = struct.Struct("<i")


class _Call(NamedTuple):
    """One call of the history: the entry, and both twins as BSON."""

    entry: Document
    raw_entry: RawBSONDocument
    raw_event: RawBSONDocument


async def fill(database: Database, zone: ZoneInfo, count: int, *, days: int, zipf: bool, advance: Advance) -> None:
    """Store `count` calls of the last `days` days, in order of time, and merge their rollups.

    Users and conversations are Zipf or uniform. The rollups of an interrupted fill say that they are not complete.
    """
    await RollupState.open(database, zone)
    await _completed(database, complete=False)
    async with _without_indexes(database), merging(database) as compactor:
        gate = asyncio.Semaphore(IN_FLIGHT)
        increments, waiting = _increments(database, zone), 0
        async with asyncio.TaskGroup() as tasks:
            for batch in _batches(database, count, days=days, zipf=zipf):
                for call in batch:
                    increments.add(call.entry)
                waiting += len(batch)
                await gate.acquire()
                tasks.create_task(_store(database, batch, gate, advance))
                first, last = batch[0].entry["createdAt"], batch[-1].entry["createdAt"]
                if waiting >= CALLS_PER_DELTA or last.date() > first.date():
                    await _merge(database, compactor, increments, waiting)
                    increments, waiting = _increments(database, zone), 0
        if waiting:
            await _merge(database, compactor, increments, waiting)
    await _completed(database, complete=True)


def _increments(database: Database, zone: ZoneInfo) -> Increments:
    return Increments(LocalTime(zone), NameCaps(database))


async def _completed(database: Database, *, complete: bool) -> None:
    await database.writes[STATE].update_one(STATE_KEY, {"$set": {"complete": complete}})


@asynccontextmanager
async def _without_indexes(database: Database) -> AsyncIterator[None]:
    """Filled first and indexed then, an index costs a fraction of the time."""
    for collection in (database.ledger, database.events):
        await collection.drop_indexes()
    yield
    await init_beanie(database.reads, document_models=DOCUMENTS)


async def _store(database: Database, batch: list[_Call], gate: asyncio.Semaphore, advance: Advance) -> None:
    async def insert(collection: Collection, documents: list[RawBSONDocument]) -> None:
        await collection.with_options(write_concern=UNCONFIRMED).insert_many(documents, ordered=False)

    try:
        await insert(database.ledger, [call.raw_entry for call in batch])
        await insert(database.events, [call.raw_event for call in batch])
    finally:
        gate.release()
    advance(len(batch))


async def _merge(database: Database, compactor: Compactor, increments: Increments, count: int) -> None:
    delta = await asyncio.to_thread(increments.delta, count)
    await database.writes[DELTAS].insert_one(delta)
    await compactor.merge_all()


def _batches(database: Database, count: int, *, days: int, zipf: bool) -> Iterator[list[_Call]]:
    rng, mint = random.Random(count), IdMint()
    # priced and encoded once, and reused, so that a million calls take seconds
    usual = [_Template(pair.entry, pair.event) for pair in built_pairs(database, calls(TEMPLATES, seed=count))]
    (rare,) = (_Template(pair.entry, pair.event) for pair in built_pairs(database, [RARE]))
    user, conversation = _drawn(USERS, rng, zipf=zipf), _drawn(CONVERSATIONS, rng, zipf=zipf)
    now = datetime.now(UTC).replace(microsecond=0)
    start, step = now - timedelta(days=days), timedelta(days=days) / count
    for first in range(0, count, BATCH):
        size = min(BATCH, count - first)
        batch = []
        for number, of, about in zip(range(first, first + size), user(size), conversation(size), strict=True):
            template = rare if number % RARE_EVERY == RARE_EVERY // 2 else rng.choice(usual)
            moment = start + number * step
            batch.append(template.copied(mint.fresh(moment), of, about, moment))
        yield batch


def _drawn(population: int, rng: random.Random, *, zipf: bool) -> Callable[[int], list[int]]:
    """A function that draws so many of `population`."""
    weights = list(accumulate(1 / rank if zipf else 1.0 for rank in range(1, population + 1)))
    return lambda count: rng.choices(range(population), cum_weights=weights, k=count)


class _Template:
    """A call of which there are many copies: only what differs is encoded for each, and comes first."""

    def __init__(self, entry: Document, event: Document) -> None:
        self._entry = entry
        self._rest_of_entry = _without_own(entry)
        self._rest_of_event = _without_own(event)

    def copied(self, fresh_id: ObjectId, user: int, conversation: int, moment: datetime) -> _Call:
        """The same call at another moment."""
        own = {
            "_id": fresh_id,
            "userId": f"user-{user:05}",
            "clientId": f"client-{user % CLIENTS}",
            "createdAt": moment,
        }
        of_entry = {"conversationId": f"conversation-{conversation:04}", "recordedAt": moment}
        both, more = bson.encode(own)[4:-1], bson.encode(of_entry)[4:-1]
        return _Call(
            self._entry | own | of_entry,
            _document(both, more, self._rest_of_entry),
            _document(both, self._rest_of_event),
        )


def _without_own(twin: Document) -> bytes:
    own = {"_id", "userId", "clientId", "createdAt", "conversationId", "recordedAt"}
    return bson.encode({name: value for name, value in twin.items() if name not in own})[4:]


def _document(*elements: bytes) -> RawBSONDocument:
    encoded = b"".join(elements)
    return RawBSONDocument(_SIZE.pack(_SIZE.size + len(encoded)) + encoded)
