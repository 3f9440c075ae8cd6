"""How long a process takes from its start to its first answer, with compiled files and a MongoDB that is there."""

import asyncio
import compileall
import os
import statistics
import sys
import time
from pathlib import Path

import httpx

from app.settings import Settings
from scripts.bench.serving import environment
from scripts.bench.setup import bench_database, bench_settings
from scripts.toolkit.command import Advance

TIMES = 5
ROOT = Path(__file__).parents[2]
FOLDERS = ("app", "models", "routes", "scripts")
IMPORT = "import time, app.main; print(time.process_time())"
_TICKS = os.sysconf("SC_CLK_TCK")


async def measure(settings: Settings, uri: str, advance: Advance) -> dict[str, float]:
    """Best and median ms: of the first answer of `/livez` by the clock, and of its process's CPU until then; and of
    the CPU that importing the application takes alone. On Linux only.
    """
    for folder in FOLDERS:
        compileall.compile_dir(ROOT / folder, quiet=2)
    answered, worked, imported = [], [], []
    with bench_settings(settings) as own:
        async with bench_database(own, uri) as database, httpx.AsyncClient() as client:
            env = {**os.environ, **environment(own, uri, database.writes.name)}
            await _first_answer(client, env)  # the first start of all makes indexes and files
            for _ in range(TIMES):
                wall, cpu = await _first_answer(client, env)
                answered.append(wall)
                worked.append(cpu)
                imported.append(await _importing(env))
                advance(1)
    return {
        f"{name}_{kind}_ms": round(1000 * of(found), 1)
        for name, found in (("first_answer", answered), ("cpu", worked), ("import_cpu", imported))
        for kind, of in (("best", min), ("median", statistics.median))
    }


async def _first_answer(client: httpx.AsyncClient, env: dict[str, str]) -> tuple[float, float]:
    """Seconds by the clock, and of CPU."""
    began = time.perf_counter()
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", env=env, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None  # noqa: S101 - asked for above
    try:
        address = (await server.stdout.readline()).decode().split()[-1]
        (await client.get(f"{address}/livez")).raise_for_status()
        wall = time.perf_counter() - began
        fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()  # noqa: ASYNC240 - in memory
        return wall, (int(fields[11]) + int(fields[12])) / _TICKS
    finally:
        server.terminate()
        await server.communicate()


async def _importing(env: dict[str, str]) -> float:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", IMPORT, env=env, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await child.communicate()
    return float(printed)
