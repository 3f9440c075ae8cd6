"""Many asks at once: their reservations are written, then each counter takes all that is asked of it in one update."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from app.database.blocking import BlockingDatabase
from app.database.updates import CHUNK, DUPLICATE_KEY, apply_updates_blocking, raise_errors
from app.limits.holding import MOST_BYTES, Take, Update, exact, removal, taking, taking_in_order
from models.counters import COUNTERS, RESERVATIONS
from models.documents import Document

# what follows it is durable, and then it is, too; where it is not, its holds were not taken
_FIRST_STEP = WriteConcern(w=1)


class Ask(NamedTuple):
    """What one reservation asks of all its counters."""

    reservation: Document
    """As it is stored."""
    takes: tuple[Take, ...]
    again: bool = False
    """Whether another process may have tried it before."""
    named: bool = False
    """Whether its sender may ask for it again, here or elsewhere: what it holds is then no one attempt's to give back.
    """


class Shortage(NamedTuple):
    """A counter that has no room for a take."""

    take: Take
    used: Decimal
    held: Decimal

    @property
    def is_certain(self) -> bool:
        """Whether these figures leave no room: else there was none a moment before."""
        most = self.take.allowance
        return most is not None and self.used + self.held + exact(self.take.amount) > exact(most)


class Figures(NamedTuple):
    """Of a counter."""

    used: Decimal
    held: Decimal


class Outcome(NamedTuple):
    """What became of one ask."""

    lacking: Sequence[Shortage | str] = ()
    """Nothing where all was taken; else what is lacking, and the counters that are not there."""
    after: Mapping[str, Figures] = {}
    """Of counters that something was taken of, as far as is known."""
    crowded: bool = False
    """Whether a counter has too many holds for another one."""


@dataclass
class Taken:
    """What became of asks: those that are in none of these were granted."""

    short: dict[str, list[Shortage]] = field(default_factory=lambda: defaultdict(list))
    """By reservation, what is lacking: nothing of it was taken."""
    missing: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By reservation, the counters that are not there, or not counted yet: nothing of it was taken."""
    crowded: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By reservation, the counters that have too many holds for another one: nothing of it was taken."""
    after: Mapping[str, Figures] = field(default_factory=dict)
    """Of the counters that something was taken of, as far as they could be read then."""

    def __bool__(self) -> bool:
        """Whether any was not granted."""
        return bool(self.short or self.missing or self.crowded)

    def refuses(self, reservation: str) -> bool:
        return reservation in self.short or reservation in self.missing or reservation in self.crowded

    def outcome(self, reservation: str) -> Outcome:
        lacking = (*self.missing.get(reservation, ()), *self.short.get(reservation, ()))
        return Outcome(lacking, self.after, reservation in self.crowded)


class Taking:
    """Works in a thread. What it does may be done again, with the same asks, after an attempt of unknown outcome."""

    def __init__(self, database: BlockingDatabase[Any]) -> None:
        self._database = database
        self._counters = database[COUNTERS]
        self._reservations = database[RESERVATIONS]

    def take(self, asks: Sequence[Ask], *, again: bool = False) -> Taken:
        """Take for each ask all or nothing. `again`: an earlier attempt may be under way still. Raises PyMongoError."""
        self._insert([ask.reservation for ask in asks])
        taken = self._undone(asks, self._take_all(_by_counter(asks)), again=again)
        granted = [ask for ask in asks if not taken.refuses(ask.reservation["_id"])]
        taken.after = self._figures({take.counter for ask in granted for take in ask.takes})
        return taken

    def look(self, asks: Sequence[Ask]) -> Taken:
        """Who of these would have room, one after the other; nothing is taken."""
        found = self._found(_by_counter(asks))
        given: dict[str, Decimal] = defaultdict(Decimal)
        taken = Taken()
        for ask in asks:
            # what one holds already that asks again is no question any more
            takes = [take for take in ask.takes if _not_in([take], found.get(take.counter))]
            for take in takes:
                _judge(take, found.get(take.counter), taken, given[take.counter])
            if not taken.refuses(ask.reservation["_id"]):
                for take in takes:
                    given[take.counter] += exact(take.amount)
        return taken

    def reservations(self, ids: Sequence[str]) -> dict[str, Document]:
        """Those of these that there are, by id."""
        return {one["_id"]: one for one in self._reservations.find({"_id": {"$in": list(ids)}})}

    def update(self, updates: Sequence[Update], *, collection: str = COUNTERS) -> int:
        """Run updates in any order, durably. Returns how many changed something. Raises PyMongoError."""
        return apply_updates_blocking(self._database, collection, updates, None)

    def take_out(self, holds: Mapping[str, Sequence[str]]) -> None:
        """Take holds out: the ids of reservations, by counter."""
        self.update([removal(counter, reservations) for counter, reservations in holds.items()])

    def forget(self, reservations: Sequence[str]) -> None:
        """Delete reservations that were not granted, but those whose senders have asked again: they may have been."""
        only = {"state": "open", "again": {"$exists": False}}
        self._reservations.delete_many({"_id": {"$in": list(reservations)}, **only})

    def _insert(self, reservations: Sequence[Document]) -> None:
        for first in range(0, len(reservations), CHUNK):
            command = {"insert": RESERVATIONS, "documents": reservations[first : first + CHUNK], "ordered": False}
            answer = self._database.command({**command, "writeConcern": _FIRST_STEP.document})
            # those of an earlier attempt are there
            errors = [error for error in answer.get("writeErrors", ()) if error["code"] != DUPLICATE_KEY]
            raise_errors({**answer, "writeErrors": errors})

    def _take_all(self, takes: Mapping[str, list[Take]]) -> Taken:
        """Optimistically all of each counter; where that did not succeed, one after the other."""
        taken = Taken()
        if self.update([taking(of_one) for of_one in takes.values()]) == len(takes):
            return taken
        found = self._found(takes)
        lacking = {counter: left for counter, of_one in takes.items() if (left := _not_in(of_one, found.get(counter)))}
        # one that asked alone has been answered already
        if several := [of_one for counter, of_one in lacking.items() if len(of_one) > 1 and counter in found]:
            self.update([taking_in_order(of_one) for of_one in several])
            found |= self._found({of_one[0].counter: of_one for of_one in several})
        for counter, of_one in lacking.items():
            for take in _not_in(of_one, found.get(counter)):
                _judge(take, found.get(counter), taken, None)
        return taken

    def _found(self, takes: Mapping[str, list[Take]]) -> dict[str, Document]:
        """The counters, with the holds that are asked for. A few are read with all their holds: that is not less."""
        wanted = {f"holds.{take.reservation}.amount": 1 for of_one in takes.values() for take in of_one}
        fields = {"used": 1, "held": 1, "counting": 1, "bytes": {"$bsonSize": "$holds"}, **wanted}
        return {found["_id"]: found for found in self._counters.find({"_id": {"$in": list(takes)}}, fields)}

    def _figures(self, counters: Collection[str]) -> dict[str, Figures]:
        """What these have now: one question for all, and where it fails, what was taken is taken all the same."""
        try:
            found = list(self._counters.find({"_id": {"$in": list(counters)}}, {"used": 1, "held": 1}))
        except PyMongoError:
            return {}
        return {each["_id"]: Figures(exact(each["used"]), exact(each["held"])) for each in found}

    def _undone(self, asks: Sequence[Ask], taken: Taken, *, again: bool) -> Taken:
        """Give back what was taken for those who did not get all, and forget their reservations.

        What an earlier attempt may yet take keeps its reservation, with which it expires.
        """
        refused = [ask for ask in asks if taken.refuses(ask.reservation["_id"])]
        if not refused:
            return taken
        holds: dict[str, list[str]] = defaultdict(list)
        for ask in refused:
            id_ = ask.reservation["_id"]
            lacking = {short.take.counter for short in taken.short.get(id_, ())}
            lacking.update(taken.missing.get(id_, ()), taken.crowded.get(id_, ()))
            for take in ask.takes:
                if again or ask.again or take.counter not in lacking:
                    holds[take.counter].append(id_)
        if holds:
            self.take_out(holds)
        if certain := [ask.reservation["_id"] for ask in refused if not (again or ask.again)]:
            self.forget(certain)
        return taken


def _by_counter(asks: Iterable[Ask]) -> dict[str, list[Take]]:
    """What is asked of each, of one that asks several times once."""
    takes: dict[str, list[Take]] = defaultdict(list)
    for ask in {ask.reservation["_id"]: ask for ask in asks}.values():
        for take in ask.takes:
            takes[take.counter].append(take)
    return takes


def _not_in(takes: Sequence[Take], counter: Document | None) -> list[Take]:
    holds = {} if counter is None else counter.get("holds", {})
    return [take for take in takes if take.reservation not in holds]


def _judge(take: Take, counter: Document | None, taken: Taken, given: Decimal | None) -> None:
    """Note why a take does not pass where so much was given to others, or why it did not, where that is None."""
    if counter is None or counter.get("counting"):
        taken.missing[take.reservation].append(take.counter)
        return
    shortage = Shortage(take, exact(counter["used"]), exact(counter["held"]) + (given or 0))
    if not shortage.is_certain and (counter["bytes"] or 0) >= MOST_BYTES:
        taken.crowded[take.reservation].append(take.counter)
    elif given is None or shortage.is_certain:
        taken.short[take.reservation].append(shortage)
