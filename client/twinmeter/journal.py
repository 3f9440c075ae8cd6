"""Calls on this machine's disk: what memory cannot hold, and what an exit leaves behind."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress

from twinmeter.life import undivided

BUSY_SECONDS = 2.0
"""How long another process's transaction is waited for."""
CLAIM_SECONDS = 60.0
"""How long a process has for what it has claimed. Then it counts as dead, and another one may send these calls."""
OWNER_ALONE = 0o600
_SHAPE = """
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY AUTOINCREMENT, row BLOB NOT NULL, claimed_until REAL NOT NULL DEFAULT 0
)"""
# a claim that ends later than any may is none: the clock was put back
_OLDEST_FREE = "SELECT number, row FROM calls WHERE claimed_until NOT BETWEEN ? AND ? ORDER BY number LIMIT ?"
_HOW_MANY_FREE = "SELECT count(*) FROM calls WHERE claimed_until NOT BETWEEN ? AND ?"


class Journal:
    """An SQLite file. Every method raises sqlite3.Error and OSError.

    It is open only while something is done with it: a connection must not be carried over a fork. Several processes
    may have the same one: each claims what it is about to send. Where that takes one too long, two send the same
    calls, which count once by their ids.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._inode = 0

    def add(self, rows: Iterable[bytes]) -> None:
        """Keep rows until they are removed. They are on the disk when this returns."""
        with self._open(sync="FULL") as calls:
            calls.executemany("INSERT INTO calls (row) VALUES (?)", ((row,) for row in rows))

    def claim(self, most: int) -> list[tuple[int, bytes]]:
        """The oldest rows that nobody else is sending, each with its number."""
        with self._open() as calls:
            now, until = _claimed_now()
            rows = [(int(number), bytes(row)) for number, row in calls.execute(_OLDEST_FREE, (now, until, most))]
            claims = ((until, number) for number, _ in rows)
            calls.executemany("UPDATE calls SET claimed_until = ? WHERE number = ?", claims)
        return rows

    def settle(self, gone: Iterable[int], again: Iterable[int]) -> None:
        """Forget rows that the server has, or has refused, and let go of those that are still to be sent."""
        with self._open() as calls:
            calls.executemany("DELETE FROM calls WHERE number = ?", ((number,) for number in gone))
            calls.executemany("UPDATE calls SET claimed_until = 0 WHERE number = ?", ((number,) for number in again))

    def count(self) -> int:
        """How many rows nobody is sending just now."""
        with self._open(begin="BEGIN") as calls:
            return int(calls.execute(_HOW_MANY_FREE, _claimed_now()).fetchone()[0])

    def set_aside(self) -> tuple[str, int]:
        """Put a file that was found to be damaged out of the way, and save what can still be read of it.

        Its new name, and how many rows were saved. Where another process was faster there is no name.
        """
        aside = f"{self._path}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}"
        if not self._is_moved(aside):
            return "", 0
        rows = _readable(aside)
        self.add(rows)
        return aside, len(rows)

    def _is_moved(self, aside: str) -> bool:
        with undivided(), suppress(FileNotFoundError):
            file = os.open(self._path, os.O_RDWR)
            try:
                _wait_for_turn(file)
                # of those who wait here, the first has moved it; the name is then another file's
                if os.fstat(file).st_ino == self._inode == os.stat(self._path).st_ino:  # noqa: PTH116
                    for end in ("-wal", "-shm"):
                        with suppress(FileNotFoundError):
                            os.replace(self._path + end, aside + end)  # noqa: PTH105
                    os.replace(self._path, aside)  # noqa: PTH105
                    return True
            finally:
                os.close(file)
        return False

    @contextmanager
    def _open(self, *, begin: str = "BEGIN IMMEDIATE", sync: str = "NORMAL") -> Iterator[sqlite3.Connection]:
        """One transaction. A claim or a removal that a power failure undoes only has calls sent again."""
        with undivided():
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, OWNER_ALONE)
            self._inode = os.fstat(file).st_ino
            os.close(file)
            with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)) as calls:
                calls.execute("PRAGMA journal_mode = WAL")
                calls.execute(f"PRAGMA synchronous = {sync}")
                calls.execute(begin)
                with calls:  # commits, or rolls back
                    calls.execute(_SHAPE)
                    yield calls


def _claimed_now() -> tuple[float, float]:
    """Between which moments a claim ends that holds now."""
    now = time.time()
    return now, now + CLAIM_SECONDS


def _wait_for_turn(file: int) -> None:
    with suppress(ImportError):  # on Windows, where what is open cannot be moved anyway
        import fcntl  # noqa: PLC0415 - not everywhere

        fcntl.flock(file, fcntl.LOCK_EX)


def _readable(path: str) -> list[bytes]:
    rows: list[bytes] = []  # those that were read before the damage was met
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as calls:
        for (row,) in calls.execute("SELECT row FROM calls ORDER BY number"):
            rows.append(bytes(row))
    return rows
