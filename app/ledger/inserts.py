"""Inserting many documents by the plain command: what the driver's bulk writes add takes as long as the encoding."""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, OperationFailure

from app.database.blocking import ClientSession
from app.database.outages import is_outage
from app.database.updates import DUPLICATE_KEY

CHUNK = 500
"""Documents of a command. It may have 16 MB, and what a call can say has 32 kB at most; where larger ones come from
elsewhere, the driver refuses the command, and the ledger tries fewer of them at once."""


class RefusedError(Exception):
    """At least one document can never be stored."""


class KnownIdsError(Exception):
    """At least one `_id` is stored already; of the transaction, nothing was written."""


def insert(
    collection: Collection[dict[str, Any]], documents: Sequence[Mapping[str, Any]], session: ClientSession | None
) -> None:
    """Insert `documents` in order, in the transaction of `session` if there is one.

    Raises KnownIdsError, RefusedError, PyMongoError, and what the driver raises for what BSON cannot encode.
    """
    for first in range(0, len(documents), CHUNK):
        chunk = documents[first : first + CHUNK]
        if errors := _loosely(collection, chunk) if session is None else _within(collection, chunk, session):
            raise _meant(errors[0]["code"], errors[0]["errmsg"])


def _meant(code: int, message: str) -> Exception:
    """What the error of a document says: not always something about that one."""
    if code == DUPLICATE_KEY:
        return KnownIdsError(message)
    passing = OperationFailure(message, code)
    return passing if is_outage(passing) else RefusedError(message)


def _within(
    collection: Collection[dict[str, Any]], documents: Sequence[Mapping[str, Any]], session: ClientSession
) -> list[dict[str, Any]]:
    """Returns the errors of single documents: the server has then undone the transaction."""
    command = {"insert": collection.name, "documents": documents, "ordered": True}
    answer = collection.database.command(command, session=session)
    errors: list[dict[str, Any]] = answer.get("writeErrors", [])
    return errors


def _loosely(collection: Collection[dict[str, Any]], documents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    try:
        collection.insert_many(map(dict, documents), ordered=True)
    except BulkWriteError as error:
        if errors := (error.details or {}).get("writeErrors"):
            found: list[dict[str, Any]] = errors
            return found
        raise
    return []
