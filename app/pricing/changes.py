"""How prices are changed: counted, so that every process sees that there is something new."""

import contextlib
from collections.abc import Awaitable, Callable

from pymongo.errors import DuplicateKeyError

from app.database import Database, Session
from app.database.outages import answering
from app.database.transactions import transact

PRICES = "prices"
"""The document of `versions` that is incremented; it names the price table in use, unless that is the packaged one."""
QUERY_SECONDS = 5.0


async def change_prices(database: Database, work: Callable[[Session | None], Awaitable[None]]) -> None:
    """Do `work` and increment the version, in one transaction: of two concurrent changes, one sees the other.

    Raises DatabaseUnavailableError, and what `work` raises.
    """
    versions = database.writes["versions"]

    async def versioned(session: Session | None) -> None:
        await versions.update_one({"_id": PRICES}, {"$inc": {"version": 1}}, session=session)
        await work(session)

    with answering(QUERY_SECONDS, "the price may not have been changed: MongoDB does not answer; look, and try again"):
        # there before any transaction increments it: two that both insert it would not conflict, but fail
        with contextlib.suppress(DuplicateKeyError):
            await versions.update_one({"_id": PRICES}, {"$setOnInsert": {"version": 0}}, upsert=True)
        await transact(database, versioned)
