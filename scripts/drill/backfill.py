"""The backfill drill: killed repeatedly, it must end exactly as one clean run does, to the last document."""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from app.database import Collection, Database, connected
from app.database.mongod import EmbeddedMongod
from scripts.bench.backfill import DAYS, fill
from scripts.drill.check import different_cells, merge, named, wrong_cells
from scripts.drill.comparison import differences
from scripts.drill.scene import Result, spread
from scripts.drill.server import ROOT, DrillError
from scripts.toolkit import command
from scripts.toolkit.command import Advance

A_YEAR = 1_000_000
"""Events per year: fewer cover fewer days, so that a page has as much to count."""
LAST_KILL = 0.8
"""The share of events by the last kill: the last run needs something to do, too."""
LONGEST_WAIT = 0.05
"""The maximum seconds between the awaited moment and the kill: covers all steps of a page."""
POLL_SECONDS = 0.002
ZONE = "UTC"


async def backfill(folder: Path, times: int, advance: Advance, *, events: int) -> Result:
    """Kill -9 of `backfill_usage` at random moments, each run resuming where the previous one was killed."""
    rng = random.Random(times)
    with EmbeddedMongod(folder) as mongod:
        async with connected(mongod.uri, "clean") as clean, connected(mongod.uri, "killed") as killed:
            await fill(clean, events, lambda _: None, days=max(1, DAYS * events // A_YEAR))
            # the same events: an `$out` keeps the indexes that are there
            await clean.events.aggregate([{"$out": {"db": "killed", "coll": killed.events.name}}]).to_list(None)
            summary = await Backfills(folder, mongod.uri, clean).finish()
            runs = Backfills(folder, mongod.uri, killed)
            for entries in sorted(rng.randrange(events) * LAST_KILL for _ in range(times)):
                await runs.kill_at(entries, rng.uniform(0, LONGEST_WAIT))
                advance(1)
            await runs.finish()
            figures = {
                "kills": times,
                "events": events,
                "clean run, events/s": round(events / max(summary["seconds"], 0.1)),
                "first page, s after the process start (p50, max)": spread(runs.first_pages),
            }
            return Result(figures, [*_incomplete(summary, events), *await _faults(clean, killed)])


def _incomplete(summary: dict[str, Any], events: int) -> list[str]:
    return [] if summary["made"] == events else [f"the clean run made {summary['made']} entries of {events} events"]


async def _faults(clean: Database, killed: Database) -> list[str]:
    """All differences from the clean run, and contradictions."""
    for database in (clean, killed):
        await merge(database)
    return [
        *await _different(clean.ledger, killed.ledger),
        *await _different(clean.events, killed.events),
        *await different_cells("not as after a clean run", clean.writes, killed.writes),
        *await wrong_cells(killed, ZoneInfo(ZONE)),
    ]


async def _different(clean: Collection, killed: Collection) -> list[str]:
    """Except for the moment at which an entry was recorded."""
    with command.progress(f"{clean.name} compared", await clean.estimated_document_count()) as advance:
        found = await differences(clean, killed, advance, without="recordedAt")
    told = (f"{id_} has {now} where a clean run leaves {wanted}" for id_, (wanted, now) in found.items())
    return named(clean.name, told)


class Backfills:
    """Runs of `backfill_usage` on one database, as an operator starts them."""

    def __init__(self, folder: Path, uri: str, database: Database) -> None:
        self.database = database
        self.name = database.writes.name
        self._folder = folder
        self._uri = uri
        self.first_pages: list[float] = []
        """Seconds from the start of a process to its first entries."""

    async def finish(self) -> dict[str, Any]:
        """Run to the end, and return the summary. Raises DrillError."""
        run = self._spawn()
        said, _ = await asyncio.to_thread(run.communicate)
        if run.returncode:
            raise DrillError(f"backfill_usage ended with exit status {run.returncode}; see {self._log}")
        summary: dict[str, Any] = json.loads(said)
        return summary

    async def kill_at(self, entries: float, wait: float) -> None:
        """Start a run, and kill it some seconds after the ledger has a number of entries. Raises DrillError."""
        before, started = await self._count(), time.monotonic()
        run = self._spawn()
        try:
            while (count := await self._count()) < max(entries, before + 1) and run.poll() is None:  # noqa: ASYNC110
                await asyncio.sleep(POLL_SECONDS)
            if count > before:
                self.first_pages.append(time.monotonic() - started)
            await asyncio.sleep(wait)
            if run.poll() is not None:
                raise DrillError(f"backfill_usage was over before it could be killed: use more --events; {self._log}")
        finally:
            run.kill()
            await asyncio.to_thread(run.communicate)

    async def _count(self) -> int:
        """From metadata, without reading entries; what an open transaction has inserted counts, too."""
        return await self.database.ledger.estimated_document_count()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        foreign = {name: value for name, value in os.environ.items() if not name.startswith("TWINMETER_")}
        own = {
            "PYTHONPATH": str(ROOT),
            "TWINMETER_MONGODB_URI": self._uri,
            "TWINMETER_DATABASE": self.name,
            "TWINMETER_DATA_DIR": str(self._folder / "data"),
            "TWINMETER_TIMEZONE": ZONE,
        }
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "scripts.backfill_usage", "--execute", "--json"],
                cwd=self._folder,  # away from the deployment's .env
                env={**foreign, **own},
                stdout=subprocess.PIPE,
                stderr=log,
            )

    @property
    def _log(self) -> Path:
        return self._folder / f"{self.name}.log"
