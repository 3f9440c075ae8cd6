"""Which server sessions this data folder's processes use, kept on disk.

A process killed inside a transaction leaves it open, and blocks writers of the same ids until the server gives up on
it, after a minute or more. The next process finds the dead one's session here and ends it at once.

What a process sent last may still lie unread in a socket of the server, and open its transaction after that. So a
session stays on record for some minutes more, and is ended again as often as somebody is held up.
"""

import fcntl
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast
from uuid import UUID

from bson import Binary

from app.database import Database, Session

REMEMBERED_SECONDS = 300.0
"""For how long a session is ended again. MongoDB, when it answers, reads what lies in its sockets within seconds; the
system of a dead process tries for two minutes to deliver what the network did not take."""
NOT_ENDED = 0
"""When the file of such a session was changed, as the system says; later that is when the session was ended first. All
files are empty, so that a full disk is in nobody's way."""


class SessionFiles:
    """A folder with one file per session, named by its id and locked for as long as its process lives.

    Files stay when their process stops: also then MongoDB may be frozen, with a transaction's start still to read.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "sessions"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._held: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go()

    def let_go(self) -> None:
        """Of the locks. In a forked child those of its parent stay."""
        for file in self._held:
            file.close()

    def record(self, session: Session) -> None:
        """Note the session of this process, before its first use."""
        identifier: Binary = cast("Mapping[str, Any]", session.session_id)["id"]
        file = (self._folder / identifier.as_uuid().hex).open("wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        os.utime(file.fileno(), (NOT_ENDED, NOT_ENDED))
        self._held.append(file)

    async def end_stale(self, database: Database, *, own: bool = False) -> int:
        """End the sessions of processes that are gone, and forget those ended first some minutes ago. Returns how many.

        `own` ends what this process has left open, too: a transaction in whose middle MongoDB stopped answering. Its
        sessions go on with their next one. Raises PyMongoError.
        """
        stale = [file for path in self._folder.iterdir() if (file := _abandoned(path))]
        try:
            if ended := [*stale, *(self._held if own else [])]:
                sessions = [{"id": Binary.from_uuid(UUID(hex=Path(file.name).name))} for file in ended]
                await database.writes.client.admin.command({"killSessions": sessions})
            for file in stale:
                _forget_in_time(file)
        finally:
            for file in stale:
                file.close()
        return len(stale)


def _forget_in_time(file: IO[bytes]) -> None:
    """Of a session that has just been ended, and the first time perhaps by a process that is gone, too."""
    first = os.fstat(file.fileno()).st_mtime
    if first == NOT_ENDED:
        os.utime(file.fileno())
    elif time.time() - first > REMEMBERED_SECONDS:
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
