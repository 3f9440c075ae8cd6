"""What must hold after a drill: every acknowledged call once, equal twins, exact sums, rollups equal to a recount."""

import asyncio
import time
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from app.database import Collection, Database, connected
from app.rollups.merging import merging
from app.rollups.rebuild import Rebuild
from models.rollups import (
    ACTIVE_USERS,
    CAMPAIGNS,
    CONVERSATIONS,
    DAYS,
    FINDINGS,
    LATENCY,
    MERGE,
    SPEEDS,
    USAGE,
    USER_MONTHS,
    USERS,
    VARIANTS,
)
from scripts.drill.calls import Sums, id_of, sums_by_model
from scripts.drill.comparison import Different, differences
from scripts.drill.load import Told
from scripts.drill.server import DrillError, Server
from scripts.toolkit import command

CELLS = (DAYS, USAGE, LATENCY, SPEEDS, USERS, USER_MONTHS, ACTIVE_USERS, CONVERSATIONS, CAMPAIGNS, VARIANTS, FINDINGS)
REPLAY_SECONDS = 300.0
POLL_SECONDS = 0.05
NAMED = 5
"""How many of the wrong calls or cells are listed."""


async def until_replayed(server: Server) -> float:
    """Wait until nothing waits in the spool or in memory, and return how long that took. Raises DrillError."""
    started = time.monotonic()
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        while time.monotonic() - started < REPLAY_SECONDS:
            ready = (await http.get(f"{server.address}/ready")).json()
            if ready["status"] == "ready" and ready["spool"]["calls"] == ready["queued"] == 0:
                return time.monotonic() - started
            await asyncio.sleep(POLL_SECONDS)
    raise DrillError(f"the spool was not empty within {REPLAY_SECONDS:g} s: {ready}")


async def faults(server: Server, told: Told) -> list[str]:
    """Everything that is wrong; the server is queried first, then stopped. Raises DrillError."""
    expected = sums_by_model(told.acknowledged)
    reported = await _reported(server)
    refused = await _refused(server)
    if status := await server.stop():
        raise DrillError(f"the server ended with exit status {status} when it was told to stop")
    async with connected(server.uri, server.settings.database) as database:
        return [
            *told.faults,
            *refused,
            *await _wrong_calls(database, told),
            *_wrong_sums("the ledger", expected, await _summed(database)),
            *_wrong_sums("the usage report", expected, reported),
            *await wrong_cells(database, server.settings.zone),
        ]


async def _wrong_calls(database: Database, told: Told) -> list[str]:
    names = {id_of(number): f"drill-{number}" for number in told.acknowledged}
    entries, events = await ids_of(database.ledger), await ids_of(database.events)
    return [
        *named("acknowledged and not in the ledger", (names[each] for each in names.keys() - entries)),
        *named("in the ledger and acknowledged to nobody", map(str, entries - names.keys())),
        *named("in the ledger without a twin", map(str, entries - events)),
        *named("an event without a twin", map(str, events - entries)),
    ]


async def ids_of(collection: Collection) -> set[Any]:
    """Of all its documents."""
    return {document["_id"] for document in await collection.find({}, {"_id": 1}).to_list(None)}


async def _summed(database: Database) -> dict[str, Sums]:
    """The ledger itself, by model."""
    figures = {name: {"$sum": f"${name}"} for name in ("inputTokens", "outputTokens", "cost")}
    group = {"$group": {"_id": "$aiModel", "requests": {"$sum": 1}, **figures}}
    return {
        row["_id"]: Sums(row["requests"], row["inputTokens"], row["outputTokens"], row["cost"].to_decimal())
        for row in await database.ledger.aggregate([group]).to_list(None)
    }


async def _reported(server: Server) -> dict[str, Sums]:
    """An administrator's report, by model: from rollups, whether merged or not."""
    async with httpx.AsyncClient(timeout=60, headers=server.headers, trust_env=False) as http:
        answer = await http.get(f"{server.address}/api/admin/ai/usage?days=2")
    rows = answer.raise_for_status().json(parse_float=Decimal)["byModel"]
    return {
        row["model"]: Sums(row["requests"], row["tokens"]["input"], row["tokens"]["output"], Decimal(row["cost"]))
        for row in rows
    }


async def _refused(server: Server) -> list[str]:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        refused = (await http.get(f"{server.address}/ready")).json()["spool"]["refused"]
    return [f"{refused} calls were set aside as refused by MongoDB"] if refused else []


def _wrong_sums(where: str, expected: dict[str, Sums], found: dict[str, Sums]) -> list[str]:
    return [
        f"{where} has {found.get(model)} of {model}, expected {expected.get(model)}"
        for model in sorted(expected.keys() | found.keys())
        if expected.get(model) != found.get(model)
    ]


async def wrong_cells(database: Database, zone: ZoneInfo) -> list[str]:
    """Merge what waits, recount everything from the ledger, and compare every cell before and after."""
    await merge(database)
    before = f"{database.writes.name}_before"
    for name in CELLS:
        await database.writes[name].aggregate([{"$out": {"db": before, "coll": name}}]).to_list(None)
    rebuild = Rebuild(database, zone, None, None)
    days = await rebuild.prepare()
    with command.progress("days recounted", len(days)) as advance:
        await rebuild.run(days, advance)
    return await different_cells("not as a recount says", database.writes.client[before], database.writes)


async def merge(database: Database) -> None:
    """All that waits."""
    async with merging(database) as compactor:
        await compactor.merge_all()


async def different_cells(what: str, before: Any, after: Any) -> list[str]:
    """Where two databases do not have the same cells."""
    count = sum([await after[name].estimated_document_count() for name in CELLS])
    found: Different = {}
    with command.progress("cells compared", count) as advance:
        for name in CELLS:
            of_one = await differences(before[name], after[name], advance, without=MERGE, of_cells=True)
            found |= {f"{name} ({key})": each for key, each in of_one.items()}
    return named(what, (f"{key}: {one} != {other}" for key, (one, other) in sorted(found.items())))


def named(what: str, items: Iterable[str]) -> list[str]:
    """One line for all of a kind."""
    found = list(items)
    if not found:
        return []
    more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    return [f"{what}: {', '.join(found[:NAMED])}{more}"]
