"""Recognised revenue of windows and days, kept as long as it is asked for.

Entries are only added, so a sum of the first n of them is brought to any other number by adding or taking away those in
between.
"""

from collections import OrderedDict
from threading import Lock
from typing import NamedTuple, TypeVar

from app.finance.figures.known_revenue import Entries, GoingOn, Holder, Units

MOST_WINDOWS = 16
"""Some megabytes each, where there are 20,000 holders."""
MOST_SCOPES = 64
MOST_DAYS = 1_200
"""Of a scope."""

K = TypeVar("K")
V = TypeVar("V")


class Scope(NamedTuple):
    """Whose revenue counts."""

    client: str | None
    user: str | None
    synthetic: frozenset[bool]

    def has(self, holder: Holder) -> bool:
        """Whether it counts this holder."""
        return (
            holder.synthetic in self.synthetic
            and self.client in {None, holder.client}
            and self.user in {None, holder.user}
        )


EVERYONE = Scope(None, None, frozenset({False, True}))


class _Window:
    def __init__(self, units: Units, count: int) -> None:
        self.units, self.count = units, count


class _Today:
    """What goes on from the first moment of a day on, of the first `count` entries."""

    def __init__(self, start: int, end: int, going_on: list[GoingOn], count: int) -> None:
        self.start, self.end, self.going_on, self.count = start, end, going_on, count


class _Days:
    """By first moment: the moment after a day, and its units."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.found: dict[int, tuple[int, int]] = {}


class Recognised:
    """What one generation of entries recognises. To be used in threads: it takes a while where much is new."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._windows: OrderedDict[tuple[int, int], _Window] = OrderedDict()
        self._days: OrderedDict[Scope, _Days] = OrderedDict()
        self._today = _Today(0, 0, [], 0)
        self._wanted: OrderedDict[Scope, list[bool]] = OrderedDict()
        self._lock = Lock()

    def wanted(self, scope: Scope) -> list[bool]:
        """By number of the holder, whether a scope counts it."""
        with self._lock:
            found = self._wanted.get(scope)
            if found is None:
                self._remember(self._wanted, scope, found := [], MOST_SCOPES)
            self._wanted.move_to_end(scope)
            found += [scope.has(holder) for holder in self._entries.holders[len(found) :]]
            return found

    def of_today(self, day: tuple[int, int], until: int, count: int) -> Units:
        """By number of the holder: of a day that is not over, what is recognised from its first moment until now."""
        with self._lock:
            today = self._today
            if (today.start, today.end) != day or count != today.count:
                today = self._today = _Today(*day, self._entries.going_on(*day, count), count)
            found: Units = {}
            for entry in today.going_on:
                if units := entry.by(until):
                    found[entry.holder] = found.get(entry.holder, 0) + units
            return found

    def by_holder(self, start: int, end: int, count: int) -> Units:
        """By number of the holder, of the first `count` entries. Nobody may change it."""
        with self._lock:
            window = self._windows.get((start, end))
            if window is None:
                window = _Window(self._entries.recognised(start, end, count), count)
                self._remember(self._windows, (start, end), window, MOST_WINDOWS)
            elif count > window.count:
                window.units = window.units.copy()
                self._entries.add_recognised(range(window.count, count), start, end, window.units)
                window.count = count
            self._windows.move_to_end((start, end))
            if count == window.count:
                return window.units
            earlier = window.units.copy()
            self._entries.add_recognised(range(count, window.count), start, end, earlier, sign=-1)
            return earlier

    def by_day(self, bounds: list[int], count: int, scope: Scope) -> list[int]:
        """Between each two of `bounds`, which are the first moments of days that follow each other."""
        with self._lock:
            days = self._days.get(scope)
            if days is None or len(days.found) > MOST_DAYS:
                days = _Days(count)
                self._remember(self._days, scope, days, MOST_SCOPES)
            self._days.move_to_end(scope)
            if count > days.count:
                self._catch_up(days, count, scope)
            self._fill(days, bounds, scope)
            sums = [days.found[start][1] for start in bounds[:-1]]
            if count < days.count:
                self._entries.add_by_day(range(count, days.count), bounds, sums, scope.has, sign=-1)
            return sums

    def _catch_up(self, days: _Days, count: int, scope: Scope) -> None:
        """Add what came since to every day that is known."""
        new = range(days.count, count)
        for run in _runs(days.found):
            sums = [days.found[start][1] for start in run[:-1]]
            self._entries.add_by_day(new, run, sums, scope.has)
            days.found.update(_days_of(run, sums))
        days.count = count

    def _fill(self, days: _Days, bounds: list[int], scope: Scope) -> None:
        """Learn days that are not known yet, as of the entries that the others know."""
        missing = [n for n, start in enumerate(bounds[:-1]) if days.found.get(start, (0, 0))[0] != bounds[n + 1]]
        if missing:
            run = bounds[missing[0] : missing[-1] + 2]
            days.found.update(_days_of(run, self._entries.recognised_by_day(run, days.count, scope.has)))

    @staticmethod
    def _remember(kept: OrderedDict[K, V], key: K, value: V, most: int) -> None:
        kept.pop(key, None)
        while len(kept) >= most:
            kept.popitem(last=False)
        kept[key] = value


def _runs(found: dict[int, tuple[int, int]]) -> list[list[int]]:
    """The bounds of days that follow each other without gaps."""
    runs: list[list[int]] = []
    for start in sorted(found):
        if not runs or runs[-1][-1] != start:
            runs.append([start])
        runs[-1].append(found[start][0])
    return runs


def _days_of(bounds: list[int], sums: list[int]) -> dict[int, tuple[int, int]]:
    return {start: (end, units) for start, end, units in zip(bounds, bounds[1:], sums, strict=False)}


def total(units: Units, wanted: list[bool]) -> int:
    """The sum over holders that count."""
    return sum(value for number, value in units.items() if wanted[number])
