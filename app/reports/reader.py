"""Reading: one session in which everything belongs to one moment."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from app.database import Database, Session
from app.errors import DatabaseUnavailableError
from app.reports.cells import Query
from app.reports.stages import Stage
from models import AIUsage, Analytics

QUERY_SECONDS = 30

Document = dict[str, Any]
Documents = list[Document]


class Reader:
    """Runs pipelines in one session."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._database = database.reads
        self._session = session

    async def cells(self, query: Query) -> Documents:
        """The rows of a pipeline of `app.reports.cells`."""
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
        return await self._database[collection].find(condition, projection, session=self._session).to_list(None)

    async def _rows(self, collection: str, pipeline: list[Stage]) -> Documents:
        cursor = self._database[collection].aggregate(pipeline, session=self._session, allowDiskUse=True)
        return await cursor.to_list(None)


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[Reader]:
    """A reader. Raises DatabaseUnavailableError where MongoDB does not answer in time."""
    try:
        with pymongo.timeout(QUERY_SECONDS):
            if not database.transactional:
                yield Reader(database, None)
                return
            async with await database.reads.client.start_session(snapshot=True) as session:
                yield Reader(database, session)
    except PyMongoError as error:
        raise DatabaseUnavailableError(f"MongoDB did not answer: {error}") from error


def first(rows: Documents) -> Document:
    """The only row; empty where there is none."""
    return rows[0] if rows else {}
