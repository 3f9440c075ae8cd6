"""The drills with one mongod, which outlives the server: it ends with this process only."""

import asyncio
import random
import time
from os import kill
from pathlib import Path
from signal import SIGKILL

from app.database.mongod import EmbeddedMongod
from app.spool.journal import Spool
from scripts.drill.load import LIMIT_SECONDS
from scripts.drill.scene import Result, Scene, reached, under_load
from scripts.drill.server import DrillError, Server
from scripts.toolkit.command import Advance

WHILE_STARTING = 5
"""Each fifth kill comes at a random moment of the start, the others under load."""
LONGEST_START = 2.0
LONGEST_LOAD = 1.0
SPOOLED = 500
"""How many calls go to the spool before the server is killed, too."""
TRIES = 3
"""How often the middle of a replay may be missed, on a machine that lets us wait."""


async def kills(folder: Path, times: int, advance: Advance) -> Result:
    """Kill -9 of the server at random moments."""
    rng = random.Random(times)
    with EmbeddedMongod(folder) as mongod:
        async with under_load(Server(folder, mongod.uri)) as scene:
            for number in range(1, times + 1):
                if number % WHILE_STARTING:
                    await asyncio.sleep(rng.uniform(0, LONGEST_LOAD))
                    await scene.server.kill()
                else:
                    await scene.server.kill()
                    await _kill_while_starting(scene.server, rng.uniform(0, LONGEST_START))
                await scene.start_server()
                advance(1)
            return await scene.result(kills=times)


async def _kill_while_starting(server: Server, seconds: float) -> None:
    server.spawn()
    await asyncio.sleep(seconds)
    await server.kill()


async def outage(folder: Path, seconds: int, advance: Advance) -> Result:
    """MongoDB stopped for some time."""
    with EmbeddedMongod(folder) as mongod:
        async with under_load(Server(folder, mongod.uri)) as scene:
            await reached(scene.load.told, "committed", SPOOLED)
            await asyncio.to_thread(mongod.stop)
            for _ in range(seconds):
                await asyncio.sleep(1)
                advance(1)
            started = time.monotonic()
            await asyncio.to_thread(mongod.start)
            ready = time.monotonic()
            committed = await scene.load.until_committed()
            return await scene.result(
                **{
                    "MongoDB stopped, s": seconds,
                    "MongoDB writable, s after its start": round(ready - started, 2),
                    "a commit, s after that": round(max(0.0, committed - ready), 2),
                }
            )


async def both(folder: Path, times: int, advance: Advance) -> Result:
    """The server killed while MongoDB, also killed, is away; both are started at once."""
    with EmbeddedMongod(folder) as mongod:
        async with under_load(Server(folder, mongod.uri)) as scene:
            for number in range(times):
                kill(mongod.pid, SIGKILL)
                if number % 2 == 0:  # else both at the same moment
                    await reached(scene.load.told, "spooled", scene.load.told.statuses["spooled"] + SPOOLED)
                await scene.server.kill()
                await asyncio.to_thread(mongod.stop)
                scene.server.spawn()
                await asyncio.gather(asyncio.to_thread(mongod.start), scene.server_answers())
                await scene.first_commit()
                advance(1)
            return await scene.result(times=times)


async def replay(folder: Path, calls: int, advance: Advance) -> Result:
    """MongoDB killed and started in the middle of a replay."""
    with EmbeddedMongod(folder) as mongod:
        async with under_load(Server(folder, mongod.uri)) as scene:
            for _ in range(TRIES):
                kill(mongod.pid, SIGKILL)
                await reached(scene.load.told, "spooled", scene.load.told.statuses["spooled"] + calls)
                await asyncio.to_thread(mongod.stop)
                await asyncio.to_thread(mongod.start)
                before, waiting = await _in_the_middle(scene)
                if waiting:
                    break
            else:
                raise DrillError("the replay was over before MongoDB could be killed: use more --calls")
            kill(mongod.pid, SIGKILL)
            await asyncio.to_thread(mongod.stop)
            await asyncio.to_thread(mongod.start)
            advance(calls)
            return await scene.result(**{"in the spool": before, "still there when MongoDB was killed again": waiting})


async def _in_the_middle(scene: Scene) -> tuple[int, int]:
    """Wait until half has been replayed. Returns the spool's depth at its fullest, and then, which is zero where we
    came too late. Raises DrillError.
    """
    settings = scene.server.settings
    spool = Spool.of(settings.data_dir, settings.database, settings.spool_max_bytes)
    try:
        most = now = spool.depth().calls
        async with asyncio.timeout(LIMIT_SECONDS):
            while now > most / 2:
                await asyncio.sleep(0.002)
                now = spool.depth().calls
                most = max(most, now)
    except TimeoutError:
        raise DrillError(f"half of the spool was not replayed within {LIMIT_SECONDS:g} s") from None
    finally:
        spool.close()
    return most, now
