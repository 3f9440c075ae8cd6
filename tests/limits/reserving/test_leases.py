"""Leases: what is granted from memory is never more than was taken for it, whatever becomes of its owner."""

import asyncio
import itertools
import random
from datetime import timedelta

import pytest

from app.database import Database
from app.limits.clock import ServerClock
from app.limits.holding import shares_taken_out
from app.limits.reserving import leases as leases_module
from app.limits.reserving.lease import AHEAD_SECONDS, IDLE_SECONDS, LEAST_SECONDS, Want
from app.limits.reserving.leases import COVER, GRACE, GRANT_SECONDS, HOT, Leases
from models.counters import COUNTERS, LEASES, Remark
from models.limits import Unit
from tests.limits.reserving.test_taking import counter, stored
from tests.patience import until

HUGE = 1_000_000


class Moments:
    """A monotonic clock that a test sets."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def moments() -> Moments:
    return Moments()


async def leases_of(database: Database, moments: Moments) -> Leases:
    clock = ServerClock(database)
    await clock.set()
    return Leases(database.blocking, clock, clock_time=moments)


@pytest.fixture
async def leases(database: Database, moments: Moments) -> Leases:
    await counter(database)
    return await leases_of(database, moments)


def grant(leases: Leases, amount: int = 1, of: int = HUGE, seconds: float = 60) -> str | None:
    return leases.grant(
        [Want("c", Unit.TOKENS, amount, of)], user_id="u", client_id="c", principal="p", seconds=seconds
    )


async def warm(leases: Leases, moments: Moments, of: int = HUGE, amount: int = 10, asks: int = 20) -> None:
    """Ask in vain, so that there is a lease next time."""
    for _ in range(asks):
        assert grant(leases, amount, of) is None
    moments.pass_by(0.25)
    await leases.tick()


async def settle(database: Database, leases: Leases, reservation: str) -> None:
    """As the ledger and the fold do."""
    shares = leases.settling(reservation, "u", "c")
    assert not isinstance(shares, Remark)
    assert leases.settling(reservation, "u", "c") == shares, "of a transaction that is tried again"
    for share in shares:
        used = {"$set": {"used": {"$add": ["$used", share["amount"]]}}}
        out = shares_taken_out({share["owner"]: share["amount"]})
        await database.writes[COUNTERS].update_one({"_id": share["counter"]}, [used, *out])
    leases.settled(reservation)


async def test_what_is_in_demand_is_granted_from_memory(database: Database, leases: Leases, moments: Moments) -> None:
    assert grant(leases) is None, "nobody has asked before"
    await warm(leases, moments)
    taken = (await stored(database))["held"]
    assert taken >= 200
    granted = [grant(leases, 10) for _ in range(taken // 10 + 5)]
    assert all(granted[: taken // 10])
    assert granted[taken // 10 :] == [None] * 5
    assert (await stored(database))["held"] == taken
    beat = await database.writes[LEASES].find_one({"_id": leases.owner})
    assert beat is not None
    assert beat["counters"] == ["c"]


async def test_what_is_released_is_granted_again_and_what_is_settled_is_not(
    database: Database, leases: Leases, moments: Moments
) -> None:
    await warm(leases, moments)
    taken = (await stored(database))["held"]
    all_of_it = grant(leases, taken)
    assert all_of_it is not None
    assert grant(leases) is None
    assert leases.release(all_of_it)
    assert not leases.release(all_of_it)
    again = grant(leases, taken)
    assert again is not None
    await settle(database, leases, again)
    assert grant(leases) is None
    assert not leases.release(again)
    found = await stored(database)
    assert (found["used"], found["held"]) == (taken, 0)


async def test_a_reservation_is_settled_by_its_own_user_and_once(leases: Leases, moments: Moments) -> None:
    await warm(leases, moments)
    reservation = grant(leases)
    assert reservation is not None
    assert leases.settling(reservation, "other", "c") is Remark.NOT_YOURS
    assert leases.settling(reservation, "u", "other") is Remark.NOT_YOURS
    assert isinstance(leases.settling(reservation, "u", "c"), list)
    leases.settled(reservation)
    assert leases.settling(reservation, "u", "c") is Remark.EXPIRED
    assert leases.settling("lease-other-1", "u", "c") is Remark.UNKNOWN


async def test_what_is_in_demand_has_a_lease_before_the_next_step(
    database: Database, leases: Leases, moments: Moments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases_module, "TICK_SECONDS", 3_600)
    keeping = asyncio.create_task(leases.run())
    for _ in range(HOT - 1):
        assert grant(leases) is None
    await asyncio.sleep(0)
    assert grant(leases) is None
    moments.pass_by(0.02)
    try:
        await until(lambda: grant(leases) is not None)
    finally:
        keeping.cancel()
    assert (await stored(database))["held"] >= HOT / LEAST_SECONDS * AHEAD_SECONDS


async def test_a_step_for_new_leases_leaves_the_others_as_they_are(
    database: Database, leases: Leases, moments: Moments
) -> None:
    await warm(leases, moments)
    before = await stored(database)
    moments.pass_by(IDLE_SECONDS)
    await leases.tick(new_alone=True)
    assert await stored(database) == before
    await leases.tick()
    assert (await stored(database))["held"] == 0


async def test_idle_leases_go_back_within_a_second(database: Database, leases: Leases, moments: Moments) -> None:
    await warm(leases, moments)
    open_one = grant(leases, 7)
    assert open_one is not None
    for _ in range(3):
        moments.pass_by(0.25)
        await leases.tick()
    assert (await stored(database))["held"] == 7
    await settle(database, leases, open_one)
    for _ in range(2):
        moments.pass_by(0.25)
        await leases.tick()
    assert (await stored(database))["holds"] == {}


async def test_near_its_end_a_limit_has_no_leases(database: Database, leases: Leases, moments: Moments) -> None:
    await warm(leases, moments, of=100)
    # an eighth of what is left, in units that are asked for
    assert (await stored(database))["held"] <= 100 // 8
    await database.writes[COUNTERS].update_one({"_id": "c"}, {"$inc": {"used": 60}})
    granted = []
    for _ in range(4):
        granted.append(grant(leases, 10, of=100))
        moments.pass_by(0.25)
        await leases.tick()
    assert granted[2:] == [None, None], "it is seen with the next step"
    assert (await stored(database))["held"] == 10 * len([one for one in granted if one])


async def test_what_is_in_hand_is_given_back_before_somebody_is_refused(
    database: Database, leases: Leases, moments: Moments
) -> None:
    await warm(leases, moments)
    kept = grant(leases, 3)
    await leases.give_back(["c", "other"])
    assert (await stored(database))["held"] == 3
    assert kept is not None
    assert grant(leases) is None
    leases.release(kept)
    await leases.give_back(["c"])
    assert (await stored(database))["holds"] == {}


async def test_a_limit_that_was_lowered_holds_at_once(database: Database, leases: Leases, moments: Moments) -> None:
    await warm(leases, moments)
    assert grant(leases, of=HUGE) is not None
    assert grant(leases, of=50) is None
    moments.pass_by(0.25)
    await leases.tick()
    assert (await stored(database))["held"] == 1


async def test_who_could_send_no_heartbeat_grants_nothing(leases: Leases, moments: Moments) -> None:
    await warm(leases, moments)
    assert grant(leases) is not None
    moments.pass_by(GRANT_SECONDS)
    assert grant(leases) is None
    await leases.tick()
    assert grant(leases) is not None


async def test_an_owner_that_was_ended_begins_anew(database: Database, leases: Leases, moments: Moments) -> None:
    await warm(leases, moments)
    before, reservation = leases.owner, grant(leases)
    assert reservation is not None
    await database.writes[LEASES].update_one({"_id": before}, {"$set": {"ended": True}})
    moments.pass_by(2)
    await leases.tick()
    assert leases.owner != before
    assert grant(leases) is None
    assert leases.settling(reservation, "u", "c") is Remark.UNKNOWN
    assert await database.writes[LEASES].count_documents({"_id": before, "ended": True}) == 1
    await warm(leases, moments)
    assert grant(leases) is not None


async def test_what_nobody_settles_goes_back(database: Database, leases: Leases, moments: Moments) -> None:
    await warm(leases, moments)
    forgotten = grant(leases, 5, seconds=1)
    moments.pass_by(1 + GRACE.total_seconds())
    await leases.tick()
    assert leases.settling(str(forgotten), "u", "c") is not Remark.EXPIRED
    moments.pass_by(1)
    await leases.tick()
    moments.pass_by(1)
    await leases.tick()
    assert (await stored(database))["held"] in {0, 5}


async def test_a_clean_stop_leaves_nothing(database: Database, leases: Leases, moments: Moments) -> None:
    await warm(leases, moments)
    await leases.close()
    assert (await stored(database))["holds"] == {}
    assert await database.writes[LEASES].count_documents({}) == 0
    assert grant(leases) is None


@pytest.mark.parametrize("seed", range(3))
async def test_owners_together_never_have_more_than_there_is(database: Database, moments: Moments, seed: int) -> None:
    """Four owners grant, settle, release and fail to hear the server in any order: what is used and what is open are
    never more than the limit, and when all is over nothing is held.
    """
    chance = random.Random(seed)
    await counter(database)
    owners = [await leases_of(database, moments) for _ in range(4)]
    open_ones: list[list[str]] = [[] for _ in owners]
    limit, used, opened = 2_000, 0, dict[str, int]()
    for step in itertools.count():
        n = chance.randrange(4)
        leases, mine = owners[n], open_ones[n]
        for _ in range(chance.randint(0, 12)):
            amount = chance.randint(1, 5)
            if (reservation := grant(leases, amount, limit)) is not None:
                mine.append(reservation)
                opened[reservation] = amount
        for reservation in chance.sample(mine, len(mine) // 2):
            mine.remove(reservation)
            amount = opened.pop(reservation)
            if chance.random() < 0.5:
                await settle(database, leases, reservation)
                used += amount
            else:
                assert leases.release(reservation)
        moments.pass_by(chance.choice([0.05, 0.1]))
        if chance.random() < 0.2:
            await unheard(leases)
        else:
            await leases.tick()
        found = await stored(database)
        assert found["used"] == used
        assert used + sum(opened.values()) <= used + found["held"] <= limit
        if step > 120:
            break
    for leases, mine in zip(owners, open_ones, strict=True):
        for reservation in mine:
            await settle(database, leases, reservation)
        await leases.close()
    assert (await stored(database))["holds"] == {}


async def unheard(leases: Leases) -> None:
    """A step of which the server does its part, and nobody hears of it."""
    look = leases._look

    async def deaf(_counters: object) -> None:
        raise ConnectionError

    leases._look = deaf  # type: ignore[method-assign, assignment]
    try:
        await leases.tick()
    except ConnectionError:
        await asyncio.sleep(0)
    finally:
        leases._look = look  # type: ignore[method-assign]


def test_covers_are_longer_than_grants() -> None:
    assert timedelta(seconds=GRANT_SECONDS * 2) < COVER
