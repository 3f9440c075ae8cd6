"""The ids that an import has seen, kept on disk: there may be more than fit in memory."""

import sqlite3
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple, Self

import bson
from bson import ObjectId
from bson.errors import BSONError

from app.ledger.twins import Pair

PARAMETERS = 900
"""Of a statement: the least that any build of SQLite takes is 999."""


class Met(NamedTuple):
    """Where an id was seen first, and whether the row there was the same."""

    where: str
    same: bool


class SeenIds:
    """A temporary database, gone when it is closed."""

    def __init__(self) -> None:
        self._ids = sqlite3.connect("", isolation_level=None)
        # none of it has to outlive the run; 8 MB are in memory, the rest is left to the system's cache
        self._ids.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192")
        self._ids.execute("CREATE TABLE seen (id BLOB PRIMARY KEY, said BLOB, place TEXT) WITHOUT ROWID")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ids.close()

    def meet(self, rows: Iterable[tuple[ObjectId, bytes, str]]) -> list[Met | None]:
        """For each id, what it says and where it stands: None for a new one, which is kept."""
        told = [(id_.binary, said, where) for id_, said, where in rows]
        known = self._known([id_ for id_, _, _ in told])
        met: list[Met | None] = []
        new = []
        for row in told:
            id_, said, where = row
            if (first := known.get(id_)) is None:
                known[id_] = said, where
                new.append(row)
                met.append(None)
            else:
                met.append(Met(first[1], first[0] == said))
        self._ids.executemany("INSERT INTO seen VALUES (?, ?, ?)", new)
        return met

    def _known(self, ids: list[bytes]) -> dict[bytes, tuple[bytes, str]]:
        known: dict[bytes, tuple[bytes, str]] = {}
        for first in range(0, len(ids), PARAMETERS):
            some = ids[first : first + PARAMETERS]
            places = ", ".join("?" * len(some))
            found = self._ids.execute(f"SELECT id, said, place FROM seen WHERE id IN ({places})", some)  # noqa: S608
            known |= {id_: (said, place) for id_, said, place in found}
        return known


def digest(pair: Pair) -> bytes:
    """Of what it says about its call."""
    said = pair.said_by(pair.entry)
    try:
        told = bson.encode(said)
    except (BSONError, OverflowError, UnicodeError):  # the ledger refuses it, and says why
        told = repr(said).encode()
    return blake2b(told, digest_size=16).digest()
