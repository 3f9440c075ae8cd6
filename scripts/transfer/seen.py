"""The ids that an import has seen, kept on disk: there may be more than fit in memory."""

import sqlite3
from hashlib import blake2b
from typing import NamedTuple, Self

from app.ledger.twins import Pair


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

    def meet(self, pair: Pair, where: str) -> Met | None:
        """None for a new id, which is kept."""
        said = blake2b(repr(sorted(pair.said_by(pair.entry).items())).encode(), digest_size=16).digest()
        row = (pair.id.binary, said, where)
        if self._ids.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", row).rowcount:
            return None
        first, place = self._ids.execute("SELECT said, place FROM seen WHERE id = ?", row[:1]).fetchone()
        return Met(place, first == said)
