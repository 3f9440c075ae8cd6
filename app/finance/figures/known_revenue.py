"""The entries of revenue as one process keeps them: columns of numbers, only ever added to.

An entry takes some 70 bytes with whose it is: 720,000 entries, as many as 20,000 subscriptions have in three years of
months, about 50 MB. Moments are microseconds since 1970, amounts units of
1e-15 USD. Recognised revenue is that of `app.finance.revenue.recognition`: what is at one moment alone, is after one
microsecond.
"""

from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from models.documents import Document
from models.money import stored_units

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SPAN = 32 * 24 * 3600 * 10**6
"""Entries are found by the spans of time that they are in: a month is in two."""
SHOWN = dict.fromkeys(("sequence", "clientId", "userId", "plan", "synthetic", "usd", "recognisedFrom", "end", "at"), 1)

Units = dict[int, int]
"""By holder."""


class Holder(NamedTuple):
    """Whose revenue it is, and of which plan."""

    client: str | None
    user: str | None
    plan: str | None
    synthetic: bool


class GoingOn(NamedTuple):
    """An entry of which a part is recognised at a moment."""

    holder: int
    units: int
    start: int
    length: int
    before: int
    """What it has recognised before."""

    def by(self, moment: int) -> int:
        """What more it has by a later moment."""
        elapsed = moment - self.start
        if elapsed >= self.length:
            return self.units - self.before
        return self.units * elapsed // self.length - self.before if elapsed > 0 else 0


def moment(when: datetime) -> int:
    """Microseconds since 1970."""
    return (when - EPOCH) // _MICROSECOND


class Entries:
    """Entries in the order of their sequence. Whoever has seen the first n of them sees these for good."""

    def __init__(self) -> None:
        self.holders: list[Holder] = []
        self._numbers: dict[Holder, int] = {}
        self._sequences = array("q")
        self._start, self._end, self._at = array("q"), array("q"), array("q")
        self._holder = array("I")
        self._units: list[int] = []
        self._amounts: dict[int, int] = {}
        """Equal amounts are one object."""
        self._served: defaultdict[int, array[int]] = defaultdict(lambda: array("I"))
        self._due: defaultdict[int, array[int]] = defaultdict(lambda: array("I"))

    def __len__(self) -> int:
        return len(self._units)

    @property
    def sequence(self) -> int:
        """Of the newest one; 0 where there is none."""
        return self._sequences[-1] if self._sequences else 0

    def up_to(self, sequence: int) -> int:
        """How many there were at a sequence."""
        return bisect_right(self._sequences, sequence)

    def add(self, stored: Document) -> None:
        """One as MongoDB keeps it, of a sequence that is not below the last one's."""
        number = len(self._units)
        holder = Holder(stored.get("clientId"), stored.get("userId"), stored.get("plan"), bool(stored.get("synthetic")))
        units = stored_units(stored["usd"])
        start = moment(stored["recognisedFrom"])
        end, at = max(moment(stored["end"]), start + 1), moment(stored["at"])
        self._sequences.append(stored["sequence"])
        self._start.append(start)
        self._end.append(end)
        self._at.append(at)
        self._holder.append(self._number(holder))
        self._units.append(self._amounts.setdefault(units, units))
        for span in range(start // _SPAN, (end - 1) // _SPAN + 1):
            self._served[span].append(number)
        self._due[at // _SPAN].append(number)

    def _number(self, holder: Holder) -> int:
        number = self._numbers.get(holder)
        if number is None:
            number = self._numbers[holder] = len(self.holders)
            self.holders.append(holder)
        return number

    # -- of many entries

    def recognised(self, start: int, end: int, count: int) -> Units:
        """By holder: what the first `count` entries recognise in a window."""
        found: Units = {}
        self.add_recognised(self._within(start, end, count), start, end, found)
        return found

    def billed(self, start: int, end: int, count: int) -> Units:
        """By holder: what of the first `count` entries came due in a window."""
        found: defaultdict[int, int] = defaultdict(int)
        at, holder, units = self._at, self._holder, self._units
        for span in range(start // _SPAN, end // _SPAN + 1):
            for number in self._due.get(span, ()):
                if number < count and start <= at[number] < end:
                    found[holder[number]] += units[number]
        return dict(found)

    def going_on(self, start: int, end: int, count: int) -> "list[GoingOn]":
        """Of the first `count` entries, those that recognise anything from `start` on that ends after it begins."""
        return [
            GoingOn(self._holder[number], units, first, last - first, self._until(number, start))
            for number in self._within(start, end, count)
            if (last := self._end[number]) > start
            and (first := self._start[number]) < end
            and (units := self._units[number])
        ]

    def recognised_by_day(self, bounds: list[int], count: int, counts: Callable[[Holder], bool]) -> list[int]:
        """What the first `count` entries recognise between each two of `bounds`, of the holders that `counts` names."""
        wanted = [counts(holder) for holder in self.holders]
        sums = [0] * (len(bounds) - 1)
        for number in self._within(bounds[0], bounds[-1], count):
            if wanted[self._holder[number]]:
                self._add_days(number, bounds, sums)
        return sums

    # -- of a few, that came later

    def add_recognised(self, among: Iterable[int], start: int, end: int, sums: Units, sign: int = 1) -> None:
        """Add what entries with these numbers recognise in a window, by holder."""
        firsts, lasts, holders = self._start, self._end, self._holder
        for number in among:
            if firsts[number] < end and lasts[number] > start:
                holder = holders[number]
                units = self._until(number, end) - self._until(number, start)
                sums[holder] = sums.get(holder, 0) + sign * units

    def add_by_day(
        self, among: range, bounds: list[int], sums: list[int], counts: Callable[[Holder], bool], sign: int = 1
    ) -> None:
        """Add what they recognise between each two of `bounds`."""
        for number in among:
            if counts(self.holders[self._holder[number]]):
                self._add_days(number, bounds, sums, sign)

    # -- of one

    def _until(self, number: int, moment: int) -> int:
        """What an entry has recognised by then."""
        first, last, units = self._start[number], self._end[number], self._units[number]
        if moment >= last:
            return units
        return units * (moment - first) // (last - first) if moment > first else 0

    def _add_days(self, number: int, bounds: list[int], sums: list[int], sign: int = 1) -> None:
        first, last = self._start[number], self._end[number]
        if first >= bounds[-1] or last <= bounds[0]:
            return
        units, length = self._units[number], last - first
        day = max(bisect_right(bounds, first) - 1, 0)
        before = 0 if bounds[day] <= first else units * (bounds[day] - first) // length
        while day < len(sums):
            until = bounds[day + 1]
            now = units if until >= last else units * (until - first) // length
            sums[day] += sign * (now - before)
            if until >= last:
                return
            before, day = now, day + 1

    def _within(self, start: int, end: int, count: int) -> Iterator[int]:
        """Each entry of a window once, and some beside it."""
        first, firsts = start // _SPAN, self._start
        for span in range(first, (end - 1) // _SPAN + 1):
            numbers = self._served.get(span, ())
            if span == first:
                yield from (number for number in numbers if number < count)
            else:
                yield from (number for number in numbers if number < count and firsts[number] // _SPAN == span)
