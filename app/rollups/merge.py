"""Merges: each a transaction, in a thread, which the writers' event loop need not wait for.

What is merged has been found sound, once: all of a delta is looked at as its figures are merged, and as its users are
only where its size is not what it was.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from app.database import Database, Session
from app.database.blocking import transact_blocking
from app.database.outages import is_too_large
from app.database.updates import apply_updates_blocking, latest
from app.observability.logs import Log
from app.rollups.active_users import Active, ActiveUsers
from app.rollups.cell_updates import CellChanges
from app.rollups.state import STATE_KEY
from app.rollups.subject_updates import conversation_updates, user_updates, variant_updates
from app.rollups.trailing import add_late
from models.documents import Document
from models.rollups import CHANGED, CONVERSATIONS, DELTAS, MARKS, MERGED, NOT_MERGED, STATE, USERS, VARIANTS
from models.stored_shapes import damaged

log = Log(__name__)

MAX_DELTAS = 500
MAX_CALLS = 20_000
"""The maximum of calls that one transaction merges, beyond its first delta. There may be a user and a conversation for
each: 60,000 did not fit into a small server's cache."""
FEWEST = 1_000
MAX_SOUND = 10_000
MARKED_BYTES = 9
"""By so much `MERGED` lengthens a delta."""


class Merged(NamedTuple):
    """What one merge did."""

    deltas: int
    calls: int
    more: bool
    """Whether it stopped at its limits, so that more may wait."""


class UnreadableError(Exception):
    """Deltas that wait are damaged, and must be set aside before others are merged."""

    def __init__(self, which: Document) -> None:
        super().__init__("damaged deltas")
        self.which = which
        """Matches them, among others."""


class _Waiting(NamedTuple):
    ids: list[ObjectId]
    sizes: list[int]
    calls: int
    first_day: str
    full: bool
    lacking: frozenset[str]
    """Marks that not all of them have."""


Step = Callable[[_Waiting, Document], None]


