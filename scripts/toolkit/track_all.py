"""Reporting many calls through the tracker, as fast as it accepts them."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from app.settings import Settings
from app.tracking import ReceiptStatus, Tracker
from scripts.toolkit.command import Advance

IN_FLIGHT = 1_000
PATIENCE_MS = 60_000


def patient(settings: Settings) -> Settings:
    """The same settings for a caller that prefers waiting to `unknown` receipts."""
    return settings.model_copy(update={"track_deadline_ms": PATIENCE_MS})


async def report_all(tracker: Tracker, calls: Iterable[Mapping[str, Any]], advance: Advance) -> Counter[str]:
    """Report `calls`, a thousand at a time. Returns how many receipts there were by status."""
    statuses: Counter[str] = Counter()
    remaining = iter(calls)

    async def report_some() -> None:
        for call in remaining:
            receipt = await tracker.track(**call)
            statuses[receipt.status] += 1
            advance(1)

    await asyncio.gather(*(report_some() for _ in range(IN_FLIGHT)))
    return statuses


def all_stored(statuses: Counter[str]) -> bool:
    """Whether every call is in the ledger."""
    return set(statuses) <= {ReceiptStatus.COMMITTED, ReceiptStatus.DUPLICATE}
