"""The fold: what the ledger's transactions have added is brought into the counters, by any process, each once.

One document says which fold is in progress, and what it takes. Its steps, and what a crash leaves behind at each:
1. *begin*: the state names the next number, and the documents that the fold takes. Before it, nothing has happened.
2. *apply*: each counter that they add to takes all of it in one update, if its number is lower, and with it the number.
   Whoever repeats the step, at once or much later, adds only where it was not added yet.
3. *tell*: counters that limits want and that are missing are made, and thresholds that were crossed are told: by keys
   that follow from what happened, so that telling again is nothing new.
4. *finish*: the documents are deleted, and then the state names none. Every counter has the fold by then.
After any of them another process, or the same one later, begins again at 2. No two folds are ever in progress, and
nothing that many write is in a transaction.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from app.database import DURABLE, Database
from app.database.updates import apply_updates_blocking
from app.limits.counting.contributions import Contributions
from app.limits.holding import added, shares_taken_out, taken_out
from app.limits.meters import FRACTIONS, CounterKey, in_units, key_named, stored_amount
from app.observability.logs import Log
from models.counters import COUNTERS, FOLD, RESERVATIONS, STATE, UNCOUNTED, Number
from models.documents import Document
from models.money import from_units

log = Log(__name__)

_NEEDED = {"fold": 1, "used": 1}
CHUNK = 1_000
"""Updates of a command."""
MOST_KEYS = 50_000
MOST_DOCUMENTS = 200
"""Of a fold: those of a tenth of a second, unless the folds were behind. Each may be of a thousand users."""
MOST_SUBJECTS = 20_000
"""Of one query: their names may be long, and a query has 16 MB at most."""


class Fold(NamedTuple):
    """A fold in progress."""

    number: int
    documents: list[ObjectId]
    """What it takes."""
    is_ours: bool
    """Whether this process has begun it."""

    @property
    def is_full(self) -> bool:
        """Whether more may wait."""
        return len(self.documents) >= MOST_DOCUMENTS


class Counted(NamedTuple):
    """A counter, and what it says after a fold."""

    key: CounterKey
    used: int
    """As `in_units` counts."""


class Folded(NamedTuple):
    """What a fold has done so far."""

    contributions: Contributions
    counted: dict[str, Counted]
    """By counter, those of its subjects in its time, whether it added to them or not."""


class FoldSteps:
    """The steps, blocking."""

    def __init__(self, database: Database) -> None:
        blocking = database.blocking
        self._state = blocking[STATE].with_options(write_concern=DURABLE)
        self._uncounted = blocking[UNCOUNTED].with_options(write_concern=DURABLE)
        self._counters = blocking[COUNTERS]
        self._reservations = blocking[RESERVATIONS]
        self._keys: dict[str, CounterKey] = {}

    def state(self) -> Document:
        """The state, made where there is none. Raises PyMongoError."""
        while (state := self._state.find_one({"_id": FOLD})) is None:
            try:
                self._state.insert_one({"_id": FOLD, "fold": 0, "calls": []})
            except DuplicateKeyError:
                continue
        found: Document = state
        return found

    def begin(self) -> Fold | None:
        """The fold that is in progress now; None where nothing waits. Raises PyMongoError."""
        while True:
            state = self.state()
            if state["calls"]:
                return Fold(state["fold"], state["calls"], is_ours=False)
            waiting = [document["_id"] for document in self._uncounted.find({}, {"_id": 1}).limit(MOST_DOCUMENTS)]
            if not waiting:
                return None
            began = {"fold": state["fold"] + 1, "calls": waiting, "began": datetime.now(UTC)}
            free = {"_id": FOLD, "fold": state["fold"], "calls": []}
            if self._state.update_one(free, {"$set": began}).modified_count:
                return Fold(state["fold"] + 1, waiting, is_ours=True)

    def apply(self, fold: Fold, *, wanted: bool = True) -> Folded:
        """Bring what the fold takes into the counters. `wanted` says whether any limit applies to anything. Raises
        PyMongoError.
        """
        if not wanted and self._counters.find_one({}, {"_id": 1}) is None:
            return Folded(Contributions(()), {})
        contributions = _readable(list(self._uncounted.find({"_id": {"$in": fold.documents}})))
        stages = self._ended(contributions)
        shared = {share["counter"] for share in contributions.shares}
        counted: dict[str, Counted] = {}
        updates: list[Document] = []
        alike: dict[tuple[bool, int], list[str]] = {}
        for counter in self._found(contributions, stages):
            try:
                key, has, used = self._key_of(counter["_id"]), counter["fold"], counter["used"]
            except (KeyError, ValueError) as error:
                log.warning("limits.counter_unreadable", counter=counter["_id"], error=type(error).__name__)
                continue
            unit = key.meter.unit
            added = contributions.of(key)
            if has < fold.number and (added or counter["_id"] in stages):
                if counter["_id"] in stages:
                    taken, once = stages[counter["_id"]], counter["_id"] in shared
                    updates.append(_counting(counter["_id"], fold.number, stored_amount(unit, added), taken, once=once))
                else:
                    alike.setdefault((unit in FRACTIONS, added), []).append(counter["_id"])
                counted[counter["_id"]] = Counted(key, in_units(unit, used) + added)
            else:
                counted[counter["_id"]] = Counted(key, in_units(unit, used))
        for (is_fraction, added), ids in alike.items():
            updates += _counting_alike(ids, fold.number, from_units(added) if is_fraction else added)
        self._update(updates)
        return Folded(contributions, counted)

    def _key_of(self, id_: str) -> CounterKey:
        """Kept, because to read one takes as long as all else that is done here with a counter."""
        if (key := self._keys.get(id_)) is None:
            if len(self._keys) >= MOST_KEYS:
                self._keys.clear()
            key = self._keys[id_] = key_named(id_)
        return key

    def _update(self, updates: Sequence[Document]) -> None:
        """By the plain command: what makes the driver's updates safe to repeat costs MongoDB as much again, and these
        are. Durable: were they lost with a member that falls, its successor would still end the fold.
        """
        apply_updates_blocking(self._counters.database, COUNTERS, updates, None, chunk=CHUNK)

    def _found(self, contributions: Contributions, more: Iterable[str]) -> Iterator[Document]:
        """The counters of their subjects in their time, and `more`: those that hold something of calls that happened at
        another time.
        """
        others = set(more)
        if (span := contributions.span) is not None:
            first, last = span
            subjects = contributions.subjects
            for at in range(0, len(subjects), MOST_SUBJECTS):
                some = {"$in": subjects[at : at + MOST_SUBJECTS]}
                theirs = {"subject": some, "end": {"$gt": first}, "start": {"$lte": last}}
                for counter in self._counters.find(theirs, _NEEDED):
                    others.discard(counter["_id"])
                    yield counter
        if others:
            yield from self._counters.find({"_id": {"$in": list(others)}}, _NEEDED)

    def _ended(self, contributions: Contributions) -> dict[str, list[Document]]:
        """By counter, the stages that take out the holds of calls that are recorded, and what they took of leases."""
        reservations: dict[str, list[str]] = {}
        if contributions.settled:
            settled = {"_id": {"$in": contributions.settled}}
            for reservation in self._reservations.find(settled, {"holds.counter": 1}):
                for hold in reservation.get("holds", ()):
                    reservations.setdefault(hold["counter"], []).append(reservation["_id"])
        shares: dict[str, dict[str, list[Number]]] = {}
        for share in contributions.shares:
            shares.setdefault(share["counter"], {}).setdefault(share["owner"], []).append(share["amount"])
        return {
            counter: [
                *taken_out(reservations.get(counter, ())),
                *shares_taken_out({owner: added(some) for owner, some in shares.get(counter, {}).items()}),
            ]
            for counter in (*reservations, *(counter for counter in shares if counter not in reservations))
        }

    def finish(self, fold: Fold) -> None:
        """End a fold that has been applied. Raises PyMongoError."""
        self._uncounted.delete_many({"_id": {"$in": fold.documents}})
        ended = {"_id": FOLD, "fold": fold.number, "calls": {"$ne": []}}
        self._state.update_one(ended, {"$set": {"calls": []}})


def _counting(counter: str, number: int, used: Number, stages: Sequence[Document], *, once: bool) -> Document:
    """The update that adds what a fold has for a counter, as the `update` command accepts it.

    A query by nothing but the `_id` costs half of one with a condition, so the condition is in the update: where the
    counter has the fold already, nothing changes. Shares of leases may be taken out once only.
    """
    is_new = {"$lt": ["$fold", number]}
    counts: Document = {
        "$set": {"used": {"$cond": [is_new, {"$add": ["$used", used]}, "$used"]}, "fold": {"$max": ["$fold", number]}}
    }
    where: Document = {"_id": counter, **({"fold": {"$lt": number}} if once else {})}
    return {"q": where, "u": [counts, *stages]}


def _counting_alike(counters: Sequence[str], number: int, used: Number) -> Iterator[Document]:
    """The same for many counters that take as much, as of requests most do: half the price of one by one."""
    if len(counters) == 1:
        yield _counting(counters[0], number, used, (), once=False)
        return
    change = {"$inc": {"used": used}, "$set": {"fold": number}}
    for first in range(0, len(counters), CHUNK):
        some = {"_id": {"$in": counters[first : first + CHUNK]}, "fold": {"$lt": number}}
        yield {"q": some, "u": change, "multi": True}


def _readable(documents: Sequence[Document]) -> Contributions:
    """What documents add; one that is damaged adds nothing, and the log says so."""
    try:
        return Contributions(documents)
    except Exception:  # noqa: BLE001 - whatever a damaged document makes of it
        sound = []
        for document in documents:
            try:
                Contributions([document])
            except Exception as error:  # noqa: BLE001 - as above
                reason = type(error).__name__
                log.warning("limits.uncounted_unreadable", document=str(document["_id"]), error=reason)
            else:
                sound.append(document)
        return Contributions(sound)
