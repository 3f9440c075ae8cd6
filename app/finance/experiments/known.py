"""What one process knows of the users of an experiment: who takes part, in which variant, and what each did.

A user takes part from the first call or event that names the experiment, in the variant that it names. The event that
counts as conversion is none of them: who is known by it alone has always converted. Who was seen in two variants is in
none: nothing says what made them cost or convert. A conversion counts from the moment of the first of them on.

It is kept in memory, and only users of whom something has changed are counted anew; sums are integers, so that what is
taken out again leaves nothing behind. Columns of numbers and texts: the garbage collector would walk over 100,000 users
for as long as others may wait. Without a database, and for one thread at a time.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from app.finance.experiments.tallies import Tally

NOBODY, MIXED = -1, -2
"""In place of a variant: not seen, or seen in several."""
_NOTHING = (0, 0, 0, 0)


class Called(NamedTuple):
    """What one user did in one variant by calls."""

    user: str
    """See `user_key`."""
    variant: str
    first_day: str
    """In the deployment's zone; no call is from an earlier one."""
    requests: int
    tokens: int
    cost: int
    """In units of 1e-15 USD."""
    unpriced: int


class Shown(NamedTuple):
    """That an event says a user was in a variant."""

    user: str
    variant: str
    at: int
    """In ms since 1970."""


class Conversion(NamedTuple):
    """One event that counts as success."""

    user: str
    at: int
    """In ms since 1970."""
    day: str
    value: int
    """In units of 1e-15 USD."""


def user_key(client: str, user: str) -> str:
    """A user of a client as one text: no name has this character."""
    return f"{client}\0{user}"


