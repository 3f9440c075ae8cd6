"""Which server sessions this data folder's processes use, kept on disk.

A process killed inside a transaction leaves it open, and blocks writers of the same ids until the server gives up on
it, after a minute or more. The next process finds the dead one's session here and ends it at once.
"""

import fcntl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast
from uuid import UUID

from bson import Binary

from app.database import Database, Session


class SessionFiles:
    """A folder with one file per session, named by its id and locked for as long as its process lives."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "sessions"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._held: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _forget(self._held)
        for file in self._held:
            file.close()

    def record(self, session: Session) -> None:
        """Note the session of this process, before its first use."""
        identifier: Binary = cast("Mapping[str, Any]", session.session_id)["id"]
        file = (self._folder / identifier.as_uuid().hex).open("wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        self._held.append(file)

    async def end_stale(self, database: Database, *, own: bool = False) -> int:
        """End the sessions of processes that are gone, and forget them. Returns how many.

        `own` ends what this process has left open, too: a transaction in whose middle MongoDB stopped answering. Its
        sessions go on with their next one. Raises PyMongoError.
        """
        stale = [file for path in self._folder.iterdir() if (file := _abandoned(path))]
        try:
            if ended := [*stale, *(self._held if own else [])]:
                sessions = [{"id": Binary.from_uuid(UUID(hex=Path(file.name).name))} for file in ended]
                await database.writes.client.admin.command({"killSessions": sessions})
            _forget(stale)
        finally:
            for file in stale:
                file.close()
        return len(stale)


def _forget(files: list[IO[bytes]]) -> None:
    for file in files:
        Path(file.name).unlink(missing_ok=True)


def _abandoned(path: Path) -> IO[bytes] | None:
    """The file, locked, when its process no longer holds it."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
