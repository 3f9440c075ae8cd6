"""Enforcement from the reservation to the count: never over, never refused while there is room, nothing left behind."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from app.database import Database, connected
from app.limits import Limits, open_limits
from app.limits.answers import Held, Refusal
from app.limits.holding import exact
from app.limits.meters import Asked
from app.limits.refusals import message_of
from app.limits.reserving.claims import Claim, claims_of
from app.limits.reserving.taking import Taking
from app.observability.metrics import Counters
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.counters import COUNTERS, RESERVATIONS
from models.limits import LimitScope, Unit, Window
from models.money import to_decimal
from tests.limits.defined import ANNA, CHAT, define, limit
from tests.limits.reserving.test_expiry import expiry_of
from tests.limits.reserving.test_reservations import LONG, held, reserve
from tests.patience import until

UTC = ZoneInfo("UTC")
CENT = Decimal("0.01")


class Process(NamedTuple):
    """What a process has."""

    limits: Limits
    tracker: Tracker


async def process_of(stack: AsyncExitStack, settings: Settings, database: Database) -> Process:
    tracker = await stack.enter_async_context(open_tracker(settings, database, Counters()))
    limits = await stack.enter_async_context(open_limits(database, UTC))
    tracker.enforce(limits)
    return Process(limits, tracker)


@pytest.fixture
async def process(settings: Settings, database: Database) -> AsyncIterator[Process]:
    async with AsyncExitStack() as stack:
        yield await process_of(stack, settings, database)


async def track(process: Process, reservation: str | None, cost: Decimal = CENT, **more: Any) -> str | None:
    """A call that costs so much. Returns what became of the reservation."""
    call = {"content_type": "chat", "model": "gpt-4o", "input_tokens": 5, "output_tokens": 5, "cost": cost, **more}
    receipt = await process.tracker.track(user_id="anna", client_id="shop", reservation_id=reservation, **call)
    assert receipt.status == "committed"
    return receipt.reservation


async def figures(process: Process) -> dict[str, tuple[Decimal, Decimal]]:
    """Used and held, exactly, by unit."""
    return {state.limit.unit: (state.used, state.held) for state in await process.limits.state(ANNA)}


async def spent(database: Database) -> Decimal:
    """What the ledger says."""
    return sum([to_decimal(entry["cost"]) async for entry in database.ledger.find()], Decimal(0))


async def used(database: Database) -> dict[str, Decimal]:
    return {one["unit"]: exact(one["used"]) async for one in database.writes[COUNTERS].find()}


async def test_one_call_after_the_other_is_never_refused_while_there_is_room(
    process: Process, database: Database
) -> None:
    """At the edge of a budget, where each call asks for much more than it costs."""
    budget = limit("1.00", Window.MONTH, Unit.USD)
    await define(database, budget)
    await process.limits.changed()
    asked = Asked(usd=Decimal("0.93"))
    for n in range(8):
        answer = await reserve(process.limits, asked)
        assert isinstance(answer, Held), n
        assert await track(process, answer.id) == "settled"
        assert await figures(process) == {"usd": (CENT * (n + 1), Decimal(0))}
    refusal = await reserve(process.limits, asked)
    assert isinstance(refusal, Refusal)
    assert (refusal.limit, refusal.used, refusal.held) == (budget, CENT * 8, Decimal(0))
    assert isinstance(await reserve(process.limits, Asked(usd=Decimal("0.92"))), Held)
    assert await used(database) == {"usd": await spent(database)}


async def test_who_is_refused_is_told_the_reset_in_the_zone_in_which_is_counted(
    process: Process, database: Database
) -> None:
    await define(database, limit(1, timezone="Asia/Tokyo"))
    await process.limits.changed()
    await track(process, None)
    await process.limits.fold.now()
    refusal = await reserve(process.limits)
    assert isinstance(refusal, Refusal)
    assert re.search(r"at 00:00 on .* \(Asia/Tokyo\)\.$", message_of(refusal))


async def test_a_call_that_nobody_asked_for_counts_and_the_next_one_is_refused(
    process: Process, database: Database
) -> None:
    await define(database, limit(2))
    await process.limits.changed()
    answer = await reserve(process.limits)
    assert isinstance(answer, Held)
    await asyncio.gather(*(track(process, None) for _ in range(2)))
    await process.limits.fold.now()  # else soon, by itself
    refusal = await reserve(process.limits)
    assert isinstance(refusal, Refusal)
    assert (refusal.used, refusal.held) == (Decimal(2), Decimal(1))
    await track(process, answer.id)
    (state,) = await process.limits.state(ANNA)
    assert (state.used, state.held, state.overrun) == (Decimal(3), Decimal(0), Decimal(1))


async def test_what_is_settled_late_is_counted_and_takes_nobody_elses_hold(
    process: Process, database: Database
) -> None:
    await define(database, limit(2))
    await process.limits.changed()
    late, other = [await reserve(process.limits) for _ in range(2)]
    assert isinstance(late, Held)
    assert isinstance(other, Held)
    await process.limits.release(late.id, "shop")
    assert await track(process, late.id) == "released"
    assert await figures(process) == {"requests": (Decimal(1), Decimal(1))}
    assert await track(process, other.id) == "settled"
    assert await track(process, other.id) == "already_settled"
    assert await figures(process) == {"requests": (Decimal(3), Decimal(0))}


async def test_what_is_held_of_a_period_that_ends_meanwhile_is_free_there_and_counted_in_the_next(
    process: Process, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await define(database, limit(2, timezone="Asia/Tokyo"))
    await process.limits.changed()
    yesterday = process.limits.clock.now() - timedelta(days=1)
    with monkeypatch.context() as before:
        before.setattr(process.limits.enforcement, "_now", lambda: yesterday)
        first, second, third = [await reserve(process.limits) for _ in range(3)]
    fourth = await reserve(process.limits)
    assert isinstance(first, Held)
    assert isinstance(second, Held)
    assert isinstance(third, Refusal)
    assert isinstance(fourth, Held)

    assert await track(process, first.id) == "settled"
    await process.limits.release(second.id, "shop")
    await process.limits.fold.now()

    days = database.writes[COUNTERS].find().sort("start")
    assert [(one["used"], one["held"], len(one["holds"])) async for one in days] == [(0, 0, 0), (1, 1, 1)]


async def test_a_reservation_from_a_lease_is_settled_like_any_other(process: Process, database: Database) -> None:
    await define(database, limit(1_000), limit(100, Window.MONTH, Unit.USD))
    await process.limits.changed()
    asked = Asked(usd=CENT * 3)

    def at_once() -> Held | None:
        return process.limits.reserve_at_once(ANNA, CHAT, asked, principal="shop")

    assert isinstance(await reserve(process.limits, asked), Held)
    for _ in range(20):
        assert at_once() is None
    await process.limits.leases.tick()
    granted = [answer for _ in range(3) if (answer := at_once()) is not None]
    assert len(granted) == 3
    assert await track(process, granted[0].id) == "settled"
    assert await process.limits.release(granted[1].id, "shop")
    assert await track(process, granted[1].id) == "expired"
    assert await track(process, granted[2].id, synthetic=True) == "settled"
    await process.limits.leases.give_back([one["_id"] async for one in database.writes[COUNTERS].find()])
    await process.limits.fold.now()
    assert await figures(process) == {"requests": (Decimal(2), Decimal(1)), "usd": (CENT * 2, CENT * 3)}


async def some_call(process: Process, other: Process, chance: random.Random) -> None:
    """One that is reported, released, or left in the middle."""
    most = CENT * chance.randint(1, 9)
    asked = Asked(usd=most)
    answer: Held | Refusal | None = None
    if chance.random() < 0.5:
        answer = process.limits.reserve_at_once(ANNA, CHAT, asked, principal="shop")
    answer = answer or await reserve(process.limits, asked)
    if isinstance(answer, Refusal):
        return
    if chance.random() < 0.7:
        own = answer.id.startswith("lease-")
        cost = most * chance.choice([Decimal(0), Decimal(1), Decimal("0.5")])
        assert await track(process if own else other, answer.id, cost) == "settled"
    else:
        leaving = asyncio.ensure_future(reserve(process.limits, asked))
        await asyncio.sleep(chance.random() * 0.01)
        leaving.cancel()
        (left,) = await asyncio.gather(leaving, return_exceptions=True)
        for one in (answer, left):
            if isinstance(one, Held):
                assert await process.limits.release(one.id, "shop")


@pytest.mark.parametrize("seed", range(2))
async def test_many_processes_never_go_over_and_leave_nothing_held(
    settings: Settings, database: Database, mongodb_uri: str, seed: int
) -> None:
    """Callers of five processes reserve, use less than that, report, release and leave in the middle. In each snapshot
    what is used and held is within each limit; at the end everything that was recorded is used, to the last decimal,
    and nothing is held.
    """
    limits = {"requests": Decimal(150), "usd": Decimal("2.5"), "concurrent": Decimal(20)}
    await define(
        database,
        limit(150),
        limit("2.5", Window.MONTH, Unit.USD, scope=LimitScope(client_id="shop")),
        limit(20, Window.LIFETIME, Unit.CONCURRENT, scope=LimitScope(everyone=True)),
    )
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(connected(mongodb_uri, settings.database)) for _ in range(5)]
        processes = [await process_of(stack, settings, one) for one in databases]
        over: list[Any] = []

        async def watch() -> None:
            while True:
                found = await database.writes[COUNTERS].find().to_list(None)
                over.extend(one for one in found if exact(one["used"]) + exact(one["held"]) > limits[one["unit"]])

        async def caller(n: int) -> None:
            chance = random.Random(seed * 100 + n)
            for _ in range(8):
                await some_call(processes[n % 5], chance.choice(processes), chance)

        watching = asyncio.create_task(watch())
        await asyncio.gather(*(caller(n) for n in range(40)))
        watching.cancel()
        assert not over
        await asyncio.gather(*(process.limits.reservations.close() for process in processes))
        await processes[0].limits.fold.now()
        # what is in hand goes back when nobody asks
        await until(lambda: nothing_is_held(database), 3)
    calls = await database.ledger.count_documents({})
    assert calls > 50
    assert await used(database) == {"requests": Decimal(calls), "usd": await spent(database), "concurrent": Decimal(0)}


async def nothing_is_held(database: Database) -> bool:
    return set((await held(database)).values()) == {Decimal(0)}


class KilledError(BaseException):
    """Nothing that is written after it happens."""


@contextmanager
def killed(taking: Taking, name: str, call: int, *, after: bool) -> Iterator[None]:
    """Killed before or after the `call`th time that a step is taken."""
    step: Callable[..., Any] = getattr(taking, name)
    calls = 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls < call:
            return step(*args, **kwargs)
        if calls == call and after:
            step(*args, **kwargs)
        raise KilledError

    setattr(taking, name, counted)
    try:
        yield
    finally:
        setattr(taking, name, step)


STEPS = [
    *((name, call, after) for name in ("_insert", "update") for call in (1,) for after in (False, True)),
    *(("update", call, after) for call in (2, 3) for after in (False, True)),
    *(("forget", 1, after) for after in (False, True)),
]


@pytest.mark.parametrize(("name", "call", "after"), STEPS)
async def test_a_process_that_is_killed_at_any_step_of_a_reservation_leaves_nothing_for_long(
    process: Process, database: Database, name: str, call: int, after: bool
) -> None:
    """Of six asks some fit in one limit and some in the other one, so that all steps happen."""
    await define(database, limit(4, unit=Unit.TOKENS), limit(3, scope=LimitScope(everyone=True)))
    await process.limits.changed()
    limits = process.limits
    assert isinstance(await reserve(limits, Asked(tokens=1)), Held)
    asks = [
        limits.enforcement._ask(ANNA, CHAT, claims, timedelta(minutes=1), f"{n:024x}")
        for n, claims in enumerate(claims_for(limits, [1, 2, 3, 1, 1, 1]))
    ]
    taking = Taking(database.blocking)
    with killed(taking, name, call, after=after), suppress(KilledError):
        taking.take(asks)
    found = {one["unit"]: one async for one in database.writes[COUNTERS].find()}
    assert exact(found["tokens"]["held"]) <= 4
    assert exact(found["requests"]["held"]) <= 3
    holds = {id_ for one in found.values() for id_ in one["holds"]}
    documents = {one["_id"] async for one in database.writes[RESERVATIONS].find({"state": "open"})}
    assert holds <= documents, "what holds something is found when its time is over"
    past = {"$set": {"expiresAt": limits.clock.now() - timedelta(seconds=1)}}
    await database.writes[RESERVATIONS].update_many({}, past)
    await expiry_of(limits, database).look()
    assert set((await held(database)).values()) == {Decimal(0)}
    assert await database.writes[RESERVATIONS].count_documents({"state": "open"}) == 0
    await asyncio.wait_for(reserve(limits, Asked(tokens=4)), LONG)


def claims_for(limits: Limits, tokens: list[int]) -> Iterator[list[Claim]]:
    applied = limits.definitions.applying(ANNA, CHAT, limits.clock.now())
    assert applied is not None
    for each in tokens:
        yield claims_of(limits.enforcement._terms(applied), Asked(tokens=each))
