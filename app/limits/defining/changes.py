"""How definitions are changed: counted, so that every process sees what is new; and read again by what was changed."""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from app.database import Database, Session
from app.database.outages import answering
from app.database.transactions import transact
from models.counters import DEFINITIONS, STATE

CHANGE_SECONDS = 5.0
REFUSED = "the change may not have been made: MongoDB does not answer; look, and try again"

Change = Callable[[Session | None, int], Awaitable[None]]
"""Writes what is changed, with the number of the version in `changed`."""
Removal = Callable[[Session | None], Awaitable[None]]
"""Deletes definitions, or gives them to another subject."""


async def remove_definitions(database: Database, remove: Removal) -> None:
    """Do `remove` likewise, and have every process read all that is left: what is gone cannot say whose it was.

    Raises as `change_definitions` does.
    """
    state = database.writes[STATE]

    async def change(session: Session | None, version: int) -> None:
        await remove(session)
        await state.update_one({"_id": DEFINITIONS}, {"$set": {"removed": version}}, session=session)

    await change_definitions(database, change)


async def change_definitions(database: Database, change: Change, *, seconds: float = CHANGE_SECONDS) -> None:
    """Do `change` and raise the version, in one transaction: of two concurrent changes, one sees the other.

    It may run several times. Raises DatabaseUnavailableError, and what `change` raises.
    """
    state = database.writes[STATE]

    async def versioned(session: Session | None) -> None:
        if session is None:  # a server for development: who looks must not see the version before what it changed
            found = await state.find_one({"_id": DEFINITIONS})
            await change(None, found["version"] + 1 if found else 1)
        raised = await next_version(database, session)
        if session is not None:
            await change(session, raised)

    with answering(seconds, REFUSED):
        await have_version(database)
        await transact(database, versioned)


async def have_version(database: Database) -> None:
    """Have the version there before any transaction raises it: two that both insert it would not conflict, but fail.

    Raises PyMongoError.
    """
    with contextlib.suppress(DuplicateKeyError):
        first = {"$setOnInsert": {"version": 0, "since": datetime.now(UTC)}}
        await database.writes[STATE].update_one({"_id": DEFINITIONS}, first, upsert=True)


async def next_version(database: Database, session: Session | None) -> int:
    """Raise the version, as a part of another transaction that changes definitions. Raises PyMongoError."""
    raised = await database.writes[STATE].find_one_and_update(
        {"_id": DEFINITIONS}, {"$inc": {"version": 1}}, session=session, return_document=ReturnDocument.AFTER
    )
    return int(raised["version"])
