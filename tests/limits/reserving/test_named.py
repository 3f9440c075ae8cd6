"""Reservations that their senders name: made once, wherever and however often they are asked for."""

import asyncio
import threading
from collections.abc import Sequence
from decimal import Decimal

import pytest
from pymongo.errors import DuplicateKeyError

from app.database import Database
from app.errors import ConflictError
from app.limits import Limits
from app.limits.answers import Held, LimitsUnavailableError, Refusal
from app.limits.meters import Caller
from app.limits.reserving.taking import Ask, Taken
from models.counters import COUNTERS, RESERVATIONS
from models.limits import Window
from tests.limits.defined import ANNA, CHAT, define, limit
from tests.limits.reserving.test_reservations import LONG, ONE, held, reserve
from tests.patience import until


class Gate:
    """Behind which the answers of one batch wait, so that others gather meanwhile."""

    def __init__(self, limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
        self._take, self._open = limits.reservations.taking.take, threading.Event()
        self._gathered = limits.reservations._takes
        monkeypatch.setattr(limits.reservations.taking, "take", self._late)

    def _late(self, asks: Sequence[Ask], *, again: bool = False) -> Taken:
        taken = self._take(asks, again=again)
        self._open.wait(LONG)
        return taken

    async def open_for(self, count: int) -> None:
        """When so many wait."""
        await until(lambda: len(self._gathered._waiting) == count)
        self._open.set()


async def named(limits: Limits, id_: str, seconds: float = LONG) -> Held | Refusal:
    return await limits.reserve(ANNA, CHAT, ONE, principal="shop", seconds=seconds, id_=id_ * 24)


async def test_a_named_reservation_is_made_once(limits: Limits, database: Database) -> None:
    await define(database, limit(1))
    await limits.changed()

    async def named(caller: Caller = ANNA) -> Held | Refusal:
        return await limits.reserve(caller, CHAT, ONE, principal="shop", seconds=LONG, id_="a" * 24)

    first, again = await named(), await named()
    assert isinstance(first, Held)
    assert first == again
    with pytest.raises(ConflictError, match="another caller"):
        await named(Caller("anna", "bank"))
    assert await held(database) == {"user:anna requests": 1}
    # as after a kill between the document and what it holds
    await database.writes[COUNTERS].update_one({}, {"$set": {"held": 0, "holds": {}}})
    assert await named() == first
    assert await held(database) == {"user:anna requests": 1}
    assert isinstance(await reserve(limits), Refusal)
    assert await named() == first, "also where there is no room for another one"
    await limits.release(first.id, "shop")
    with pytest.raises(ConflictError, match="released"):
        await named()
    assert await held(database) == {"user:anna requests": 0}


async def test_a_named_request_that_is_refused_leaves_nothing_and_may_be_asked_again(
    limits: Limits, database: Database
) -> None:
    await define(database, limit(1))
    await limits.changed()
    first = await reserve(limits)
    assert isinstance(first, Held)
    for id_ in "aab":
        assert isinstance(await named(limits, id_), Refusal)
        assert await database.writes[RESERVATIONS].distinct("_id") == [first.id]
    await limits.release(first.id, "shop")
    assert isinstance(await named(limits, "a"), Held)
    assert isinstance(await named(limits, "b"), Refusal)
    assert isinstance(await named(limits, "a"), Held)
    assert await database.writes[RESERVATIONS].distinct("_id", {"state": "open"}) == ["a" * 24]
    assert await held(database) == {"user:anna requests": 1}


async def test_one_that_asks_several_times_at_once_is_refused_everywhere(
    limits: Limits, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await define(database, limit(5), limit(2, Window.MONTH), limit(5, Window.LIFETIME))
    await limits.changed()
    assert isinstance(await reserve(limits), Held)
    gate = Gate(limits, monkeypatch)
    last = asyncio.ensure_future(named(limits, "d"))
    await until(lambda: limits.reservations._takes._working is not None and not limits.reservations._takes._waiting)
    again = [asyncio.ensure_future(named(limits, "c")) for _ in range(5)]
    await gate.open_for(5)
    assert isinstance(await last, Held)
    assert all(isinstance(answer, Refusal) for answer in await asyncio.gather(*again))
    assert set((await held(database)).values()) == {2}


async def test_a_request_whose_first_try_is_just_being_refused_is_a_new_one(
    limits: Limits, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await define(database, limit(5))
    await limits.changed()
    documents = limits.enforcement._documents

    class Gone:
        """It was there when it was inserted again, and not any more when it was looked for."""

        async def insert_one(self, _: object) -> None:
            monkeypatch.setattr(limits.enforcement, "_documents", documents)
            raise DuplicateKeyError("there")

        find_one_and_update = documents.find_one_and_update

    monkeypatch.setattr(limits.enforcement, "_documents", Gone())
    assert isinstance(await named(limits, "a"), Held)
    assert await held(database) == {"user:anna requests": 1}


async def test_what_is_asked_again_while_the_first_answer_is_late_stays_held(
    limits: Limits, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await define(database, limit(10))
    await limits.changed()
    assert isinstance(await reserve(limits), Held)
    gate = Gate(limits, monkeypatch)
    with pytest.raises(LimitsUnavailableError):
        await named(limits, "b", 0.1)
    again = asyncio.ensure_future(named(limits, "b"))
    await gate.open_for(1)
    assert isinstance(await again, Held)
    await limits.reservations.close()
    assert await held(database) == {"user:anna requests": 2}


async def test_one_that_asks_several_times_at_once_is_held_once(
    limits: Limits, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await define(database, limit(10), limit(10, Window.MONTH))
    await limits.changed()
    first = await named(limits, "c")
    assert isinstance(first, Held)
    # as after a kill between the document and what it holds
    await database.writes[COUNTERS].update_many({}, {"$set": {"held": 0, "holds": {}}})
    gate = Gate(limits, monkeypatch)
    another = asyncio.ensure_future(named(limits, "d"))
    await until(lambda: limits.reservations._takes._working is not None and not limits.reservations._takes._waiting)
    again = [asyncio.ensure_future(named(limits, "c")) for _ in range(5)]
    await gate.open_for(5)
    same = first._replace(holds=tuple([hold._replace(left=Decimal(8)) for hold in first.holds]))
    assert await asyncio.gather(*again) == [same] * 5
    assert isinstance(await another, Held)
    assert set((await held(database)).values()) == {2}
