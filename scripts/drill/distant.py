"""The drill with four servers, each with a folder of its own, and three members that are 20 ms away from all."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from scripts.drill import check
from scripts.drill.load import LIMIT_SECONDS, Load
from scripts.drill.replica_set import ReplicaSet
from scripts.drill.scene import Result, counted, spread
from scripts.drill.server import DrillError, Server
from scripts.toolkit.command import Advance

SERVERS = 4
CLIENTS = 64
DELAY_SECONDS = 0.020
"""Each way between a server and a member, and between two members."""
LOOK_SECONDS = 0.25


async def distant(folder: Path, calls: int, advance: Advance) -> Result:
    """Four servers, which share nothing but the database, report so many calls to three distant members."""
    with ReplicaSet(folder, DELAY_SECONDS) as replica_set:
        servers = [Server(_made(folder / f"server-{number}"), replica_set.uri) for number in range(SERVERS)]
        async with _answering(servers):
            load, lags = Load(*servers, clients=CLIENTS), _Lags(servers[0], replica_set)
            started = time.monotonic()
            load.start()
            try:
                await lags.watch_until_acknowledged(load, calls, advance)
                acknowledged, seconds = len(load.told.acknowledged), time.monotonic() - started
                await load.stop()
            finally:
                await load.cancel()
            for server in servers:
                await check.until_replayed(server)
            for server in servers[1:]:
                if status := await server.stop():
                    raise DrillError(f"a server ended with exit status {status} when it was told to stop")
            faults = await check.faults(servers[0], load.told)
    figures = {"servers": SERVERS, "delay each way, ms": round(1_000 * DELAY_SECONDS)}
    return Result(
        {
            **figures,
            "calls/s": round(acknowledged / seconds),
            **counted(load.told),
            "the last member behind the primary, s (p50, max)": spread(lags.members),
            "the cells behind the ledger, s (p50, max)": spread(lags.cells),
        },
        faults,
    )


class _Lags:
    """How far members and cells are behind, while there is load."""

    def __init__(self, server: Server, replica_set: ReplicaSet) -> None:
        self.members: list[float] = []
        self.cells: list[float] = []
        self._server = server
        self._replica_set = replica_set

    async def watch_until_acknowledged(self, load: Load, calls: int, advance: Advance) -> None:
        """Look again and again, until so many calls are acknowledged. Raises DrillError."""
        deadline, told = time.monotonic() + LIMIT_SECONDS, 0
        async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
            while told < calls:
                self.members.append(await asyncio.to_thread(self._replica_set.behind))
                ready = (await http.get(f"{self._server.address}/ready")).json()
                self.cells.append(float((ready["freshness"] or {}).get("viewsLagSeconds", 0)))
                before, told = told, min(calls, len(load.told.acknowledged))
                advance(told - before)
                if told > before:
                    deadline = time.monotonic() + LIMIT_SECONDS
                elif time.monotonic() > deadline:
                    raise DrillError(f"nothing was acknowledged within {LIMIT_SECONDS:g} s")
                await asyncio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def _answering(servers: list[Server]) -> AsyncIterator[None]:
    """All of them, for the length of a block."""
    try:
        for server in servers:
            server.spawn()
        for server in servers:
            await server.answers()
        yield
    finally:
        for server in servers:
            if hasattr(server, "process") and server.process.poll() is None:
                await server.kill()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
