"""Recompute the costs of stored calls.

Use it after a price was set late or corrected, after an update of the price tables, or to price calls that had no price
when they were recorded. Entries, their events and all rollups change together; the former cost stays on each entry.
Costs that callers reported stay, and no cost is ever replaced by none.

Without --execute it shows the change by model and day and writes nothing; with it, that table comes first. It runs
beside the server; interrupted, it resumes, or restarts where prices were changed meanwhile; run twice, it changes
nothing.

A run covers the current month, unless --from or --to say otherwise: closed months keep their figures to the digit.

    python -m scripts.reprice                                              what this month would cost today
    python -m scripts.reprice --only unpriced,estimated --execute
    python -m scripts.reprice --from 2026-10-01 --to 2026-10-31 --client acme --model gpt-4o --execute
    python -m scripts.reprice --price-version "genai-prices 0.2.3"         by one price list, and no other

Available price versions are those of this deployment: its token prices (of the installed genai-prices, or what
scripts.update_prices loaded), its media table, and each stored override. With --price-version, calls that it has no
price for stay as they are. Earlier versions are not kept.
Exit status 3: calls are left without a cost, or are damaged: scripts.reconcile says how.
"""

import argparse
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console

from app.database import Database
from app.maintenance.repricing.price_versions import Prices
from app.maintenance.repricing.repricing import Looked, Repricing
from app.maintenance.repricing.selection import Selection, versions_of
from app.rollups.state import RollupState
from app.settings import Settings
from models import CostSource
from models.money import ZERO, to_decimal
from scripts.toolkit import command, days, job
from scripts.toolkit.job import Job, Page, Summary

PAGE = 1_000
REPRICEABLE = (CostSource.PRICED, CostSource.ESTIMATED, CostSource.CACHED, CostSource.UNPRICED)

Document = dict[str, Any]
Rows = dict[tuple[str, str], list[Any]]
"""By model and day: calls, cost before, cost after."""


def main() -> int:
    given = arguments()
    return job.run(given, lambda database, settings: Reprice(database, settings, given))


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments `given`, or those of the process."""
    parser = command.parser("reprice", __doc__)
    days.add_arguments(parser, first="the first day of this month", last="without end")
    parser.add_argument("--client", metavar="ID", help="only calls of this client")
    parser.add_argument("--model", metavar="NAME", help="only calls of this model, as reported")
    parser.add_argument(
        "--only", type=_sources, metavar="SOURCES", help=f"comma-separated, from {', '.join(REPRICEABLE)}"
    )
    parser.add_argument("--price-version", metavar="NAME", help="only this version (default: today's prices)")
    job.add_arguments(parser)
    return days.checked(parser, parser.parse_args(given))


class Reprice(Job[Document]):
    """One run."""

    name = "reprice"
    what = "calls"
    counts = ("repriced", "unchanged", "reported", "unpriced", "unknown", "damaged")
    worth_a_look = ("unpriced", "damaged")

    def __init__(self, database: Database, settings: Settings, arguments: argparse.Namespace) -> None:
        self._database = database
        self._zone: ZoneInfo = settings.zone
        self._settings = settings
        first = arguments.first or _month_of(arguments.last, settings.zone)
        self._selection = Selection(first, arguments.last, arguments.client, arguments.model, arguments.only)
        self._version: str | None = arguments.price_version
        self._repricing: Repricing
        self._fingerprint: str
        self._rows: Rows = {}

    def key(self) -> dict[str, Any]:
        first, last, client, model, only = self._selection
        return {
            "first": first.isoformat(),
            "last": None if last is None else last.isoformat(),
            "client": client,
            "model": model,
            "only": only,
            "version": self._version,
        }

    @asynccontextmanager
    async def opened(self, after: Any, *, execute: bool) -> AsyncIterator[None]:
        """With `execute`, show what is going to change."""
        state = await RollupState.in_zone(self._database, self._zone, execute=execute)
        self._repricing = Repricing(self._database, state.zone, await self._prices())
        if execute:
            with command.progress("looking", await self.total()) as advance:
                async for page in self.pages(after):
                    _add(self._rows, self._repricing.look(page.items), self._repricing)
                    advance(len(page.items))
            Console(stderr=True).print(job.table_of("to be changed", _shown(self._rows)))
            self._rows = {}
        yield

    async def total(self) -> int:
        return await self._database.ledger.count_documents(self._selection.condition(self._zone))

    async def pages(self, after: Any) -> AsyncGenerator[Page[Document], None]:
        if after is not None and after["prices"] != self._fingerprint:
            after = None  # what is done was done by other prices
        async with aclosing(self._selection.pages(self._database, self._zone, after, PAGE)) as pages:
            async for entries, place in pages:
                yield Page(entries, {**place, "prices": self._fingerprint})

    async def do(self, page: Page[Document], *, execute: bool) -> Counter[str]:
        if execute:
            looked = await self._repricing.reprice([entry["_id"] for entry in page.items])
        else:
            looked = self._repricing.look(page.items)
        _add(self._rows, looked, self._repricing)
        return Counter({"repriced": len(looked.changes), **looked.kept})

    async def finish(self, summary: Summary) -> None:
        summary.tables["changes"] = _shown(self._rows)
        if summary.resumed:
            summary.notes.append("changes are those since the run resumed; the counts cover all of it")

    async def _prices(self) -> Prices:
        versions = await versions_of(self._database, self._settings)
        self._fingerprint = versions.fingerprint()
        return versions.today() if self._version is None else versions.only(self._version)


def _add(rows: Rows, looked: Looked, repricing: Repricing) -> None:
    for before, after in looked.changes:
        row = rows.setdefault((before["aiModel"], repricing.day_of(before)), [0, ZERO, ZERO])
        row[0] += 1
        row[1] += to_decimal(before["cost"])
        row[2] += to_decimal(after["cost"])


def _shown(rows: Rows) -> list[dict[str, Any]]:
    """By model and day, and all together. Costs in USD."""
    found = [
        {"model": model, "day": day, "calls": calls, "before": before, "after": after, "difference": after - before}
        for (model, day), (calls, before, after) in sorted(rows.items())
    ]
    if not found:
        return []
    total = {name: sum((row[name] for row in found), Decimal(0)) for name in ("before", "after", "difference")}
    return [*found, {"model": "all", "day": "", "calls": sum(row["calls"] for row in found), **total}]


def _month_of(day: date | None, zone: ZoneInfo) -> date:
    """The first day of the month of `day`, or of today."""
    return (day or datetime.now(zone).date()).replace(day=1)


def _sources(text: str) -> list[str]:
    sources = sorted({source.strip() for source in text.split(",")})
    if unknown := [source for source in sources if source not in REPRICEABLE]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(REPRICEABLE)}")
    return sources


if __name__ == "__main__":
    sys.exit(main())
