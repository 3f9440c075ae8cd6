"""The server's clock, by which holds expire: those of processes may be wrong, and be set."""

import time
from datetime import UTC, datetime, timedelta

from app.database import Database


class ServerClock:
    """What it says now, without asking: it goes on from the last answer by a clock that nobody sets."""

    def __init__(self, database: Database) -> None:
        self._admin = database.writes.client.admin
        self._at = time.monotonic()
        self._then = datetime.now(UTC).replace(microsecond=0)

    async def set(self) -> None:
        """Ask the server. Raises PyMongoError."""
        asked = time.monotonic()
        hello = await self._admin.command("hello")
        self._at = (asked + time.monotonic()) / 2
        self._then = hello["localTime"].astimezone(UTC)

    def now(self) -> datetime:
        """In UTC, in whole ms, as MongoDB keeps it."""
        return self._then + timedelta(milliseconds=int((time.monotonic() - self._at) * 1_000))
