"""Check that ledger, events and rollups agree to the digit, and repair what the ledger can prove.

Use it after damage, after a restore, or every night. For every day it checks that each entry has its event and each
event its entry, that an event matches its entry, that the parts of a cost sum to it and are stored with all digits, and
that cells and waiting deltas equal a recount of the ledger: every collection, every figure; and that no delta had to be
set aside because it could not be read. Counters of limits must equal a recount of the ledger too, and hold what open
reservations hold; no call may wait for long to be counted. Each difference is reported with its id and its figures. A
day is read in one snapshot, as are some hundred counters, so concurrent writers do not matter.

With --execute, missing or wrong events are rewritten from their entries (an external user id cannot be restored), costs
are rounded to their stored digits, days whose cells differ are recounted, and counters are mended. It cannot repair:
- a missing entry, because its event does not say what was used: recreate it with scripts.backfill_usage;
- a cost that contradicts its parts or its source: use scripts.reprice;
- the cells of a day of which the ledger holds nothing at all: if its calls were deleted on purpose, use
  scripts.retention; if the cells are wrong, scripts.rebuild_rollups.
On days whose calls retention has deleted, cells are left alone, as are counters whose period began then.

Interrupted, it resumes; run twice, it finds only what it could not repair. Exit status 3: there are such differences.

    python -m scripts.reconcile
    python -m scripts.reconcile --from 2026-11-01 --to 2026-11-30 --execute
"""

import argparse
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

from app.database import Database
from app.maintenance.reconcile.counters import CounterCheck
from app.maintenance.reconcile.days import CELL, DayCheck, Difference
from app.maintenance.reconcile.repairs import Repairs
from app.maintenance.reconcile.sheets import SheetCheck
from app.maintenance.reconcile.trailing import TrailingCheck
from app.maintenance.reconcile.undated import UndatedCheck
from app.maintenance.reconcile.unread import UnreadCheck
from app.rollups.filled_days import FilledDays
from app.rollups.state import RollupState
from app.settings import Settings
from scripts.toolkit import command, days, job
from scripts.toolkit.job import Job, Page, Summary

TRAILING = "trailing totals"
UNDATED = "undated"
UNREAD = "unread deltas"
USED = "used of limits"
"""The last pages, which are not days; in order, and after every day."""

Document = dict[str, Any]


def main() -> int:
    given = arguments()
    return job.run(given, lambda database, settings: Reconcile(database, settings, given))


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments `given`, or those of the process."""
    parser = command.parser("reconcile", __doc__)
    days.add_arguments(parser)
    job.add_arguments(parser)
    return days.checked(parser, parser.parse_args(given))


class Reconcile(Job[str]):
    """One run. A page is one day."""

    name = "reconcile"
    what = "days"
    counts = ("entries", "cells", "differences", "repaired", "left")
    worth_a_look = ("left",)

    def __init__(self, database: Database, settings: Settings, arguments: argparse.Namespace) -> None:
        self._database = database
        self._zone = settings.zone
        self._first: date | None = arguments.first
        self._last: date | None = arguments.last
        self._days = DayCheck(database, settings.zone)
        self._trailing = TrailingCheck(database)
        self._sheets = SheetCheck(database)
        self._undated = UndatedCheck(database)
        self._unread = UnreadCheck(database, self._first, self._last)
        self._counters = CounterCheck(database, settings.zone)
        self._repairs = Repairs(database, settings.zone)
        self._others = {
            TRAILING: self._totals,
            UNDATED: self._without_day,
            UNREAD: self._not_read,
            USED: self._used,
        }
        self._all: list[date] = []
        self._rows: list[Document] = []
        self._cells_differ = False
        """Whether cells differ after their repair."""

    def key(self) -> Document:
        return {name: day and day.isoformat() for name, day in (("first", self._first), ("last", self._last))}

    @asynccontextmanager
    async def opened(self, after: Any, *, execute: bool) -> AsyncIterator[None]:  # noqa: ARG002 - the days are the same
        await RollupState.in_zone(self._database, self._zone, execute=execute)
        self._all = await self._existing()
        yield

    async def total(self) -> int:
        return len(self._all) + len(self._others)

    async def pages(self, after: Any) -> AsyncGenerator[Page[str], None]:
        for place in (*(day.isoformat() for day in self._all), *self._others):
            if after is None or place > after:
                yield Page([place], place)

    async def do(self, page: Page[str], *, execute: bool) -> Counter[str]:
        if (other := page.items[0]) in self._others:
            return await self._others[other](execute)
        day = date.fromisoformat(page.items[0])
        first = day == next(other for other in self._all if (other.year, other.month) == (day.year, day.month))
        checked = again = await self._days.day(day, first=first)
        if checked.differences and execute:
            await self._repairs.repair(day, checked)
            again = await self._days.day(day, first=first)
        self._cells_differ |= any(difference.kind == CELL for difference in again.differences)
        counts = self._counted(checked.differences, again.differences)
        return counts + Counter(entries=checked.entries, cells=checked.cells)

    async def _totals(self, execute: bool) -> Counter[str]:
        checks = (self._trailing, self._sheets)
        found = left = [each for check in checks for each in await check.differences()]
        if found and execute:
            for check in checks:
                if await check.differences():
                    await check.repair()
            left = [each for check in checks for each in await check.differences()]
        return self._counted(found, left)

    async def _without_day(self, execute: bool) -> Counter[str]:  # noqa: ARG002 - nobody can repair them
        found = await self._undated.differences()
        return self._counted(found, found)

    async def _not_read(self, execute: bool) -> Counter[str]:
        return await self._repaired(self._unread, execute=execute and not self._cells_differ)

    async def _used(self, execute: bool) -> Counter[str]:
        return await self._repaired(self._counters, execute=execute)

    async def _repaired(self, check: UnreadCheck | CounterCheck, *, execute: bool) -> Counter[str]:
        found = left = await check.differences()
        if found and execute:
            await check.repair()
            left = await check.differences()
        return self._counted(found, left)

    async def finish(self, summary: Summary) -> None:
        summary.tables["found"] = self._rows
        if summary.resumed:
            summary.notes.append("the table covers what was found since the run resumed; the counts cover all of it")

    def _counted(self, found: list[Difference], left: list[Difference]) -> Counter[str]:
        """`left` may hold others than `found`: what was damaged meanwhile."""
        stay = {(difference.kind, difference.id) for difference in left}
        repaired = [difference for difference in found if (difference.kind, difference.id) not in stay]
        for state, differences in (("repaired", repaired), ("left", left)):
            for kind, day, of, said in differences:
                self._rows.append({"kind": kind, "day": day, "id": str(of), "what": said, "state": state})
        return Counter(differences=len(repaired) + len(left), repaired=len(repaired), left=len(left))

    async def _existing(self) -> list[date]:
        """The days asked for, as far as there is anything; and that from which the ledger is whole: its month is
        compared on it.
        """
        state = await RollupState.look(self._database, self._zone)
        filled = await FilledDays(self._database, self._zone).between(self._first, self._last)
        if filled and state.whole_from is not None and filled[0] <= state.whole_from <= filled[-1]:
            filled = sorted({*filled, state.whole_from})
        return filled


if __name__ == "__main__":
    sys.exit(main())
