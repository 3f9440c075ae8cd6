"""A call as a row of the spool: one BSON document with its two documents, and a checksum."""

import zlib
from datetime import UTC

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions

from app.ledger.twins import Pair
from models.documents import Document

CODEC: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC)
ID_BYTES = 12


class UnreadableRowError(Exception):
    """The row is no call; the message says why not."""


def encoded(pair: Pair) -> bytes | None:
    """None for what BSON, and so MongoDB, cannot represent."""
    try:
        document = {"entry": pair.entry, "event": pair.event, "stamped": pair.stamped, "sharedId": pair.shared_id}
        return bson.encode(document)
    except (bson.errors.BSONError, OverflowError, UnicodeError):
        return None


def checksum(blob: bytes) -> int:
    """Of the BSON, so that a flipped bit changes no figure in silence."""
    return zlib.crc32(blob)


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
