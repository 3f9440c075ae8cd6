"""Many small updates at once, through the plain command: the driver's bulk writes take several times as long."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo.errors import OperationFailure

from app.database import DURABLE, Database, Session
from app.database.blocking import BlockingDatabase, ClientSession

CHUNK = 500
"""Updates per command, so that other work gets its turn in between."""

DUPLICATE_KEY = 11_000
"""The code of an insert whose key is there already."""

Updates = Sequence[Mapping[str, Any]]
"""Each `{q, u, upsert}` as the `update` command accepts them."""


def latest(field: str, moment: datetime) -> dict[str, Any]:
    """For an update as a pipeline: the later one of a stored moment and another.

    A stored one that is ahead of the server's clock was written while a clock was wrong: `$max` would keep it until
    then, so it is replaced.
    """
    stored = f"${field}"
    return {"$cond": [{"$gt": [stored, "$$NOW"]}, moment, {"$max": [stored, moment]}]}


async def apply_updates(database: Database, collection: str, updates: Updates, session: Session | None) -> None:
    """Run `updates` in any order, durably where no transaction is. Raises PyMongoError."""
    for command in _commands(collection, updates, CHUNK, durable=session is None):
        raise_errors(await database.writes.command(command, session=session))


def apply_updates_blocking(
    database: BlockingDatabase[dict[str, Any]],
    collection: str,
    updates: Updates,
    session: ClientSession | None,
    *,
    chunk: int = CHUNK,
) -> int:
    """The same, in a thread. Returns how many changed something."""
    changed = 0
    for command in _commands(collection, updates, chunk, durable=session is None):
        answer = database.command(command, session=session)
        raise_errors(answer)
        changed += answer["nModified"]
    return changed


def raise_errors(answer: Mapping[str, Any]) -> None:
    """Raise OperationFailure where a write command did not do all of it: its answer is no failure by itself."""
    for error in (*answer.get("writeErrors", ())[:1], answer.get("writeConcernError")):
        if error is not None:
            raise OperationFailure(error["errmsg"], error["code"], answer)


def _commands(collection: str, updates: Updates, chunk: int, *, durable: bool) -> Iterator[dict[str, Any]]:
    for first in range(0, len(updates), chunk):
        command = {"update": collection, "updates": updates[first : first + chunk], "ordered": False}
        yield command | ({"writeConcern": DURABLE.document} if durable else {})
