"""A ledger with history: millions of twins over some days, written directly into both collections."""

import asyncio
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from pymongo.write_concern import WriteConcern

from app.database import Database
from app.ledger.twins import IdMint
from models.documents import Document
from scripts.bench.load import CLIENTS, CONVERSATIONS, USERS, calls
from scripts.bench.pairs import built_pairs
from scripts.toolkit.command import Advance

TEMPLATES = 20_000
BATCH = 2_000
IN_FLIGHT = 2
UNCONFIRMED = WriteConcern(1)


async def fill(database: Database, count: int, *, days: int, zipf: bool, advance: Advance) -> None:
    """Store `count` calls of the last `days` days, in order of time. Users and conversations are Zipf or uniform.

    The rollups do not include them until they are rebuilt.
    """
    entries = database.ledger.with_options(write_concern=UNCONFIRMED)
    events = database.events.with_options(write_concern=UNCONFIRMED)
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def store(batch: list[tuple[Document, Document]]) -> None:
        try:
            await entries.insert_many([entry for entry, _ in batch], ordered=False)
            await events.insert_many([event for _, event in batch], ordered=False)
        finally:
            gate.release()
        advance(len(batch))

    async with asyncio.TaskGroup() as tasks:
        for batch in _batches(database, count, days=days, zipf=zipf):
            await gate.acquire()
            tasks.create_task(store(batch))


def _batches(database: Database, count: int, *, days: int, zipf: bool) -> Iterator[list[tuple[Document, Document]]]:
    rng, mint = random.Random(count), IdMint()
    # priced once and reused, so that a million calls take seconds
    templates = built_pairs(database, calls(min(count, TEMPLATES), seed=count))
    user, conversation = _drawn(USERS, rng, zipf=zipf), _drawn(CONVERSATIONS, rng, zipf=zipf)
    now = datetime.now(UTC).replace(microsecond=0)
    start, step = now - timedelta(days=days), timedelta(days=days) / count
    for first in range(0, count, BATCH):
        size = min(BATCH, count - first)
        users, conversations = user(size), conversation(size)
        batch = []
        for offset in range(size):
            template = rng.choice(templates)
            moment = start + (first + offset) * step
            own = {
                "_id": mint.fresh(moment),
                "userId": f"user-{users[offset]:05}",
                "clientId": f"client-{users[offset] % CLIENTS}",
                "createdAt": moment,
            }
            conversation_id = f"conversation-{conversations[offset]:04}"
            entry = {**template.entry, **own, "conversationId": conversation_id, "recordedAt": moment}
            batch.append((entry, {**template.event, **own}))
        yield batch


def _drawn(population: int, rng: random.Random, *, zipf: bool) -> Callable[[int], list[int]]:
    """A function that draws so many of `population`."""
    weights = list(accumulate(1 / rank if zipf else 1.0 for rank in range(1, population + 1)))
    return lambda count: rng.choices(range(population), cum_weights=weights, k=count)
