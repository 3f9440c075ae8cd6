"""A call as a row of the spool: one BSON document with its two documents, and a checksum. And pages of such rows."""

import zlib
from collections.abc import Sequence
from datetime import UTC
from typing import NamedTuple, Self

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions

from app.ledger.twins import Pair
from models.documents import Document

CODEC: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC)
ID_BYTES = 12
ADD_CALL = "INSERT OR IGNORE INTO calls (id, pair, crc) VALUES (?, ?, ?)"
"""For what `row_of` returns. What is there with the same id stays."""
_ROW = "(?, ?, ?)"

Row = tuple[int, object, int | None, object]
"""`seq, pair, crc, id`."""


def add_calls(count: int) -> str:
    """The statement that adds so many rows. One, because each gives up the interpreter's lock, which a busy event loop
    gives back late: 500 rows take 36 ms beside one, and 119 with a statement each.
    """
    return f"INSERT INTO calls (id, pair, crc) VALUES {', '.join([_ROW] * count)}"  # noqa: S608 - ours


class UnreadableRowError(Exception):
    """The row is no call; the message says why not."""


class Spooled(NamedTuple):
    """A call in the spool, and its place there."""

    seq: int
    pair: Pair


class Unreadable(NamedTuple):
    """A row that is no call, its place and content, and why."""

    seq: int
    row: object
    reason: str


class Page(NamedTuple):
    """Some rows, in the order of their arrival."""

    calls: list[Spooled]
    unreadable: list[Unreadable]
    last: int
    """The place of the last row, whether it can be read or not."""

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Self:
        """Of at least one row."""
        page = cls([], [], rows[-1][0])
        for seq, blob, crc, id_ in rows:
            try:
                page.calls.append(Spooled(seq, decoded(blob, crc)))
            except UnreadableRowError as error:
                named = f"the call {id_.hex()}" if isinstance(id_, bytes) else "a call"
                page.unreadable.append(Unreadable(seq, blob, f"{named}: {error}"))
        return page


def encoded(pair: Pair) -> bytes | None:
    """None for what BSON, and so MongoDB, cannot represent."""
    try:
        documents = {"entry": pair.entry_to_store(), "event": pair.event_to_store()}
        return bson.encode({**documents, "stamped": pair.stamped, "sharedId": pair.shared_id})
    except (bson.errors.BSONError, OverflowError, UnicodeError):
        return None


def checksum(blob: bytes) -> int:
    """Of the BSON, so that a flipped bit changes no figure in silence."""
    return zlib.crc32(blob)


def row_of(pair: Pair, blob: bytes) -> tuple[bytes, bytes, int]:
    """The row of a pair that is `encoded` as this."""
    return pair.id.binary, blob, checksum(blob)


def decoded(blob: object, expected: int | None = None) -> Pair:
    """The call of a row, whose checksum is `expected`; None for a row of before there were any.

    Raises UnreadableRowError.
    """
    if not isinstance(blob, bytes):
        raise UnreadableRowError(f"it is a {type(blob).__name__}, not a document")
    if expected is not None and checksum(blob) != expected:
        raise UnreadableRowError("its checksum is another one")
    try:
        stored = bson.decode(blob, CODEC)
    except Exception as error:  # whatever a damaged document makes of the decoder
        raise UnreadableRowError(f"it is no BSON document: {error}") from error
    entry, event = stored.get("entry"), stored.get("event")
    if not (isinstance(entry, dict) and isinstance(event, dict)):
        raise UnreadableRowError("it is a document, but no call")
    if not isinstance(entry.get("_id"), ObjectId) or entry["_id"] != event.get("_id"):
        raise UnreadableRowError("its two documents have no id in common")
    shared = stored.get("sharedId")  # which earlier releases did not write
    return Pair(
        entry["_id"], entry, event, stored.get("stamped") is True, shared if isinstance(shared, ObjectId) else None
    )
