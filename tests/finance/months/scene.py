"""A deployment with calls of several months, for the tests of months' reports."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from app.database import Database, connected
from app.finance.figures.finance import Finance
from app.finance.months.month import Month
from app.finance.months.months import Months
from app.limits.definitions import Definitions
from app.observability.metrics import Counters
from app.reports.reports import Reports
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from tests.conftest import new_settings

ZONE = ZoneInfo("Europe/Berlin")
OCTOBER = Month(2024, 10)
NOW = datetime(2024, 11, 5, 12, tzinfo=UTC)
MODELS = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-3-5-sonnet-20241022"),
    ("acme", "unheard-of"),
]


class Clock:
    """A time that tests set."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class Scene(NamedTuple):
    """A deployment."""

    settings: Settings
    database: Database
    tracker: Tracker
    months: Months
    reports: Reports
    clock: Clock


@asynccontextmanager
async def scene(mongodb_uri: str, folder: Path, zone: ZoneInfo = ZONE) -> AsyncIterator[Scene]:
    """A deployment without calls, for the length of a block."""
    settings = new_settings(mongodb_uri, folder, timezone=zone.key)
    clock = Clock()
    async with connected(mongodb_uri, settings.database) as database:
        async with open_tracker(settings, database, Counters()) as tracker:
            months = Months(database, Definitions(database, zone), Finance(database, zone, clock=clock), clock)
            yield Scene(settings, database, tracker, months, Reports(database, zone, clock), clock)
        await database.writes.client.drop_database(settings.database)


async def calls_at_random(tracker: Tracker, count: int, seed: int = 1) -> None:
    """From a day before September to a day after October, so that some are of neither month."""
    rng = random.Random(seed)
    first, last = Month(2024, 9).window(ZONE).start - timedelta(days=1), OCTOBER.window(ZONE).end + timedelta(days=1)

    def call() -> dict[str, Any]:
        provider, model = rng.choice(MODELS)
        return {
            "client_id": rng.choice(["acme", "zeta"]),
            "user_id": f"u{rng.randint(1, 9)}",
            "content_type": rng.choice(["chat", "summary", "haiku"]),
            "model": model,
            "provider": provider,
            "input_tokens": rng.randint(0, 5_000),
            "output_tokens": rng.randint(0, 900),
            "cached": rng.random() < 0.2,
            "batch": rng.random() < 0.2,
            "status": rng.choice(["success", "success", "error"]),
            "created_at": first + (last - first) * rng.random(),
            "synthetic": rng.random() < 0.1,
        }

    receipts = await asyncio.gather(*(tracker.track(**call()) for _ in range(count)))
    assert {receipt.status for receipt in receipts} == {"committed"}


async def track(tracker: Tracker, **more: Any) -> None:
    """One call, in the middle of October unless told otherwise."""
    told = {
        "client_id": "acme",
        "user_id": "u1",
        "content_type": "chat",
        "model": "gpt-4o",
        "input_tokens": 1_000,
        "output_tokens": 500,
        "created_at": datetime(2024, 10, 15, 12, tzinfo=UTC),
    }
    receipt = await tracker.track(**{**told, **more})
    assert receipt.status == "committed"
