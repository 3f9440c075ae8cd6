"""The spool: a journal on local disk for calls that MongoDB could not take in time.

One SQLite file per data folder and database, shared by all processes of the folder. What `append` returns for has been
fsynced; it stays until MongoDB has it. Everything here blocks: `spooler` and `replayer` call it in a thread.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions

from app.errors import AppError, ConfigurationError
from app.ledger.outcomes import Outcome, ReceiptStatus
from app.ledger.twins import Pair
from app.observability.logs import Log
from models.documents import Document

log = Log(__name__)

BUSY_SECONDS = 5.0
"""How long to wait for another process's write, which takes a few ms."""

PAGE = 1_000
"""Calls that are rewritten in one transaction."""

CODEC: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    pair BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS refused (id BLOB PRIMARY KEY, pair BLOB NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS totals (calls INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO totals SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM totals);
CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON calls BEGIN
    UPDATE totals SET calls = calls + 1, bytes = bytes + length(NEW.pair);
END;
CREATE TRIGGER IF NOT EXISTS changed AFTER UPDATE OF pair ON calls BEGIN
    UPDATE totals SET bytes = bytes - length(OLD.pair) + length(NEW.pair);
END;
CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON calls BEGIN
    UPDATE totals SET calls = calls - 1, bytes = bytes - length(OLD.pair);
END;
"""
"""`refused` keeps what MongoDB will never accept, for a person to look at."""
_ADD = "INSERT OR IGNORE INTO calls (id, pair) VALUES (?, ?)"


class SpoolError(AppError):
    """The operation failed: the disk is full or fails, or the cap is reached. Nothing was written."""

    title = "Spool error"


class Depth(NamedTuple):
    """How much waits for MongoDB."""

    calls: int
    bytes: int


class Spooled(NamedTuple):
    """A call in the spool, and its place there."""

    seq: int
    pair: Pair


class Spool:
    """An open spool. Used by one thread at a time. Raises ConfigurationError where the file cannot be opened."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self._connection = _opened(path)

    @classmethod
    def of(cls, data_dir: Path, database: str, max_bytes: int) -> Self:
        """The spool of one database in one data folder."""
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(spool_path(data_dir, database), max_bytes)

    def append(self, pairs: Sequence[Pair]) -> list[Outcome]:
        """Journal `pairs`, all or none, and return their outcomes. Raises SpoolError."""
        rows = [_encoded(pair) for pair in pairs]
        with self._transaction() as connection:
            size = sum(len(row) for row in rows if row is not None)
            if self._depth(connection).bytes + size > self.max_bytes:
                raise SpoolError(f"the spool has reached its cap of {self.max_bytes // 1_000_000:,} MB")
            return [_appended(connection, pair, row) for pair, row in zip(pairs, rows, strict=True)]

    def page(self, limit: int) -> list[Spooled]:
        """The oldest calls, in the order of their arrival. Raises SpoolError."""
        with self._reading() as connection:
            rows = connection.execute("SELECT seq, pair FROM calls ORDER BY seq LIMIT ?", (limit,)).fetchall()
        return [Spooled(seq, _decoded(pair)) for seq, pair in rows]

    def find(self, ids: Iterable[ObjectId]) -> dict[ObjectId, Pair]:
        """Those of `ids` that wait here. Raises SpoolError."""
        with self._reading() as connection:
            return _found(connection, ids)

    def settle(self, page: Sequence[Spooled], refused: Sequence[tuple[Spooled, str]] = ()) -> None:
        """Remove a page that MongoDB has; set aside what it will never accept, with the reason. Raises SpoolError."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO refused SELECT id, pair, ?, ? FROM calls WHERE seq = ?",
                [(reason, now, each.seq) for each, reason in refused],
            )
            connection.executemany("DELETE FROM calls WHERE seq = ?", [(each.seq,) for each in page])

    def pairs(self) -> Iterator[Pair]:
        """Every call, including refused ones. Raises SpoolError."""
        with self._reading() as connection:
            rows = connection.execute("SELECT pair FROM calls UNION ALL SELECT pair FROM refused")
            yield from (_decoded(blob) for (blob,) in rows)

    def rewrite(self, change: Callable[[Pair], Pair | None]) -> int:
        """Replace each call, including refused ones, by what `change` returns, except where that is None. Page by page,
        so that others can write in between. Returns how many were changed. Raises SpoolError.
        """
        return sum(self._rewrite(table, change) for table in ("calls", "refused"))

    def _rewrite(self, table: str, change: Callable[[Pair], Pair | None]) -> int:
        changed, last = 0, 0
        while True:
            with self._transaction() as connection:
                select = f"SELECT rowid, pair FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {PAGE}"  # noqa: S608 - ours
                rows = connection.execute(select, (last,)).fetchall()
                if not rows:
                    return changed
                new = [(_encoded(pair), row) for row, blob in rows if (pair := change(_decoded(blob))) is not None]
                connection.executemany(f"UPDATE {table} SET pair = ? WHERE rowid = ?", new)  # noqa: S608 - ours
                changed, last = changed + len(new), rows[-1][0]

    def refused(self) -> int:
        """How many calls were set aside. Raises SpoolError."""
        with self._reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM refused").fetchone()
        return int(count)

    def depth(self) -> Depth:
        """How much waits. Raises SpoolError."""
        with self._reading() as connection:
            return self._depth(connection)

    def shrink(self) -> None:
        """Free the disk space of calls that are gone. Raises SpoolError."""
        with self._reading() as connection:
            connection.execute("PRAGMA incremental_vacuum").fetchall()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        self._connection.close()

    @staticmethod
    def _depth(connection: sqlite3.Connection) -> Depth:
        return Depth(*connection.execute("SELECT calls, bytes FROM totals").fetchone())

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite has rolled back by itself when the disk is full
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection
        except sqlite3.Error as error:
            raise SpoolError(f"{self.path.name}: {error}") from error


def spool_path(data_dir: Path, database: str) -> Path:
    """Where the spool of one database is."""
    return data_dir / f"spool-{database}.sqlite3"


def _opened(path: Path) -> sqlite3.Connection:
    """A damaged file is kept under another name, and a new one is created. Raises ConfigurationError."""
    try:
        return _connected(path)
    except (OSError, sqlite3.OperationalError) as error:
        message = f"{path} cannot be opened ({error}): set TWINMETER_DATA_DIR to a folder that can be written"
        raise ConfigurationError(message) from error
    except sqlite3.DatabaseError as error:
        kept = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
        path.rename(kept)
        for side_file in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            side_file.unlink(missing_ok=True)
        log.error("spool.damaged", error=str(error), kept=str(kept))  # noqa: TRY400 - the file says more than a trace
        return _connected(path)


def _connected(path: Path) -> sqlite3.Connection:
    # readable only by its owner: it says what users did; SQLite gives its side files the same mode
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.executescript("BEGIN IMMEDIATE;" + _SCHEMA + "COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def _encoded(pair: Pair) -> bytes | None:
    """None for what BSON, and so MongoDB, cannot represent."""
    try:
        document = {"entry": pair.entry, "event": pair.event, "stamped": pair.stamped, "sharedId": pair.shared_id}
        return bson.encode(document)
    except (bson.errors.BSONError, OverflowError, UnicodeError):
        return None


def _decoded(blob: bytes) -> Pair:
    stored = bson.decode(blob, CODEC)
    # earlier versions wrote no shared id
    return Pair(stored["entry"]["_id"], stored["entry"], stored["event"], stored["stamped"], stored.get("sharedId"))


def _appended(connection: sqlite3.Connection, pair: Pair, blob: bytes | None) -> Outcome:
    if blob is None:
        return Outcome(ReceiptStatus.REJECTED, reason="a field contains what MongoDB cannot store")
    # nearly all have one id alone: one statement
    if pair.shared_id is None and connection.execute(_ADD, (pair.id.binary, blob)).rowcount:
        return Outcome(ReceiptStatus.SPOOLED)
    waiting = {id_: known.entry for id_, known in _found(connection, pair.ids).items()}
    if (first := pair.first_in(waiting)) is not None:
        return Outcome.duplicate(pair, first)
    connection.execute(_ADD, (pair.id.binary, blob))
    return Outcome(ReceiptStatus.SPOOLED)


def _found(connection: sqlite3.Connection, ids: Iterable[ObjectId]) -> dict[ObjectId, Pair]:
    found = {}
    for id_ in ids:
        if row := connection.execute("SELECT pair FROM calls WHERE id = ?", (id_.binary,)).fetchone():
            found[id_] = _decoded(row[0])
    return found
