"""Enforcement: whether a call may be made, what it holds meanwhile, and what is answered while MongoDB is away."""

import asyncio
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from app.database import DURABLE, Database
from app.database.outages import AWAY, answering, is_outage
from app.errors import ConflictError, DatabaseUnavailableError
from app.limits.answers import Held, LimitsUnavailableError, Refusal
from app.limits.clock import ServerClock
from app.limits.definitions import Definitions
from app.limits.holding import Take
from app.limits.meters import Applied, Asked, Caller, CounterKey, Purpose
from app.limits.reserving.claims import (
    Claim,
    Terms,
    claims_of,
    held_of,
    passes_when_away,
    refusal_of,
    terms_of,
    unbounded,
)
from app.limits.reserving.gathering import Gathering
from app.limits.reserving.lease import Want
from app.limits.reserving.leases import Leases
from app.limits.reserving.reservations import Reservations
from app.limits.reserving.taking import Ask
from models.counters import RESERVATIONS, UNENFORCED, UNLIMITED
from models.documents import Document

MOST_TERMS = 20_000
LONGEST_SECONDS = 2.0
"""For so long a caller who names no time waits for an answer."""
SOON_SECONDS = 0.25
"""Whoever is answered within them has not been given up by its sender, who asks again and may have been done since."""


