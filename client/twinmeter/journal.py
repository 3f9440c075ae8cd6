"""Calls on this machine's disk: what memory cannot hold, and what an exit leaves behind."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

from twinmeter.life import undivided

BUSY_SECONDS = 2.0
"""How long another process's transaction is waited for."""
OWNER_ALONE = 0o600
_SHAPE = "CREATE TABLE IF NOT EXISTS calls (number INTEGER PRIMARY KEY AUTOINCREMENT, row BLOB NOT NULL)"


class Journal:
    """An SQLite file. Every method raises sqlite3.Error and OSError.

    It is open only while something is done with it: a connection must not be carried over a fork. Several processes
    may have the same one: what two of them send has the same request id, and counts once.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def add(self, rows: Iterable[bytes]) -> None:
        """Keep rows until they are removed. They are on the disk when this returns."""
        with self._open() as calls:
            calls.executemany("INSERT INTO calls (row) VALUES (?)", ((row,) for row in rows))

    def page(self, most: int) -> list[tuple[int, bytes]]:
        """The oldest rows, each with its number."""
        with self._open() as calls:
            rows = calls.execute("SELECT number, row FROM calls ORDER BY number LIMIT ?", (most,))
            return [(int(number), bytes(row)) for number, row in rows]

    def remove(self, numbers: Iterable[int]) -> None:
        """Forget rows that the server has, or has refused."""
        with self._open() as calls:
            calls.executemany("DELETE FROM calls WHERE number = ?", ((number,) for number in numbers))

    def count(self) -> int:
        """How many rows wait."""
        with self._open() as calls:
            return int(calls.execute("SELECT count(*) FROM calls").fetchone()[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with undivided():
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, OWNER_ALONE))
            with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS)) as calls:
                calls.execute("PRAGMA journal_mode = WAL")
                calls.execute("PRAGMA synchronous = FULL")
                with calls:
                    calls.execute(_SHAPE)
                    yield calls
