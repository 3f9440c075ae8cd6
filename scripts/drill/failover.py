"""The drill with three members: the primary is killed under load, and comes back as a secondary."""

import asyncio
import random
import time
from pathlib import Path
from statistics import median

from scripts.drill.replica_set import ReplicaSet
from scripts.drill.scene import Result, under_load
from scripts.drill.server import Server
from scripts.toolkit.command import Advance

LONGEST_LOAD = 1.0


async def failover(folder: Path, times: int, advance: Advance) -> Result:
    """The primary of three members killed."""
    rng, gaps, elections = random.Random(times), [], []
    with ReplicaSet(folder) as replica_set:
        async with under_load(Server(folder, replica_set.uri)) as scene:
            for _ in range(times):
                await asyncio.sleep(rng.uniform(0, LONGEST_LOAD))
                member = await asyncio.to_thread(replica_set.kill_primary)
                killed = time.monotonic()
                # commits of before may still be told
                await asyncio.to_thread(replica_set.wait_for_primary)
                elections.append(time.monotonic() - killed)
                gaps.append(await scene.load.until_committed() - killed)
                replica_set.restart(member)
                await asyncio.to_thread(replica_set.wait_until_whole)
                advance(1)
            return await scene.result(
                **{
                    "primaries killed": times,
                    "new primary, s (p50, max)": [round(median(elections), 2), round(max(elections), 2)],
                    "a commit, s after the kill (p50, max)": [round(median(gaps), 2), round(max(gaps), 2)],
                }
            )
