"""Delete all synthetic calls: what `make demo` and load tests reported.

Use it before a trial deployment goes into production. Entries, events and rollups of calls that are marked
`synthetic: true` are deleted, subscriptions and revenue that are so, and no other document. Calls that wait in a
spool arrive later: let it drain first.

Without --execute it only reports how much there is to do. It runs beside the server; interrupted, it resumes; run
twice, it changes nothing. Synthetic calls that are reported while it runs are deleted too; later ones are not.

    python -m scripts.purge_synthetic              dry run
    python -m scripts.purge_synthetic --execute
"""

import argparse
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from app.database import Collection, Database
from app.maintenance.purge import PAGE, SYNTHETIC, Purge
from app.rollups.state import RollupState
from app.settings import Settings
from scripts.toolkit import command, job
from scripts.toolkit.job import Job, Page, Summary


def main() -> int:
    given = arguments()
    return job.run(given, lambda database, settings: PurgeSynthetic(database, settings, given))


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments `given`, or those of the process."""
    parser = command.parser("purge_synthetic", __doc__)
    job.add_arguments(parser)
    return parser.parse_args(given)


class PurgeSynthetic(Job[Any]):
    """One run. Pages hold ids: first of entries, which have twins, and then of events that have none."""

    name = "purge_synthetic"
    counts = ("entries", "events", "cells", "money")

    def __init__(self, database: Database, settings: Settings, _: argparse.Namespace) -> None:
        self._database = database
        self._zone = settings.zone
        self._purge: Purge
        self._phases: dict[str, Collection] = {"entries": database.ledger, "events": database.events}

    @asynccontextmanager
    async def opened(self, after: Any, *, execute: bool) -> AsyncIterator[None]:  # noqa: ARG002 - it is the same everywhere
        state = await (RollupState.open if execute else RollupState.look)(self._database, self._zone)
        self._purge = Purge(self._database, state.zone)
        if execute:
            await self._purge.prepare()
        yield

    async def total(self) -> int:
        return sum([await collection.count_documents(SYNTHETIC) for collection in self._phases.values()])

    async def pages(self, after: Any) -> AsyncGenerator[Page[Any], None]:
        begun = list(self._phases).index(after["phase"]) if after else 0
        for phase in list(self._phases)[begun:]:
            behind = after["id"] if after and after["phase"] == phase else None
            while ids := await self._ids(self._phases[phase], behind):
                behind = ids[-1]
                yield Page(ids, {"phase": phase, "id": behind})

    async def do(self, page: Page[Any], *, execute: bool) -> Counter[str]:
        if not execute:
            return Counter({page.after["phase"]: len(page.items)})
        if page.after["phase"] == "events":
            entries, events = await self._purge.events(page.items)
            return Counter(entries=entries, events=events)
        removed = await self._purge.calls(page.items)
        return Counter(entries=removed, events=removed)

    async def finish(self, summary: Summary) -> None:
        if not summary.executed:
            summary.counts["cells"] = await self._purge.count_cells()
            summary.counts["money"] = await self._purge.count_money()
            return
        came, cells = await self._purge.close()
        summary.counts.update(entries=came, events=came, cells=cells, money=await self._purge.money())

    async def _ids(self, collection: Collection, behind: Any) -> list[Any]:
        condition = SYNTHETIC if behind is None else {**SYNTHETIC, "_id": {"$gt": behind}}
        found = collection.find(condition, {"_id": 1}).sort("_id").limit(PAGE)
        return [document["_id"] async for document in found]


if __name__ == "__main__":
    sys.exit(main())
