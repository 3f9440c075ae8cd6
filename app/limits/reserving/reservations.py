"""Reservations: what a call may use is held in every counter concerned, or in none, before it is made."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context
from functools import partial
from typing import TypeVar

from cachetools import LRUCache
from pymongo.errors import PyMongoError

from app.database import Database
from app.database.blocking import OwnThread
from app.database.outages import AWAY, is_outage, reason_of
from app.limits.answers import LimitsUnavailableError
from app.limits.counting.counters import CountingError
from app.limits.meters import CounterKey
from app.limits.reserving.ending import end, was_ended
from app.limits.reserving.gathering import Gathering
from app.limits.reserving.taking import Ask, Figures, Outcome, Shortage, Taken, Taking
from app.observability.logs import Log
from models.documents import Document

log = Log(__name__)

ATTEMPT_SECONDS = 1.0
ATTEMPTS = 3
"""At one batch, while MongoDB is away."""
TRIES = 10
"""Of one reservation, which is told that there is room and then is too late each time."""
SPENT_SECONDS = 1.0
"""For so long after a refusal it is first looked whether there is room, by one read for all."""
LOOK_PAUSE_SECONDS = 0.02
"""Between such reads."""

AWAY_SECONDS = 0.25
"""How often MongoDB is asked whether it is there again."""

MOST_MET = 100_000
RELEASE_SECONDS = 5.0
COUNTING = "a limit is being counted for the first time; try again shortly"
CROWDED = "too many reservations of one limit are open: report their calls, or release them; try again shortly"

Result = TypeVar("Result")


class Reservations:
    """Of one process."""

    def __init__(
        self,
        database: Database,
        *,
        ensure: Callable[[Sequence[CounterKey]], Awaitable[None]],
        catch_up: Callable[[Iterable[str]], Awaitable[None]],
    ) -> None:
        """`ensure` makes and counts counters that are not there. `catch_up`, before a refusal, has everything counted
        that was recorded, and gives back what this process has in hand of the named counters.
        """
        self._answers = database.answers
        self.taking = Taking(database.blocking)
        self._ensure = ensure
        self._catch_up = catch_up
        self._thread = OwnThread("reservations")
        self._takes = Gathering(self._take, unheard=self._unheard)
        self._glances = Gathering(self._glance)
        self._looks = Gathering(self._look, pause=LOOK_PAUSE_SECONDS)
        self._releases = Gathering(self._release)
        self._forgets = Gathering(self._forget)
        self._ensures = Gathering(self._ensure_all)
        self._spent: dict[str, float] = {}
        """Counters that had too little, and until when that is remembered."""
        self._met: LRUCache[str, bool] = LRUCache(MOST_MET)
        """Counters that are there, or were."""
        self._unwanted: set[asyncio.Task[None]] = set()
        self._absence: asyncio.Task[None] | None = None
        """Waits until MongoDB is there again."""

    async def take(
        self, ask: Ask, keys: Mapping[str, CounterKey], until: float
    ) -> tuple[list[Shortage], Mapping[str, Figures]]:
        """Take all of it, and what its counters have then; or nothing, and why. Whoever is refused was refused by what
        is recorded and held just then.

        `until` is by the loop's clock. Raises LimitsUnavailableError and TimeoutError.
        """
        self.require_presence()
        missing = [counter for counter in keys if counter not in self._met]
        for _ in range(TRIES):
            if missing:
                await self._ensured(missing, keys, until)
            if self._is_spent(ask) and (short := await self._looked(ask, keys, until)):
                return short, {}
            lacking, after, _ = self._known(ask, await self._takes.ask(ask, until))
            if not lacking:
                return [], after
            missing = [counter for counter in lacking if isinstance(counter, str)]
            for one in lacking:
                if isinstance(one, Shortage):
                    self._remember(one.take.counter)
        raise LimitsUnavailableError(COUNTING if missing else "too many calls ask for what is left of a limit")

    async def look(self, ask: Ask, keys: Mapping[str, CounterKey], until: float) -> list[Shortage]:
        """Why it would not be taken now. Nothing is. Raises LimitsUnavailableError and TimeoutError."""
        self.require_presence()
        # mostly there is room, and nothing has to be caught up with
        if not self._known(ask, await self._glances.ask(ask, until)).lacking:
            return []
        return await self._looked(ask, keys, until)

    def require_presence(self) -> None:
        """Raises LimitsUnavailableError while MongoDB is known to be away: nobody waits for it."""
        if self._absence is not None:
            raise LimitsUnavailableError(AWAY)

    async def take_out(self, holds: Mapping[str, Sequence[str]]) -> None:
        """Take holds out of counters: the ids of reservations, by counter. Raises PyMongoError."""
        await self._in_thread(partial(self.taking.take_out, holds))

    async def end(self, how: str, claims: Mapping[str, Document | None]) -> dict[str, Document]:
        """`ending.end`. Raises PyMongoError."""
        return await self._in_thread(partial(end, self.taking, how, claims))

    async def forget(self, ask: Ask) -> None:
        """Delete the reservation of one that was refused, so that it leaves nothing. Where that does not succeed, it
        expires.
        """
        try:
            await self._forgets.ask(ask.reservation["_id"])
        except PyMongoError as error:
            log.info("limits.reservations_left_to_expire", reason=reason_of(error))

    async def _forget(self, reservations: Sequence[str]) -> list[None]:
        await self._in_thread(partial(self.taking.forget, reservations))
        return [None] * len(reservations)

    async def release(self, reservation: str, principal: str) -> bool:
        """Whether it is released: `principal` made it, or is empty, and it was open, or has been released before.

        Raises PyMongoError, and TimeoutError.
        """
        until = asyncio.get_running_loop().time() + RELEASE_SECONDS
        return await self._releases.ask((reservation, principal), until)

    async def _release(self, releases: Sequence[tuple[str, str]]) -> list[bool]:
        by: dict[str, set[str]] = {}
        for reservation, principal in releases:
            by.setdefault(reservation, set()).add(principal)
        claims: dict[str, Document | None] = {
            reservation: None if "" in them else {"$in": ["$principal", {"$literal": sorted(them)}]}
            for reservation, them in by.items()
        }
        ended = await self.end("released", claims)
        self.room_again()
        return [
            was_ended(found := ended.get(reservation), {"released"})
            and found is not None
            and principal in {"", found["principal"]}
            for reservation, principal in releases
        ]

    def room_again(self) -> None:
        """Something was given back: who asks next takes without looking."""
        self._spent.clear()

    async def close(self) -> None:
        """Wait for what is given back, a moment."""
        if self._absence is not None:
            self._absence.cancel()
        if self._unwanted:
            await asyncio.wait(self._unwanted, timeout=ATTEMPT_SECONDS)

    def _is_spent(self, ask: Ask) -> bool:
        if not self._spent:
            return False
        now = time.monotonic()
        return any(now < self._spent.get(take.counter, now) for take in ask.takes)

    def _remember(self, counter: str) -> None:
        if len(self._spent) >= MOST_MET:
            self._spent.clear()
        self._spent[counter] = time.monotonic() + SPENT_SECONDS

    def _known(self, ask: Ask, outcome: Outcome) -> Outcome:
        if outcome.crowded:
            for take in ask.takes:
                self._remember(take.counter)
            raise LimitsUnavailableError(CROWDED)
        return outcome

    async def _looked(self, ask: Ask, keys: Mapping[str, CounterKey], until: float) -> list[Shortage]:
        for _ in range(TRIES):
            lacking = self._known(ask, await self._looks.ask(ask, until)).lacking
            if not (missing := [counter for counter in lacking if isinstance(counter, str)]):
                return [short for short in lacking if isinstance(short, Shortage)]
            await self._ensured(missing, keys, until)
        raise LimitsUnavailableError(COUNTING)

    async def _ensured(self, counters: Iterable[str], keys: Mapping[str, CounterKey], until: float) -> None:
        for counter in counters:
            await self._ensures.ask(keys[counter], until)
            self._met[counter] = True

    async def _ensure_all(self, keys: Sequence[CounterKey]) -> list[None]:
        with self._unavailable(), suppress(CountingError):  # some of them are there, and whose is not asks again
            await self._ensure(list(dict.fromkeys(keys)))
        return [None] * len(keys)

    async def _glance(self, asks: Sequence[Ask]) -> list[Outcome]:
        with self._unavailable():
            return _outcomes(asks, await self._in_thread(partial(self.taking.look, asks)))

    async def _look(self, asks: Sequence[Ask]) -> list[Outcome]:
        with self._unavailable():
            await self._catch_up({take.counter for ask in asks for take in ask.takes})
        return await self._glance(asks)

    async def _take(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Try until it is known what came of it, for some seconds."""
        work = partial(self.taking.take, asks)
        try:
            with self._unavailable():
                for _ in range(ATTEMPTS - 1):
                    try:
                        return _outcomes(asks, await self._in_thread(work))
                    except PyMongoError as error:
                        if not is_outage(error):
                            raise
                    work = partial(self.taking.take, asks, again=True)
                return _outcomes(asks, await self._in_thread(work))
        except Exception:
            self._give_back(asks)
            raise

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await self._thread.run(work, seconds=ATTEMPT_SECONDS)

    @contextmanager
    def _unavailable(self) -> Iterator[None]:
        try:
            yield
        except PyMongoError as error:
            if not is_outage(error):
                raise
            if self._absence is None:
                absence = self._until_present()
                self._absence = asyncio.create_task(absence, name="twinmeter-limits-absence", context=Context())
            raise LimitsUnavailableError(AWAY) from error

    async def _until_present(self) -> None:
        while not await self._answers():  # noqa: ASYNC110 - it is the server that is waited for
            await asyncio.sleep(AWAY_SECONDS)
        self._absence = None

    def _unheard(self, ask: Ask, outcome: Outcome) -> None:
        if not outcome.lacking and not outcome.crowded:
            self._give_back([ask])

    def _give_back(self, asks: Sequence[Ask]) -> None:
        """Take out what nobody will use. Reservations stay: where an attempt is under way still, they expire.

        What is named stays held: its sender may have asked again meanwhile, and been told that it is.
        """
        if not (asks := [ask for ask in asks if not ask.named]):
            return
        task = asyncio.create_task(self._given_back(asks), name="twinmeter-give-back", context=Context())
        self._unwanted.add(task)
        task.add_done_callback(self._unwanted.discard)

    async def _given_back(self, asks: Sequence[Ask]) -> None:
        holds: dict[str, list[str]] = {}
        for ask in asks:
            for take in ask.takes:
                holds.setdefault(take.counter, []).append(take.reservation)
        try:
            await self.take_out(holds)
        except PyMongoError as error:
            log.info("limits.holds_left_to_expire", reservations=len(asks), reason=reason_of(error))


def _outcomes(asks: Sequence[Ask], taken: Taken) -> list[Outcome]:
    if not taken:
        return [Outcome(after=taken.after)] * len(asks)
    return [taken.outcome(ask.reservation["_id"]) for ask in asks]
