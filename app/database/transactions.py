"""Work that is one transaction, done again where another one was in its way."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pymongo.read_concern import ReadConcern

from app.database import DURABLE, Database, Session

Result = TypeVar("Result")


async def transact(database: Database, work: Callable[[Session | None], Coroutine[Any, Any, Result]]) -> Result:
    """Run `work` until it is committed, for two minutes at most. It may run several times. Raises PyMongoError.

    Without transactions (a server for development) its steps stand alone; the start-up recounts the cells there.
    """
    async with database.committer_session() as session:
        if session is None:
            return await work(None)
        done: Result = await session.with_transaction(work, ReadConcern("snapshot"), DURABLE)
        return done
