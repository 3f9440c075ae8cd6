"""Which providers answer slower than usual today: the 95th percentile of their durations, from the latency sketches."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

from app.alerts.spending.cells import Cells, Moment, PastDays
from app.alerts.spending.ranges import Range, Width, usual_range
from app.alerts.spending.telling import Place, Told, part
from app.alerts.wording import shortened
from models.alerts import AlertKind
from models.latency import merged, percentiles
from models.rollups import EVERYONE, LATENCY

KIND = AlertKind.SPENDING_SLOW
DAYS_BEFORE = 14
FEWEST_CALLS = 50
"""Of a day, with a duration."""
WIDTH = Width(times_percent=150, deviations=5, floor=500)
"""Of milliseconds."""

Name = tuple[str, str]
"""A provider and a service type: an image takes longer than a word."""


class Slow(NamedTuple):
    """A provider that is slower than usual."""

    name: Name
    p95: int
    """In ms."""
    calls: int
    range: Range


class Latency(NamedTuple):
    """Of one day."""

    p95: int
    calls: int


ByDay = dict[Name, dict[date, Latency]]


def judged(name: Name, today: Latency, before: Iterable[Latency]) -> Slow | None:
    """Whether a day is slower than those before. None where it is not, or there is too little to compare."""
    found = usual_range([each.p95 for each in before], WIDTH)
    return None if found is None or today.p95 <= found.upper else Slow(name, today.p95, today.calls, found)


class LatencyRule:
    """Looks at the running day, for everyone. For one thread."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._before = PastDays(by_day, DAYS_BEFORE)

    def find(self, cells: Cells, moments: list[Moment]) -> Iterator[Told]:
        """What is not told yet. Raises PyMongoError."""
        now = moments[0]
        before = self._before.of(cells, now)
        for name, days in sorted(by_day(cells, [now.day]).items()):
            found = judged(name, days[now.day], before.get(name, {}).values())
            if found is not None and not cells.recorded(KIND, [_key(name, now.day)]):
                yield _told(found, now, self._place)


def by_day(cells: Cells, days: Iterable[date]) -> ByDay:
    """Those of these days that have enough calls. Raises PyMongoError."""
    sketches: dict[tuple[Name, date], list[dict[str, int]]] = {}
    for cell in cells.of(LATENCY, [EVERYONE], days, ("latency",)):
        key = cell["_id"]
        where = (key["provider"], key["serviceType"]), date.fromisoformat(key["day"])
        sketches.setdefault(where, []).append(cell.get("latency", {}))
    found: ByDay = {}
    for (name, day), parts in sketches.items():
        counts = merged(parts)
        calls, p95 = sum(counts.values()), percentiles(counts, (95,))["p95"]
        if calls >= FEWEST_CALLS and p95 is not None:
            found.setdefault(name, {})[day] = Latency(p95, calls)
    return found


def _key(name: Name, day: date) -> str:
    """Once a day."""
    provider, service_type = name
    return f"{day}|{part(provider)}|{service_type}"


def _told(found: Slow, moment: Moment, place: Place) -> Told:
    provider, service_type = found.name
    day, (usual, upper, samples) = moment.day.isoformat(), found.range
    text = (
        f"Calls of {shortened(provider)} ({service_type}) take up to {found.p95:,} ms on {day} ({moment.zone.key}), "
        f"95 of 100. Usual is {usual:,} ms, and up to {upper:,} ms."
    )
    lines = [
        f"p95: {found.p95:,} ms of {found.calls:,} calls",
        f"Usual range: up to {upper:,} ms; the middle of {samples} days is {usual:,} ms",
        *place.lines("", **{"from": day, "to": day}, provider=provider),
    ]
    payload = {
        "provider": provider,
        "serviceType": service_type,
        "day": day,
        "timezone": moment.zone.key,
        "p95": found.p95,
        "calls": found.calls,
        "usual": usual,
        "upper": upper,
    }
    return Told(KIND, _key(found.name, moment.day), {"text": text, "lines": lines, **payload})
