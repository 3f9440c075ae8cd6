"""How long tests wait. A bound costs time only where something is broken, so a slow machine may have all it needs."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

SLACK = 3
"""Every bound is so many times what is promised: a machine that runs tests does something else, too."""
FACTOR = float(os.environ.get("TWINMETER_TEST_PATIENCE", "1"))
"""And so many times as long again on a slow machine."""
POLL_SECONDS = 0.01
PATIENT_MS = 60_000
"""A deadline of `track` for a test that wants `committed`: a busy machine would rather spool than hold its caller."""


def patience(seconds: float) -> float:
    """So many seconds as are promised, stretched for the machine (TWINMETER_TEST_PATIENCE)."""
    return seconds * SLACK * FACTOR


async def until(holds: Callable[[], bool | Awaitable[bool]], seconds: float = 60) -> float:
    """Wait until something holds. Returns how many seconds that took; raises AssertionError where it never does."""
    started = time.monotonic()
    while not (answer if isinstance(answer := holds(), bool) else await answer):
        assert time.monotonic() - started < patience(seconds), f"not within {patience(seconds):g} s"
        await asyncio.sleep(POLL_SECONDS)
    return time.monotonic() - started