class KnownUsers:
    """Of one experiment."""

    def __init__(self, variants: Sequence[str]) -> None:
        """`variants`: those that are defined."""
        self.variants = {name: place for place, name in enumerate(variants)}
        """Their places, and those of others that were seen."""
        self.tallies = [Tally() for _ in variants]
        """By place."""
        self.mixed = 0
        self.before: dict[str, int] = {}
        """What users cost before the experiment, in units of 1e-15 USD."""
        self._conversions = 0
        """All events."""
        self._counted_conversions = 0
        self._places: dict[str, int] = {}
        self._called: list[int] = []
        """By user: the variant by calls."""
        self._first_days: list[str] = []
        self._sums: list[tuple[int, int, int, int]] = []
        """Requests, tokens, cost and unpriced calls."""
        self._counted: list[tuple[int, ...] | None] = []
        """By user: the variant, and what is in its tally: the columns of `moments`, tokens, unpriced, conversions."""
        self._shown: dict[int, dict[str, tuple[int, int]]] = {}
        """By chunk of time and user: the variant by events, and the first moment."""
        self._converted: dict[int, dict[str, tuple[int | str, ...]]] = {}
        """By chunk of time and user: of each conversion its moment, day and value."""
        self._shown_in: dict[str, tuple[int, ...]] = {}
        """By user: the chunks that have something of them."""
        self._converted_in: dict[str, tuple[int, ...]] = {}
        self._firsts: dict[str, int | None] = {}
        """Of users who were asked for: the moment of the first call, where it is known."""
        self._changed: set[str] = set()

    def __len__(self) -> int:
        return len(self._places)

    @property
    def unexposed(self) -> int:
        """Conversions of users that were seen in no variant, or before they were."""
        return self._conversions - self._counted_conversions

    def calls(self, rows: Iterable[Called], anew: Iterable[str] = ()) -> None:
        """What users did by calls; of those that are read `anew`, instead of what was known of their calls."""
        for user in anew:
            self._firsts.pop(user, None)
            self._changed.add(user)
            if (place := self._places.get(user)) is not None:
                self._called[place], self._first_days[place], self._sums[place] = NOBODY, "", _NOTHING
        for row in rows:
            place = self._place(row.user)
            self._called[place] = _both(self._called[place], self._variant(row.variant))
            sums, first = self._sums[place], self._first_days[place]
            requests, tokens, cost, unpriced = sums
            self._sums[place] = (
                requests + row.requests,
                tokens + row.tokens,
                cost + row.cost,
                unpriced + row.unpriced,
            )
            self._first_days[place] = min(first, row.first_day) if first else row.first_day
            self._changed.add(row.user)

    def shows(self, chunk: int, rows: Iterable[Shown]) -> None:
        """All that events of a chunk of time say of variants, instead of what was known of it."""
        found: dict[str, tuple[int, int]] = {}
        for row in rows:
            self._place(row.user)
            variant, first = found.get(row.user, (NOBODY, row.at))
            found[row.user] = _both(variant, self._variant(row.variant)), min(first, row.at)
        known = self._shown.get(chunk, {})
        self._changed.update(known, found)
        _note(self._shown_in, chunk, known.keys(), found.keys())
        self._shown[chunk] = found

    def conversions(self, chunk: int, rows: Iterable[Conversion]) -> None:
        """All conversions of a chunk of time, instead of what was known of it."""
        found: dict[str, tuple[int | str, ...]] = {}
        for row in rows:
            found[row.user] = (*found.get(row.user, ()), row.at, row.day, row.value)
        known = self._converted.get(chunk, {})
        self._conversions += sum(map(len, found.values())) // 3 - sum(map(len, known.values())) // 3
        self._changed.update(known, found)
        _note(self._converted_in, chunk, known.keys(), found.keys())
        self._converted[chunk] = found

    def costs_before(self, costs: dict[str, int]) -> None:
        """What all users cost before."""
        self._changed.update(
            user for user in costs.keys() | self.before.keys() if costs.get(user) != self.before.get(user)
        )
        self.before = costs

    def to_ask(self) -> dict[str, str]:
        """Of whom the moment of the first call has to be known, and the day of it: a conversion was on that day, and
        nothing else says whether it came after.
        """
        asked = {}
        for user in self._changed - self._firsts.keys():
            place = self._places.get(user)
            if place is None or not (day := self._first_days[place]):
                continue
            _, first = self._by_events(user)
            if any(on == day and not (first is not None and at >= first) for at, on, _ in self._of(user)):
                asked[user] = day
        return asked

    def answered(self, asked: Iterable[str], firsts: dict[str, int]) -> None:
        """The moments of first calls, of those for whom they are known."""
        self._firsts.update((user, firsts.get(user)) for user in asked)

    def count(self) -> bool:
        """Count anew what has changed. Returns whether anything had."""
        changed, self._changed = self._changed, set()
        for user in changed:
            if (place := self._places.get(user)) is not None:
                if (before := self._counted[place]) is not None:
                    self._tally(before, -1)
                if (now := self._now(user, place)) is not None:
                    self._tally(now, 1)
                self._counted[place] = now
        return bool(changed)

    def _place(self, user: str) -> int:
        place = self._places.setdefault(user, len(self._called))
        if place == len(self._called):
            self._called.append(NOBODY)
            self._first_days.append("")
            self._sums.append(_NOTHING)
            self._counted.append(None)
        return place

    def _variant(self, name: str) -> int:
        if (place := self.variants.get(name)) is None:
            place = self.variants[name] = len(self.tallies)
            self.tallies.append(Tally())
        return place

    def _by_events(self, user: str) -> tuple[int, int | None]:
        variant, first = NOBODY, None
        for chunk in self._shown_in.get(user, ()):
            seen, at = self._shown[chunk][user]
            variant, first = _both(variant, seen), at if first is None else min(first, at)
        return variant, first

    def _of(self, user: str) -> Iterable[tuple[int, str, int]]:
        for chunk in self._converted_in.get(user, ()):
            found = self._converted[chunk][user]
            yield from zip(found[::3], found[1::3], found[2::3], strict=True)

    def _now(self, user: str, place: int) -> tuple[int, ...] | None:
        variant, first = self._by_events(user)
        if (variant := _both(variant, self._called[place])) == NOBODY:
            return None
        conversions = value = 0
        for at, day, worth in self._of(user):
            if (first is not None and at >= first) or self._is_after_call(at, day, user, place):
                conversions += 1
                value += worth
        requests, tokens, cost, unpriced = self._sums[place]
        row = requests, cost, int(conversions > 0), value, self.before.get(user, 0)
        return variant, *row, tokens, unpriced, conversions

    def _is_after_call(self, at: int, day: str, user: str, place: int) -> bool:
        """Of days whose calls are deleted, where no moment is known any more, all of the day counts."""
        first_day = self._first_days[place]
        if not first_day or day < first_day:
            return False
        first = self._firsts.get(user)
        return day > first_day or first is None or at >= first

    def _tally(self, counted: tuple[int, ...], sign: int) -> None:
        variant, *row, tokens, unpriced, conversions = counted
        self._counted_conversions += sign * conversions
        if variant == MIXED:
            self.mixed += sign
        else:
            self.tallies[variant].add(row, tokens, unpriced, conversions, sign)


def _note(chunks: dict[str, tuple[int, ...]], chunk: int, before: AbstractSet[str], now: AbstractSet[str]) -> None:
    for user in before - now:
        chunks[user] = tuple(each for each in chunks[user] if each != chunk)
    for user in now - before:
        chunks[user] = (*chunks.get(user, ()), chunk)


def _both(one: int, other: int) -> int:
    """The variant of who was seen in both."""
    if one == NOBODY:
        return other
    return one if other in {NOBODY, one} else MIXED
