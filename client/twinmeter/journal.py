"""Calls on this machine's disk: what memory cannot hold, and what an exit leaves behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

from twinmeter.life import undivided

BUSY_SECONDS = 2.0
"""How long another process's transaction is waited for."""
_SHAPE = "CREATE TABLE IF NOT EXISTS calls (id TEXT PRIMARY KEY, row BLOB NOT NULL)"


class Journal:
    """An SQLite file. Every method raises sqlite3.Error and OSError.

    It is open only while something is done with it: a connection must not be carried over a fork. Several processes
    may have the same one: what two of them send has the same id, and counts once.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def add(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Keep rows, each with its id, until they are removed. They are on the disk when this returns."""
        with self._open() as calls:
            calls.executemany("INSERT OR IGNORE INTO calls VALUES (?, ?)", rows)

    def page(self, most: int) -> list[tuple[str, bytes]]:
        """The oldest rows."""
        with self._open() as calls:
            return [
                (str(id), bytes(row))
                for id, row in calls.execute("SELECT id, row FROM calls ORDER BY rowid LIMIT ?", (most,))
            ]

    def remove(self, ids: Iterable[str]) -> None:
        """Forget rows that the server has, or has refused."""
        with self._open() as calls:
            calls.executemany("DELETE FROM calls WHERE id = ?", ((id,) for id in ids))

    def count(self) -> int:
        """How many rows wait."""
        with self._open() as calls:
            return int(calls.execute("SELECT count(*) FROM calls").fetchone()[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with undivided(), closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS)) as calls:
            calls.execute("PRAGMA journal_mode = WAL")
            calls.execute("PRAGMA synchronous = FULL")
            with calls:
                calls.execute(_SHAPE)
                yield calls
