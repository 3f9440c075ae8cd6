"""Throughput and memory of creating missing ledger entries, against plain inserts."""

import asyncio
import random
import subprocess
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from app.database import Database
from app.ledger.twins import IdMint
from app.settings import Settings
from models import AI_GENERATION, AIUsage
from scripts.bench import memory
from scripts.bench.commands import started, summary
from scripts.bench.history import UNCONFIRMED
from scripts.bench.load import MODELS, USERS
from scripts.bench.setup import bench_database
from scripts.toolkit.command import Advance

COMMAND = "backfill_usage", "--execute"
DAYS = 365
BATCH = 5_000
CACHED = 0.1
PAGE = 2_000
"""Entries per plain insert."""
SAMPLES = 10
SAMPLE_SECONDS = 0.05


async def measure(settings: Settings, uri: str, count: int, advance: Advance) -> dict[str, float]:
    """Events per second of `backfill_usage` and of a second run, entries per second of plain inserts, and MB.

    Memory is that of the first run, after a tenth, a half and all of the events. On Linux only. Raises RuntimeError
    where not every event has its entry.
    """
    async with bench_database(settings, uri) as database:
        await fill(database, count, advance)
        name = database.writes.name
        run = started(settings, uri, name, *COMMAND)
        samples = await _resident(run, database, count)
        first = await summary(run)
        second = await summary(started(settings, uri, name, *COMMAND))
        entries = await database.ledger.count_documents({})
        plain = await _plain_rate(database)
    if (entries, first["made"], second["already there"]) != (count, count, count):
        raise RuntimeError(f"{entries} entries for {count} events: {first}, {second}")
    rate = count / first["seconds"]
    return {
        "events": count,
        "events_per_s": round(rate),
        "plain_inserts_per_s": round(plain),
        "of_plain_inserts_percent": round(100 * rate / plain, 1),
        "second_run_per_s": round(count / second["seconds"]),
        **memory.figures(samples),
    }


async def _resident(run: "subprocess.Popen[bytes]", database: Database, count: int) -> list[float]:
    """MB of the process at its first entries, and after each tenth of them."""
    samples: list[float] = []
    now = 0.0
    while run.poll() is None:
        now = memory.resident_mb(run.pid) or now
        done = await database.ledger.estimated_document_count()
        if done and done >= count * len(samples) / SAMPLES and len(samples) < SAMPLES:
            samples.append(now)
        await asyncio.sleep(SAMPLE_SECONDS)
    return [*samples, now]


async def _plain_rate(database: Database) -> float:
    """Entries per second of `insert_many` alone, with the same indexes and durability."""
    copy = database.writes["plain"]
    await copy.create_indexes(AIUsage.Settings.indexes)
    entries = database.ledger.find(batch_size=PAGE)
    seconds, count = 0.0, 0
    while page := await entries.to_list(PAGE):
        started = time.perf_counter()
        await copy.insert_many(page)
        seconds += time.perf_counter() - started
        count += len(page)
    return count / seconds


async def fill(database: Database, count: int, advance: Advance, *, days: int = DAYS) -> None:
    """Events as older systems wrote them: no client, no feature, no cost, over `days` until now."""
    events = database.events.with_options(write_concern=UNCONFIRMED)
    rng, mint = random.Random(count), IdMint()
    start, step = datetime.now(UTC) - timedelta(days=days), timedelta(days=days) / count
    for first in range(0, count, BATCH):
        batch = [_event(rng, mint, start + number * step) for number in range(first, min(first + BATCH, count))]
        await events.insert_many(batch, ordered=False)
        advance(len(batch))


def _event(rng: random.Random, mint: IdMint, moment: datetime) -> dict[str, Any]:
    provider, model, content_type = rng.choice(MODELS)
    cached = rng.random() < CACHED
    return {
        "_id": mint.fresh(moment),
        "userId": f"user-{rng.randrange(USERS):05}",
        "event": AI_GENERATION,
        "properties": {"contentType": content_type, "model": model, "provider": provider, "cached": cached},
        "createdAt": moment,
    }
