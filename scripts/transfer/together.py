"""Rows of one call that lie near each other: a message is written line by line while it grows, a call piece by piece.

Rows wait in the order in which they came until no other of the same call is near. At most WINDOW rows wait, or
WINDOW_BYTES of the source. A checkpoint lies before the first that waits; what lies behind it and was given out
already is kept by its key, so that a resumed import passes over it.
"""

from collections import Counter, deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from typing import Any, NamedTuple

from scripts.transfer.calls import Told
from scripts.transfer.rules import Rows
from scripts.transfer.units import AMOUNTS, COUNTS

WINDOW = 1_000
WINDOW_BYTES = 16_000_000
WRITTEN_WITHIN = timedelta(minutes=10)
"""Where the mapping says nothing: rows with one id that lie further apart in time are not one message that grows."""

_VARYING = COUNTS | AMOUNTS | {"created_at", "cost_basis", "error_message", "status", "success", "metadata"}


class Place(NamedTuple):
    """Where a source may be read from again."""

    at: Any
    """The place of the source, as its rows name it; None for its start."""
    carried: dict[str, Any]
    """What earlier rows said for later ones."""
    passed: dict[str, int]
    """By key: how many rows behind `at` were given out already."""


@dataclass(slots=True)
class Group:
    """One row, or several of the same call."""

    line: str
    row: dict[str, Any] | None
    told: Told | None
    """None for a row that is not imported: `fault` says why, and an empty one that it is not meant."""
    fault: str = ""
    size: int = 0
    rows: int = 1
    key: Hashable = None
    before: tuple[Any, dict[str, Any]] = (None, {})
    ordinals: list[int] = field(default_factory=list)


class Together:
    """Puts the rows of one source together. Without `rows` only those of one id that say the same with larger counts.

    `alone` leaves every row by itself, and none waits.
    """

    def __init__(self, rows: Rows | None, passed: dict[str, int], *, alone: bool = False) -> None:
        self._keep = "grown" if rows is None else rows.keep
        self._alone = alone
        self._passed = Counter(passed)
        self._waiting: dict[Hashable, Group] = {}
        self._waiting_bytes = 0
        self._given: deque[Group] = deque()
        self._count = 0

    def add(self, group: Group) -> Iterator[Group]:
        """Take a row in; give out what waits for no other any more."""
        if self._alone:
            yield group
            return
        self._count += 1
        group.ordinals.append(self._count)
        if group.told is None:
            group.key = self._count
        elif self._passed[digest := _digest(group.key)] > 0:
            self._passed[digest] -= 1
            self._given.append(group)
            return
        elif (first := self._waiting.get(group.key)) is not None:
            if (merged := _merged(self._keep, first, group)) is not None:
                self._waiting_bytes += group.size
                _take(first, group, merged)
                return
            group.key = (group.key, self._count)
        self._waiting[group.key] = group
        self._waiting_bytes += group.size
        yield from self._due()

    def rest(self) -> Iterator[Group]:
        """All that waits, at the end of the source."""
        while self._waiting:
            yield self._next()

    def place(self, end: tuple[Any, dict[str, Any]]) -> Place:
        """Where to begin again; `end` is what lies behind the last row that was taken in."""
        first = next(iter(self._waiting.values()), None)
        if first is None:
            self._given.clear()
            return Place(*end, dict(+self._passed))
        start = first.ordinals[0]
        self._given = deque(group for group in self._given if group.ordinals[-1] > start)
        passed = +self._passed
        for group in self._given:
            passed[_digest(group.key)] += sum(number > start for number in group.ordinals)
        return Place(*first.before, dict(passed))

    def _due(self) -> Iterator[Group]:
        while self._waiting:
            first = next(iter(self._waiting.values()))
            near = self._count - first.ordinals[-1] < WINDOW and len(self._waiting) <= WINDOW
            if first.told is not None and near and self._waiting_bytes <= WINDOW_BYTES:
                return
            yield self._next()

    def _next(self) -> Group:
        group = self._waiting.pop(next(iter(self._waiting)))
        self._waiting_bytes -= group.size
        if group.rows > 1:
            self._given.append(group)
        return group


def _digest(key: Hashable) -> str:
    return blake2b(repr(key).encode(), digest_size=8).hexdigest()


def _take(first: Group, later: Group, merged: Told) -> None:
    if merged is not first.told:
        first.told, first.line, first.row = merged, later.line, later.row
    first.rows += 1
    first.size += later.size
    first.ordinals += later.ordinals


def _merged(keep: str, first: Group, later: Group) -> Told | None:
    """What both tell together; None where the later one is another call, or the same told again."""
    assert first.told is not None  # noqa: S101 - only rows that tell of a call wait under their id
    assert later.told is not None  # noqa: S101
    one, two = first.told, later.told
    if keep == "first":
        return one
    if keep == "last":
        return two
    if keep == "grown":
        return two if _has_grown(one.fields, two.fields) else None
    combine = sum if keep == "sum" else max
    unnamed = _combined(combine, one.unnamed, two.unnamed, one.unnamed.keys() | two.unnamed.keys())
    return Told({**two.fields, **_combined(combine, one.fields, two.fields)}, unnamed)


def _combined(
    combine: Any, one: dict[str, Any], two: dict[str, Any], names: Iterable[str] = COUNTS | AMOUNTS
) -> dict[str, Any]:
    there = [name for name in names if one.get(name) is not None or two.get(name) is not None]
    return {name: combine([each for each in (one.get(name), two.get(name)) if each is not None]) for name in there}


def _has_grown(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Whether the later row tells of the same call a little later, with no count that is smaller. The very same row
    again is a copy.
    """
    if one == two or any(one.get(name) != two.get(name) for name in (one.keys() | two.keys()) - _VARYING):
        return False
    if abs(two["created_at"] - one["created_at"]) > WRITTEN_WITHIN:
        return False
    return all((one.get(name) or 0) <= (two.get(name) or 0) for name in COUNTS | {"cost"})
