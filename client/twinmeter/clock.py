"""The server's time, told by the `Date` header of its answers: a call must not be dated by a clock that is wrong."""

from __future__ import annotations

from datetime import datetime, timezone

EARLIEST, LATEST = 2020, 2200
"""Years. A `Date` from before or after is no server's, but something's in between."""
TOLERANCE = 5.0
"""Seconds. `Date` has whole seconds, and is a moment old when it is read: what differs by less is taken for equal."""


class Clock:
    """How far this machine's clock is behind the server's."""

    def __init__(self) -> None:
        self.offset = 0.0
        """Seconds to add to this machine's time; 0 where its clock is right, or nothing is known yet."""
        self.is_known = False

    def heard(self, date: str | None, received: float) -> None:
        """Take an answer's `Date`, which came at this time of this machine (seconds since 1970)."""
        told = _seconds(date)
        if told is None:
            return
        self.is_known = True
        offset = told + 0.5 - received  # the header's seconds have begun, and are not over
        if abs(offset) <= TOLERANCE:
            self.offset = 0.0
        elif abs(offset - self.offset) > TOLERANCE:
            self.offset = offset

    def told(self, moment: float) -> str:
        """A time of this machine in the server's, as RFC 3339 in UTC with milliseconds."""
        return datetime.fromtimestamp(moment + self.offset, timezone.utc).isoformat(timespec="milliseconds")


def _seconds(date: str | None) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - 1 MB that is needed only once something was sent

    try:
        told = parsedate_to_datetime(date) if date else None
        return told.timestamp() if told and told.tzinfo and EARLIEST <= told.year < LATEST else None
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
