"""Reservations: never over a hard limit, never refused while there is room, all limits or none."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from app.database import Database, connected
from app.limits import Limits, open_limits
from app.limits.answers import Held, LimitsUnavailableError, Refusal
from app.limits.holding import MOST_BYTES, exact
from app.limits.meters import Asked, Caller, Missing
from app.settings import Settings
from models.counters import COUNTERS, RESERVATIONS
from models.limits import Kind, LimitScope, Unbounded, Unit, Window
from tests.limits.defined import ANNA, CHAT, define, limit
from tests.patience import PATIENT_MS

ONE = Asked(tokens=10, usd=Decimal("0.1"))
UTC = ZoneInfo("UTC")
LONG = PATIENT_MS / 1_000


async def reserve(limits: Limits, asked: Asked = ONE, caller: Caller = ANNA) -> Held | Refusal:
    return await limits.reserve(caller, CHAT, asked, principal="shop", seconds=LONG)


async def held(database: Database) -> dict[str, Decimal]:
    """What is held, by the subject and unit of the counter, and that it is the sum of the holds."""
    found = {}
    async for counter in database.writes[COUNTERS].find():
        total = exact(counter["held"])
        assert total == sum(exact(hold["amount"]) for hold in counter["holds"].values())
        found[f"{counter['subject']} {counter['unit']}"] = total
    return found


async def test_without_limits_everything_passes(limits: Limits, database: Database) -> None:
    granted = await reserve(limits)
    assert isinstance(granted, Held)
    assert granted.holds == ()
    assert await limits.check(ANNA, CHAT, ONE) is None
    assert limits.reserve_at_once(ANNA, CHAT, ONE, principal="shop") is not None
    assert await limits.release(granted.id, "shop")
    assert await held(database) == {}
    assert await database.writes[RESERVATIONS].count_documents({}) == 0, "nobody needs to know of it"


async def test_a_hard_limit_gives_as_much_as_there_is(limits: Limits, database: Database) -> None:
    day = limit(3)
    await define(database, day)
    await limits.changed()
    answers = [await reserve(limits) for _ in range(5)]
    assert [isinstance(answer, Held) for answer in answers] == [True] * 3 + [False] * 2
    refusal = answers[-1]
    assert isinstance(refusal, Refusal)
    refused = Refusal(day, Decimal(3), Decimal(0), Decimal(3), Decimal(1), refusal.resets_at, counter=refusal.counter)
    assert refusal == refused
    assert refusal.resets_at is not None
    assert await limits.check(ANNA, CHAT, ONE) == refusal
    assert await held(database) == {"user:anna requests": 3}
    assert await database.writes[RESERVATIONS].count_documents({}) == 3


async def test_what_is_released_is_there_again_at_once(limits: Limits, database: Database) -> None:
    await define(database, limit(1))
    await limits.changed()
    for _ in range(3):
        granted = await reserve(limits)
        assert isinstance(granted, Held)
        assert isinstance(await reserve(limits), Refusal)
        assert not await limits.release(granted.id, "another")
        others = ["another", "shop", "another"]
        assert await asyncio.gather(*(limits.release(granted.id, by) for by in others)) == [False, True, False]
        assert await limits.release(granted.id, "shop"), "again"
    assert await held(database) == {"user:anna requests": 0}
    assert not await limits.release("unknown", "")
    assert await database.writes[RESERVATIONS].count_documents({"state": "released"}) == 3


async def test_of_several_limits_all_hold_or_none(limits: Limits, database: Database) -> None:
    day, budget = limit(10), limit("0.35", Window.MONTH, Unit.USD)
    shop = limit(100, Window.HOUR, Unit.TOKENS, scope=LimitScope(client_id="shop"))
    await define(database, day, budget, shop)
    await limits.changed()
    answers = [await reserve(limits) for _ in range(4)]
    refusal = answers.pop()
    assert all(isinstance(answer, Held) for answer in answers)
    assert isinstance(refusal, Refusal)
    assert (refusal.limit, refusal.held, refusal.others) == (budget, Decimal("0.3"), ())
    assert await held(database) == {
        "user:anna requests": 3,
        "user:anna usd": Decimal("0.3"),
        "client:shop tokens": 30,
    }


async def test_all_limits_in_the_way_are_told_the_one_that_resets_last_first(
    limits: Limits, database: Database
) -> None:
    day, ever, hour = limit(0), limit(0, Window.LIFETIME, Unit.TOKENS), limit(0, Window.HOUR)
    await define(database, day, ever, hour, limit(5, Window.MINUTE))
    await limits.changed()
    refusal = await reserve(limits)
    assert isinstance(refusal, Refusal)
    assert [one.limit for one in (refusal, *refusal.others)] == [ever, day, hour]
    assert set((await held(database)).values()) == {0}


async def test_limits_that_contradict_share_a_counter_and_the_lower_one_holds(
    limits: Limits, database: Database
) -> None:
    low, high = limit(2), limit(5)
    await define(database, low, high)
    await limits.changed()
    answers = [await reserve(limits) for _ in range(3)]
    assert [isinstance(answer, Held) for answer in answers] == [True, True, False]
    assert isinstance(answers[2], Refusal)
    assert (answers[2].limit, answers[2].others) == (low, ())


async def test_a_soft_limit_refuses_nothing_but_beyond_its_cap(limits: Limits, database: Database) -> None:
    await define(database, limit(1, kind=Kind.SOFT), limit(1, Window.HOUR, kind=Kind.SOFT, overage_cap=Decimal(2)))
    await limits.changed()
    answers = [await reserve(limits) for _ in range(4)]
    assert [isinstance(answer, Held) for answer in answers] == [True] * 3 + [False]


async def test_where_one_limit_holds_room_for_too_many_that_is_said_and_other_limits_go_on(
    limits: Limits, database: Database
) -> None:
    await define(database, limit(10**6), limit(10**6, scope=LimitScope(user_id="bob")))
    await limits.changed()
    first = await reserve(limits)
    assert isinstance(first, Held)
    many = {"amount": 5, "expires": first.expires_at, "of": "all others" + MOST_BYTES * " "}
    full = {"$set": {"holds.others": many}, "$inc": {"held": 5}}
    await database.writes[COUNTERS].update_one({"subject": "user:anna"}, full)

    for asked in (reserve(limits), limits.check(ANNA, CHAT, ONE, seconds=LONG)):
        with pytest.raises(LimitsUnavailableError, match="too many reservations of one limit are open"):
            await asked

    assert isinstance(await reserve(limits, caller=Caller("bob", "shop")), Held)
    assert await database.writes[RESERVATIONS].count_documents({}) == 2, "nothing is left of who was refused"
    assert await limits.release(first.id, "shop")
    assert (await held(database))["user:anna requests"] == 5
    await limits.reservations.take_out({first.holds[0].applied.counter.id: ["others"]})
    assert isinstance(await reserve(limits), Held)


async def test_calls_under_way_are_limited(limits: Limits, database: Database) -> None:
    await define(database, limit(2, Window.LIFETIME, Unit.CONCURRENT))
    await limits.changed()
    first, _, third = [await reserve(limits) for _ in range(3)]
    assert isinstance(third, Refusal)
    assert (third.used, third.held, third.resets_at) == (Decimal(0), Decimal(2), None)
    assert isinstance(first, Held)
    await limits.release(first.id, "shop")
    assert isinstance(await reserve(limits), Held)


async def test_who_asks_for_nothing_of_a_unit_passes(limits: Limits, database: Database) -> None:
    await define(database, limit(0, unit=Unit.IMAGES), limit(0, unit=Unit.USD), limit(0, unit=Unit.SECONDS))
    await limits.changed()
    assert isinstance(await reserve(limits, Asked(usd=Decimal(0))), Held)
    assert isinstance(await reserve(limits, Asked(usd=Decimal(0), images=1)), Refusal)


async def test_what_has_no_upper_bound_is_refused_unless_the_limit_allows_it(
    limits: Limits, database: Database
) -> None:
    missing = (Missing(Unit.USD, "maxOutputTokens", "say it"),)
    unbounded = Asked(tokens=10, usd=None, unbounded=missing)
    await define(database, limit(1, unit=Unit.USD, id="budget"))
    await limits.changed()
    for answer in (await reserve(limits, unbounded), await limits.check(ANNA, CHAT, unbounded)):
        assert isinstance(answer, Refusal)
        assert (answer.limit.id, answer.asked, answer.unbounded) == ("budget", Decimal(0), missing)
    await define(database, limit(1, unit=Unit.USD, id="budget", unbounded=Unbounded.ALLOW))
    await limits.changed()
    assert isinstance(await reserve(limits, unbounded), Held)
    assert await held(database) == {}


async def several(stack: AsyncExitStack, settings: Settings, mongodb_uri: str, count: int) -> Sequence[Limits]:
    """As many processes have."""
    databases = [await stack.enter_async_context(connected(mongodb_uri, settings.database)) for _ in range(count)]
    return [await stack.enter_async_context(open_limits(database, UTC)) for database in databases]


async def test_many_processes_give_together_exactly_what_there_is(
    settings: Settings, database: Database, mongodb_uri: str
) -> None:
    """512 callers of eight processes ask for 1 to 9 of 1,000 tokens: what is refused has no room, what is held is not
    more than there is, and a refusal has left nothing anywhere.
    """
    await define(
        database,
        limit(1_000, unit=Unit.TOKENS),
        limit(10_000, unit=Unit.TOKENS, scope=LimitScope(client_id="shop")),
        limit(400, scope=LimitScope(everyone=True)),
    )
    async with AsyncExitStack() as stack:
        processes = await several(stack, settings, mongodb_uri, 8)
        asks = [Asked(tokens=1 + n % 9) for n in range(512)]
        answers = await asyncio.gather(
            *(reserve(processes[n % 8], asked) for n, asked in enumerate(asks)),
        )
        granted = [(asked, answer) for asked, answer in zip(asks, answers, strict=True) if isinstance(answer, Held)]
        tokens = sum(asked.tokens or 0 for asked, _ in granted)
        total = {"user:anna tokens": tokens, "client:shop tokens": tokens, "everyone requests": len(granted)}
        assert await held(database) == total
        # single tokens fit in as long as there are any
        left = [await reserve(processes[n % 8], Asked(tokens=1)) for n in range(1_000 - tokens + 1)]
        assert tokens > 990
        assert [isinstance(answer, Held) for answer in left] == [True] * (1_000 - tokens) + [False]
        assert await database.writes[RESERVATIONS].count_documents({}) == len(granted) + 1_000 - tokens
        await asyncio.gather(
            *(processes[n % 8].release(answer.id, "shop") for n, (_, answer) in enumerate(granted) for _ in range(2)),
        )
        assert (await held(database))["user:anna tokens"] == 1_000 - tokens


async def test_a_caller_that_leaves_holds_nothing(limits: Limits, database: Database) -> None:
    await define(database, limit(10))
    await limits.changed()
    assert isinstance(await reserve(limits), Held)
    leaving = [asyncio.ensure_future(reserve(limits)) for _ in range(5)]
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    for _ in range(9):
        assert isinstance(await reserve(limits), Held)
    assert isinstance(await reserve(limits), Refusal)
