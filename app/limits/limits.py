"""Limits as the rest of the application sees them."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.database import Database, Session
from app.limits.answers import TTL, Held, LimitState, Refusal
from app.limits.clock import ServerClock
from app.limits.counting.beginning import count_again_at_the_beginning
from app.limits.counting.counters import Counters
from app.limits.counting.crossings import Crossings
from app.limits.counting.folding import Folding
from app.limits.counting.limit_states import states_of
from app.limits.definitions import Definitions
from app.limits.meters import Applied, Asked, Caller, CounterKey, Purpose
from app.limits.reserving.enforcement import LONGEST_SECONDS, Enforcement
from app.limits.reserving.expiry import Expiry
from app.limits.reserving.leases import Leases
from app.limits.reserving.reservations import Reservations
from app.process import background
from models.documents import Document


class Limits:
    """One per process."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self._database = database
        self.definitions = Definitions(database, zone)
        self.counters = Counters(database)
        self.crossings = Crossings(self.definitions, self.counters)
        self.fold = Folding(database, self.crossings, lambda: not self.definitions.none)
        self.definitions.before_settling = self._count
        self.definitions.on_changed = self._on_changed
        self.clock = ServerClock(database)
        self.spool_waits: Callable[[], bool] = lambda: False
        """Whether calls of this process wait on disk: no reservation expires meanwhile."""
        self.leases = Leases(database.blocking, self.clock, spool_waits=self._spool_waits)
        self.reservations = Reservations(database, ensure=self.counters.ensure, catch_up=self._catch_up)
        self.enforcement = Enforcement(database, self.definitions, self.clock, self.reservations, self.leases)
        self.expiry = Expiry(
            database,
            self.clock,
            self.reservations,
            catch_up=self.fold.now,
            spool_waits=self._spool_waits,
            is_quiet=lambda: self.definitions.none,
        )

    async def _count(self, keys: Sequence[CounterKey]) -> None:
        await self.fold.now()
        await self.counters.ensure(keys)

    def _on_changed(self, subjects: set[str]) -> None:
        self.crossings.changed(subjects)
        self.fold.wake()

    def _spool_waits(self) -> bool:
        return self.spool_waits()

    async def _catch_up(self, counters: Iterable[str]) -> None:
        """Before somebody is refused: give back what is in hand, and have everything counted that was recorded."""
        await self.leases.give_back(counters)
        await self.fold.now()

    async def check(
        self, caller: Caller, purpose: Purpose, asked: Asked, *, seconds: float = LONGEST_SECONDS
    ) -> Refusal | None:
        """Whether a call would pass; nothing is taken. Raises LimitsUnavailableError."""
        return await self.enforcement.check(caller, purpose, asked, seconds=seconds)

    async def reserve(
        self,
        caller: Caller,
        purpose: Purpose,
        asked: Asked,
        *,
        ttl: timedelta = TTL,
        principal: str,
        seconds: float = LONGEST_SECONDS,
        content_type: str = "",
        id_: str | None = None,
    ) -> Held | Refusal:
        """Hold what a call may use, of every limit that applies, or of none, for `ttl`. `principal` may release it.

        With an `id_`, which follows from what the sender calls its request, a repeated ask holds nothing more. Nobody
        waits longer than `seconds`. Raises LimitsUnavailableError, and ConflictError where the reservation with this
        `id_` is not open.
        """
        return await self.enforcement.reserve(
            caller,
            purpose,
            asked,
            ttl=ttl,
            principal=principal,
            seconds=seconds,
            content_type=content_type,
            id_=id_,
        )

    def reserve_at_once(
        self, caller: Caller, purpose: Purpose, asked: Asked, *, ttl: timedelta = TTL, principal: str
    ) -> Held | None:
        """The same from what this process has in hand; None where it has not, and `reserve` is to be asked.

        Such a reservation is known to this process alone: its call is to be tracked here, too.
        """
        return self.enforcement.reserve_at_once(caller, purpose, asked, ttl=ttl, principal=principal)

    async def release(self, reservation: str, principal: str) -> bool:
        """End a reservation that nothing was used of. Returns whether it is released: `principal` made it, or is empty,
        and it was open, or has been released before. Raises DatabaseUnavailableError.
        """
        return await self.enforcement.release(reservation, principal)

    async def reservation(self, reservation: str) -> Document | None:
        """A reservation as stored. Raises DatabaseUnavailableError."""
        return await self.enforcement.reservation(reservation)

    async def state(
        self,
        caller: Caller,
        purpose: Purpose | None = None,
        *,
        at: datetime | None = None,
        session: Session | None = None,
    ) -> Sequence[LimitState]:
        """Every limit of a caller in the periods of a moment (now), exact to the last call that was recorded: of calls
        for a purpose, or of all, without the limits of features then. See `state_of`. Raises PyMongoError and
        LimitsUnavailableError.
        """
        at = at or self.clock.now()
        if (applied := self.definitions.applying(caller, purpose, at)) is None:
            await self.definitions.learn([caller], at)
            applied = self.definitions.applying(caller, purpose, at) or ()
        return await self.state_of(applied, session=session)

    async def state_of(self, applied: Sequence[Applied], *, session: Session | None = None) -> Sequence[LimitState]:
        """What is used and held of limits, as of the snapshot of `session`, which is one of `database.reads`; as of
        now, where none is given. Raises PyMongoError.
        """
        if not applied:
            return ()
        if session is None:
            async with self._database.snapshot(self._database.reads.client) as own:
                states, missing = await states_of(self._database, applied, own)
        else:
            states, missing = await states_of(self._database, applied, session)
        self.counters.have(missing)
        return states

    async def changed(self) -> None:
        """Take in what this process has just changed in the definitions."""
        await self.definitions.refresh()


@asynccontextmanager
async def open_limits(database: Database, zone: ZoneInfo) -> AsyncIterator[Limits]:
    """The limits of a process, for the length of a block. `zone` is that of limits without one. Raises PyMongoError."""
    limits = Limits(database, zone)
    await limits.clock.set()
    await limits.definitions.refresh()
    async with (
        background(limits.definitions.keep_fresh(), "limits"),
        background(limits.fold.run(), "fold"),
        background(limits.leases.run(), "leases"),
        background(limits.expiry.run(), "expiry"),
        background(count_again_at_the_beginning(limits.definitions, limits.counters), "limits-beginning"),
    ):
        yield limits
    await limits.leases.close()
    await limits.reservations.close()
    await limits.expiry.close()
