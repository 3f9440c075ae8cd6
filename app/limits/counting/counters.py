"""Documents of counters: made when somebody needs them, and counted from the ledger before anybody uses them.

A fold finds its counters when it has begun. So a counter is only sure of those folds that began when it was there, and
takes for its own, by its number, all that began before: what these added is in the first count.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from pymongo import UpdateOne
from pymongo.collection import Collection as BlockingCollection
from pymongo.errors import BulkWriteError

from app.database import DURABLE, Database
from app.database.blocking import BlockingDatabase, OwnThread
from app.database.connection import STANDALONE_ADVICE
from app.database.updates import DUPLICATE_KEY
from app.limits.answers import LimitsUnavailableError
from app.limits.counting.recount import Recounted, recounted
from app.limits.meters import CounterKey, Subject, in_units, stored_amount
from app.observability.logs import Log
from models.counters import COUNTERS, FOLD, STATE
from models.documents import Document
from models.limits import Unit, Window

log = Log(__name__)

KEPT_BEYOND = timedelta(hours=1)
"""How long counters of windows shorter than a day are kept after their period."""
SHORT = frozenset({Window.MINUTE, Window.HOUR})
PATIENCE_SECONDS = 2.0
"""How long somebody waits for the first count of a counter."""
PAGE = 500
"""Counters that are counted again as of one moment."""


class CountingError(LimitsUnavailableError):
    """A counter that many calls belong to is still being counted for the first time."""


class Counters:
    """Those of one deployment, as one process makes and mends them."""

    def __init__(self, database: Database) -> None:
        self._database: BlockingDatabase[dict[str, Any]] = database.blocking
        self._transactional = database.transactional
        self._threads = {True: OwnThread("counters"), False: OwnThread("broad-counters")}
        """By whether they are of single users, whom nobody's many calls shall hold up."""
        self._counting: dict[str, asyncio.Future[None]] = {}

    def have(self, keys: Iterable[CounterKey]) -> None:
        """Begin to make those that somebody missed, for the next one who needs them."""
        if self._transactional and (missing := [key for key in keys if key.id not in self._counting]):
            self._begin(missing)

    async def ensure(self, keys: Iterable[CounterKey], seconds: float = PATIENCE_SECONDS) -> None:
        """Have these counters in the database, counted. Raises CountingError, where that takes longer than `seconds`,
        and PyMongoError.
        """
        if not self._transactional:
            raise CountingError(f"limits need transactions: {STANDALONE_ADVICE}")
        wanted = {key.id: key for key in keys}
        waited_for = {self._counting[id_] for id_ in wanted if id_ in self._counting}
        waited_for |= self._begin([key for id_, key in wanted.items() if id_ not in self._counting])
        if not waited_for:
            return
        done, late = await asyncio.wait(waited_for, timeout=seconds)
        for each in done:
            each.result()
        if late:
            raise CountingError("a limit is being counted for the first time; try again in a moment")

    def _begin(self, keys: Sequence[CounterKey]) -> set["asyncio.Future[None]"]:
        begun = set()
        for narrow, thread in self._threads.items():
            if some := [key for key in keys if (Subject.of(key.meter.subject).kind == "user") is narrow]:
                begun.add(self._begun(some, thread))
        return begun

    async def used(self, ids: Iterable[str]) -> dict[str, int]:
        """What is used of those that are counted, as `in_units` counts. Raises PyMongoError."""
        where = {"_id": {"$in": list(ids)}, "counting": {"$exists": False}}

        def read() -> dict[str, int]:
            found = self._database[COUNTERS].find(where, {"unit": 1, "used": 1})
            return {each["_id"]: in_units(Unit(each["unit"]), each["used"]) for each in found}

        return await self._threads[True].run(read)

    def _begun(self, keys: list[CounterKey], thread: OwnThread) -> "asyncio.Future[None]":
        ids = [key.id for key in keys]
        future: asyncio.Future[None] = asyncio.ensure_future(thread.run(partial(self.make, keys)))
        self._counting |= dict.fromkeys(ids, future)

        def done(ended: "asyncio.Future[None]") -> None:
            for id_ in ids:
                self._counting.pop(id_, None)
            if not ended.cancelled() and (error := ended.exception()) is not None:
                log.warning("limits.counting_failed", counters=len(ids), error=type(error).__name__)

        future.add_done_callback(done)
        return future

    def make(self, keys: Sequence[CounterKey]) -> None:
        """Make and count those that are missing, in this thread. Raises PyMongoError."""
        for first in range(0, len(keys), PAGE):
            self._make(keys[first : first + PAGE])

    def _make(self, keys: Sequence[CounterKey]) -> None:
        counters = self._durable
        began = self._began
        ids = [key.id for key in keys]
        there = {
            one["_id"]: one.get("counting", False) for one in counters.find({"_id": {"$in": ids}}, {"counting": 1})
        }
        if missing := [_new(key, began) for key in keys if key.id not in there]:
            try:
                counters.insert_many(missing, ordered=False)
            except BulkWriteError as error:
                if any(one["code"] != DUPLICATE_KEY for one in (error.details or {})["writeErrors"]):
                    raise
        if uncounted := [id_ for id_ in ids if there.get(id_, True)]:
            self.count(uncounted)

    def count(self, ids: Collection[str]) -> None:
        """Count those of these counters that have not been counted yet. Raises PyMongoError."""
        uncounted = {"_id": {"$in": list(ids)}, "counting": True}
        # from here on no fold up to this one touches them, and all later ones find them
        began = self._began
        self._durable.update_many({**uncounted, "fold": {"$lt": began}}, {"$max": {"fold": began}})
        self.mend(uncounted, by_cells=True)

    async def mend_all(self) -> int:
        """Count all again that nobody counts just now, as they were counted first: cells know also of calls that
        retention has deleted. Returns how many said something else. Raises PyMongoError.
        """

        def mend() -> int:
            mended, last = 0, ""
            while ids := [one["_id"] for one in self._after(last)]:
                found = self.mend({"_id": {"$in": ids}, "counting": {"$exists": False}}, by_cells=True)
                mended, last = mended + sum(1 for each in found if each.difference), ids[-1]
            return mended

        return await self._threads[False].run(mend)

    def _after(self, id_: str) -> Iterable[Document]:
        return self._database[COUNTERS].find({"_id": {"$gt": id_}}, {"_id": 1}).sort("_id").limit(PAGE)

    def mend(self, where: Document, *, by_cells: bool = False) -> list[Recounted]:
        """Count those that match `where` again, by the ledger or `by_cells`, and mend them. Returns what was found.

        Raises PyMongoError.
        """
        with self._database.client.start_session(snapshot=True) as session:
            found = recounted(self._database, session, where, by_cells=by_cells)
        self._apply(each for each in found if each.difference or each.stored.get("counting"))
        return found

    def _apply(self, counted: Iterable[Recounted]) -> None:
        """Add what is missing, to each once: nobody has recounted it since."""
        updates = [
            UpdateOne(
                {"_id": each.stored["_id"], "recounts": each.stored["recounts"]},
                {
                    "$inc": {"used": stored_amount(each.key.meter.unit, each.difference), "recounts": 1},
                    "$unset": {"counting": True},
                },
            )
            for each in counted
        ]
        if updates:
            self._durable.bulk_write(updates, ordered=False)

    @property
    def _began(self) -> int:
        """The number of the last fold that began."""
        state = self._database[STATE].find_one({"_id": FOLD})
        return 0 if state is None else int(state["fold"])

    @property
    def _durable(self) -> BlockingCollection[dict[str, Any]]:
        return self._database[COUNTERS].with_options(write_concern=DURABLE)


def _new(key: CounterKey, began: int) -> Document:
    (subject, unit, filter_, window), (start, end) = key
    zero = stored_amount(unit, 0)
    counter: Document = {
        "_id": key.id,
        "subject": subject,
        "unit": unit.value,
        "filter": filter_.stored(),
        "window": window.value,
        "start": start,
        "end": end,
        "used": zero,
        "held": zero,
        "holds": {},
        "fold": began,
        "recounts": 0,
        "counting": True,
    }
    if window in SHORT:
        counter["expireAt"] = end + KEPT_BEYOND
    return counter
