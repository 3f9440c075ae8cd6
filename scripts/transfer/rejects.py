"""The rows that an import rejected, each with its place, the reason and its content: one object per line."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from app.errors import InvalidRequestError


class Rejects:
    """A file that is made with the first rejected row. Without a path nothing is written.

    Readable only by its owner, since it says what users did. Failures raise InvalidRequestError.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def check(self, sources: list[str]) -> None:
        """Checks that no source would be overwritten."""
        path = self.path
        if path is not None and path.exists() and any(Path(name).exists() and path.samefile(name) for name in sources):
            raise InvalidRequestError(f"--rejects names a source, {path}, which would be overwritten")

    def begin(self, size: int) -> None:
        """Keep the first `size` bytes, which an interrupted run is known to have written, and drop the rest."""
        with self._said():
            if self.path is None or not self.path.exists():
                return
            if size == 0:
                self.path.unlink()
            elif self.path.stat().st_size > size:
                os.truncate(self.path, size)

    def add(self, rejected: list[dict[str, Any]]) -> int:
        """Append, durably. Returns the size of the file."""
        if self.path is None:
            return 0
        with self._said():
            if not rejected:
                return self.path.stat().st_size if self.path.exists() else 0
            with _opened(self.path) as file:
                # all ASCII: also halves of characters, which no encoding has
                file.write("".join(json.dumps(each, default=str) + "\n" for each in rejected).encode())
                file.flush()
                os.fsync(file.fileno())
                return file.tell()

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InvalidRequestError(f"the rejects file {self.path} cannot be written: {error.strerror}") from error


def _opened(path: Path) -> IO[bytes]:
    return open(path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600))
