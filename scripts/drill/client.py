"""The drill of the client: applications of all kinds report calls, and the ledger has each of them once."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

from app.database import Database, connected
from app.database.mongod import EmbeddedMongod
from scripts.drill import check
from scripts.drill.gate import Gate
from scripts.drill.reported import Figures, expected
from scripts.drill.scene import Result
from scripts.drill.server import DrillError, Server
from scripts.drill.ways import WAYS, Ground, missing
from scripts.toolkit.command import Advance


async def client(folder: Path, calls: int, advance: Advance, *, away: int) -> Result:
    """So many calls in each of the ways in which applications live."""
    faults, seconds, unable = list[str](), dict[str, float](), dict[str, str]()
    with EmbeddedMongod(folder) as mongod:
        server = Server(folder, mongod.uri)
        server.spawn()
        await server.answers()
        try:
            async with Gate(server) as gate:
                for number, (name, way) in enumerate(WAYS.items()):
                    advance(calls * (number + 1) // len(WAYS) - calls * number // len(WAYS))
                    if said := missing(name):
                        unable[name] = said
                        continue
                    started = time.monotonic()
                    try:
                        await way(Ground(folder, server, gate, calls, away))
                    except DrillError as error:
                        faults.append(f"{name}: {error}")
                    seconds[name] = round(time.monotonic() - started, 1)
            await check.until_replayed(server)
            if status := await server.stop():
                faults.append(f"the server ended with exit status {status} when it was told to stop")
            async with connected(server.uri, server.settings.database) as database:
                found, wrong = await _found(database, calls, list(seconds))
                wrong += await check.wrong_cells(database, server.settings.zone)
        finally:
            if server.process.poll() is None:
                await server.kill()
    figures: dict[str, Any] = {name: [f"{found[name].calls:,} of {calls:,}", f"{seconds[name]} s"] for name in seconds}
    return Result(
        {**figures, **{name: [said] for name, said in unable.items()}, "answers cut": gate.cut}, faults + wrong
    )


async def _found(database: Database, calls: int, ways: list[str]) -> tuple[dict[str, Figures], list[str]]:
    """What the ledger has of each way, and all that is wrong with it."""
    numbers: dict[str, Counter[int]] = {way: Counter() for way in ways}
    found = dict.fromkeys(ways, Figures())
    async for entry in database.ledger.find():
        way, cost = entry["contentType"], entry["cost"].to_decimal()
        numbers[way][entry["metadata"]["number"]] += 1
        found[way] = found[way].plus(entry["inputTokens"], entry["outputTokens"], cost)
    wrong = []
    for way in ways:
        wrong += check.named(f"{way}: not in the ledger", map(str, set(range(calls)) - numbers[way].keys()))
        wrong += check.named(f"{way}: twice", (str(number) for number, times in numbers[way].items() if times > 1))
        if found[way] != (right := expected(way, calls)):
            wrong.append(f"{way}: the ledger has {found[way]}, expected {right}")
    entries, events = await check.ids_of(database.ledger), await check.ids_of(database.events)
    return found, [*wrong, *check.named("without a twin", map(str, entries ^ events))]
