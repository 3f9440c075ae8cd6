"""Many small updates at once, through the plain command: the driver's bulk writes take several times as long."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo.errors import OperationFailure

from app.database import DURABLE, Database, Session

CHUNK = 500
"""Updates per command, so that other work gets its turn in between."""


def latest(field: str, moment: datetime) -> dict[str, Any]:
    """For an update as a pipeline: the later one of a stored moment and another.

    A stored one that is ahead of the server's clock was written while a clock was wrong: `$max` would keep it until
    then, so it is replaced.
    """
    stored = f"${field}"
    return {"$cond": [{"$gt": [stored, "$$NOW"]}, moment, {"$max": [stored, moment]}]}


async def upsert(
    database: Database, collection: str, updates: Sequence[Mapping[str, Any]], session: Session | None
) -> None:
    """Run `updates`, each `{q, u, upsert}` as the `update` command accepts them. Raises PyMongoError."""
    for first in range(0, len(updates), CHUNK):
        command = {"update": collection, "updates": updates[first : first + CHUNK], "ordered": False}
        if session is None:
            command["writeConcern"] = DURABLE.document
        answer = await database.writes.command(command, session=session)
        if errors := answer.get("writeErrors"):
            raise OperationFailure(errors[0]["errmsg"], errors[0]["code"], answer)
