"""Token buckets by key, in memory of this process or of several: a caller has as much as its bucket holds.

The memory is of fixed size. Keys share rows by their hash, and in a full row a new key takes the place of the one that
has been idle longest by what it has left, so that nothing grows with the number of callers.
"""

import contextlib
import fcntl
import mmap
import os
import time
from collections.abc import Callable, Hashable, Iterator
from hashlib import blake2b
from pathlib import Path
from struct import Struct

ROWS = 2_048
KEYS_PER_ROW = 8
LOCK_TRIES = 50
LOCK_PAUSE_SECONDS = 0.0002
"""A row is held for microseconds. After 10 ms its holder is frozen, and waits for nobody else."""

_BUCKET = Struct("16sdd")
"""Hash of the key, tokens left, and as of when; zeros for none."""
_NOBODY = bytes(16)
_ROW_BYTES = KEYS_PER_ROW * _BUCKET.size


class Buckets:
    """Buckets that fill at one rate up to one size."""

    def __init__(
        self, *, per_second: float, most: float, shared: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`shared`: a file that processes of this machine have in common; the clock must be theirs too."""
        self._per_second = per_second
        self._most = most
        self._clock = clock
        self._file = None if shared is None else _opened(shared)
        self._memory = mmap.mmap(-1 if self._file is None else self._file, ROWS * _ROW_BYTES)

    def take(self, key: Hashable) -> bool:
        """Take one token. Returns whether there was one."""
        name = blake2b(repr(key).encode(), digest_size=16).digest()
        row = int.from_bytes(name[:4], "little") % ROWS * _ROW_BYTES
        with self._held(row):
            now = self._clock()
            place, left = self._find(row, name, now)
            _BUCKET.pack_into(self._memory, place, name, left - 1 if left >= 1 else left, now)
        return left >= 1

    def _find(self, row: int, name: bytes, now: float) -> tuple[int, float]:
        """Where the bucket is or may be, and what it has now."""
        fullest, free = -1.0, row
        for place in range(row, row + _ROW_BYTES, _BUCKET.size):
            found, left, since = _BUCKET.unpack_from(self._memory, place)
            left = self._most if found == _NOBODY else min(self._most, left + (now - since) * self._per_second)
            if found == name:
                return place, left
            if left > fullest:
                fullest, free = left, place
        return free, self._most

    @contextlib.contextmanager
    def _held(self, row: int) -> Iterator[None]:
        """Keep other processes from a row. The system lets go of it where this one is killed meanwhile."""
        if self._file is None or not self._locked(row):
            yield
            return
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, _ROW_BYTES, row)

    def _locked(self, row: int) -> bool:
        assert self._file is not None  # noqa: S101 - see _held
        for _ in range(LOCK_TRIES):
            with contextlib.suppress(BlockingIOError, PermissionError):
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, _ROW_BYTES, row)
                return True
            time.sleep(LOCK_PAUSE_SECONDS)
        return False


def _opened(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.posix_fallocate(descriptor, 0, ROWS * _ROW_BYTES)  # zeros, unless another process was first
    return descriptor
