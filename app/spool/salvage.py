"""What can be read of a damaged spool goes into the new one: every call, row by row. What could not be read is counted.

A note beside the damaged file says how it went. A file without one is salvaged at the next start, so that a kill in the
middle, and a full disk, cost nothing: a call that is there already is not added again.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from app.ledger.twins import Pair
from app.observability.logs import Log
from app.spool.appending import now
from app.spool.files import damaged_files
from app.spool.journal import Spool
from app.spool.pages import BadRow, DamagedFile, Value
from app.spool.rows import ADD_CALL, ID_BYTES, UnreadableRowError, decoded, row_of

log = Log(__name__)

AT_ONCE = 200
"""Rows that are added in one transaction."""
NOTE = ".json"
MOST_NAMED = 1_000
MOST_LOGGED = 10


class _Rescued(NamedTuple):
    """A row of a damaged file."""

    id: bytes | None
    pair: Pair | None
    """None where it is no call any more."""
    blob: bytes | None
    """As it was; None where not even that could be read."""
    reason: str | None
    """Why it had been set aside, or is now."""


class Salvage(NamedTuple):
    """What became of the rows of a damaged file."""

    calls: int = 0
    """Calls that wait again, or had been there already."""
    refused: int = 0
    """Calls that had been set aside, and are again."""
    unreadable: int = 0
    """Rows that are no calls any more, kept as they are."""
    missing: int | None = None
    """Calls that the file had and that are nowhere in it; None where it does not say how many it had."""
    lost: tuple[str, ...] = ()
    """Their ids, as far as the index of the file has them: the first thousand."""


def not_salvaged(path: Path) -> list[Path]:
    """The damaged files of the spool at `path` that nobody has salvaged."""
    return [file for file in damaged_files(path) if noted(file) is None]


def note_of(damaged: Path) -> Path:
    """Where it is written what became of a file."""
    return damaged.with_name(damaged.name + NOTE)


def noted(damaged: Path) -> Salvage | None:
    """What became of a file; None where it is not salvaged yet, or the note was lost half-way by a power cut."""
    try:
        read = json.loads(note_of(damaged).read_text())
        return Salvage(**{**read, "lost": tuple(read.get("lost", ()))})
    except (FileNotFoundError, ValueError, TypeError):
        return None


def salvage(damaged: Path, spool: Spool) -> Salvage:
    """Add what can be read of a damaged file to the spool, and write the note. Raises SpoolError and OSError."""
    found, known = Salvage(), None
    file, seen = DamagedFile(damaged), set[bytes]()
    rows = file.rows()
    while some := list(islice(rows, AT_ONCE)):
        known = next((total for row in some if (total := _total(row)) is not None), known)
        rescued = list(_rescued(some, damaged.name))
        _add(spool, rescued)
        seen.update(id_ for one in rescued if (id_ := one.id) is not None)
        found = Salvage(
            found.calls + sum(one.pair is not None and one.reason is None for one in rescued),
            found.refused + sum(one.pair is not None and one.reason is not None for one in rescued),
            found.unreadable + sum(one.pair is None for one in rescued),
        )
    lost = sorted({id_ for key in file.keys() if (id_ := _id_of(key)) is not None} - seen)  # noqa: SIM118 - no mapping
    if known is not None:
        found = found._replace(missing=max(len(lost), known - found.calls - found.unreadable))
    elif lost:
        found = found._replace(missing=len(lost))
    found = found._replace(lost=tuple(id_.hex() for id_ in lost[:MOST_NAMED]))
    draft = note_of(damaged).with_suffix(".draft")
    draft.write_text(json.dumps(found._asdict()))
    draft.rename(note_of(damaged))
    log.warning("spool.salvaged", file=damaged.name, **{**found._asdict(), "lost": found.lost[:MOST_LOGGED]})
    return found


def _add(spool: Spool, rows: list[_Rescued]) -> None:
    """What is there already stays as it is."""
    calls = [(row.pair, row.blob, row.reason) for row in rows if row.pair is not None and row.blob is not None]
    at = now()
    with spool.transaction() as connection:
        connection.executemany(ADD_CALL, [row_of(pair, blob) for pair, blob, reason in calls if reason is None])
        connection.executemany(
            "INSERT OR IGNORE INTO refused (id, pair, reason, at) VALUES (?, ?, ?, ?)",
            [(pair.id.binary, blob, reason, at) for pair, blob, reason in calls if reason is not None],
        )
        connection.executemany(
            "INSERT INTO unreadable (row, reason, at) SELECT ?1, ?2, ?3 "
            "WHERE NOT EXISTS (SELECT 1 FROM unreadable WHERE row IS ?1 AND reason = ?2)",
            [(row.blob, row.reason, at) for row in rows if row.pair is None],
        )


def _rescued(rows: list[list[Value] | BadRow], name: str) -> Iterator[_Rescued]:
    for row in rows:
        if isinstance(row, BadRow):
            yield _Rescued(None, None, None, f"page {row.page} of {name}: {row.why}")
            continue
        id_, texts = _id_of(row), [value for value in row if isinstance(value, str)]
        crc = row[-1] if row and isinstance(row[-1], int) else None
        for blob in (value for value in row if isinstance(value, bytes) and value is not id_):
            try:
                pair = decoded(blob, crc)
                yield _Rescued(pair.id.binary, pair, blob, texts[0] if texts else None)
            except UnreadableRowError as error:
                named = "" if id_ is None else f"the call {id_.hex()}: "
                yield _Rescued(id_, None, blob, texts[0] if texts else f"{named}{error}")


def _id_of(row: list[Value]) -> bytes | None:
    """What looks like the id of a call: the first value of so many bytes."""
    return next((value for value in row if isinstance(value, bytes) and len(value) == ID_BYTES), None)


def _total(row: list[Value] | BadRow) -> int | None:
    """How many calls the file says it has, if this is the row that says so."""
    match row:
        case [int(calls), int()]:
            return calls
    return None
