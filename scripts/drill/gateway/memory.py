"""Clients that read slowly, or nothing, while their upstream has a hundred megabytes for each: memory stays flat."""

import asyncio
from pathlib import Path

from scripts.drill.gateway.asking import Leave
from scripts.drill.gateway.crowd import Crowd
from scripts.drill.gateway.site import Site

MANY = 16
"""Clients that read hardly anything of it and then leave."""
HARDLY_BYTES, HARDLY_SECONDS = 2_000_000, 0.1
"""So many of them do so, and how long each waits after each piece of 64 KB."""
SLOW_SECONDS = 0.002
"""After each piece of 64 KB, by one client that reads all of it."""
MOST_GROWTH = 100_000_000
"""Bytes. Each of these connections may fill its buffers, of which the system's own are not counted here."""
LOOK_SECONDS = 0.05


async def slow_readers(site: Site, crowd: Crowd, megabytes: int) -> tuple[dict[str, object], list[str]]:
    """Figures, and what is wrong with them."""
    before = most = memory_of(site.server.process.pid)
    fault = f"huge={megabytes}"
    reads_all = crowd.put(crowd.question("chat", 4, fault=fault, user="free-0"), pause=SLOW_SECONDS)
    leaving = [crowd.question("chat", 4, fault=fault, user="free-1", leaves=Leave.IN_AN_EVENT) for _ in range(MANY)]
    tasks = [
        asyncio.ensure_future(each)
        for each in (reads_all, *(crowd.put(each, pause=HARDLY_SECONDS, after=HARDLY_BYTES) for each in leaving))
    ]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(LOOK_SECONDS)
        most = max(most, memory_of(site.server.process.pid))
    slow = (await asyncio.gather(*tasks))[0]
    faults = []
    if not slow.complete:
        came = f"{slow.heard.status}, {slow.heard.size:,} bytes, {slow.heard.headers.get('x-twinmeter-error')}"
        faults.append(f"a stream of {megabytes} MB was not complete: {came}")
    if most - before > MOST_GROWTH:
        faults.append(f"memory grew by {(most - before) / 1e6:.0f} MB beside {MANY + 1} slow clients")
    told = [round(each / 1e6) for each in (before, most)]
    return {"memory before and beside slow clients of large streams, MB": told, "of them read, MB": megabytes}, faults


def memory_of(process: int) -> int:
    """Bytes that a process has in memory."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
