"""The drill of repeated requests: each is sent three times at once by three clients, through two server processes."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

from app.database.mongod import EmbeddedMongod
from scripts.drill import check
from scripts.drill.load import Client, Told
from scripts.drill.scene import Result, counted
from scripts.drill.server import Server
from scripts.toolkit.command import Advance

AT_ONCE = 4
"""How many requests are under way, each three times."""
SIZES = (1, 1, 10, 100)


async def thrice(folder: Path, calls: int, advance: Advance) -> Result:
    """Every request sent three times at once."""
    told = Told()
    with EmbeddedMongod(folder) as mongod:
        servers = [Server(folder, mongod.uri) for _ in range(2)]
        try:
            for server in servers:
                server.spawn()
            for server in servers:
                await server.answers()
            chunks = _chunks(calls)
            await asyncio.gather(*(_walk(servers, told, chunks, advance) for _ in range(AT_ONCE)))
            await check.until_replayed(servers[0])
            await servers[1].stop()
            return Result(counted(told), await check.faults(servers[0], told))
        finally:
            for server in servers:
                if server.process.poll() is None:
                    await server.kill()


async def _walk(servers: list[Server], told: Told, chunks: Iterator[range], advance: Advance) -> None:
    """Three clients in step: the first and the third meet in one process, the second comes through the other."""
    clients = [Client(servers[n % 2], told) for n in range(3)]
    try:
        for chunk in chunks:
            await asyncio.gather(*(client.report(chunk) for client in clients))
            advance(len(chunk))
    finally:
        for client in clients:
            await client.close()


def _chunks(calls: int) -> Iterator[range]:
    rng, first = random.Random(calls), 0
    while first < calls:
        last = min(calls, first + rng.choice(SIZES))
        yield range(first, last)
        first = last
