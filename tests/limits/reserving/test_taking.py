"""Taking: never more than there is, never less than there is room for, and all of a reservation or nothing."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from bson import Decimal128, ObjectId
from pymongo.errors import AutoReconnect

from app.database import Database
from app.limits.holding import MOST_BYTES, Change, Take, exact, growing, shares_taken_out, shrinking
from app.limits.reserving.taking import Ask, Taking
from models.counters import COUNTERS, RESERVATIONS, Number
from models.documents import Document

SOON = timedelta(minutes=1)


def soon() -> datetime:
    return datetime.now(UTC) + SOON


def asks(*wants: tuple[str, Number, Number | None], expires: datetime | None = None) -> Ask:
    """One reservation: counter, amount, allowance."""
    id_, expires = str(ObjectId()), expires or soon()
    takes = tuple(Take(counter, id_, amount, most, expires) for counter, amount, most in wants)
    return Ask({"_id": id_, "state": "open", "expiresAt": expires}, takes)


async def counter(database: Database, name: str = "c", used: Number = 0) -> None:
    zero = Decimal128("0") if isinstance(used, Decimal128) else 0
    await database.writes[COUNTERS].insert_one({"_id": name, "used": used, "held": zero, "holds": {}, "fold": 0})


async def stored(database: Database, name: str = "c") -> Document:
    found = await database.writes[COUNTERS].find_one({"_id": name})
    assert found is not None
    assert exact(found["held"]) == sum(exact(hold["amount"]) for hold in found["holds"].values())
    return found


@pytest.fixture
def taking(database: Database) -> Taking:
    return Taking(database.blocking)


async def test_many_that_fit_are_taken_by_one_update(database: Database, taking: Taking) -> None:
    await counter(database)
    several = [asks(("c", 1, 10)) for _ in range(10)]
    assert not taking.take(several).short
    assert (await stored(database))["held"] == 10
    assert await database.writes[RESERVATIONS].count_documents({"state": "open"}) == 10


async def test_what_is_left_is_told_and_where_it_cannot_be_read_all_is_taken_the_same(
    database: Database, taking: Taking, monkeypatch: pytest.MonkeyPatch
) -> None:
    await counter(database, used=3)
    assert taking.take([asks(("c", 1, 10)), asks(("c", 2, 10))]).after == {"c": (Decimal(3), Decimal(3))}

    class Away:
        def find(self, *_: object) -> None:
            raise AutoReconnect("away")

    monkeypatch.setattr(taking, "_counters", Away())
    taken = taking.take([asks(("c", 1, 10))])
    assert (bool(taken), taken.after) == (False, {})
    assert (await stored(database))["held"] == 4


async def test_of_many_that_do_not_fit_as_many_as_do_are_taken(database: Database, taking: Taking) -> None:
    await counter(database, used=3)
    several = [asks(("c", amount, 10)) for amount in (4, 4, 3, 1)]
    taken = taking.take(several)
    ids = [ask.reservation["_id"] for ask in several]
    assert [taken.refuses(id_) for id_ in ids] == [False, True, False, True]
    (short,) = taken.short[ids[1]]
    assert (int(short.used), int(short.held), short.is_certain) == (3, 7, True)
    assert set((await stored(database))["holds"]) == {ids[0], ids[2]}
    assert {one["_id"] async for one in database.writes[RESERVATIONS].find()} == {ids[0], ids[2]}


async def test_a_counter_with_too_many_holds_takes_no_more_and_others_do(database: Database, taking: Taking) -> None:
    await counter(database, "free")
    holds = {"others": {"amount": 20, "expires": soon(), "of": "all others" + MOST_BYTES * " "}}
    await database.writes[COUNTERS].insert_one({"_id": "full", "used": 0, "held": 20, "holds": holds, "fold": 0})
    alone, short = asks(("full", 1, 10**9)), asks(("full", 1, 10))
    several = [asks(("free", 1, 10), ("full", 1, 10**9)), asks(("full", 1, 10**9)), asks(("free", 1, 10))]

    looked = taking.look([alone, short])
    taken, refused, together = taking.take([alone]), taking.take([short]), taking.take(several)

    id_ = alone.reservation["_id"]
    assert looked.crowded == taken.crowded == {id_: ["full"]}
    assert not taken.short
    assert set(looked.short) == set(refused.short) == {short.reservation["_id"]}, "there is no room anyway"
    assert not refused.crowded
    assert set(together.crowded) == {ask.reservation["_id"] for ask in several[:2]}
    assert (await stored(database, "full"))["held"] == 20
    assert list((await stored(database, "free"))["holds"]) == [several[2].reservation["_id"]]
    left = [one["_id"] async for one in database.writes[RESERVATIONS].find()]
    assert left == [several[2].reservation["_id"]]

    taking.take_out({"full": ["others"]})
    assert not taking.take([asks(("full", 1, 10**9)) for _ in range(3)])


async def test_money_is_exact_at_the_edge(database: Database, taking: Taking) -> None:
    await counter(database, used=Decimal128("0.7"))
    cent = Decimal128("0.1")
    several = [asks(("c", cent, Decimal128("1.0"))) for _ in range(5)]
    taken = taking.take(several)
    assert [taken.refuses(ask.reservation["_id"]) for ask in several] == [False] * 3 + [True] * 2
    assert exact((await stored(database))["held"]) == Decimal("0.3")


async def test_of_several_counters_all_or_none(database: Database, taking: Taking) -> None:
    await counter(database, "a")
    await counter(database, "b", used=10)
    await counter(database, "other", used=10)
    refused, granted = asks(("a", 1, 5), ("b", 1, 10)), asks(("a", 5, 5))
    taken = taking.take([refused, asks(("a", 1, 5), ("other", 0, None))])
    assert list(taken.short) == [refused.reservation["_id"]]
    assert (await stored(database, "a"))["held"] == 1
    assert (await stored(database, "b"))["held"] == 0
    assert taking.take([granted]).refuses(granted.reservation["_id"])
    assert await database.writes[RESERVATIONS].count_documents({}) == 1


async def test_a_counter_that_is_not_there_or_not_counted_yet_gives_nothing(database: Database, taking: Taking) -> None:
    await counter(database)
    await database.writes[COUNTERS].update_one({"_id": "c"}, {"$set": {"counting": True}})
    one, other = asks(("c", 1, None)), asks(("absent", 1, None))
    taken = taking.take([one, other])
    assert dict(taken.missing) == {one.reservation["_id"]: ["c"], other.reservation["_id"]: ["absent"]}
    assert (await stored(database))["held"] == 0
    assert await database.writes[COUNTERS].count_documents({}) == 1


async def test_what_is_sent_again_is_taken_once(database: Database, taking: Taking) -> None:
    await counter(database)
    several = [asks(("c", 1, 10)) for _ in range(4)]
    for again in (False, True, True):
        assert not taking.take(several, again=again).short
        assert (await stored(database))["held"] == 4
    some = [several[0], asks(("c", 7, 10)), asks(("c", 2, 10))]
    taken = taking.take(some, again=True)
    assert [taken.refuses(ask.reservation["_id"]) for ask in some] == [False, True, False]
    assert (await stored(database))["held"] == 6
    # what may be under way still keeps its reservation, and expires with it
    assert await database.writes[RESERVATIONS].count_documents({}) == 6


async def test_nothing_is_taken_after_its_reservation_has_expired(database: Database, taking: Taking) -> None:
    await counter(database)
    past = datetime.now(UTC) - timedelta(seconds=1)
    late = [asks(("c", 1, 10), expires=past), asks(("c", 1, None), expires=past)]
    taken = taking.take(late)
    assert len(taken.short) == 2
    assert not any(short.is_certain for of_one in taken.short.values() for short in of_one)
    assert not taking.take([asks(("c", 1, 10)), late[0]]).refuses(late[1].reservation["_id"])
    assert (await stored(database))["held"] == 1


async def test_looking_takes_nothing(database: Database, taking: Taking) -> None:
    await counter(database, used=8)
    several = [asks(("c", 1, 10)) for _ in range(3)]
    taken = taking.look(several)
    assert list(taken.short) == [several[2].reservation["_id"]]
    assert (await stored(database))["held"] == 0
    assert await database.writes[RESERVATIONS].count_documents({}) == 0


async def test_a_lease_grows_and_is_spent_by_shares(database: Database, taking: Taking) -> None:
    await counter(database)
    first, second = Change("c", "owner", 1, None), Change("c", "owner", 2, 1)
    assert taking.update([growing(first, 6, 10, soon())]) == 1
    assert taking.update([growing(first, 6, 100, soon())]) == 0, "sent again"
    assert taking.update([growing(second, 5, 10, soon())]) == 0, "no room"
    assert taking.update([growing(second, 6, 20, datetime.now(UTC) - SOON)]) == 0, "its owner has expired"
    assert taking.update([growing(second, 4, 10, soon())]) == 1
    assert (await stored(database))["holds"]["owner"]["amount"] == 10
    await database.writes[COUNTERS].update_one(
        {"_id": "c"}, [{"$set": {"used": {"$add": ["$used", 7]}}}, *shares_taken_out({"owner": 7, "gone": 3})]
    )
    found = await stored(database)
    assert (found["used"], found["held"], set(found["holds"])) == (7, 3, {"owner"})
    assert taking.update([shrinking(Change("c", "owner", 3, 2), 2)]) == 1
    assert (await stored(database))["held"] == 1
    for matched in (1, 0):
        assert taking.update([shrinking(Change("c", "owner", 4, 3), 1)]) == matched
    assert await stored(database) == {"_id": "c", "used": 7, "held": 0, "holds": {}, "fold": 0}


@pytest.mark.parametrize("seed", range(3))
async def test_settled_released_and_expired_in_any_order_is_the_same(database: Database, seed: int) -> None:
    """Eight take at once, and remove half of it, each hold twice: what is left are the holds that nothing removed."""
    await counter(database)
    chance = random.Random(seed)
    rounds = [[asks(("c", chance.randint(1, 9), 100)) for _ in range(16)] for _ in range(8)]
    takers = [Taking(database.blocking) for _ in range(8)]

    kept: set[str] = set()

    def work(taker: Taking, mine: list[Ask]) -> None:
        taken = taker.take(mine)
        granted = [ask.reservation["_id"] for ask in mine if not taken.refuses(ask.reservation["_id"])]
        kept.update(granted[1::2])
        for _ in range(2):
            for id_ in chance.sample(granted[::2], len(granted[::2])):
                taker.take_out({"c": [id_]})

    await asyncio.gather(*(asyncio.to_thread(work, *one) for one in zip(takers, rounds, strict=True)))
    found = await stored(database)
    assert set(found["holds"]) == kept
    assert found["held"] <= 100
