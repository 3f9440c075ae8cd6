"""The journal as the sender sees it: what goes wrong with a file is said, and keeps no call from being sent."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Callable, TypeVar

from twinmeter.calls import Call
from twinmeter.journal import Journal
from twinmeter.notices import Notices

MOST_ROWS = 1_000_000
"""About half a gigabyte."""
LOOK_SECONDS = 60.0
"""How often what other processes have left, such as one that was killed, is looked for."""

Done = TypeVar("Done")


class Spool:
    """Rows on the disk, and how many there are."""

    def __init__(self, path: str, notices: Notices) -> None:
        self._journal = Journal(path)
        self._path = path
        self._notices = notices
        self._looks_at = 0.0
        self._claimed: list[int] = []
        self.waiting = 0
        """Rows on the disk that no other process is sending."""

    @property
    def seconds_to_look(self) -> float:
        """Until the next look is due."""
        return max(0.0, self._looks_at - time.monotonic())

    def look(self) -> None:
        """Find what other processes have left."""
        self._looks_at = time.monotonic() + LOOK_SECONDS
        if os.path.exists(self._path):  # noqa: PTH110
            self.waiting = self._done(self._journal.count) or 0

    def add(self, calls: list[Call]) -> bool:
        """Keep calls that have a row. False where they could not be kept."""
        if self.waiting + len(calls) > MOST_ROWS:
            self._notices.once("spool is full", f"the spool is full: {self._path} has {self.waiting:,} calls")
            return False

        def add() -> bool:
            self._journal.add(call.row or b"" for call in calls)
            return True

        is_added = self._done(add) is not None
        if is_added:
            self.waiting += len(calls)
        return is_added

    def claim(self, most: int) -> list[Call]:
        """The oldest calls, which no other process sends meanwhile; none where the file cannot be read."""
        rows = self._done(lambda: self._journal.claim(most)) or []
        self._claimed = [number for number, _ in rows]
        if not rows:
            self.waiting = 0  # others send them; or the file is looked at again later
        return [Call.from_journal(number, row) for number, row in rows]

    def settle(self, calls: list[Call]) -> None:
        """Forget those of the claimed calls that have their outcome, and let go of the others.

        Where that fails they are sent again later, and count once.
        """
        gone = [call.number for call in calls if call.is_over]
        again = [call.number for call in calls if not call.is_over]
        self._claimed = []

        def settle() -> bool:
            self._journal.settle(gone, again)
            return True

        is_done = not calls or self._done(settle) is not None
        # or the same page would be sent for ever
        self.waiting = max(0, self.waiting - len(gone)) if is_done else 0

    def let_go(self) -> None:
        """Give up a claim that this process does not live to settle: the next one need not wait for its end."""
        claimed = self._claimed
        if claimed:
            self._done(lambda: self._journal.settle([], claimed))

    def _done(self, work: Callable[[], Done]) -> Done | None:
        """What came of it; None where it could not be done."""
        try:
            try:
                done = work()
            except sqlite3.DatabaseError as error:
                # what is no file of SQLite's, or a malformed one, is told by this class itself; all else by others
                if type(error) is not sqlite3.DatabaseError:
                    raise
                self._set_aside(error)
                done = work()
        except (sqlite3.Error, OSError) as error:
            problem = f"the spool cannot be used: {self._path}: {type(error).__name__}: {error}"
            self._notices.once("spool cannot be used", problem)
            return None
        self._notices.over("spool cannot be used", "the spool can be used again")
        return done

    def _set_aside(self, error: Exception) -> None:
        aside, saved = self._journal.set_aside()
        if aside:
            told = f"the spool was damaged ({error}): it is now {aside}, and {saved:,} calls of it are saved"
            self._notices.once("spool damaged", told)
            self.waiting = saved
