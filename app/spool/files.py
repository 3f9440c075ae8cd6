"""The files of a spool: how one is opened and by whom, how a damaged one is set aside, and the reserve on its disk.

A file must not be renamed while anybody has it open: SQLite would delete the journal of its successor. So everybody who
opens it holds a lock on `….users`, and whoever finds it damaged asks all others, by `….renew`, to let go of it first.
"""

import fcntl
import os
import shutil
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from app.observability.logs import Log
from app.spool.pages import is_torn
from app.spool.shape import StrangeShapeError, shape

log = Log(__name__)

BUSY_SECONDS = 5.0
"""How long to wait for another process's write, which takes a few ms."""
RENEW_SECONDS = 5.0
"""How long to wait for others to let go of a damaged file; they look every second."""
POLL_SECONDS = 0.02
RESERVE_BYTES = 4_000_000
"""More than SQLite's journal has to write back at any time, so that it can be emptied when the disk is full."""
RESERVE_SHARE = 3
"""Of a small disk, the reserve is this part of what is free."""
CHECKPOINT_PAGES = 100
"""After so many, SQLite's journal is written back."""
LITTLE_LEFT = 100_000
"""Bytes of free disk below which an error of the disk means that it is full."""
DAMAGED = "damaged"

_CORRUPT, _FULL, _IO_ERROR, _CANNOT_OPEN, _NO_DATABASE = 11, 13, 10, 14, 26


class InUseError(Exception):
    """Another process still has the damaged file open."""


class SpoolFiles:
    """The files of the spool at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reserve = path.with_suffix(".reserve")
        self._wanted = path.with_suffix(".renew")
        self._let_go: Callable[[], object] | None = None
        """Closes the file whose lock says that somebody has the database open."""

    @property
    def renewal_wanted(self) -> bool:
        """Whether somebody found the file damaged, and everybody is to let go of it."""
        return self._wanted.exists()

    def open(self) -> sqlite3.Connection:
        """The database, with the tables of this release. Raises sqlite3.Error, OSError and ConfigurationError."""
        if self._let_go is None:
            self._look_at_journal()
            self._let_go = weakref.finalize(self, os.close, self._lock(fcntl.LOCK_SH))
        # readable only by its owner: it says what users did; SQLite gives its side files the same mode
        with suppress(FileExistsError):
            # one that is there must not be opened here: to close it would end the locks that this process has on it
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            shape(connection)
        except BaseException:
            connection.close()
            self.let_go()
            raise
        return connection

    def let_go(self) -> None:
        """The database is closed."""
        if self._let_go is not None:
            self._let_go()
            self._let_go = None

    def renew(self, why: str) -> None:
        """Set the damaged file aside, with its journal; all have let go of it. Raises InUseError and OSError."""
        self._wanted.touch(mode=0o600)
        with self._alone():
            if not self._wanted.exists():  # another process was first
                return
            self._end_setting_aside()
            self._set_aside(why)
            self._wanted.unlink()

    def _look_at_journal(self) -> None:
        """Before SQLite sees what a killed process has left: a damaged journal it would read in part, and delete."""
        journal = _beside(self.path, "-wal")
        try:
            users = self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # somebody has it open, and it is sound
            return
        try:
            self._end_setting_aside()
            if journal.exists() and is_torn(journal.read_bytes()):
                self._set_aside("its journal is damaged")
        finally:
            os.close(users)

    def _set_aside(self, why: str) -> None:
        kept = self.path.with_name(f"{self.path.name}.{DAMAGED}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
        with suppress(FileNotFoundError):
            self.path.rename(kept)
        with suppress(FileNotFoundError):
            _beside(self.path, "-wal").rename(_beside(kept, "-wal"))
        _beside(self.path, "-shm").unlink(missing_ok=True)  # only an index of the journal
        log.error("spool.damaged", error=why, kept=str(kept))

    def _end_setting_aside(self) -> None:
        """After a kill between the two renames: SQLite deletes a journal that is without its file."""
        journal, damaged = _beside(self.path, "-wal"), damaged_files(self.path)
        if damaged and journal.exists() and not (self.path.exists() or _beside(damaged[-1], "-wal").exists()):
            journal.rename(_beside(damaged[-1], "-wal"))

    def make_reserve(self) -> None:
        """Occupy some room on the disk while there is enough, for `give_back_reserve`."""
        size = min(RESERVE_BYTES, shutil.disk_usage(self.path.parent).free // RESERVE_SHARE)
        with suppress(FileNotFoundError):
            if self.reserve.stat().st_size:  # an empty one is of a process that was killed meanwhile
                return
        if size < LITTLE_LEFT:
            return
        with suppress(OSError), self.reserve.open("wb") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError:
                self.reserve.unlink(missing_ok=True)
                raise

    def give_back_reserve(self) -> bool:
        """Free it. Returns whether there was one."""
        try:
            self.reserve.unlink()
        except FileNotFoundError:
            return False
        log.warning("spool.reserve_given_back")
        return True

    def is_full(self, error: Exception) -> bool:
        """Whether an error means that there is no room on the disk."""
        code = getattr(error, "sqlite_errorcode", None)
        if code is None or code & 0xFF not in {_IO_ERROR, _CANNOT_OPEN}:
            return code is not None and code & 0xFF == _FULL
        return shutil.disk_usage(self.path.parent).free < LITTLE_LEFT

    @contextmanager
    def _alone(self) -> Iterator[None]:
        until = time.monotonic() + RENEW_SECONDS
        while True:
            try:
                held = self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise InUseError from None
                time.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            os.close(held)

    def _lock(self, how: int) -> int:
        """A descriptor that holds it."""
        users = os.open(self.path.with_suffix(".users"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(users, how)
        except BaseException:
            os.close(users)
            raise
        return users


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error means that the file is no valid spool."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, StrangeShapeError) or (code is not None and code & 0xFF in {_CORRUPT, _NO_DATABASE})


def damaged_files(path: Path) -> list[Path]:
    """Spools of this path that were set aside because they were damaged, the oldest first."""
    found = path.parent.glob(f"{path.name}.{DAMAGED}-*")
    return sorted(file for file in found if not file.name.endswith(("-wal", "-shm", ".json", ".draft")))


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
