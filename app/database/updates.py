"""Many small updates at once, through the plain command: the driver's bulk writes take several times as long."""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.errors import OperationFailure

from app.database import DURABLE, Database, Session

CHUNK = 500
"""Updates per command, so that other work gets its turn in between."""


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
