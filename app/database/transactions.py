"""Work in one transaction, retried on conflicts."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TypeVar

import pymongo
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from app.database.connection import DURABLE, Database, Session

Result = TypeVar("Result")

SNAPSHOT = ReadConcern("snapshot")
FIRST_PAUSE_SECONDS = 0.002
LONGEST_PAUSE_SECONDS = 0.1
ABORT_SECONDS = 1.0
DISTURBED_SECONDS = 120.0
"""How long work is retried: a killed process's transaction blocks others until MongoDB ends it, after a minute."""


async def transact(database: Database, work: Callable[[Session | None], Awaitable[Result]]) -> Result:
    """Run `work` until it is committed; it may run several times.

    Without transactions (a server for development) its steps stand alone; the start-up recounts the cells there.
    Raises PyMongoError.
    """
    async with database.committer_session() as session:
        if session is None:
            return await work(None)
        return await undisturbed(partial(transact_once, session, work))


async def undisturbed(
    work: Callable[[], Awaitable[Result]],
    *,
    seconds: float = DISTURBED_SECONDS,
    disturbances: tuple[type[Exception], ...] = (),
) -> Result:
    """Retry `work`, for so many seconds, after a conflict with another transaction, or one of `disturbances`.

    Raises PyMongoError, and the last disturbance when the time is up.
    """
    until = time.monotonic() + seconds
    for pause in pauses():
        try:
            return await work()
        except Exception as error:
            if time.monotonic() > until or not (isinstance(error, disturbances) or was_undone(error)):
                raise
        await asyncio.sleep(pause)
    raise AssertionError("unreachable: pauses never end")


async def transact_once(session: Session, work: Callable[[Session], Awaitable[Result]]) -> Result:
    """Run `work` as one transaction, once. Raises PyMongoError: see `was_undone`."""
    session.start_transaction(read_concern=SNAPSHOT, write_concern=DURABLE)
    try:
        result = await work(session)
    except BaseException:
        # nobody waits for a server that is away, least of all a process that stops: it undoes the transaction by itself
        with pymongo.timeout(ABORT_SECONDS):
            await session.abort_transaction()
        raise
    await _commit(session)
    return result


def was_undone(error: Exception) -> bool:
    """Whether the server undid a transaction that may be retried: it conflicted with another one, or a new primary
    took over. When its time is up, it may not.
    """
    return isinstance(error, PyMongoError) and error.has_error_label("TransientTransactionError") and not error.timeout


def pauses() -> Iterator[float]:
    """Seconds, doubling, with full jitter, without end: their user sets a time limit."""
    longest = FIRST_PAUSE_SECONDS
    while True:
        yield random.uniform(0, longest)  # noqa: S311 - jitter, not a secret
        longest = min(2 * longest, LONGEST_PAUSE_SECONDS)


async def _commit(session: Session) -> None:
    """A commit whose response was lost may be sent again: the server recognizes a repeated one."""
    for pause in pauses():
        try:
            await session.commit_transaction()
        except PyMongoError as error:
            if not error.has_error_label("UnknownTransactionCommitResult") or error.timeout:
                raise
            await asyncio.sleep(pause)
        else:
            return
