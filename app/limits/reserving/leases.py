"""What this process may grant from memory: parts of counters that are in demand, taken before anybody asks.

A lease is a hold of this process in a counter. Granting from it takes no round trip; what was granted goes out of the
counter in the step in which what was used is counted. A heartbeat says that the process lives: one that could not send
it grants nothing, and the leases of one that has sent none for long are taken out by others.
"""

import asyncio
import itertools
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import pymongo
from pymongo.errors import PyMongoError

from app.database.blocking import BlockingDatabase, OwnThread
from app.database.connection import DURABLE
from app.database.outages import reason_of
from app.limits.clock import ServerClock
from app.limits.reserving.lease import Granted, Lease, Share, Want
from app.limits.reserving.taking import Taking
from app.observability.logs import Log
from models.counters import COUNTERS, LEASED, LEASES, Remark
from models.documents import Document

log = Log(__name__)

Result = TypeVar("Result")

TICK_SECONDS = 0.25
"""How often leases are made to fit the demand."""
HOT = 4
"""Asks of one counter in such a time, and it gets a lease: at once, and not with the next step."""
REST_SECONDS = 0.05
"""Between two steps for new leases."""
MOST_LEASES = 1_000
BEAT_SECONDS = 1.0
GRANT_SECONDS = 4.0
"""For so long after a heartbeat was sent leases are granted from."""
COVER = timedelta(seconds=20)
"""After the last heartbeat leases are there for so long: what was granted before is covered meanwhile."""
GRACE = timedelta(seconds=30)
"""For so long after it has expired a reservation may still be settled."""
ATTEMPT_SECONDS = 2.0
GOODBYE_SECONDS = 1.0


