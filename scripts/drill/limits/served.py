"""A server whose clock a file sets, and which may end as by kill -9 in a step of its own: right before a command to
MongoDB, or right after its answer.

    python -m scripts.drill.limits.served CLOCK limit_counters:before:3

That is the third write to that collection, whatever part of the server makes it; `commitTransaction` stands for the
end of a transaction.
"""

import os
import sys
from itertools import count
from pathlib import Path
from signal import SIGKILL
from typing import NamedTuple, Self

from pymongo import monitoring

import app.main
import app.server  # noqa: F401 - the code whose clock is stepped is there
from app.__main__ import main as serve
from models import counters
from models.alerts import ALERTS, DELIVERIES
from scripts.drill.limits.clocks import stepped

WRITES = frozenset({"insert", "update", "delete", "findAndModify"})
COMMIT = "commitTransaction"
BEFORE, AFTER = "before", "after"
PLACES = (
    counters.UNCOUNTED,
    counters.COUNTERS,
    counters.RESERVATIONS,
    counters.STATE,
    counters.LEASES,
    COMMIT,
    ALERTS,
    DELIVERIES,
)
"""Where what a step does is written: asks, settlements, folds, expiries, leases, alerts and their deliveries."""


class Point(NamedTuple):
    """A moment."""

    place: str
    when: str
    times: int
    """Of the place, the number of the write."""

    @classmethod
    def parsed(cls, text: str) -> Self:
        place, when, times = text.split(":")
        return cls(place, when, int(times))

    def __str__(self) -> str:
        return f"{self.place}:{self.when}:{self.times}"


class Strike(monitoring.CommandListener):
    """Ends this process at the point."""

    def __init__(self, point: Point) -> None:
        self._point = point
        self._number = count(1)
        self._awaited: int | None = None

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        name = event.command_name
        place = name if name == COMMIT else event.command.get(name) if name in WRITES else None
        if place != self._point.place or next(self._number) != self._point.times:
            return
        if self._point.when == BEFORE:
            os.kill(os.getpid(), SIGKILL)
        self._awaited = event.request_id

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        if event.request_id == self._awaited:
            os.kill(os.getpid(), SIGKILL)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        if event.request_id == self._awaited:
            os.kill(os.getpid(), SIGKILL)


def main() -> int:
    clock, *points = sys.argv[1:]
    for point in points:  # clients that are made from here on are listened to
        monitoring.register(Strike(Point.parsed(point)))
    stepped(Path(clock))
    return serve([])


if __name__ == "__main__":
    sys.exit(main())