class Merger:
    """Merges for one compactor. For use in one thread at a time, with a session that nobody else uses meanwhile."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._database = database.blocking
        self._deltas = self._database[DELTAS]
        self._raw_deltas = self._deltas.with_options(CodecOptions(document_class=RawBSONDocument))
        self._states = self._database[STATE]
        self._session = None if session is None else session.delegate
        self._users = ActiveUsers(self._database)
        self._active: Active = {}
        """What the running merge stores."""
        self._sound: dict[ObjectId, int] = {}
        """The sizes of deltas whose figures this process has merged, and whose users wait."""
        self._epoch = 0
        self._most = MAX_CALLS

    def take_fewer(self, error: OperationFailure) -> bool:
        """Merge half as many calls at once from now on, where so many did not fit into MongoDB's cache.

        Returns whether that may help.
        """
        if not is_too_large(error) or self._most <= FEWEST:
            return False
        self._most //= 2
        log.warning("compactor.takes_fewer", calls=self._most, reason="a merge did not fit into MongoDB's cache")
        return True

    def figures(self) -> Merged:
        """Merge the figures of the oldest deltas, and who was active. Raises PyMongoError, UnreadableError."""
        self._active = {}
        merged, waiting = self._merge(NOT_MERGED, self._most, self._figures)
        self._users.remember(self._active)
        if len(self._sound) > MAX_SOUND:  # the users of most were merged by another process
            self._sound.clear()
        self._sound.update(zip(waiting.ids, (size + MARKED_BYTES for size in waiting.sizes), strict=True))
        return merged

    def subjects(self) -> Merged:
        """Merge the users and conversations of deltas whose figures are merged, and delete these. Likewise."""
        merged, waiting = self._merge(MERGED, self._most, self._subjects)
        for delta in waiting.ids:
            self._sound.pop(delta, None)
        return merged

    def _merge(self, which: Document, most: int, step: Step) -> tuple[Merged, _Waiting]:
        started = time.monotonic()

        def work() -> _Waiting:
            # two concurrent merges conflict here: one of them is rolled back
            # readers keep users' cells in mind until there has been a merge that was not of figures
            counts = {**CHANGED, "figures": int(which == NOT_MERGED)}
            state = self._states.find_one_and_update(STATE_KEY, {"$inc": counts}, session=self._session)
            assert state is not None  # noqa: S101 - it exists from the first start on
            waiting = self._oldest({**which, "timezone": state["timezone"]}, most)
            if waiting.ids:
                step(waiting, state)
            return waiting

        self._look_for_strange_ones()
        if self._deltas.find_one(which, {"_id": 1}) is None:
            return Merged(0, 0, more=False), _Waiting([], [], 0, "", full=False, lacking=frozenset())
        waiting = work() if self._session is None else transact_blocking(self._session, work)
        milliseconds = round((time.monotonic() - started) * 1000, 1)
        log.debug("compactor.merged", deltas=len(waiting.ids), of=step.__name__, milliseconds=milliseconds)
        return Merged(len(waiting.ids), waiting.calls, more=waiting.full), waiting

    def _look_for_strange_ones(self) -> None:
        """Those that no merge would ever take."""
        zone = self._states.find_one(STATE_KEY, {"timezone": 1}) or {}
        ours = {"timezone": zone.get("timezone"), "$or": [NOT_MERGED, MERGED]}
        strange = self._deltas.find({"$nor": [ours]}, {"_id": 1}).limit(MAX_DELTAS)
        self._require_sound([delta["_id"] for delta in strange])

    def _require_sound(self, deltas: list[Any], *, within: bool = False) -> None:
        which = {"_id": {"$in": deltas}}
        condition = {"$and": [which, damaged(DELTAS)]}
        if deltas and self._deltas.find_one(condition, {"_id": 1}, session=self._session if within else None):
            raise UnreadableError(which)

    def _oldest(self, which: Document, most: int) -> _Waiting:
        shown = {"calls": 1, "first": {"$min": "$days"}, "size": {"$bsonSize": "$$ROOT"}, **dict.fromkeys(MARKS, 1)}
        ids: list[ObjectId] = []
        sizes: list[int] = []
        days: list[str] = []
        unknown, calls, full, lacking = [], 0, False, set[str]()
        for delta in self._deltas.find(which, shown, session=self._session).sort("_id").limit(MAX_DELTAS):
            ids.append(delta["_id"])
            sizes.append(delta["size"])
            lacking.update(mark for mark in MARKS if mark not in delta)
            if self._sound.get(delta["_id"]) != delta["size"]:
                unknown.append(delta["_id"])
                if not isinstance(delta.get("calls"), int):
                    break
            calls += delta["calls"]
            days.append(delta["first"])
            if full := calls >= most or len(ids) == MAX_DELTAS:
                break
        self._require_sound(unknown, within=True)
        return _Waiting(ids, sizes, calls, min(days, default=""), full, frozenset(lacking))

    def _figures(self, waiting: _Waiting, state: Document) -> None:
        if state["epoch"] != self._epoch:
            self._users.forget()
            self._epoch = state["epoch"]
        changes, newest = CellChanges(), []
        for delta in self._without_subjects(waiting.ids):
            changes.add(delta)
            newest.append(delta["at"])
        for collection, updates in changes.updates().items():
            apply_updates_blocking(self._database, collection, updates, self._session)
        self._active = self._users.store(waiting.ids, self._session)
        self._deltas.update_many({"_id": {"$in": waiting.ids}}, {"$set": MERGED}, session=self._session)
        if waiting.lacking:
            self._states.update_one(STATE_KEY, {"$inc": dict.fromkeys(waiting.lacking, -1)}, session=self._session)
        last = latest("lastCommit", max(newest))
        self._states.update_one(STATE_KEY, [{"$set": {"lastCommit": last}}], session=self._session)

    def _subjects(self, waiting: _Waiting, state: Document) -> None:
        pipelines = {
            USERS: user_updates(waiting.ids),
            CONVERSATIONS: conversation_updates(waiting.ids),
            VARIANTS: variant_updates(waiting.ids, state["merges"] + 1),
        }
        for collection, pipeline in pipelines.items():
            statements = list(self._raw_deltas.aggregate(pipeline, session=self._session))
            apply_updates_blocking(self._database, collection, statements, self._session)
        if waiting.first_day < state["today"]:
            add_late(self._database, waiting.ids, state, self._session)
        self._deltas.delete_many({"_id": {"$in": waiting.ids}}, session=self._session)

    def _without_subjects(self, ids: list[ObjectId]) -> Iterator[Document]:
        """Not a list: to free many at once takes as long as a caller may wait."""
        without = {"usage.users": 0, "usage.conversations": 0, "usage.variants": 0}
        yield from self._deltas.find({"_id": {"$in": ids}}, without, session=self._session)
