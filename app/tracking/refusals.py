"""Counts refused calls by reason in the database, off the callers' path: what a meter turned away must be seen.

Counts gather in memory and are written every few seconds; while MongoDB is away they wait. What a process that is
killed had gathered is lost: these are calls that their callers know were refused.
"""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pymongo
from cachetools import TTLCache

from app.database import Database
from app.database.outages import reason_of
from app.database.updates import apply_updates
from app.ledger.common import CommonCall
from app.observability.logs import Log
from app.observability.troubles import Code, Troubles
from models.call import AICall
from models.faults import MORE, Fault
from models.refusals import KEY, LATE, LATE_DAYS, REFUSALS

WRITE_SECONDS = 2.0
TIMEOUT_SECONDS = 5.0
MOST_REASONS = 100
"""Kinds of refusals that a process keeps apart, by client and day. Later ones are counted under one name, so that
made-up fields fill neither memory nor the collection, and crowd out no other client's."""
MOST_CHARACTERS = 200
OTHERS = ("", "other reasons")

LATE_AFTER = timedelta(days=LATE_DAYS)
LATE_REASON = f"is more than {LATE_DAYS} days ago"
MOST_TOLD = 1_000

log = Log(__name__)

Kind = tuple[str, ...]
"""In the order of `KEY`."""


class Refusals:
    """The refusals of one process."""

    def __init__(
        self,
        database: Database,
        zone: ZoneInfo,
        clock: Callable[[], datetime] | None = None,
        troubles: Troubles | None = None,
    ) -> None:
        self._troubles = troubles or Troubles()
        self._writing: asyncio.Task[None] | None = None
        self._database = database
        self._zone = zone
        self._clock = clock or (lambda: datetime.now(UTC))
        self._waiting: Counter[Kind] = Counter()
        self._late: Counter[Kind] = Counter()
        self._told: TTLCache[str, bool] = TTLCache(MOST_TOLD, timedelta(days=1).total_seconds())
        """Clients whose late calls the log has said."""
        self._day = ""
        self._kinds: defaultdict[str, set[Kind]] = defaultdict(set)
        """Those of the day, by client."""

    def count(self, client: str, door: str, faults: Iterable[Fault]) -> None:
        """Count one refused call of a client under each of its reasons, once."""
        client = _storable(client)
        day = self._clock().astimezone(self._zone).date().isoformat()
        if day != self._day:
            self._day, self._kinds = day, defaultdict(set)
        known = self._kinds[client]
        for field, reason in {_plain(fault) for fault in faults if fault.field != MORE}:
            kind = (day, client, door, field, reason)
            if kind not in known:
                if len(known) < MOST_REASONS:
                    known.add(kind)
                else:
                    kind = (day, client, door, *OTHERS)
            self._waiting[kind] += 1

    def note_late(self, call: AICall | CommonCall, door: str) -> None:
        """Count an accepted call where it is dated long ago: a wrong clock, or history that an import is for."""
        if call.created_at is not None and (now := self._clock()) - call.created_at > LATE_AFTER:
            client, day = _storable(call.client_id), now.astimezone(self._zone).date().isoformat()
            if client not in self._told:
                self._told[client] = True
                log.warning("call.late", client=client, door=door, created_at=call.created_at.isoformat())
            self._late[day, client, door, "createdAt", LATE_REASON] += 1

    async def run(self) -> None:
        """Write what has gathered, for ever."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            self._writing = asyncio.create_task(self.write(), name="twinmeter-refusals-write")
            with contextlib.suppress(Exception):  # it waits for the next round, and `write` has said so
                # a stop ends this wait, and not the write: whether that had been done could not be known
                await asyncio.shield(self._writing)

    async def write(self) -> None:
        """Write what has gathered. Raises what the database raises; then it goes on waiting."""
        try:
            with pymongo.timeout(TIMEOUT_SECONDS):
                await self._write(REFUSALS, self._waiting)
                await self._write(LATE, self._late)
        except Exception as error:
            self._troubles.report(Code.REFUSALS, reason_of(error), count=len(self._waiting), error=error)
            raise
        self._troubles.gone(Code.REFUSALS)

    async def _write(self, collection: str, waiting: Counter[Kind]) -> None:
        counted = waiting.copy()
        waiting.clear()
        updates = [
            {
                "q": {"_id": dict(zip(KEY, kind, strict=True))},
                "u": {"$inc": {"calls": calls}, "$currentDate": {"last": True}},
                "upsert": True,
            }
            for kind, calls in counted.items()
        ]
        try:
            await apply_updates(self._database, collection, updates, None)
        except Exception:
            waiting.update(counted)
            raise

    async def close(self) -> None:
        """Write what is left, if that can be done. To be called when `run` has been cancelled."""
        if self._writing is not None:
            await asyncio.wait({self._writing})
        with contextlib.suppress(Exception):  # `write` has said so, and a stop goes on
            await self.write()


def _plain(fault: Fault) -> Fault:
    """Without names that callers make up: of metadata the field alone, of a span none of its ids, and of unknown
    fields only what can be a name, which is one word.
    """
    field = fault.field.partition(".")[0] if fault.field.startswith("metadata") else fault.field[:MOST_CHARACTERS]
    named = field.isascii() and field.isprintable() and " " not in field
    return Fault(field if named else "", _storable(fault.message[:MOST_CHARACTERS]))


def _storable(text: str) -> str:
    """`text` as UTF-8 can hold it: half a surrogate pair, which Python's strings can be, is refused by the driver."""
    return text.encode(errors="replace").decode()