class Leases:
    """Of one process. Used on its event loop, but for `settling`."""

    def __init__(
        self,
        database: BlockingDatabase[Any],
        clock: ServerClock,
        *,
        spool_waits: Callable[[], bool] = lambda: False,
        clock_time: Callable[[], float] = time.monotonic,
    ) -> None:
        """`spool_waits`: whether calls that may settle reservations wait on disk, so that none expires."""
        self._taking = Taking(database)
        self._beats = database[LEASES].with_options(write_concern=DURABLE)
        self._counters = database[COUNTERS]
        self._clock = clock
        self._spool_waits = spool_waits
        self._time = clock_time
        self._thread = OwnThread("leases")
        self._numbers = itertools.count(1)
        self._wanted = asyncio.Event()
        self._hurry = asyncio.Event()
        """Something is in demand that has no lease."""
        self._missed: dict[str, tuple[int, Want, float]] = {}
        """How often, what last, and since when."""
        self._turn = asyncio.Lock()
        self._begin()

    def _begin(self) -> None:
        """As a new owner, who has nothing."""
        self.owner = f"{LEASED}{uuid.uuid4().hex}"
        self._leases: dict[str, Lease] = {}
        self._granted: dict[str, Granted] = {}
        self._settling: dict[str, Granted] = {}
        """What is in a transaction of the ledger, or was in one that could not be stored."""
        self._beaten_at = self._grants_until = -1.0
        self._expires: datetime | None = None
        """What was said last, and of which counters; None before anything was."""
        self._told: set[str] = set()

    def grant(
        self, wants: Sequence[Want], *, user_id: str, client_id: str, principal: str, seconds: float
    ) -> str | None:
        """A reservation of all that is wanted, for so many seconds; None where that is not in hand."""
        now = self._time()
        if now >= self._grants_until:
            for want in wants:
                self._miss(want, now)
            return None
        leases = []
        for want in wants:
            lease = self._leases.get(want.counter)
            if lease is None or lease.free < want.amount or lease.allowance != want.allowance:
                for each in wants:
                    self._miss(each, now)
                return None
            leases.append(lease)
        for lease, want in zip(leases, wants, strict=True):
            lease.free -= want.amount
            lease.asked(want.amount, now)
        shares = tuple([Share(want.counter, want.unit, self.owner, want.amount) for want in wants])
        id_ = f"{self.owner}-{next(self._numbers)}"
        self._granted[id_] = Granted(shares, user_id, client_id, principal, now + seconds)
        return id_

    def granted(self, reservation: str) -> Granted | None:
        """One that is open."""
        return self._granted.get(reservation)

    def settling(self, reservation: str, user_id: str, client_id: str) -> Sequence[Document] | Remark:
        """What goes out of which counter with what was used, the same each time until `settled`; or why nothing does.

        Called in any thread: whoever takes a reservation out of what is granted has it.
        """
        if (granted := self._settling.get(reservation)) is None:
            if (granted := self._granted.get(reservation)) is None:
                return Remark.EXPIRED if reservation.startswith(self.owner) else Remark.UNKNOWN
            if (granted.user_id, granted.client_id) != (user_id, client_id):
                return Remark.NOT_YOURS
            if self._granted.pop(reservation, None) is None:
                return Remark.RELEASED
            self._settling[reservation] = granted
        return [share.stored for share in granted.shares]

    def settled(self, reservation: str) -> None:
        """That is stored."""
        self._settling.pop(reservation, None)

    def release(self, reservation: str) -> bool:
        """Put back what nothing was used of. Returns whether it was open."""
        if (granted := self._granted.pop(reservation, None)) is None:
            return False
        self._put_back(granted)
        return True

    def _put_back(self, granted: Granted) -> None:
        for counter, _, owner, amount in granted.shares:
            if owner == self.owner and (lease := self._leases.get(counter)) is not None:
                lease.free += amount

    async def run(self) -> None:
        """Keep leases as large as they are needed. Never ends; does nothing while nobody asks."""
        loop = asyncio.get_running_loop()
        due = loop.time() + TICK_SECONDS
        while True:
            if not (self._leases or self._granted or self._settling):
                self._wanted.clear()
                await self._wanted.wait()
                due = loop.time() + TICK_SECONDS
            try:
                if await self._is_hurried(due):
                    await self.tick(new_alone=True)
                    await asyncio.sleep(REST_SECONDS)
                else:
                    due = loop.time() + TICK_SECONDS
                    await self.tick()
            except PyMongoError as error:
                log.info("limits.leases_not_kept", reason=reason_of(error))
            except Exception:
                # a fault of ours must not end it for ever
                log.exception("limits.leases_not_kept")

    async def _is_hurried(self, due: float) -> bool:
        """Wait until then, or until something is in demand that has no lease."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await self._hurry.wait()
        return self._hurry.is_set()

    async def tick(self, *, new_alone: bool = False) -> None:
        """One step of that, for all leases or for those that are yet to be made. Raises PyMongoError."""
        async with self._turn:
            fresh = self._take_in_misses(keep=new_alone)
            if not new_alone:
                self._expire()
            if not (changed := fresh if new_alone else list(self._leases.values())):
                return
            await self._beat()
            if fresh:
                await self._look([lease.counter for lease in fresh])
            now = self._time()
            for lease in changed:
                lease.measure(now)
            await self._change(changed)

    async def give_back(self, counters: Iterable[str]) -> None:
        """Give back what is free of these, before somebody is refused. Raises PyMongoError."""
        if not self._leases.keys() & set(counters):
            return
        async with self._turn:
            leases = [lease for counter in counters if (lease := self._leases.get(counter)) is not None and lease.free]
            for lease in leases:
                lease.give_back()
            await self._change(leases)

    async def close(self) -> None:
        """Give everything back that is free. What was granted and is not settled is there until it expires."""
        try:
            with pymongo.timeout(GOODBYE_SECONDS):
                self._grants_until = -1.0
                await self.give_back(list(self._leases))
                if all(lease.is_over for lease in self._leases.values()):
                    await self._in_thread(lambda: self._beats.delete_one({"_id": self.owner}))
        except PyMongoError as error:
            log.info("limits.leases_left_to_expire", reason=reason_of(error))

    def _miss(self, want: Want, now: float) -> None:
        if (lease := self._leases.get(want.counter)) is not None:
            lease.asked(want.amount, now)
            if lease.allowance != want.allowance:
                lease.allow(want.allowance)
            return
        times, _, since = self._missed.get(want.counter, (0, want, now))
        self._missed[want.counter] = (times + 1, want, since)
        self._wanted.set()
        if times + 1 == HOT and len(self._leases) < MOST_LEASES:
            self._hurry.set()

    def _expire(self) -> None:
        if self._spool_waits():
            return
        now = self._time() - GRACE.total_seconds()
        for among in (self._granted, self._settling):
            for id_ in [id_ for id_, granted in list(among.items()) if granted.expires_at < now]:
                if (granted := among.pop(id_, None)) is not None:
                    self._put_back(granted)

    def _take_in_misses(self, *, keep: bool) -> list[Lease]:
        """`keep` what may yet be asked for often enough."""
        self._hurry.clear()
        hot = [each for each in self._missed.values() if each[0] >= HOT]
        self._missed = {name: each for name, each in self._missed.items() if keep and each[0] < HOT}
        now = self._time()
        fresh = []
        for times, want, since in hot[: MOST_LEASES - len(self._leases)]:
            lease = Lease(want.counter, want.unit, self.owner, want.allowance, since)
            for _ in range(times):
                lease.asked(want.amount, now)
            self._leases[want.counter] = lease
            fresh.append(lease)
        return fresh

    async def _beat(self) -> None:
        """Say that this process lives, and which counters have something of it."""
        now = self._time()
        if self._leases.keys() <= self._told and now - self._beaten_at < BEAT_SECONDS:
            return
        expires = self._clock.now() + COVER
        beat = {"$set": {"expires": expires, "counters": list(self._leases)}}
        living = {"_id": self.owner, "ended": {"$exists": False}}
        work = partial(self._beats.update_one, living, beat, upsert=self._expires is None)
        told = await self._in_thread(work)
        if not told.matched_count and told.upserted_id is None:
            log.warning("limits.lease_lost", owner=self.owner)
            self._begin()
            return
        self._expires, self._told = expires, set(self._leases)
        self._beaten_at, self._grants_until = now, now + GRANT_SECONDS

    async def _change(self, leases: Iterable[Lease]) -> None:
        """Send what is to change, and read what came of it."""
        if self._expires is None:
            return
        changed = list(leases)
        now, expires = self._time(), self._expires
        made = [lease.change(now, next(self._numbers), expires) for lease in changed]
        if updates := [update for update in made if update is not None]:
            await self._in_thread(partial(self._taking.update, updates))
        if changed:
            await self._look([lease.counter for lease in changed])

    async def _look(self, counters: Sequence[str]) -> None:
        fields = {"used": 1, "held": 1, f"holds.{self.owner}": 1}
        found: dict[str, Document] = await self._in_thread(
            lambda: {one["_id"]: one for one in self._counters.find({"_id": {"$in": counters}}, fields)}
        )
        for counter in counters:
            if (lease := self._leases.get(counter)) is not None:
                lease.found(found.get(counter))
                if lease.is_over and self._time() - lease.used_at >= 2 * TICK_SECONDS:
                    del self._leases[counter]

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await self._thread.run(work, seconds=ATTEMPT_SECONDS)
