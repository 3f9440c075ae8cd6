"""The drill: servers of their own, of which one after the other is killed, and callers that go on all the while."""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx

from app.database import connected
from app.database.mongod import EmbeddedMongod
from scripts.drill.check import until_replayed
from scripts.drill.limits import checks
from scripts.drill.limits.blows import Blows, Member
from scripts.drill.limits.callers import Crowd, Told
from scripts.drill.limits.cohorts import Cohort, created
from scripts.drill.limits.host import Host
from scripts.drill.limits.last import last_units
from scripts.drill.limits.receiver import Receiver
from scripts.drill.replica_set import ReplicaSet
from scripts.drill.scene import Result
from scripts.drill.server import DATABASE, LOCAL, Server
from scripts.toolkit.command import Advance

SERVERS = 3
ADMIN_SECONDS = 8.0
COHORT_EACH = 16
"""After so many kills there are new users, for the limits of the others are spent."""
HOST_EACH = 4
"""After so many, the application that enforces in process is killed, too."""
IN_FORCE_SECONDS = 2.0
"""How soon a new limit counts in every process."""
SEVERAL = 3
"""Members that a replica set must have for another one to become its primary."""


async def limits(folder: Path, kills: int, advance: Advance, *, members: int = SEVERAL) -> Result:
    """So many kills of servers whose callers ask before they call."""
    told = Told()
    with _mongodb(folder, members) as (uri, replica_set):
        async with AsyncExitStack() as stack:
            receiver = await stack.enter_async_context(Receiver())
            http = await stack.enter_async_context(
                httpx.AsyncClient(timeout=ADMIN_SECONDS, trust_env=False, verify=LOCAL)
            )
            servers = await _started(stack, folder, uri)
            database = await stack.enter_async_context(connected(uri, DATABASE))
            endpoint = {"kind": "webhook", "name": "drill", "url": receiver.url}
            await created(http, servers[0], "/api/admin/endpoints", endpoint)
            host = Host(folder / "host", uri, servers[0].settings.signing_secret, told)
            stack.push_async_callback(_ended, host)
            await host.start()
            crowd, cohorts, laws = Crowd(servers, told), list[Cohort](), dict[checks.Meter, checks.Law]()
            watch = checks.Watch(database)
            watching = asyncio.create_task(watch.run(laws))
            stack.callback(watching.cancel)
            blows = Blows(servers, replica_set, kills)
            stack.push_async_callback(crowd.cancel)
            fresh_cohort = partial(_next_cohort, http, servers, cohorts, laws)
            await _dealt(kills, blows, crowd=crowd, host=host, next_cohort=fresh_cohort, advance=advance)
            await blows.end()
            await crowd.stop()
            await host.ends()
            for server in servers:
                await until_replayed(server)
            quiet = await checks.until_quiet(database)
            watching.cancel()
            figures, faults = await checks.faults(database, told, laws, watch)
            units, left = await last_units(http, servers, cohorts[-1], database)
            await fresh_cohort()
            fresh, left_of_fresh = await last_units(http, servers, cohorts[-1], database)
            await checks.until_delivered(database)
            alerts, alert_faults = await checks.alert_faults(database, receiver.came)
            for server in servers:
                if status := await server.stop():
                    faults.append(f"a server ended with exit status {status} when it was told to stop")
    return Result(
        {
            "kills of servers": kills,
            **dict(sorted(blows.dealt.items())),
            "steps in which servers ended": [f"{place} {count}" for place, count in sorted(blows.places.items())],
            **dict(sorted(told.outcomes.items())),
            "slowest answer to a reservation, s": round(told.slowest, 2),
            "calls": len(told.acknowledged),
            **figures,
            "looks at counters under load": watch.looks,
            "quiet, s after the last call": round(quiet, 1),
            "last units granted in the quiet": [f"{units} of what was left", f"{fresh} of what was new"],
            **alerts,
        },
        [*faults, *left, *left_of_fresh, *alert_faults],
    )


@contextmanager
def _mongodb(folder: Path, members: int) -> Iterator[tuple[str, ReplicaSet | None]]:
    if members < SEVERAL:
        with EmbeddedMongod(folder) as mongod:
            yield mongod.uri, None
    else:
        with ReplicaSet(folder) as replica_set:
            yield replica_set.uri, replica_set


async def _started(stack: AsyncExitStack, folder: Path, uri: str) -> list[Member]:
    secret = secrets.token_hex(32)
    more = {"TWINMETER_WEBHOOKS_TO_PRIVATE_ADDRESSES": "127.0.0.0/8", "TWINMETER_RATE_LIMIT": "0"}
    servers = [Member(folder / f"server-{number}", uri, secret, more) for number in range(SERVERS)]
    for server in servers:
        stack.push_async_callback(_ended, server)
        await server.start()
    return servers


async def _ended(server: Server) -> None:
    if hasattr(server, "process") and server.process.poll() is None:
        await server.kill()


async def _dealt(
    kills: int,
    blows: Blows,
    *,
    crowd: Crowd,
    host: Host,
    next_cohort: Callable[[], Awaitable[Cohort]],
    advance: Advance,
) -> None:
    """Let so many kills befall the servers, of which one at least is always there. Raises DrillError."""
    numbers, turn = itertools.count(), asyncio.Lock()

    async def dealer() -> None:
        while (number := next(numbers)) < kills:
            async with turn:
                if number % COHORT_EACH == 0:
                    crowd.cohort = await next_cohort()
                    host.cohort(crowd.cohort.name)
                    if number == 0:
                        crowd.start()
                if number % HOST_EACH == HOST_EACH - 1:
                    await blows.deal_to(host)
            await blows.deal(number + 1)
            crowd.check()
            advance(1)

    dealers = [asyncio.create_task(dealer()) for _ in range(SERVERS - 1)]
    try:
        await asyncio.gather(*dealers)
    finally:
        for each in dealers:
            each.cancel()
        await asyncio.gather(*dealers, return_exceptions=True)


async def _next_cohort(
    http: httpx.AsyncClient, servers: list[Member], cohorts: list[Cohort], laws: dict[checks.Meter, checks.Law]
) -> Cohort:
    """Made on whichever server answers; armed ones may end in the middle of it, and a limit that was made is kept."""
    cohort = Cohort(len(cohorts), servers[0])
    await cohort.make(http, servers)
    cohorts.append(cohort)
    laws |= checks.laws_of([cohort])
    await asyncio.sleep(IN_FORCE_SECONDS)
    return cohort
