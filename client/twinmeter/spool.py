"""The journal as the sender sees it: what goes wrong with a file is said, and keeps no call from being sent."""

from __future__ import annotations

import os
import sqlite3

from twinmeter.calls import Call
from twinmeter.journal import Journal
from twinmeter.notices import Notices

MOST_ROWS = 1_000_000
"""About half a gigabyte."""


class Spool:
    """Rows on the disk, and how many there are."""

    def __init__(self, path: str, notices: Notices) -> None:
        self._journal = Journal(path)
        self._path = path
        self._notices = notices
        self.waiting = 0
        """Rows that are on the disk."""

    def look(self) -> None:
        """Find what an earlier process has left."""
        try:
            self.waiting = self._journal.count() if os.path.exists(self._path) else 0  # noqa: PTH110
        except (sqlite3.Error, OSError) as error:
            self._failed(error)

    def add(self, calls: list[Call]) -> bool:
        """Keep calls that have a row. False where they could not be kept."""
        if self.waiting + len(calls) > MOST_ROWS:
            self._notices.once("spool full", f"the spool is full: {self._path} has {self.waiting:,} calls")
            return False
        try:
            self._journal.add(call.row or b"" for call in calls)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            return False
        self.waiting += len(calls)
        return True

    def page(self, most: int) -> list[Call]:
        """The oldest calls; none where the file cannot be read."""
        try:
            calls = [Call.from_journal(number, row) for number, row in self._journal.page(most)]
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            self.waiting = 0  # looked for again at the next start
            return []
        if not calls:
            self.waiting = 0  # another process has sent them
        return calls

    def remove(self, calls: list[Call]) -> None:
        """Forget calls that have their outcome. Where that fails the next process sends them again; they count once."""
        try:
            self._journal.remove([call.number for call in calls])
            self.waiting = max(0, self.waiting - len(calls))
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            self.waiting = 0  # or the same page would be sent for ever

    def _failed(self, error: Exception) -> None:
        self._notices.once("spool", f"the spool cannot be used: {self._path}: {type(error).__name__}: {error}")
