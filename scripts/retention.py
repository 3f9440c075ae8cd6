"""Delete raw calls and events older than a number of days, and keep every total.

Use it to keep the ledger small, or to honour a retention limit: once a day, from cron. Entries and their events are
deleted together; reports by day, model, user and conversation stay as they are, because the rollups are kept. What only
the ledger knows of those days is gone: single calls, and figures by other filters. Their cells can no longer be
recounted: rebuild_rollups leaves them alone from then on, and refuses when it is told to rebuild them.

Counters of limits whose period ended before then are deleted, too, as are alerts and their deliveries. A counter whose
period goes on stays as it is. Reservations go by themselves, a week after their end.

N days are N whole days in the reporting time zone, in addition to today. Other product events stay, unless --all-events
is given. Without --execute it only reports how much there is to do. It runs beside the server; interrupted or run
twice, it deletes what is left.

    python -m scripts.retention --days 90
    python -m scripts.retention --days 90 --execute
    python -m scripts.retention --days 90 --all-events --execute
"""

import argparse
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from app.database import Collection, Database
from app.maintenance.retention import Retention
from app.settings import Settings
from models import AI_GENERATION
from models.alerts import ALERTS, DELIVERIES
from models.counters import COUNTERS
from scripts.toolkit import command, days, job
from scripts.toolkit.job import Job, Page, Summary

PAGE = 1_000
KEPT_OF_LIMITS = {
    COUNTERS: ("counters", "end"),
    DELIVERIES: ("deliveries", "createdAt"),
    ALERTS: ("alerts", "at"),
}
"""Collections: what the summary calls them, and the moment by which they are old."""

Document = dict[str, Any]


def main() -> int:
    given = arguments()
    return job.run(given, lambda database, settings: Retain(database, settings, given))


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments `given`, or those of the process."""
    parser = command.parser("retention", __doc__)
    parser.add_argument(
        "--days", type=days.count, required=True, metavar="N", help="whole days to keep, in addition to today"
    )
    parser.add_argument("--all-events", action="store_true", help="delete other product events too")
    job.add_arguments(parser)
    return parser.parse_args(given)


class Phase(NamedTuple):
    """What is old in one collection."""

    collection: Collection
    condition: Document
    moment: str = "createdAt"


class Retain(Job[Any]):
    """One run. Pages hold ids: first of entries, which have twins, then of events, name by name, and what limits and
    alerts keep.
    """

    name = "retention"
    counts = ("entries", "events", "counters", "alerts", "deliveries")

    def __init__(self, database: Database, settings: Settings, arguments: argparse.Namespace) -> None:
        self._database = database
        self._zone = settings.zone
        self._days: int = arguments.days
        self._all_events: bool = arguments.all_events
        self._retention = Retention(database)
        today = datetime.now(UTC).astimezone(settings.zone).date()
        self._whole_from = today - timedelta(days=self._days)
        self._old = {"$lt": days.start_of(self._whole_from, settings.zone)}

    def key(self) -> dict[str, Any]:
        return {"days": self._days, "allEvents": self._all_events}

    @asynccontextmanager
    async def opened(self, after: Any, *, execute: bool) -> AsyncIterator[None]:  # noqa: ARG002 - what is gone needs no place
        await self._retention.check(self._zone, execute=execute)
        if execute and await self._calls():
            await self._retention.begin(self._zone, self._whole_from)
        yield

    async def total(self) -> int:
        return await self._calls() + sum([await self._count(phase) for phase in self._kept_of_limits()])

    async def pages(self, after: Any) -> AsyncGenerator[Page[Any], None]:  # noqa: ARG002 - as above
        for phase in (*await self._of_calls(), *self._kept_of_limits()):
            behind: Document = {}
            while found := await self._found(phase, behind):
                last = found[-1]
                behind = days.behind(last[phase.moment], last["_id"], phase.moment)
                ids = [document["_id"] for document in found]
                yield Page(ids, {"of": phase.collection.name, "id": last["_id"]})

    async def do(self, page: Page[Any], *, execute: bool) -> Counter[str]:
        if (of := page.after["of"]) in KEPT_OF_LIMITS:
            return await self._forget(of, page.items, execute=execute)
        if not execute:
            of_entries = of == self._database.ledger.name
            return Counter({"entries" if of_entries else "events": len(page.items)})
        entries, events = await self._retention.calls(page.items)
        return Counter(entries=entries, events=events)

    async def finish(self, summary: Summary) -> None:
        summary.notes.append(f"calls are kept from {self._whole_from} on ({self._zone.key}); totals are kept for ever")

    async def _calls(self) -> int:
        return sum([await self._count(phase) for phase in await self._of_calls()])

    async def _of_calls(self) -> list[Phase]:
        """By name, because events have an index by name and time."""
        events, old = self._database.events, {"createdAt": self._old}
        names = await events.distinct("event") if self._all_events else [AI_GENERATION]
        return [Phase(self._database.ledger, old), *(Phase(events, {"event": name, **old}) for name in names)]

    def _kept_of_limits(self) -> list[Phase]:
        writes = self._database.writes
        return [Phase(writes[name], {moment: self._old}, moment) for name, (_, moment) in KEPT_OF_LIMITS.items()]

    async def _forget(self, of: str, ids: list[Any], *, execute: bool) -> Counter[str]:
        count, found = KEPT_OF_LIMITS[of][0], len(ids)
        if execute:
            found = (await self._database.writes[of].delete_many({"_id": {"$in": ids}})).deleted_count
        return Counter({count: found})

    @staticmethod
    async def _count(phase: Phase) -> int:
        return await phase.collection.count_documents(phase.condition)

    @staticmethod
    async def _found(phase: Phase, behind: Document) -> list[Document]:
        moment = phase.moment
        found = phase.collection.find(phase.condition | behind, {moment: 1})
        return await found.sort([(moment, 1), ("_id", 1)]).limit(PAGE).to_list(None)


if __name__ == "__main__":
    sys.exit(main())
