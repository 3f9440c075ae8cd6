"""The server of the lag benchmark: the real application, and a meter of how long its event loop makes others wait."""

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from litestar.types import ASGIApp, Receive, Send
from litestar.types import Scope as ASGIScope

from app.main import create_app
from app.server import Failure
from app.settings import Settings
from scripts.bench.serving import run

LAG = "/bench/lag"
TICK_SECONDS = 0.001
SCHEDULER = Path("/proc/thread-self/schedstat")


class Meter:
    """How late a task runs that wants to run each millisecond.

    `busy` is as much of it as the loop's own thread worked meanwhile: what the machine did for others is not our lag.
    `held` is as much as it did not wait for a core: it worked, or stood still for a disk, a lock or another thread,
    which may itself have waited for one. `cpu` is what all threads of the process worked.
    """

    def __init__(self) -> None:
        self._wall: list[float] = []
        self._busy: list[float] = []
        self._held: list[float] = []
        self._worked = time.process_time()
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._running = asyncio.create_task(self._run(), name="meter")

    async def _run(self) -> None:
        waited_for = _waiting()
        while True:
            # first: it lets other threads run, for whom the loop then waits once more than without a meter
            waited = waited_for()
            began, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK_SECONDS)
            late = max(0.0, time.perf_counter() - began - TICK_SECONDS)
            self._wall.append(late)
            self._busy.append(min(late, time.thread_time() - worked))
            self._held.append(max(0.0, late - (waited_for() - waited)))

    def taken(self) -> dict[str, float]:
        """Milliseconds since the last time."""
        wall, busy = sorted(self._wall or [0.0]), sorted(self._busy or [0.0])
        held = max(self._held, default=0.0)
        self._wall, self._busy, self._held = [], [], []
        before, self._worked = self._worked, time.process_time()
        return {
            "wall_p99": 1000 * wall[len(wall) * 99 // 100],
            "wall_max": 1000 * wall[-1],
            "busy_p99": 1000 * busy[len(busy) * 99 // 100],
            "busy_max": 1000 * busy[-1],
            "held_max": 1000 * held,
            "cpu": 1000 * (self._worked - before),
        }


def _waiting() -> Callable[[], float]:
    """What says for how many seconds this thread could have run, and had no core. Only Linux counts them."""
    if not SCHEDULER.exists():
        return lambda: 0.0
    opened = os.open(SCHEDULER, os.O_RDONLY)
    return lambda: int(os.pread(opened, 100, 0).split()[1]) / 1e9


def create_metered_app(settings: Settings, mongodb_uri: str, on_failure: Failure) -> ASGIApp:
    """The real application, and the meter's figures at `LAG`."""
    real, meter = create_app(settings, mongodb_uri, on_failure), Meter()

    async def metered(scope: ASGIScope, receive: Receive, send: Send) -> None:
        if "path" not in scope:  # the lifespan
            meter.start()
        if scope.get("path") != LAG:
            await real(scope, receive, send)
            return
        content = json.dumps(meter.taken()).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": content, "more_body": False})

    return metered


if __name__ == "__main__":
    run(create_metered_app)
