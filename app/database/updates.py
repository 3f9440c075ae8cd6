"""Many small updates at once, through the plain command: the driver's bulk writes take several times as long."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo.errors import OperationFailure

from app.database import DURABLE, Database, Session
from app.database.blocking import BlockingDatabase, ClientSession

CHUNK = 500
"""Updates per command, so that other work gets its turn in between."""

Updates = Sequence[Mapping[str, Any]]
"""Each `{q, u, upsert}` as the `update` command accepts them."""


def latest(field: str, moment: datetime) -> dict[str, Any]:
    """For an update as a pipeline: the later one of a stored moment and another.

    A stored one that is ahead of the server's clock was written while a clock was wrong: `$max` would keep it until
    then, so it is replaced.
    """
    stored = f"${field}"
    return {"$cond": [{"$gt": [stored, "$$NOW"]}, moment, {"$max": [stored, moment]}]}


async def upsert(database: Database, collection: str, updates: Updates, session: Session | None) -> None:
    """Run `updates`. Raises PyMongoError."""
    for command in _commands(collection, updates, durable=session is None):
        _raise_errors(await database.writes.command(command, session=session))


def upsert_blocking(
    database: BlockingDatabase[dict[str, Any]], collection: str, updates: Updates, session: ClientSession | None
) -> None:
    """The same, in a thread."""
    for command in _commands(collection, updates, durable=session is None):
        _raise_errors(database.command(command, session=session))


def _commands(collection: str, updates: Updates, *, durable: bool) -> Iterator[dict[str, Any]]:
    for first in range(0, len(updates), CHUNK):
        command = {"update": collection, "updates": updates[first : first + CHUNK], "ordered": False}
        yield command | ({"writeConcern": DURABLE.document} if durable else {})


def _raise_errors(answer: Mapping[str, Any]) -> None:
    if errors := answer.get("writeErrors"):
        raise OperationFailure(errors[0]["errmsg"], errors[0]["code"], answer)
