"""What was set aside, for a person who looks at it: calls that MongoDB did not accept, rows that are no calls any more,
and damaged files.
"""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from bson import ObjectId

from app.spool.files import damaged_files
from app.spool.journal import Spool
from app.spool.rows import ADD_CALL, UnreadableRowError, decoded, row_of
from app.spool.salvage import Salvage, note_of, noted, salvage


class Kind(StrEnum):
    """Of what was set aside."""

    REFUSED = "refused"
    UNREADABLE = "unreadable"
    DAMAGED = "damaged"


class Aside(NamedTuple):
    """One thing that was set aside."""

    kind: Kind
    id: str
    """The id of a call, the number of a row, the name of a file."""
    reason: str
    at: str
    """When, in UTC; of a file its name says so."""
    size: int
    """In bytes."""
    row: bytes | None
    """Of a call or a row, as it is stored."""


def all_aside(spool: Spool) -> Iterator[Aside]:
    """Everything that was set aside. Raises SpoolError."""
    with spool.reading() as connection:
        for id_, pair, reason, at in connection.execute("SELECT id, pair, reason, at FROM refused ORDER BY rowid"):
            yield Aside(Kind.REFUSED, str(ObjectId(id_)), reason, at, len(pair), pair)
        rows = connection.execute("SELECT number, row, reason, at FROM unreadable ORDER BY number")
        for number, row, reason, at in rows:
            content = row if isinstance(row, bytes | None) else str(row).encode()
            yield Aside(Kind.UNREADABLE, str(number), reason, at, len(content or b""), content)
    for file in damaged_files(spool.path):
        yield Aside(Kind.DAMAGED, file.name, said_of(noted(file)), "", file.stat().st_size, None)


def said_of(found: Salvage | None) -> str:
    """What became of a damaged file."""
    if found is None:
        return "not salvaged yet: the server does that"
    missing = "it is not known how many are" if found.missing is None else f"{found.missing:,}"
    return (
        f"{found.calls:,} calls saved, {found.refused:,} refused, {found.unreadable:,} unreadable; missing: {missing}"
    )


def tried_again(spool: Spool, chosen: list[Aside]) -> int:
    """Let the server deliver calls again; rows as they are, whatever their checksum says; of files what can be read.

    Returns how many calls wait again. Raises SpoolError and OSError.
    """
    again = 0
    with spool.transaction() as connection:
        for one in chosen:
            if one.kind is Kind.DAMAGED or one.row is None:
                continue
            try:
                pair = decoded(one.row)
            except UnreadableRowError:
                continue
            connection.execute(ADD_CALL, row_of(pair, one.row))
            connection.execute(*_removal(one))
            again += 1
    for file in _files(spool, chosen):
        note_of(file).unlink(missing_ok=True)
        again += salvage(file, spool).calls
    return again


def dropped(spool: Spool, chosen: list[Aside]) -> int:
    """Delete what was set aside for ever, but no file that is not salvaged yet. Returns how much.

    Raises SpoolError and OSError.
    """
    rows = [one for one in chosen if one.kind is not Kind.DAMAGED]
    with spool.transaction() as connection:
        for one in rows:
            connection.execute(*_removal(one))
    files = [file for file in _files(spool, chosen) if noted(file) is not None]
    for file in files:
        # in this order: what a kill in between leaves is still listed, and dropped by the next one
        for path in (file.with_name(f"{file.name}-wal"), file, note_of(file)):
            path.unlink(missing_ok=True)
    return len(rows) + len(files)


def _removal(one: Aside) -> tuple[str, tuple[bytes | int]]:
    if one.kind is Kind.REFUSED:
        return "DELETE FROM refused WHERE id = ?", (ObjectId(one.id).binary,)
    return "DELETE FROM unreadable WHERE number = ?", (int(one.id),)


def _files(spool: Spool, chosen: list[Aside]) -> list[Path]:
    names = {one.id for one in chosen if one.kind is Kind.DAMAGED}
    return [file for file in damaged_files(spool.path) if file.name in names]
