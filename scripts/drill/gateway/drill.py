"""The drill: one server with streams open at all times, and what befalls it and all around it."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

from app.database import connected
from app.database.mongod import EmbeddedMongod
from models.gateway_cache import GATEWAY_CACHE
from scripts.drill.check import named, until_replayed
from scripts.drill.gateway import canaries, checks
from scripts.drill.gateway.content import OF_CONTENT, of_all_kinds
from scripts.drill.gateway.crowd import Crowd
from scripts.drill.gateway.memory import slow_readers
from scripts.drill.gateway.questions import WAYS
from scripts.drill.gateway.site import LIMITS, Site, stand_in
from scripts.drill.limits.checks import until_quiet
from scripts.drill.scene import Result
from scripts.drill.server import DATABASE, DrillError
from scripts.toolkit.command import Advance

STREAMS = 64
"""That are open whenever the server is killed."""
USERS = 12
SETTLED_SECONDS = 5.0
LONGEST_LOAD = 2.0
CALM_SECONDS = 2.0
"""Between two outages."""
LIMIT_SECONDS = 120.0
POLL_SECONDS = 0.01


async def gateway(folder: Path, kills: int, advance: Advance, *, away: int = 30, megabytes: int = 100) -> Result:
    """So many kills of a gateway, and MongoDB frozen and away for so many seconds."""
    with ExitStack() as stack:
        mongod = stack.enter_context(EmbeddedMongod(folder / "mongodb"))
        site = Site(folder, mongod.uri, stack.enter_context(stand_in()), USERS)
        crowd = Crowd(site, kills)
        async with _running(site, crowd):
            return await _Drill(site, crowd, mongod, advance).run(kills, away, megabytes)


@asynccontextmanager
async def _running(site: Site, crowd: Crowd) -> AsyncIterator[None]:
    try:
        await _started(site)
        await site.furnish()
        yield
    finally:
        await crowd.cancel()
        if site.server.process.poll() is None:
            await site.server.kill()


async def _started(site: Site) -> None:
    site.server.spawn()
    await site.server.answers()


class _Drill:
    def __init__(self, site: Site, crowd: Crowd, mongod: EmbeddedMongod, advance: Advance) -> None:
        self._site = site
        self._crowd = crowd
        self._mongod = mongod
        self._advance = advance
        self._faults: list[str] = []
        self._figures: dict[str, Any] = {}

    async def run(self, kills: int, away: int, megabytes: int) -> Result:
        """Everything, one after the other. Raises DrillError."""
        await self._one_after_the_other()
        self._crowd.start(STREAMS)
        await self._kills(kills)
        await self._stop()
        await self._without_mongodb(away)
        await self._crowd.stop()
        await until_replayed(self._site.server)
        await self._slowly(megabytes)
        return await self._result(kills)

    async def _one_after_the_other(self) -> None:
        """Each way once in the quiet: what has ended is settled at once. Raises DrillError."""
        site, crowd = self._site, self._crowd
        for way in WAYS:
            for user in ("limited-0", "limited-1"):
                await crowd.put(crowd.question(way, 2, user=user, key="drain"))
        self._figures["kinds of content: answered well, and of those from the cache"] = await of_all_kinds(site)
        async with connected(site.server.uri, DATABASE) as database:
            self._figures["settled, s after the last answer"] = settled = round(await until_quiet(database), 1)
        if settled > SETTLED_SECONDS:
            self._faults.append(f"what calls had held was given back {settled} s after they had ended")

    async def _kills(self, times: int) -> None:
        rng, crowd, server = random.Random(times), self._crowd, self._site.server
        fewest = STREAMS
        for number in range(times):
            if number % 2 == 0:
                fewest = min(fewest, await self._all_open())
            else:
                await asyncio.sleep(rng.uniform(0, LONGEST_LOAD))
            crowd.struck("a kill")
            await server.kill()
            crowd.lasting = False
            await _started(self._site)
            crowd.check()
            self._advance(1)
        self._figures |= {"kills": times, "streams open when it was killed, at least": fewest}

    async def _all_open(self) -> int:
        """Have all callers' streams be open at once. Returns how many are. Raises DrillError."""
        crowd = self._crowd
        crowd.lasting = True
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                while crowd.open < STREAMS:
                    crowd.check()
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise DrillError(f"{crowd.open} of {STREAMS} streams were open within {LIMIT_SECONDS:g} s") from None
        return crowd.open

    async def _stop(self) -> None:
        """Told to end, a server with open streams ends soon, and properly."""
        site, crowd = self._site, self._crowd
        opened = await self._all_open()
        crowd.struck("a stop")
        started = time.monotonic()
        if status := await site.server.stop():
            self._faults.append(f"the server ended with exit status {status} when it was told to stop")
        self._figures["stopped with open streams, s"] = [opened, round(time.monotonic() - started, 1)]
        crowd.lasting = False
        await _started(site)

    async def _without_mongodb(self, seconds: int) -> None:
        """Frozen, and then away: streams go on, and are in the spool before their clients see the end."""
        before = len(self._crowd.seen)
        for how in (self._frozen, self._away):
            await asyncio.sleep(CALM_SECONDS)
            await how(seconds)
            self._crowd.check()
        complete = [each for each in self._crowd.seen[before:] if each.complete]
        at_once = [each.seconds for each in complete if not (each.question.fault or each.heard.left)]
        self._figures |= {
            "answers that were complete while MongoDB was frozen, or away": len(complete),
            "the slowest of them that had nothing to wait for, s": round(max(at_once, default=0), 2),
        }

    async def _frozen(self, seconds: int) -> None:
        os.kill(self._mongod.pid, SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(self._mongod.pid, SIGCONT)

    async def _away(self, seconds: int) -> None:
        await of_all_kinds(self._site)  # whose limits are not known is not let through then
        await asyncio.to_thread(self._mongod.stop)
        await asyncio.sleep(seconds)
        well, hits = self._figures["the same without MongoDB"] = await of_all_kinds(self._site)
        if not well or not hits:
            self._faults.append("nothing was said while MongoDB was away")
        folder = self._site.server.folder
        if not canaries.in_files(folder, OF_CONTENT):
            self._faults.append("the search in files does not find what is there")
        self._words(canaries.in_files(folder, self._site.canary), "of the spool or the log")
        await asyncio.to_thread(self._mongod.start)

    async def _slowly(self, megabytes: int) -> None:
        figures, faults = await slow_readers(self._site, self._crowd, megabytes)
        self._figures |= figures
        self._faults += faults

    async def _result(self, kills: int) -> Result:
        site, server = self._site, self._site.server
        await checks.until_no_call_is_open(server)
        await until_replayed(server)
        async with connected(server.uri, DATABASE) as database:
            self._figures["held still by what was killed or left"] = await checks.time_passes(database)
            self._figures["quiet, s"] = round(await until_quiet(database), 1)
            await self._spent()
            await until_quiet(database)
            if status := await server.stop():
                self._faults.append(f"the server ended with exit status {status} when it was told to stop")
            figures, faults = await checks.faults(database, self._crowd.seen, site.laws, server.settings.zone)
            if figures["limits spent"] < site.users // len(LIMITS):
                self._faults.append(f"{figures['limits spent']} limits were spent: not all could be to the last call")
            self._words(await canaries.in_documents(database, site.canary), "of MongoDB")
            known = await canaries.in_documents(database, "limited-0")
            if not {database.ledger.name, database.events.name} <= set(known):
                self._faults.append("the search in documents does not find what is there")
            self._figures["answers that are kept, sealed"] = await database.writes[GATEWAY_CACHE].count_documents({})
        self._words(canaries.in_files(server.folder.parent, site.canary), "afterwards")
        outcomes = dict(sorted(self._crowd.outcomes.items()))
        figures = {"questions": len(self._crowd.seen), **outcomes, **self._figures, **figures}
        return Result({"kills": kills, **figures}, [*self._faults, *faults])

    async def _spent(self) -> None:
        """In the quiet, each limit on calls can be spent to the last one, by callers who all come at once."""
        crowd, users = self._crowd, range(0, self._site.users, len(LIMITS))
        asked = [f"limited-{user}" for user in users for _ in range(int(LIMITS[0].amount))]
        for _ in range(2):  # of those who come at once, some may be told to come again
            await asyncio.gather(
                *(crowd.put(crowd.question("whole chat", 1, user=user, key="drain")) for user in asked)
            )

    def _words(self, places: list[str], where: str) -> None:
        self._faults += named(f"has what was said to a model, {where}", places)
