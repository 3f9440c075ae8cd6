"""Read-only inspection of a spool, with or without processes using it; no file changes, side files included."""

import fcntl
import os
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple

from app.spool import files
from app.spool.journal import SpoolError
from app.spool.rows import UnreadableRowError, decoded
from app.spool.salvage import Salvage, noted

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
    unreadable: int = 0
    """Rows that are no calls any more, set aside."""


class DamagedSpool(NamedTuple):
    """A damaged spool that was set aside."""

    name: str
    bytes: int
    salvage: Salvage | None
    """What was saved of it; None where that is yet to be done."""


def spool_state(path: Path) -> SpoolState | None:
    """The content of the spool; None where there is none. Raises SpoolError where it cannot be read."""
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(_address(path), uri=True, timeout=1)) as connection:
            return _state(connection)
    except (sqlite3.Error, TypeError) as error:
        raise SpoolError(f"{path.name} cannot be read: {error}") from error


def damaged_spools(data_dir: Path) -> list[DamagedSpool]:
    """Spools of all databases that were set aside because they were damaged."""
    return [
        DamagedSpool(file.name, file.stat().st_size, noted(file))
        for path in sorted({data_dir / found.name.partition(f".{files.DAMAGED}-")[0] for found in _set_aside(data_dir)})
        for file in files.damaged_files(path)
    ]


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
    unreadable = 0
    with suppress(sqlite3.OperationalError):  # of an earlier release, which had no such table
        (unreadable,) = connection.execute("SELECT count(*) FROM unreadable").fetchone()
    (refused,) = connection.execute("SELECT count(*) FROM refused").fetchone()
    reasons = "SELECT reason, count(*) FROM refused GROUP BY reason ORDER BY count(*) DESC, reason LIMIT ?"
    told = connection.execute(reasons, (MOST_REASONS,)).fetchall()
    return SpoolState(calls, size, None if first is None else _reported_at(first[0]), refused, told, unreadable)


def _reported_at(blob: object) -> datetime | None:
    with suppress(UnreadableRowError):
        return decoded(blob).entry.get("recordedAt")
    return None


def _set_aside(data_dir: Path) -> list[Path]:
    return list(data_dir.glob(f"spool-*.{files.DAMAGED}-*"))


def _holder(lock: IO[bytes]) -> int:
    place = f":{os.fstat(lock.fileno()).st_ino}"
    with suppress(OSError):
        for line in LOCKS.read_text().splitlines():
            match line.split():
                case [_, "FLOCK", _, "WRITE", pid, of, *_] if of.endswith(place) and pid.isdecimal():
                    return int(pid)
    return 0
