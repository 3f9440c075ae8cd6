"""What the drills share: a server under load, how soon it commits after a start, and the result."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from typing import Any, NamedTuple

from scripts.drill import check
from scripts.drill.load import LIMIT_SECONDS, Load, Told
from scripts.drill.server import DrillError, Server

FIRST_COMMIT_SECONDS = 2.0
"""How soon after a start, once the server answers, something must have been committed."""


class Result(NamedTuple):
    """What a drill measured, and everything that was wrong."""

    figures: dict[str, Any]
    faults: list[str]


class Scene:
    """A server under load, and its measurements."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.load = Load(server)
        self.since_answer: list[float] = []
        """Seconds from a server's first answer to the first commit, for each start."""
        self.since_spawn: list[float] = []

    async def start_server(self) -> None:
        """Start the server and wait for the first commit. Raises DrillError."""
        self.server.spawn()
        await self.server_answers()
        await self.first_commit()

    async def server_answers(self) -> None:
        """Wait for the server that was started, and forget earlier commits. Raises DrillError."""
        await self.server.answers()
        self.load.told.committed.clear()  # clients have had no turn yet

    async def first_commit(self) -> None:
        """Measure how long the server that began to answer takes to commit. Raises DrillError."""
        committed_at = await self.load.first_commit()
        self.since_answer.append(committed_at - self.server.answered_at)
        self.since_spawn.append(committed_at - self.server.spawned_at)

    async def result(self, **figures: Any) -> Result:
        """End the load, wait for the replay, and check everything. Raises DrillError."""
        await self.load.stop()
        replayed = await check.until_replayed(self.server)
        faults = await check.faults(self.server, self.load.told)
        if (slowest := max(self.since_answer)) >= FIRST_COMMIT_SECONDS:
            faults.append(f"a first commit came {slowest:.2f} s after the server answered")
        return Result(
            {
                **figures,
                **counted(self.load.told),
                "first commit, s after the first answer (p50, max)": spread(self.since_answer),
                "first commit, s after the process start (p50, max)": spread(self.since_spawn),
                "spool empty, s after the load": round(replayed, 1),
            },
            faults,
        )


@asynccontextmanager
async def under_load(server: Server) -> AsyncIterator[Scene]:
    """A scene whose server answers and has committed something."""
    scene = Scene(server)
    scene.load.start()
    try:
        await scene.start_server()
        yield scene
    finally:
        await scene.load.cancel()
        if server.process.poll() is None:
            await server.kill()


def counted(told: Told) -> dict[str, Any]:
    """How many calls there were, and the receipts by status."""
    receipts = {f"receipts {status}": count for status, count in sorted(told.statuses.items())}
    return {"calls": len(told.acknowledged), **receipts, "slowest single answer, ms": round(told.slowest * 1000)}


async def reached(told: Told, status: str, count: int) -> None:
    """Wait until there are so many receipts of a status. Raises DrillError."""
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while told.statuses[status] < count:  # noqa: ASYNC110 - told by many clients
                await asyncio.sleep(0.005)
    except TimeoutError:
        found = f"{told.statuses[status]} of {count} calls were {status}"
        raise DrillError(f"{found} within {LIMIT_SECONDS:g} s") from None


def spread(seconds: list[float]) -> list[float]:
    """The median and the longest."""
    return [round(median(seconds), 2), round(max(seconds), 2)]
