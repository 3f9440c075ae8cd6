"""How calls are added to the spool, each once: what stands there is found by its id, in few statements."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

from app.ledger.outcomes import Outcome, ReceiptStatus
from app.ledger.twins import Pair
from app.spool.rows import ADD_CALL, UnreadableRowError, add_calls, decoded, row_of

MOST_ASKED = 1_000
"""Ids in one question."""
_SPOOLED = Outcome(ReceiptStatus.SPOOLED)


def appended(connection: sqlite3.Connection, pairs: Sequence[Pair], blobs: Sequence[bytes | None]) -> list[Outcome]:
    """Add pairs that are `encoded` as these, in a transaction, and return their outcomes.

    What nobody has reported before, which is nearly all, in one statement; the others after it, one by one.
    """
    known = _known(connection, [pair.id for pair in pairs])
    new: dict[ObjectId, int] = {}
    for place, (pair, blob) in enumerate(zip(pairs, blobs, strict=True)):
        if blob is not None and pair.shared_id is None and pair.id not in known:
            new.setdefault(pair.id, place)
    if new:
        rows = [row_of(pairs[place], blobs[place] or b"") for place in new.values()]
        connection.execute(add_calls(len(rows)), [value for row in rows for value in row])
    return [
        _SPOOLED if new.get(pair.id) == place else _one_appended(connection, pair, blob)
        for place, (pair, blob) in enumerate(zip(pairs, blobs, strict=True))
    ]


def _one_appended(connection: sqlite3.Connection, pair: Pair, blob: bytes | None) -> Outcome:
    if blob is None:
        return Outcome(ReceiptStatus.REJECTED, reason="a field contains what MongoDB cannot store")
    row = row_of(pair, blob)
    waiting = {id_: known.entry for id_, known in found(connection, pair.ids).items()}
    if (first := pair.first_in(waiting)) is not None:
        return Outcome.duplicate(pair, first)
    if not connection.execute(ADD_CALL, row).rowcount:  # what is there with this id is no call any more
        keep = "INSERT INTO unreadable (row, reason, at) SELECT pair, 'it cannot be read', ? FROM calls WHERE id = ?"
        connection.execute(keep, (now(), row[0]))
        connection.execute("UPDATE calls SET pair = ?, crc = ? WHERE id = ?", (*row[1:], row[0]))
    return _SPOOLED


def _known(connection: sqlite3.Connection, ids: Sequence[ObjectId]) -> set[ObjectId]:
    """Those of `ids` that have a row, whether it can be read or not."""
    return {ObjectId(id_) for (id_,) in _rows_of(connection, "id", ids)}


def found(connection: sqlite3.Connection, ids: Sequence[ObjectId]) -> dict[ObjectId, Pair]:
    """The calls with these ids that can be read."""
    calls = {}
    for id_, pair, crc in _rows_of(connection, "id, pair, crc", ids):
        with suppress(UnreadableRowError):  # then the ledger alone decides which was first
            calls[ObjectId(id_)] = decoded(pair, crc)
    return calls


def _rows_of(connection: sqlite3.Connection, columns: str, ids: Sequence[ObjectId]) -> Iterator[tuple[Any, ...]]:
    for asked, places in in_parts(ids):
        yield from connection.execute(f"SELECT {columns} FROM calls WHERE id IN ({places})", asked)  # noqa: S608 - ours


def in_parts(ids: Sequence[ObjectId]) -> Iterator[tuple[list[bytes], str]]:
    """For few statements, for the same reason as `add_calls`: their values and the places of these."""
    for start in range(0, len(ids), MOST_ASKED):
        asked = [id_.binary for id_ in ids[start : start + MOST_ASKED]]
        yield asked, ", ".join("?" * len(asked))


def now() -> str:
    """As it is kept with what is set aside."""
    return datetime.now(UTC).isoformat(timespec="seconds")
