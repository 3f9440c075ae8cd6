"""Read-only inspection of a spool, with or without processes using it; no file changes, side files included."""

import fcntl
import os
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple

import bson

from app.spool.journal import CODEC, SpoolError

LOCKS = Path("/proc/locks")
"""Only Linux says who holds a lock."""
MOST_REASONS = 3


class SpoolState(NamedTuple):
    """The content of a spool."""

    calls: int
    bytes: int
    oldest: datetime | None
    """When the call that waits longest was reported."""
    refused: int
    reasons: list[tuple[str, int]]
    """Why calls were refused, and how many, the most frequent three."""


def spool_state(path: Path) -> SpoolState | None:
    """The content of the spool; None where there is none. Raises SpoolError where it cannot be read."""
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(_address(path), uri=True, timeout=1)) as connection:
            return _state(connection)
    except (sqlite3.Error, bson.errors.BSONError, TypeError, KeyError) as error:
        raise SpoolError(f"{path.name} cannot be read: {error}") from error


def damaged_files(data_dir: Path) -> list[Path]:
    """Spools that were set aside because they could not be opened."""
    return sorted(data_dir.glob("spool-*.damaged-*"))


def replaying_process(path: Path) -> int | None:
    """The id of the process that replays the spool of this path, 0 where it is not known; None where none does."""
    try:
        lock = path.with_suffix(".lock").open("rb")
    except FileNotFoundError:
        return None
    with lock:
        try:
            # released at once; a process that wants to replay at this very moment retries within a second
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder(lock)
    return None


def _address(path: Path) -> str:
    """How to open it read-only: beside its processes with their shared memory, else without any."""
    log, shared = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))
    if shared.exists():
        return f"{path.absolute().as_uri()}?mode=ro&readonly_shm=1"
    if log.exists() and log.stat().st_size:
        raise SpoolError(f"{path.name} has a journal that must be read in first, by the next start of the server")
    return f"{path.absolute().as_uri()}?mode=ro&immutable=1"


def _state(connection: sqlite3.Connection) -> SpoolState:
    calls, size = connection.execute("SELECT calls, bytes FROM totals").fetchone()
    first = connection.execute("SELECT pair FROM calls ORDER BY seq LIMIT 1").fetchone()
    (refused,) = connection.execute("SELECT count(*) FROM refused").fetchone()
    reasons = "SELECT reason, count(*) FROM refused GROUP BY reason ORDER BY count(*) DESC, reason LIMIT ?"
    oldest = None if first is None else bson.decode(first[0], CODEC)["entry"]["recordedAt"]
    return SpoolState(calls, size, oldest, refused, connection.execute(reasons, (MOST_REASONS,)).fetchall())


def _holder(lock: IO[bytes]) -> int:
    place = f":{os.fstat(lock.fileno()).st_ino}"
    with suppress(OSError):
        for line in LOCKS.read_text().splitlines():
            match line.split():
                case [_, "FLOCK", _, "WRITE", pid, of, *_] if of.endswith(place) and pid.isdecimal():
                    return int(pid)
    return 0
