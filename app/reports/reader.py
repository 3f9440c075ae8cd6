"""Reading: one session in which everything is as of one moment."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

from app.database import Database, Session
from app.database.outages import answering
from app.errors import DatabaseUnavailableError
from app.reports.queries.rollup_rows import Query
from app.reports.queries.stages import Stage
from models import AIUsage, Analytics

QUERY_SECONDS = 30
_NEARLY = 0.9
"""The driver gives up as soon as an answer would come too late."""
ROWS_AT_ONCE = 1_000
"""So many are decoded in one go, for which the driver keeps Python's lock: of 16 MB, its own measure, 0.1 s."""

Document = dict[str, Any]
Documents = list[Document]


class Reader:
    """Runs pipelines in one session."""

    def __init__(self, database: Database, session: Session | None, opened: AsyncExitStack) -> None:
        self._database = database.reads
        self._session = session
        self._opened = opened

    @property
    def session(self) -> Session | None:
        """For who reads beside it as of the same moment; of the client of `Database.reads`."""
        return self._session

    @property
    def is_of_one_moment(self) -> bool:
        """Whether all that is read is, as it is not where the server has no transactions."""
        return self._session is not None

    async def cells(self, query: Query) -> Documents:
        """The rows of a pipeline of `app.reports.queries.rollups`."""
        collection, pipeline = query
        return await self._rows(collection, pipeline)

    async def ledger(self, pipeline: list[Stage]) -> Documents:
        return await self._rows(AIUsage.Settings.name, pipeline)

    async def events(self, pipeline: list[Stage]) -> Documents:
        return await self._rows(Analytics.Settings.name, pipeline)

    async def find(
        self, collection: str, condition: Mapping[str, Any], projection: Mapping[str, Any] | None = None
    ) -> Documents:
        """The documents that meet a condition."""
        found = self._database[collection].find(condition, projection, session=self._session, batch_size=ROWS_AT_ONCE)
        return await found.to_list(None)

    async def batches(self, query: Query, size: int) -> AsyncGenerator[Documents, None]:
        """The rows of a pipeline, so many at a time. Each time may take as long as a report."""
        collection, pipeline = query
        cursor = self._database[collection].aggregate(
            pipeline, session=self._session, allowDiskUse=True, batchSize=size
        )
        try:
            while rows := await self._next(cursor, size):
                yield rows
        finally:
            await cursor.close()

    async def close(self) -> None:
        """End the session."""
        await self._opened.aclose()

    async def _next(self, cursor: Any, size: int) -> Documents:
        # the limit does not span a yield: time between two batches is not the server's
        with in_time():
            rows: Documents = await cursor.to_list(size)
        return rows

    async def _rows(self, collection: str, pipeline: list[Stage]) -> Documents:
        cursor = self._database[collection].aggregate(
            pipeline, session=self._session, allowDiskUse=True, batchSize=ROWS_AT_ONCE
        )
        return await cursor.to_list(None)


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[Reader]:
    """A reader for one answer. Raises DatabaseUnavailableError where MongoDB does not answer in time."""
    with in_time():
        read = await opened(database)
        try:
            yield read
        finally:
            await read.close()


@contextmanager
def in_time() -> Iterator[None]:
    """Bounds the time of the queries within. Raises DatabaseUnavailableError."""
    began = time.monotonic()
    try:
        with answering(QUERY_SECONDS):
            yield
    except DatabaseUnavailableError as error:
        if time.monotonic() - began < _NEARLY * QUERY_SECONDS:
            raise
        way_out = "request a shorter window, or try again later"
        raise DatabaseUnavailableError(f"MongoDB did not answer within {QUERY_SECONDS} s; {way_out}") from error


async def opened(database: Database) -> Reader:
    """A reader that its caller must close: for what is read as fast as a client receives it."""
    stack = AsyncExitStack()
    session = await stack.enter_async_context(database.snapshot(database.reads.client))
    return Reader(database, session, stack)


def first(rows: Documents) -> Document:
    """The only row; empty where there is none."""
    return rows[0] if rows else {}
