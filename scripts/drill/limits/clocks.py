"""Clocks of servers that are stepped while they run: what our code reads as the time of day, and that alone.

Monotonic time goes on as it is, as when an operating system's clock is set.
"""

import sys
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

STEPPED = ("app.limits", "app.ledger", "app.tracking", "app.alerts", "app.rollups", "app.spool", "models.moments")
"""The rooms that live by it."""
READ_SECONDS = 0.2


class Clock:
    """The clock of one server, which a file sets."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.step(0)

    def step(self, seconds: float) -> None:
        """Set it to so many seconds ahead of the machine's; less than zero is behind."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{seconds:+.1f}\n")
        fresh.replace(self.file)


class _Offset:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._seconds, self._read_at = 0.0, float("-inf")

    @property
    def seconds(self) -> float:
        if (now := time.monotonic()) - self._read_at > READ_SECONDS:
            self._seconds, self._read_at = float(self._file.read_text()), now
        return self._seconds


class _AnyDatetime(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, datetime)


def stepped(file: Path) -> None:
    """In this process, which has loaded our code, let the time of day be as the file says."""
    offset, real_time = _Offset(file), time.time

    class Stepped(datetime, metaclass=_AnyDatetime):
        def __new__(cls, *parts: Any, **named: Any) -> Any:
            return datetime(*parts, **named)  # noqa: DTZ001 - as it is called

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=offset.seconds)

    for name, module in list(sys.modules.items()):
        if name.startswith(STEPPED) and getattr(module, "datetime", None) is datetime:
            module.datetime = Stepped  # type: ignore[attr-defined]
    time.time = lambda: real_time() + offset.seconds
