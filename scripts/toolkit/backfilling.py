"""What both backfills share: pages by `_id`, each prepared while the previous one is committed, and refusals."""

import argparse
import asyncio
from abc import abstractmethod
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.database import Collection, Database, Session
from app.database.connection import STANDALONE_ADVICE
from app.database.session_files import SessionFiles
from app.errors import ConfigurationError
from app.maintenance.backfill.missing_twins import Span
from app.maintenance.backfill.twinning import Prepared, Refused, Twinning, TwinningResult
from app.settings import Settings
from models.documents import Document
from scripts.toolkit.job import Job, Page, Summary, ahead

BATCH = 2_000
"""Documents per transaction, which takes some 0.1 s."""
LANES = 2
"""Batches of a page, each in a transaction of its own, at the same time: the server has more than one core."""
EXAMPLES = 5
"""How many refused documents are listed per field."""


class Backfill(Job[Prepared]):
    """A run over one collection."""

    counts = ("made", "already there", "refused")
    worth_a_look = ("refused",)

    def __init__(self, database: Database, settings: Settings, arguments: argparse.Namespace) -> None:
        self._database = database
        self._settings = settings
        self._arguments = arguments
        self.span = _span(arguments.first, arguments.last, settings.zone)
        self._lanes: list[Twinning] = []
        self._examples: dict[str, list[Refused]] = {}

    @abstractmethod
    def source(self) -> tuple[Collection, Document]:
        """The source collection, and the condition for its documents."""

    @abstractmethod
    async def twinnings(self, sessions: list[Session | None]) -> list[Twinning]:
        """What creates the twins, one for each session; without a session it only looks, and writes nothing."""

    def key(self) -> dict[str, Any]:
        return {"from": str(self._arguments.first), "to": str(self._arguments.last)}

    @asynccontextmanager
    async def opened(self, after: Any, *, execute: bool) -> AsyncIterator[None]:  # noqa: ARG002 - nothing depends on it
        """With recorded sessions: the next run ends the transactions of a killed one."""
        async with AsyncExitStack() as stack:
            sessions: list[Session | None] = await self._sessions(stack) if execute else [None]
            self._lanes = await self.twinnings(sessions)
            yield

    async def _sessions(self, stack: AsyncExitStack) -> list[Session | None]:
        if not self._database.transactional:
            raise ConfigurationError(
                f"an entry and its event are written together or not at all, but {STANDALONE_ADVICE}"
            )
        files = stack.enter_context(SessionFiles(self._settings.data_dir))
        await files.end_stale(self._database)
        sessions = [await stack.enter_async_context(self._database.committer_session()) for _ in range(LANES)]
        for session in sessions:
            if session is not None:
                files.record(session)
        return sessions

    async def total(self) -> int:
        collection, condition = self.source()
        if not condition:
            return await collection.estimated_document_count()
        return await collection.count_documents(condition)

    def pages(self, after: Any) -> AsyncGenerator[Page[Prepared], None]:
        return ahead(self._prepared(after))

    async def do(self, page: Page[Prepared], *, execute: bool) -> Counter[str]:
        if execute:
            outcomes = await self._committed(page.items)
        else:
            outcomes = [TwinningResult(len(one.twins), one.known, one.refused) for one in page.items]
        made, known, refused = TwinningResult.sum(*outcomes)
        for one in refused:
            examples = self._examples.setdefault(one.field, [])
            if len(examples) < EXAMPLES:
                examples.append(one)
        by_field = Counter(f"refused for {one.field.removeprefix('properties.')}" for one in refused)
        return Counter({"made": made, "already there": known, "refused": len(refused)}) + by_field

    async def _committed(self, batches: list[Prepared]) -> list[TwinningResult]:
        """All at once. Where one fails the others end first: their sessions are about to be closed."""
        lanes = zip(self._lanes, batches, strict=False)
        done = await asyncio.gather(*[lane.commit(batch) for lane, batch in lanes], return_exceptions=True)
        outcomes = [one for one in done if isinstance(one, TwinningResult)]
        for failure in done:
            if isinstance(failure, BaseException):
                raise failure
        return outcomes

    async def finish(self, summary: Summary) -> None:
        for examples in self._examples.values():
            summary.notes += [f"{one.id}: {one.field} {one.reason}" for one in examples]
        if summary.counts["refused"]:
            summary.notes.append("What was refused stays as it is; another run looks at it again.")

    async def _prepared(self, after: Any) -> AsyncGenerator[Page[Prepared], None]:
        batches: list[Prepared] = []
        async for raw in self._found(after):
            batches.append(await self._lanes[0].prepare(raw))
            if len(batches) == len(self._lanes):
                yield (page := _page(batches, after))
                batches, after = [], page.after
        if batches:
            yield _page(batches, after)

    def _found(self, after: Any) -> AsyncIterator[bytes]:
        """Batches as the server sends them, in the order of their ids."""
        collection, condition = self.source()
        fields, order = dict.fromkeys(self._lanes[0].fields, 1), [("_id", 1)]
        found = collection.find_raw_batches(condition, fields, batch_size=BATCH, hint=order, sort=order)
        # unlike `$gte`, which knows the ids of one type only
        batches: Any = found if after is None else found.min([("_id", after)])
        return aiter(batches)


def _page(batches: list[Prepared], after: Any) -> Page[Prepared]:
    last = next((batch.last for batch in reversed(batches) if batch.last is not None), after)
    return Page(batches, last, sum(batch.size for batch in batches))


def _span(first: date | None, last: date | None, zone: ZoneInfo) -> Span | None:
    if first is None and last is None:
        return None
    # a day in another zone may extend beyond the end of the calendar
    start, end = first or date(1, 1, 3), (last or date(9999, 12, 28)) + timedelta(days=1)
    return Span(*(datetime.combine(day, time(), zone).astimezone(UTC) for day in (start, end)))
