"""How long tests wait. A bound costs time only where something is broken, so a slow machine may have all it needs."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

FACTOR = float(os.environ.get("TWINMETER_TEST_PATIENCE", "3"))
"""Every bound of the tests is so many times as long as said, for machines that do something else, too. 1 asks for what
is promised.
"""
POLL_SECONDS = 0.01
PATIENT_MS = 60_000
"""A deadline of `track` for a test that wants `committed`: a busy machine would rather spool than hold its caller."""


def patience(seconds: float) -> float:
    """So many seconds, stretched for a slow machine (TWINMETER_TEST_PATIENCE)."""
    return seconds * FACTOR


async def until(holds: Callable[[], bool | Awaitable[bool]], seconds: float = 60) -> float:
    """Wait until something holds. Returns how many seconds that took; raises AssertionError where it never does."""
    started = time.monotonic()
    while not (answer if isinstance(answer := holds(), bool) else await answer):
        assert time.monotonic() - started < patience(seconds), f"not within {patience(seconds):g} s"
        await asyncio.sleep(POLL_SECONDS)
    return time.monotonic() - started
