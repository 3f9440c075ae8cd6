"""Work on MongoDB that runs as a whole in a thread: one change of threads where Motor makes one for each command."""

import asyncio
import contextvars
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pymongo
from pymongo.client_session import ClientSession
from pymongo.database import Database as BlockingDatabase
from pymongo.errors import PyMongoError

from app.database.connection import DURABLE
from app.database.transactions import ABORT_SECONDS, SNAPSHOT, pauses
from app.threads import DaemonThreads

__all__ = ["BlockingDatabase", "ClientSession", "OwnThread", "transact_blocking"]

Result = TypeVar("Result")


class OwnThread:
    """A thread for one kind of work, one piece after another: a session that it alone uses is never used twice at once.

    It ends with this object, and with the process.
    """

    def __init__(self, name: str) -> None:
        self._executor = DaemonThreads(name)
        self._executor.begin()

    async def run(self, work: Callable[[], Result], *, seconds: float | None = None) -> Result:
        """Do `work` there, within the time limits of this task, and its questions to MongoDB within so many `seconds`
        from when its turn comes. One that is cancelled waits a second for its end.
        """
        if seconds is not None:
            work = partial(_within, seconds, work)
        context = contextvars.copy_context()
        # the executor's own future: a cancelled one would say that the work is done
        future = asyncio.get_running_loop().run_in_executor(self._executor, context.run, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(_retrieved)
            # nobody waits longer for a server that is away, least of all a process that stops
            await asyncio.wait({future}, timeout=ABORT_SECONDS)
            raise


def transact_blocking(session: "ClientSession", work: Callable[[], Result]) -> Result:
    """What `transact_once` is, in a thread. Raises PyMongoError."""
    session.start_transaction(read_concern=SNAPSHOT, write_concern=DURABLE)
    try:
        result = work()
    except BaseException:
        with pymongo.timeout(ABORT_SECONDS):
            session.abort_transaction()
        raise
    for pause in pauses():
        try:
            session.commit_transaction()
        except PyMongoError as error:
            if not error.has_error_label("UnknownTransactionCommitResult") or error.timeout:
                raise
            time.sleep(pause)
        else:
            break
    return result


def _within(seconds: float, work: Callable[[], Result]) -> Result:
    with pymongo.timeout(seconds):
        return work()


def _retrieved(future: "asyncio.Future[Any]") -> None:
    """Nobody is there to be told of its exception."""
    if not future.cancelled():
        future.exception()