class Enforcement:
    """Of one process."""

    def __init__(
        self,
        database: Database,
        definitions: Definitions,
        clock: ServerClock,
        reservations: Reservations,
        leases: Leases,
        *,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._documents = database.writes[RESERVATIONS].with_options(write_concern=DURABLE)
        self._definitions = definitions
        self._clock = clock
        self._reservations = reservations
        self.leases = leases
        self._now = now or clock.now
        self._learned = Gathering(self._learn)
        self._mint, self._count = os.urandom(6).hex(), itertools.count(int.from_bytes(os.urandom(3), "big"))
        self._known_terms: dict[int, tuple[Sequence[Applied], list[Terms]]] = {}

    async def check(self, caller: Caller, purpose: Purpose, asked: Asked, *, seconds: float) -> Refusal | None:
        """Whether a call would pass; nothing is taken. Raises LimitsUnavailableError."""
        with _within(seconds) as until:
            terms = self._terms(await self._applied(caller, purpose, until))
            if refusal := unbounded(terms, asked):
                return refusal
            if not (claims := claims_of(terms, asked)):
                return None
            ask = self._ask(caller, purpose, claims, timedelta(minutes=1), self._fresh())
            return refusal_of(claims, await self._reservations.look(ask, _keys(claims), until))

    async def reserve(
        self,
        caller: Caller,
        purpose: Purpose,
        asked: Asked,
        *,
        ttl: timedelta,
        principal: str,
        seconds: float,
        content_type: str,
        id_: str | None,
    ) -> Held | Refusal:
        """Hold what a call may use of every limit, or of none.

        Raises LimitsUnavailableError, and ConflictError where a reservation has this id and is not open.
        """
        applied: Sequence[Applied] = ()
        try:
            with _within(seconds) as until:
                applied = await self._applied(caller, purpose, until)
                terms = self._terms(applied)
                if refusal := unbounded(terms, asked):
                    return refusal
                if not (claims := claims_of(terms, asked)):
                    return self._unlimited(ttl, id_)
                ask = self._ask(caller, purpose, claims, ttl, id_ or self._fresh())
                ask.reservation.update(principal=principal, contentType=content_type)
                if id_ is not None:
                    ask = await self._named(ask, seconds)
                short, after = await self._reservations.take(ask, _keys(claims), until)
                refused = refusal_of(claims, short)
                may_be_overtaken = ask.again or (ask.named and _time() > until - seconds + SOON_SECONDS)
                if may_be_overtaken and not refused:
                    await self._require_open(ask)
                if refused and ask.named and not ask.again:
                    await self._reservations.forget(ask)
        except LimitsUnavailableError:
            if not passes_when_away(applied):
                raise
            return Held(f"{UNENFORCED}{self._fresh()}", self._clock.now() + ttl, unenforced=True)
        return refused or held_of(ask.reservation["_id"], ask.reservation["expiresAt"], claims, after)

    def reserve_at_once(
        self, caller: Caller, purpose: Purpose, asked: Asked, *, ttl: timedelta, principal: str
    ) -> Held | None:
        """The same from what is in hand; None where `reserve` is to be asked."""
        applied = self._definitions.applying(caller, purpose, self._now())
        if applied is None:
            return None
        terms = self._terms(applied)
        if unbounded(terms, asked):
            return None
        if not (claims := claims_of(terms, asked)):
            return self._unlimited(ttl)
        wants = []
        for (_, _, counter, unit, ceiling, _, needs_presence), _, units in claims:
            if ceiling is None or needs_presence:
                return None
            wants.append(Want(counter, unit, units, ceiling))
        seconds = ttl.total_seconds()
        id_ = self.leases.grant(
            wants, user_id=caller.user_id, client_id=caller.client_id, principal=principal, seconds=seconds
        )
        return None if id_ is None else held_of(id_, self._clock.now() + ttl, claims)

    async def release(self, reservation: str, principal: str) -> bool:
        """End a reservation that nothing was used of. Returns whether it is released: `principal` made it, or is empty,
        and it was open, or has been released before. Raises DatabaseUnavailableError.
        """
        if reservation.startswith(UNLIMITED):
            return True
        if (granted := self.leases.granted(reservation)) is not None:
            return principal in {"", granted.principal} and self.leases.release(reservation)
        try:
            return await self._reservations.release(reservation, principal)
        except TimeoutError:
            raise DatabaseUnavailableError(AWAY) from None
        except PyMongoError as error:
            if not is_outage(error):
                raise
            raise DatabaseUnavailableError(AWAY) from error

    async def reservation(self, reservation: str) -> Document | None:
        """One as it is stored; of one from what is in hand, as it would be. Raises DatabaseUnavailableError."""
        if (granted := self.leases.granted(reservation)) is not None:
            mine = {"userId": granted.user_id, "clientId": granted.client_id, "principal": granted.principal}
            return {"_id": reservation, **mine, "state": "open", "holds": [share.stored for share in granted.shares]}
        with answering(LONGEST_SECONDS):
            return await self._documents.find_one({"_id": reservation})

    def _fresh(self) -> str:
        """An id that nobody else makes, 24 hexadecimal digits; the driver's own asks the system for the process."""
        return f"{self._mint}{next(self._count):012x}"

    def _unlimited(self, ttl: timedelta, id_: str | None = None) -> Held:
        """A reservation that holds nothing: nobody needs to know of it."""
        return Held(f"{UNLIMITED}{id_ or self._fresh()}", self._clock.now() + ttl)

    async def _named(self, ask: Ask, seconds: float) -> Ask:
        """The ask with the reservation that has this id already, if one has: what it holds is not taken twice.

        Raises ConflictError where that one is not open, or not the same caller's.
        """
        ask = ask._replace(named=True)
        mine = {name: ask.reservation[name] for name in ("_id", "userId", "clientId")}
        for _ in range(2):  # the one that was there may just have been refused, and is gone
            with answering(seconds):
                try:
                    await self._documents.insert_one(ask.reservation)
                except DuplicateKeyError:
                    again = {"$set": {"again": True}}
                    after = ReturnDocument.AFTER
                    known = await self._documents.find_one_and_update(mine, again, return_document=after)
                else:
                    return ask
            if known is not None:
                break
        else:
            raise ConflictError("this id was reserved by another caller")
        if (state := known.get("ending") or known["state"]) != "open":
            raise ConflictError(f"the reservation with this id was {state}")
        if {hold["counter"] for hold in known["holds"]} != {take.counter for take in ask.takes}:
            raise ConflictError("the reservation with this id holds something else, of another time or other limits")
        amounts = {hold["counter"]: hold["amount"] for hold in known["holds"]}
        takes = [take._replace(amount=amounts[take.counter], expires=known["expiresAt"]) for take in ask.takes]
        return Ask(known, tuple(takes), again=True, named=True)

    async def _require_open(self, ask: Ask) -> None:
        """Raises ConflictError where a reservation has ended while it was made again; what was taken is given back."""
        known = await self.reservation(ask.reservation["_id"])
        if known is None or (known.get("ending") or known["state"]) != "open":
            await self._reservations.take_out({take.counter: [take.reservation] for take in ask.takes})
            raise ConflictError("the reservation with this id has ended")

    async def _applied(self, caller: Caller, purpose: Purpose, until: float) -> Sequence[Applied]:
        now = self._now()
        if (applied := self._definitions.applying(caller, purpose, now)) is None:
            await self._learned.ask(caller, until)
            applied = self._definitions.applying(caller, purpose, now)
        if applied is None:
            raise LimitsUnavailableError("the limits that apply are being changed; try again in a moment")
        return applied

    async def _learn(self, callers: Sequence[Caller]) -> list[None]:
        self._reservations.require_presence()
        try:
            with answering(LONGEST_SECONDS):
                await self._definitions.learn(dict.fromkeys(callers), self._now())
        except DatabaseUnavailableError as error:
            raise LimitsUnavailableError(error.detail) from error
        return [None] * len(callers)

    def _terms(self, applied: Sequence[Applied]) -> list[Terms]:
        """Those of the last callers are kept: the same limits are the same object until something changes."""
        known = self._known_terms.get(id(applied))
        if known is None or known[0] is not applied:
            if len(self._known_terms) >= MOST_TERMS:
                self._known_terms.clear()
            known = self._known_terms[id(applied)] = applied, terms_of(applied)
        return known[1]

    def _ask(self, caller: Caller, purpose: Purpose, claims: Sequence[Claim], ttl: timedelta, id_: str) -> Ask:
        now = self._clock.now()
        expires = now + ttl
        takes = tuple([Take(claim.terms.counter, id_, claim.amount, claim.allowance, expires) for claim in claims])
        reservation: Document = {
            "_id": id_,
            "userId": caller.user_id,
            "clientId": caller.client_id,
            "feature": purpose.feature,
            "model": purpose.model,
            "holds": [{"counter": take.counter, "amount": take.amount} for take in takes],
            "state": "open",
            "expiresAt": expires,
            "createdAt": now,
        }
        return Ask(reservation, takes)


def _keys(claims: Iterable[Claim]) -> dict[str, CounterKey]:
    return {claim.terms.counter: claim.terms.key for claim in claims}


def _time() -> float:
    return asyncio.get_running_loop().time()


@contextmanager
def _within(seconds: float) -> Iterator[float]:
    """Nobody waits longer than so many seconds: until when. Raises LimitsUnavailableError."""
    try:
        yield _time() + seconds
    except TimeoutError:
        raise LimitsUnavailableError(AWAY) from None
