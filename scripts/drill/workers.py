"""The drill of a server with two workers, each of which is killed in turn."""

import asyncio
import os
import random
import time
from pathlib import Path
from signal import SIGKILL
from typing import Any

import httpx

from app.database.mongod import EmbeddedMongod
from scripts.drill.load import LIMIT_SECONDS
from scripts.drill.scene import Result, Scene, spread, under_load
from scripts.drill.server import LOCAL, DrillError, Server
from scripts.toolkit.command import Advance

WORKERS = 2
LONGEST_LOAD = 1.0


async def workers(folder: Path, times: int, advance: Advance) -> Result:
    """Kill -9 of each worker in turn; the other one goes on, and the killed one is replaced."""
    rng, back = random.Random(times), list[float]()
    with EmbeddedMongod(folder) as mongod:
        async with under_load(Server(folder, mongod.uri, WORKERS)) as scene:
            for number in range(1, WORKERS * times + 1):
                await asyncio.sleep(rng.uniform(0, LONGEST_LOAD))
                victim, *_ = await _live(scene)
                started = time.monotonic()
                os.kill(victim, SIGKILL)
                await _replaced(scene, victim)
                back.append(time.monotonic() - started)
                await scene.load.until_committed()
                advance(number % WORKERS == 0)
            return await scene.result(kills=WORKERS * times, **{"replaced, s after the kill (p50, max)": spread(back)})


async def _replaced(scene: Scene, victim: int) -> None:
    """Wait until all workers live again. Raises DrillError."""
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while len(live := await _live(scene)) < WORKERS or victim in live:  # noqa: ASYNC110 - the server tells
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise DrillError(f"a killed worker was not replaced within {LIMIT_SECONDS:g} s") from None


async def _live(scene: Scene) -> list[int]:
    """The process ids of the live workers, the oldest first."""
    server = scene.server
    async with httpx.AsyncClient(timeout=30, headers=server.headers, trust_env=False, verify=LOCAL) as http:
        while True:
            try:
                answer = await http.get(f"{server.address}/api/admin/ai/technical")
            except httpx.TransportError:  # the one that was to answer has just been killed
                continue
            processes: list[dict[str, Any]] = answer.raise_for_status().json()["processes"]
            return [process["pid"] for process in sorted(processes, key=lambda process: process["since"])]
