"""MongoDB is away: nobody is told that a limit is reached that is not, and nobody waits longer than asked for."""

import asyncio
import signal
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from app.database import connected
from app.database.mongod import EmbeddedMongod
from app.limits import Limits, open_limits
from app.limits.answers import Held, LimitsUnavailableError, Refusal
from app.limits.meters import Asked, Caller
from models.counters import COUNTERS, RESERVATIONS, UNENFORCED
from models.limits import LimitScope, WhenAway
from tests.limits.defined import CHAT, define, limit
from tests.limits.reserving.test_expiry import expiry_of
from tests.limits.reserving.test_reservations import held
from tests.patience import patience, until
from tests.tracking.test_durability import come_back, leave

LEASE, CLOSED, OPEN = (Caller(name, "shop") for name in WhenAway)
ONE = Asked()
SECONDS = 0.3


async def asked(limits: Limits, caller: Caller) -> Held | Refusal | str:
    """The answer, which must be there in time."""
    started = time.monotonic()
    try:
        return await limits.reserve(caller, CHAT, ONE, principal="shop", seconds=SECONDS)
    except LimitsUnavailableError:
        return "unavailable"
    finally:
        assert time.monotonic() - started < patience(SECONDS + 0.1)


def at_once(limits: Limits, caller: Caller) -> Held | None:
    return limits.reserve_at_once(caller, CHAT, ONE, principal="shop")


@pytest.mark.parametrize("back", [signal.SIGCONT, None], ids=["frozen", "killed"])
async def test_each_limit_does_what_it_says_while_mongodb_is_away(tmp_path: Path, back: signal.Signals | None) -> None:
    with EmbeddedMongod(tmp_path / "own") as mongod:
        async with connected(mongod.uri, "own") as database, open_limits(database, ZoneInfo("UTC")) as limits:
            defined = [limit(1_000, scope=LimitScope(user_id=name), when_away=name) for name in WhenAway]
            await define(database, *defined)
            await limits.changed()
            assert isinstance(await asked(limits, Caller("nobody's", "shop")), Held)
            before = [await limits.reserve(who, CHAT, ONE, principal="shop") for who in (LEASE, CLOSED, OPEN)]
            assert all(isinstance(answer, Held) for answer in before)
            for _ in range(40):
                assert at_once(limits, LEASE) is None
                assert at_once(limits, CLOSED) is None
            await limits.leases.tick()
            in_hand = at_once(limits, LEASE)
            assert in_hand is not None

            leave(mongod, back)
            assert at_once(limits, LEASE) is not None, "what is in hand is granted"
            assert at_once(limits, CLOSED) is None
            callers = [LEASE, CLOSED, OPEN] * 20
            answers = await asyncio.gather(*(asked(limits, who) for who in callers))
            by_caller = dict(zip(callers, answers, strict=True))
            assert not any(isinstance(answer, Refusal) for answer in answers)
            assert by_caller[LEASE] == by_caller[CLOSED] == "unavailable"
            assert isinstance(await asked(limits, Caller("nobody's", "shop")), Held), (
                "who has no limit waits for nothing"
            )
            passed = by_caller[OPEN]
            assert isinstance(passed, Held)
            assert passed.unenforced
            assert passed.id.startswith(UNENFORCED)
            await until(lambda: limits.reservations._absence is not None)
            started = time.monotonic()
            for _ in range(50):  # it is known by now, and nobody waits at all
                with pytest.raises(LimitsUnavailableError):
                    await limits.check(LEASE, CHAT, ONE, seconds=60)
            assert time.monotonic() - started < patience(0.5)

            await come_back(mongod, back)
            await until(lambda: known_to_be_back(limits))
            # what nobody heard of is given back, or expires with its reservation
            await limits.leases.tick()
            await asyncio.sleep(0)
            assert in_hand is not None
            await limits.release(in_hand.id, "shop")
            past = {"$set": {"expiresAt": limits.clock.now() - timedelta(seconds=1)}}
            await database.writes[RESERVATIONS].update_many({}, past)
            await expiry_of(limits, database).look()
            await limits.leases.give_back([one["_id"] async for one in database.writes[COUNTERS].find()])
            everything = await held(database)
            assert everything["user:closed requests"] == everything["user:open requests"] == Decimal(0)
            assert everything["user:lease requests"] == Decimal(1), "granted while it was away, and still open"


async def known_to_be_back(limits: Limits) -> bool:
    return all([isinstance(await asked(limits, who), Held) for who in (LEASE, CLOSED)])
