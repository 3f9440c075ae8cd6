"""What commands over many documents share: dry run, pages, a checkpoint, progress and a summary.

A command defines its pages and what it does to one. The rest is here: without --execute nothing is written; with it, a
checkpoint is kept after every page, so that an interrupted run resumes there. A page may be done twice, so doing one
must be safe to repeat.
"""

import argparse
import asyncio
import json
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.database import Database, connected
from app.database.deployment import mongodb
from app.process import tune_garbage_collector
from app.settings import Settings
from models.money import plain
from scripts.toolkit import command

CHECKPOINTS = "script_runs"
FOUND = 3
"""Exit status: all went well, but there is something that a person should look at."""

Item = TypeVar("Item")


class Page(NamedTuple, Generic[Item]):
    """Some items, and the place after them: what `pages` is given to resume there."""

    items: list[Item]
    after: Any
    size: int | None = None
    """For the progress; the number of items by default."""


@dataclass
class Summary:
    """What a run found and did."""

    executed: bool
    resumed: bool = False
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    """For a person: what was found, and what to do about it."""
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Rows by the name of their table; all rows of one have the same columns."""

    def as_json(self) -> str:
        facts = {"executed": self.executed, "resumed": self.resumed, "seconds": self.seconds}
        return json.dumps({**facts, **self.counts, **self.tables, "notes": self.notes}, default=str)


class Job(ABC, Generic[Item]):
    """One command's work. `counts` name what the summary shows, in that order, including zeros."""

    name: str
    what: str = "documents"
    counts: tuple[str, ...] = ()
    worth_a_look: tuple[str, ...] = ()
    """Counts above zero that make the exit status 3."""

    def key(self) -> dict[str, Any]:
        """What distinguishes this run from others of the command: its arguments, as stored."""
        return {}

    def said(self) -> dict[str, Any]:
        """What the audit trail says of its arguments: never the id of a user."""
        return {name: value for name, value in self.key().items() if value is not None}

    @asynccontextmanager
    async def opened(self, after: Any, *, execute: bool) -> AsyncIterator[None]:  # noqa: ARG002 - for those who need it
        """What the job needs for a run that begins at `after`. Raises AppError where it cannot be done."""
        yield

    @abstractmethod
    async def total(self) -> int:
        """How many items there are, for the progress."""

    @abstractmethod
    def pages(self, after: Any) -> AsyncGenerator[Page[Item], None]:
        """Every page after `after`, which is None at the start."""

    @abstractmethod
    async def do(self, page: Page[Item], *, execute: bool) -> Counter[str]:
        """Do one page, or with `execute` False only look. Returns what is to be counted."""

    async def finish(self, summary: Summary) -> None:
        """Called once at the end."""


async def ahead(pages: AsyncGenerator[Page[Item], None]) -> AsyncGenerator[Page[Item], None]:
    """The same pages, each of which is prepared while the one before it is done."""
    async with aclosing(pages):
        coming = asyncio.ensure_future(anext(pages, None))
        try:
            while (page := await coming) is not None:
                coming = asyncio.ensure_future(anext(pages, None))
                yield page
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def run_job(job: Job[Any], database: Database, *, execute: bool, restart: bool = False) -> Summary:
    """Do all pages of `job`, resuming an interrupted run. Raises PyMongoError."""
    started = time.monotonic()
    checkpoints = database.writes[CHECKPOINTS]
    key = {"script": job.name, **job.key()}
    kept = None if restart or not execute else await checkpoints.find_one({"_id": key})
    summary = Summary(execute, resumed=kept is not None, counts=Counter(dict.fromkeys(job.counts, 0)))
    after = None
    if kept is not None:
        after = kept["after"]
        summary.counts.update(kept["counts"])
    async with job.opened(after, execute=execute):
        total = await job.total()
        done = 0 if kept is None else kept["done"]
        with command.progress(job.what, total) as advance:
            advance(done)
            async with aclosing(job.pages(after)) as pages:
                async for page in pages:
                    summary.counts.update(await job.do(page, execute=execute))
                    size = len(page.items) if page.size is None else page.size
                    done += size
                    advance(size)
                    if execute:
                        counts, now = dict(summary.counts), datetime.now(UTC)
                        place = {"after": page.after, "done": done, "counts": counts, "at": now}
                        await checkpoints.replace_one({"_id": key}, place, upsert=True)
        await job.finish(summary)
    if execute:
        did = {"arguments": job.said(), "counts": {name: count for name, count in summary.counts.items() if count}}
        await command.ran(database, job.name, did)
        await checkpoints.delete_one({"_id": key})
    summary.seconds = round(time.monotonic() - started, 1)
    return summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What every such command takes."""
    parser.add_argument("--execute", action="store_true", help="make the changes (default: dry run)")
    parser.add_argument("--restart", action="store_true", help="start over instead of resuming an interrupted run")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(arguments: argparse.Namespace, make: Callable[[Database, Settings], Job[Any]]) -> int:
    """Run the job that `make` makes on this deployment, and print its summary. Returns the exit status."""

    async def work(settings: Settings) -> int:
        tune_garbage_collector()
        with mongodb(settings, shared=True) as uri:
            async with connected(uri, settings.database) as database:
                job = make(database, settings)
                summary = await run_job(job, database, execute=arguments.execute, restart=arguments.restart)
        show(summary, as_json=arguments.json)
        return FOUND if any(summary.counts[name] for name in job.worth_a_look) else 0

    return command.run(work)


def show(summary: Summary, *, as_json: bool) -> None:
    """Print what a run found and did."""
    if as_json:
        sys.stdout.write(summary.as_json() + "\n")
        return
    console = Console()
    for title, rows in summary.tables.items():
        console.print(table_of(title, rows))
    table = Table("what", "how many")
    for name, count in summary.counts.items():
        table.add_row(name, f"{count:,}")
    console.print(table)
    for note in summary.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    state = "done" if summary.executed else "dry run, nothing was written: add --execute"
    console.print(f"{state} ({summary.seconds:,} s)")


def table_of(title: str, rows: list[dict[str, Any]]) -> Table:
    """Rows as a person reads them: numbers to the right."""
    table = Table(title=title)
    for name, value in (rows[0] if rows else {}).items():
        table.add_column(name, justify="right" if isinstance(value, int | Decimal) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_shown(value)) for value in row.values()))
    return table


def _shown(value: object) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
