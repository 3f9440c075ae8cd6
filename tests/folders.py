"""Where tests keep what they write: in memory where there is room, as no test can cut the power.

`fsync` costs most of a test's time on a disk, and proves nothing here: a killed process leaves to the system what it
has written. That MongoDB and the spool are told to sync is asserted as a setting.
"""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 6_000_000_000
"""Bytes of it that have to be free: each worker takes one and a half at most, and there are four at most."""
DISK = Path("/var/tmp")
"""Not /tmp, which may be in memory, too."""
PREFIX = "twinmeter-tests-"
LOCK = "in-use"


def in_memory() -> Path | None:
    """A new folder in memory, locked for as long as this process lives; None where there is no room."""
    with suppress(OSError):
        _remove_abandoned()
        if shutil.disk_usage(MEMORY).free >= ROOM:
            draft = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=MEMORY))
            _lock(draft)
            # only now, so that no other run takes it for abandoned
            return draft.rename(MEMORY / draft.name.removeprefix("."))
    return None


def on_disk() -> Path:
    """A new folder on a disk."""
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=DISK if DISK.is_dir() else None))


def _remove_abandoned() -> None:
    """What runs left behind that were killed."""
    for folder in MEMORY.glob(f"{PREFIX}*"):
        with suppress(OSError):  # of another user, or of a run that goes on
            os.close(_lock(folder))
            shutil.rmtree(folder)


def _lock(folder: Path) -> int:
    """A descriptor that child processes do not inherit. Raises BlockingIOError."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
