"""What befalls the servers: kill -9 at random and in chosen steps, pauses, stepped clocks, and another primary."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

from scripts.drill.limits.clocks import Clock
from scripts.drill.limits.host import STARTS, Host
from scripts.drill.limits.served import AFTER, BEFORE, PLACES, Point
from scripts.drill.replica_set import ReplicaSet
from scripts.drill.server import DrillError, Server

SERVED = "scripts.drill.limits.served"
ARMED = 0.6
"""The share of the starts after which a server ends by itself, in a step."""
LATEST = 12
"""The number of the write at which it does so, at most."""
STEP_SECONDS = 4.0
"""For how long that is waited for, before it is killed all the same."""
HOST_PAUSES = 0.25
LONGEST_LOAD = 0.8
PAUSE_EACH, CLOCK_EACH, FAILOVER_EACH = 6, 5, 15
"""Kills per pause, step of a clock, and killed primary."""
LONGEST_PAUSE = 8.0
HOST_PAUSE_SECONDS = 28.0
"""Its leases have ended by then: others have what it held, and it must not grant it when it goes on."""
FARTHEST_BEHIND, FARTHEST_AHEAD = -5.0, 90.0
"""Seconds. Tokens are not valid on a clock that is more than 10 s behind that of who issued them."""
POLL_SECONDS = 0.02


class Member(Server):
    """A server that may be armed."""

    def __init__(self, folder: Path, uri: str, secret: str, more: dict[str, str]) -> None:
        folder.mkdir()
        self.clock = Clock(folder / "clock")
        super().__init__(folder, uri, secret=secret, more=more)
        self.point: Point | None = None

    async def start(self, point: Point | None = None) -> None:
        """Start, and wait for an answer, unless it is armed and does not get so far. Raises DrillError."""
        self.point = point
        for attempt in range(1, STARTS + 1):
            self.spawn(SERVED, str(self.clock.file), *(() if point is None else (str(point),)))
            try:
                await self.answers()
            except DrillError:
                if await self.ended() < 0 and point is not None:  # it came to its point
                    return
                if attempt == STARTS:
                    raise
            else:
                return

    async def ends_by_itself(self) -> bool:
        """Whether it came to its point in time."""
        for _ in range(int(STEP_SECONDS / POLL_SECONDS)):
            if self.process.poll() is not None:
                return True
            await asyncio.sleep(POLL_SECONDS)
        return False


class Blows:
    """One after the other, as chance has it."""

    def __init__(self, servers: Sequence[Member], replica_set: ReplicaSet | None, seed: int) -> None:
        self._servers = servers
        self._replica_set = replica_set
        self._rng = random.Random(seed)
        self._pauses: set[asyncio.Task[None]] = set()
        self._busy: set[Member] = set()
        """Those that pause, or are killed and started."""
        self.dealt: Counter[str] = Counter()
        self.places: Counter[str] = Counter()
        """In which steps servers ended, by the writes that these make."""

    async def deal(self, number: int) -> None:
        """One kill, and what goes with it. Raises DrillError."""
        if number % PAUSE_EACH == 0:
            await self._pause()
        if number % CLOCK_EACH == 0:
            self._step()
        if number % FAILOVER_EACH == 0 and self._replica_set is not None:
            await self._fail_over(self._replica_set)
        await asyncio.sleep(self._rng.uniform(0, LONGEST_LOAD))
        server = await self._awake()
        self._busy.add(server)
        try:
            await self._kill(server)
        finally:
            self._busy.discard(server)

    async def deal_to(self, host: Host) -> None:
        """A kill at any moment, or a long pause. Raises DrillError."""
        if host.paused:
            return
        if self._rng.random() < HOST_PAUSES:
            self.dealt["long pauses of an application that enforces in process"] += 1
            self._later(host.pause(HOST_PAUSE_SECONDS))
            return
        self.dealt["kills of an application that enforces in process"] += 1
        await host.kill()
        await host.start()

    async def end(self) -> None:
        """Nobody pauses any more, and every clock is right. Raises DrillError."""
        await asyncio.gather(*self._pauses)
        for server in self._servers:
            server.clock.step(0)
            if server.point is not None:
                await server.kill()
                await server.start()

    async def _kill(self, server: Member) -> None:
        if server.point is not None and await server.ends_by_itself():
            self.places[f"{server.point.place}, {server.point.when}"] += 1
            self.dealt["kills in a step"] += 1
        else:
            self.dealt["kills at random"] += 1
        await server.kill()
        # one at least does not end by itself: else there might be none until somebody is to be killed
        others = sum(other.point is not None for other in self._servers if other is not server)
        may = others < len(self._servers) - 1 and self._rng.random() < ARMED
        await server.start(self._point() if may else None)

    def _point(self) -> Point:
        return Point(self._rng.choice(PLACES), self._rng.choice((BEFORE, AFTER)), self._rng.randint(1, LATEST))

    async def _awake(self) -> Member:
        """One that nothing befalls just now."""
        while not (awake := [server for server in self._servers if server not in self._busy]):  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)
        return self._rng.choice(awake)

    async def _pause(self) -> None:
        server, seconds = await self._awake(), self._rng.uniform(0.2, LONGEST_PAUSE)
        self._busy.add(server)
        self.dealt["pauses"] += 1
        self._later(self._paused_for(server, seconds))

    def _later(self, pause: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(pause)
        self._pauses.add(task)
        task.add_done_callback(self._pauses.discard)

    async def _paused_for(self, server: Member, seconds: float) -> None:
        """Who has sent something there waits."""
        answering = server.answering.is_set()
        server.answering.clear()
        try:
            with suppress(ProcessLookupError):  # it may have come to its point
                os.kill(server.process.pid, SIGSTOP)
                await asyncio.sleep(seconds)
                os.kill(server.process.pid, SIGCONT)
        finally:
            if answering:
                server.answering.set()
            self._busy.discard(server)

    def _step(self) -> None:
        self.dealt["clock steps"] += 1
        self._rng.choice(self._servers).clock.step(self._rng.uniform(FARTHEST_BEHIND, FARTHEST_AHEAD))

    async def _fail_over(self, replica_set: ReplicaSet) -> None:
        self.dealt["primaries killed"] += 1
        member = await asyncio.to_thread(replica_set.kill_primary)
        await asyncio.to_thread(replica_set.wait_for_primary)
        replica_set.restart(member)
        await asyncio.to_thread(replica_set.wait_until_whole)
