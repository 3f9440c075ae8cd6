"""What nobody settles ends, once, and nothing ends of which somebody may yet come to settle it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.database import Database
from app.limits import Limits
from app.limits.answers import Held
from app.limits.reserving.expiry import Expiry
from app.limits.reserving.leases import Leases
from app.tracking import Tracker
from models.counters import COUNTERS, LEASES, RESERVATIONS
from models.documents import Document
from models.limits import LimitScope
from tests.limits.defined import ANNA, CHAT, define, limit
from tests.limits.reserving.test_leases import Moments, grant, warm
from tests.limits.reserving.test_reservations import ONE, held
from tests.limits.reserving.test_taking import counter, stored

CALL: dict[str, Any] = {"content_type": "chat", "model": "gpt-4o", "input_tokens": 10, "output_tokens": 1}
NOTHING_HELD = {"user:anna requests": 0, "everyone requests": 0}


@pytest.fixture
async def limits(database: Database) -> AsyncIterator[Limits]:
    """Without its background tasks."""
    await define(database, limit(3), limit(100, scope=LimitScope(everyone=True)))
    limits = Limits(database, ZoneInfo("UTC"))
    await limits.clock.set()
    await limits.definitions.refresh()
    yield limits
    await limits.reservations.close()


def expiry_of(limits: Limits, database: Database, **more: Any) -> Expiry:
    """At once, as if all time had passed that there is for others to come."""
    options: dict[str, Any] = {
        "catch_up": limits.fold.now,
        "spool_waits": lambda: False,
        "is_quiet": lambda: False,
        "well_seconds": 0.0,
        "grace": timedelta(0),
    }
    return Expiry(database, limits.clock, limits.reservations, **{**options, **more})


async def reserved(limits: Limits, database: Database, count: int = 1, *, late: bool = True) -> list[str]:
    """Reservations whose time is over, or not."""
    ids = []
    for _ in range(count):
        answer = await limits.reserve(ANNA, CHAT, ONE, principal="shop", seconds=60)
        assert isinstance(answer, Held)
        ids.append(answer.id)
    if late:
        past = {"$set": {"expiresAt": limits.clock.now() - timedelta(seconds=1)}}
        await database.writes[RESERVATIONS].update_many({"_id": {"$in": ids}}, past)
    return ids


async def state_of(database: Database, reservation: str) -> str:
    found: Document | None = await database.writes[RESERVATIONS].find_one({"_id": reservation})
    assert found is not None
    assert ("endedAt" in found) == (found["state"] != "open")
    state: str = found["state"]
    return state


async def test_a_reservation_ends_with_its_time_and_its_grace(limits: Limits, database: Database) -> None:
    (late,) = await reserved(limits, database)
    (early,) = await reserved(limits, database, late=False)
    assert await expiry_of(limits, database, grace=timedelta(seconds=30)).look() == 0
    assert await expiry_of(limits, database).look() == 1
    assert [await state_of(database, id_) for id_ in (late, early)] == ["expired", "open"]
    assert await held(database) == {"user:anna requests": 1, "everyone requests": 1}
    assert await expiry_of(limits, database).look() == 0


async def test_several_processes_expire_each_once(limits: Limits, database: Database) -> None:
    await reserved(limits, database, 3)
    await asyncio.gather(*(expiry_of(limits, database).look() for _ in range(8)))
    assert await held(database) == NOTHING_HELD
    assert await database.writes[RESERVATIONS].count_documents({"state": "expired"}) == 3


async def test_what_a_killed_process_has_begun_to_end_is_ended(limits: Limits, database: Database) -> None:
    """Between the claim and the holds, and between the holds and the end; of an expiry, and of a release."""
    first, second, third = await reserved(limits, database, 3)
    documents = database.writes[RESERVATIONS]
    await documents.update_one({"_id": first}, {"$set": {"ending": "expired"}})
    await documents.update_many({"_id": {"$in": [second, third]}}, {"$set": {"ending": "released"}})
    for name in await held(database):
        found = await database.writes[COUNTERS].find_one({"subject": name.split()[0]})
        assert found is not None
        await limits.reservations.take_out({found["_id"]: [second]})
    assert await expiry_of(limits, database).look() == 3
    assert [await state_of(database, id_) for id_ in (first, second, third)] == ["expired", "released", "released"]
    assert await held(database) == NOTHING_HELD


async def test_settling_and_expiring_at_once_have_one_winner(
    limits: Limits, database: Database, tracker: Tracker
) -> None:
    """The call is recorded either way, and its receipt says which."""
    remarks = []
    for _ in range(6):
        (late,) = await reserved(limits, database)
        receipt, _, _ = await asyncio.gather(
            tracker.track(user_id="anna", client_id="shop", reservation_id=late, **CALL),
            expiry_of(limits, database).look(),
            expiry_of(limits, database).look(),
        )
        assert receipt.status == "committed"
        assert receipt.reservation in {"settled", "expired"}
        assert await state_of(database, late) == receipt.reservation
        remarks.append(receipt.reservation)
        await limits.release(late, "shop")
        # what was settled goes with what was used
        if receipt.reservation == "settled":
            counters = [one["_id"] async for one in database.writes[COUNTERS].find()]
            await limits.reservations.take_out({id_: [late] for id_ in counters})
    assert await held(database) == NOTHING_HELD
    assert await database.ledger.count_documents({}) == 6


async def test_releasing_and_settling_at_once_have_one_winner(
    limits: Limits, database: Database, tracker: Tracker
) -> None:
    for _ in range(6):
        (open_one,) = await reserved(limits, database, late=False)
        receipt, released, again = await asyncio.gather(
            tracker.track(user_id="anna", client_id="shop", reservation_id=open_one, **CALL),
            limits.release(open_one, "shop"),
            limits.release(open_one, "shop"),
        )
        assert receipt.status == "committed"
        assert released == again == (receipt.reservation == "released")
        assert await state_of(database, open_one) == receipt.reservation
        counters = [one["_id"] async for one in database.writes[COUNTERS].find()]
        await limits.reservations.take_out({id_: [open_one] for id_ in counters})
    assert await held(database) == NOTHING_HELD


async def test_nothing_expires_while_calls_wait_on_a_disk(limits: Limits, database: Database) -> None:
    """Of this process, or of another."""
    await reserved(limits, database)
    waits = True
    spooling = expiry_of(limits, database, spool_waits=lambda: waits)
    assert await spooling.look() == 0
    assert await expiry_of(limits, database).look() == 0
    waits = False
    await spooling.close()
    assert await database.writes[LEASES].count_documents({}) == 0
    assert await expiry_of(limits, database).look() == 1


async def test_nothing_expires_soon_after_mongodb_was_away(limits: Limits, database: Database) -> None:
    await reserved(limits, database)
    expiry = expiry_of(limits, database, well_seconds=0.05)
    assert await expiry.look() == 0
    await asyncio.sleep(0.06)
    assert await expiry.look() == 1


async def test_leases_of_a_silent_process_are_taken_out(limits: Limits, database: Database) -> None:
    await counter(database)
    moments = Moments()
    leases = Leases(database.blocking, limits.clock, clock_time=moments)
    await warm(leases, moments)
    assert grant(leases) is not None
    assert (await stored(database))["held"] > 0
    await expiry_of(limits, database).look()
    assert (await stored(database))["held"] > 0, "it is alive"
    silent = {"$set": {"expires": limits.clock.now() - timedelta(seconds=1)}}
    await database.writes[LEASES].update_one({"_id": leases.owner}, silent)
    patient = expiry_of(limits, database, well_seconds=0.05)
    await patient.look()
    assert (await stored(database))["held"] > 0, "it may have been MongoDB that was away"
    await asyncio.sleep(0.06)
    await asyncio.gather(patient.look(), expiry_of(limits, database).look())
    assert (await stored(database))["holds"] == {}
    assert await database.writes[LEASES].count_documents({}) == 0


async def test_a_reaper_that_is_killed_is_followed_by_another(limits: Limits, database: Database) -> None:
    await counter(database)
    moments = Moments()
    leases = Leases(database.blocking, limits.clock, clock_time=moments)
    await warm(leases, moments)
    ended = {"$set": {"expires": limits.clock.now() - timedelta(seconds=1), "ended": True}}
    await database.writes[LEASES].update_one({"_id": leases.owner}, ended)
    await expiry_of(limits, database).look()
    assert (await stored(database))["holds"] == {}
    assert await database.writes[LEASES].count_documents({}) == 0
