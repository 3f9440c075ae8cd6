"""The spool: a journal on local disk for calls that MongoDB could not take in time.

One SQLite file per data folder and database, shared by all processes of the folder. What `append` returns for has been
fsynced; it stays until MongoDB has it. Everything here blocks: `spooler` and `replayer` call it in a thread.
"""

import ctypes
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Self

from bson import ObjectId

from app.errors import AppError, ConfigurationError
from app.ledger.outcomes import Outcome
from app.ledger.twins import Pair
from app.spool.appending import appended, found, in_parts, now
from app.spool.files import InUseError, SpoolFiles, is_damage
from app.spool.rows import Page, Row, Unreadable, encoded

FEW = 20
"""Calls that are removed in one transaction on a full disk."""


class SpoolError(AppError):
    """The operation failed: the disk is full or fails, or the cap is reached. Nothing was written."""

    title = "Spool error"


class SpoolDamagedError(SpoolError):
    """The file is damaged: `renew` sets it aside and begins a new one."""


class Depth(NamedTuple):
    """How much waits for MongoDB."""

    calls: int
    bytes: int


class Spool:
    """A spool. Used by one thread at a time.

    A damaged file is set aside, and a new one is begun. Raises ConfigurationError where the folder cannot be used; a
    full disk raises only when something is to be done, and everything tries to open it again.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.renewals = 0
        """How often a new file was begun: places of earlier ones mean nothing then."""
        self._files = SpoolFiles(path)
        self._connection: sqlite3.Connection | None = None
        with suppress(SpoolError):  # the disk is full, say: whoever wants something is told so
            try:
                self._open()
            except SpoolDamagedError as error:
                self.renew(error.detail)

    @classmethod
    def of(cls, data_dir: Path, database: str, max_bytes: int) -> Self:
        """The spool of one database in one data folder."""
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(spool_path(data_dir, database), max_bytes)

    def append(self, pairs: Sequence[Pair]) -> list[Outcome]:
        """Journal `pairs`, all or none, and return their outcomes. Raises SpoolError."""
        rows = [encoded(pair) for pair in pairs]
        with self.transaction() as connection:
            size = sum(len(row) for row in rows if row is not None)
            if self._depth(connection).bytes + size > self.max_bytes:
                raise SpoolError(f"the spool has reached its cap of {self.max_bytes // 1_000_000:,} MB")
            return appended(connection, pairs, rows)

    def page(self, limit: int, after: int = 0) -> Page | None:
        """The oldest calls beyond a place; None where there are none. Raises SpoolError."""
        rows = self.rows(limit, after)
        return Page.of(rows) if rows else None

    def rows(self, limit: int, after: int = 0) -> list[Row]:
        """The same as they are on disk, for who decodes them elsewhere. Raises SpoolError."""
        select = "SELECT seq, pair, crc, id FROM calls WHERE seq > ? ORDER BY seq LIMIT ?"
        with self.reading() as connection:
            return connection.execute(select, (after, limit)).fetchall()

    def find(self, ids: Sequence[ObjectId]) -> dict[ObjectId, Pair]:
        """Those of `ids` that wait here. Raises SpoolError."""
        with self.reading() as connection:
            return found(connection, ids)

    def settle(self, ids: Iterable[ObjectId], refused: Mapping[ObjectId, str] = MappingProxyType({})) -> None:
        """Remove what MongoDB has, and set aside what it will never accept, with the reason. Raises SpoolError."""
        at = now()
        with self.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO refused SELECT id, pair, ?, ? FROM calls WHERE id = ?",
                [(reason, at, id_.binary) for id_, reason in refused.items()],
            )
            # by id and not by place, which means another call when a damaged file was set aside meanwhile
            for gone, places in in_parts([*ids, *refused]):
                connection.execute(f"DELETE FROM calls WHERE id IN ({places})", gone)  # noqa: S608 - ours

    def settle_on_a_full_disk(self, ids: Sequence[ObjectId]) -> None:
        """Remove what MongoDB has, a few calls at a time, in the room of the reserve. Raises SpoolError."""
        self._files.give_back_reserve()
        self._give_back()
        for start in range(0, len(ids), FEW):
            self.settle(ids[start : start + FEW])
            self._give_back()

    def set_aside(self, unreadable: Sequence[Unreadable]) -> None:
        """Keep rows that are no calls apart from those that are. Raises SpoolError."""
        at = now()
        keep = "INSERT INTO unreadable (row, reason, at) SELECT pair, ?, ? FROM calls WHERE seq = ? AND pair IS ?"
        with self.transaction() as connection:
            connection.executemany(keep, [(each.reason, at, each.seq, each.row) for each in unreadable])
            remove = "DELETE FROM calls WHERE seq = ? AND pair IS ?"
            connection.executemany(remove, [(each.seq, each.row) for each in unreadable])

    def refused(self) -> int:
        """How many calls were set aside. Raises SpoolError."""
        return self._count("refused")

    def unreadable(self) -> int:
        """How many rows were set aside. Raises SpoolError."""
        return self._count("unreadable")

    def oldest(self) -> datetime | None:
        """When the call that waits longest was reported; None where none waits, or it cannot be read."""
        page = self.page(1)
        return page.calls[0].pair.entry.get("recordedAt") if page is not None and page.calls else None

    def depth(self) -> Depth:
        """How much waits. Raises SpoolError."""
        with self.reading() as connection:
            return self._depth(connection)

    def probe(self) -> None:
        """Write something, which changes nothing. Raises SpoolError."""
        with self.transaction() as connection:
            connection.execute("UPDATE totals SET calls = calls")

    def shrink(self) -> None:
        """Free the disk space of calls that are gone, and keep some in reserve. Raises SpoolError."""
        with self.reading() as connection:
            connection.execute("PRAGMA incremental_vacuum").fetchall()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._files.make_reserve()

    def renew(self, why: str) -> None:
        """Set the damaged file aside and begin a new one. Raises SpoolError while another process uses it."""
        self.close()
        try:
            self._files.renew(why)
        except InUseError:
            raise SpoolError(
                f"{self.path.name} is damaged, and another process still has it open: restart that"
            ) from None
        except OSError as error:
            raise self._failed(f"{self.path} is damaged, and cannot be set aside: {error}") from error
        self.renewals += 1
        self._open()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._files.let_go()

    def leave_behind(self) -> None:
        """In a forked child, whose parent goes on with it. SQLite must not close there what was opened here, nor may
        the child seem to use the file.
        """
        if self._connection is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._connection))  # also not when the interpreter ends
            self._connection = None
        self._files.let_go()

    def _count(self, table: str) -> int:
        with self.reading() as connection:
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - ours
        return int(count)

    @staticmethod
    def _depth(connection: sqlite3.Connection) -> Depth:
        return Depth(*(connection.execute("SELECT calls, bytes FROM totals").fetchone() or (0, 0)))

    def _give_back(self) -> None:
        """Free what deletions have left, as far as the disk allows."""
        with self.reading() as connection:
            for pragma in ("wal_checkpoint(TRUNCATE)", "incremental_vacuum", "wal_checkpoint(TRUNCATE)"):
                with suppress(sqlite3.Error):
                    connection.execute(f"PRAGMA {pragma}").fetchall()

    def _open(self) -> sqlite3.Connection:
        try:
            with self._failures():
                try:
                    self._connection = self._files.open()
                except sqlite3.OperationalError as error:
                    if not (self._files.is_full(error) and self._files.give_back_reserve()):
                        raise
                    self._connection = self._files.open()
        except OSError as error:
            raise _unusable(self.path, error) from error
        self._files.make_reserve()
        return self._connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """For those who write what is here no method for. Raises SpoolError."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite has rolled back by itself when the disk is full
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The same for those who read."""
        if self._files.renewal_wanted:
            self.renew("another process found it damaged")
        try:
            connection = self._connection or self._open()
        except ConfigurationError as error:  # it could be opened at the start
            raise self._failed(error.detail) from error
        with self._failures():
            yield connection

    def _failed(self, why: str) -> SpoolError:
        """Anybody may see it, so it does not say where the data folder is."""
        return SpoolError(why.replace(f"{self.path.parent}/", ""))

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if is_damage(error):
                raise SpoolDamagedError(f"{self.path.name}: {error}") from error
            if self._connection is None and not self._files.is_full(error):
                raise _unusable(self.path, error) from error
            raise SpoolError(f"{self.path.name}: {error}") from error


def spool_path(data_dir: Path, database: str) -> Path:
    """Where the spool of one database is."""
    return data_dir / f"spool-{database}.sqlite3"


def _unusable(path: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"{path} cannot be opened ({error}): set TWINMETER_DATA_DIR to a folder that can be written"
    )
