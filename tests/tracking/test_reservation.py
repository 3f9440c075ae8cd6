"""Room that is held for a call in the application's own process: however the call ends, it is settled or given back."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, nullcontext, suppress
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.database import Database
from app.errors import InvalidRequestError
from app.limits import Limits, open_limits
from app.settings import Settings
from app.tracking import (
    LimitsUnavailableError,
    QuotaExceededError,
    Tracker,
    UnboundedAskError,
    check_usage_limit,
    reserve_ai_call,
    track_ai_call,
    track_ai_request,
    track_openai_usage,
    tracking,
)
from models.alerts import ALERTS
from models.counters import COUNTERS, RESERVATIONS
from models.limits import Limit, LimitFilter, LimitScope, Unit, Window
from tests.limits.defined import define, limit
from tests.twins import entries

U1 = LimitScope(user_id="u1")
ASK: dict[str, Any] = {"user_id": "u1", "content_type": "chat", "model": "gpt-4o", "service_tier": "default"}
BOUNDED: dict[str, Any] = {**ASK, "input_tokens": 1_000, "max_output_tokens": 500}  # 0.0075 USD
KNOWN: dict[str, Any] = {"user_id": "u1", "content_type": "chat"}
RESPONSE = {"model": "gpt-4o", "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}}


@pytest.fixture
async def limits(database: Database, tracker: Tracker) -> AsyncIterator[Limits]:
    async with open_limits(database, ZoneInfo("UTC")) as limits:
        tracker.enforce(limits)
        yield limits


async def enforce(limits: Limits, database: Database, *defined: Limit) -> None:
    await define(database, *defined)
    await limits.changed()


async def reservations(database: Database) -> list[tuple[str, bool]]:
    """Of each: its state, and whether a call has settled it."""
    found = database.writes[RESERVATIONS].find().sort("createdAt")
    return [(stored["state"], "entry" in stored) async for stored in found]


async def held(database: Database) -> Decimal:
    return sum([Decimal(str(stored["held"])) async for stored in database.writes[COUNTERS].find()], Decimal(0))


async def only_entry(database: Database) -> dict[str, Any]:
    (entry,) = await entries(database)
    return entry


async def test_the_call_that_is_reported_in_the_block_settles_what_was_held(limits: Limits, database: Database) -> None:
    await enforce(limits, database, limit(10, scope=U1))

    async with reserve_ai_call(**BOUNDED) as reservation:
        assert await held(database) == 1
        receipt = await track_openai_usage(RESPONSE, **KNOWN)

    assert receipt.reservation == "settled"
    entry = await only_entry(database)
    assert (entry["reservationId"], entry["inputTokens"], entry["costSource"]) == (reservation.id, 100, "priced")
    assert await reservations(database) == [("settled", True)]


async def test_only_the_first_call_of_the_block_is_the_one_that_was_asked_for(
    limits: Limits, database: Database
) -> None:
    await enforce(limits, database, limit(10, scope=U1))

    async with reserve_ai_call(**BOUNDED):
        others = await track_openai_usage(RESPONSE, user_id="u2", content_type="chat")
        first = await track_openai_usage(RESPONSE, **KNOWN)
        second = await track_openai_usage(RESPONSE, **KNOWN)

    assert [each.reservation for each in (others, first, second)] == [None, "settled", None]


async def answered(*, fails: bool) -> None:
    if fails:
        raise ConnectionError


@pytest.mark.parametrize("fails", [False, True])
async def test_what_nobody_reports_is_given_back(limits: Limits, database: Database, fails: bool) -> None:
    await enforce(limits, database, limit(1, scope=U1))
    for _ in range(2):
        with pytest.raises(ConnectionError) if fails else nullcontext():
            async with reserve_ai_call(**BOUNDED):
                assert await held(database) == 1
                await answered(fails=fails)
        assert await held(database) == 0
    assert await reservations(database) == [("released", False)] * 2
    assert await entries(database) == []


async def test_a_call_that_may_not_be_made_does_not_begin(limits: Limits, database: Database) -> None:
    await enforce(limits, database, limit(1, scope=U1, filter=LimitFilter(service_type="chat")))
    called = []

    async def ask() -> None:
        async with track_ai_call(**KNOWN, model="gpt-4o", enforce=True) as call:
            called.append(1)
            await asyncio.sleep(0)
            call.record(RESPONSE)

    await ask()
    with pytest.raises(QuotaExceededError) as refused:
        async with reserve_ai_call(**BOUNDED):
            await ask()

    # the second asked for was never made: the first is used or held, whatever has been counted by now
    assert called == [1]
    assert refused.value.refusal.limit_amount == 1
    assert "chat messages for today" in refused.value.message
    assert refused.value.status == 429


async def test_a_decorated_function_asks_each_time(limits: Limits, database: Database) -> None:
    await enforce(limits, database, limit(2, scope=U1))
    at_most = {"input_tokens": 100, "max_output_tokens": 50}

    @track_ai_call(**KNOWN, model="gpt-4o", enforce=True, at_most=at_most)
    async def ask() -> Any:
        return RESPONSE

    assert [await ask() for _ in range(2)] == [RESPONSE] * 2
    with pytest.raises(QuotaExceededError):
        await ask()
    assert await reservations(database) == [("settled", True)] * 2


async def stream(*, breaks: bool = False) -> AsyncIterator[Any]:
    for word in ("one", "two"):
        yield {"model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": word}}], "usage": None}
    if breaks:
        raise ConnectionError
    yield {"model": "gpt-4o", "choices": [], "usage": RESPONSE["usage"]}


ENFORCED: dict[str, Any] = {**KNOWN, "model": "gpt-4o", "service_tier": "default", "enforce": True}
AT_MOST = {"input_tokens": 1_000, "max_output_tokens": 500}


async def cut_off() -> None:
    async with track_ai_call(**ENFORCED, at_most=AT_MOST) as call:
        async for _ in call.stream(stream(breaks=True)):
            pass


async def left() -> None:
    """The reader goes away in the middle, as where a browser is closed."""

    async def answer() -> AsyncGenerator[Any]:
        async with track_ai_call(**ENFORCED, at_most=AT_MOST) as call:
            async for piece in call.stream(stream()):
                yield piece

    async with aclosing(answer()) as pieces:
        async for _ in pieces:
            break


async def cancelled() -> None:
    begun = asyncio.Event()

    async def ask() -> None:
        async with track_ai_call(**ENFORCED, at_most=AT_MOST):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(ask())
    await begun.wait()
    task.cancel()
    await asyncio.wait({task})


async def timed_out() -> None:
    async with track_ai_call(**ENFORCED, at_most=AT_MOST):
        raise TimeoutError


async def without_usage() -> None:
    async with track_ai_call(**ENFORCED, at_most=AT_MOST) as call:
        call.record({"model": "gpt-4o", "choices": []})


@pytest.mark.parametrize("ends", [cut_off, left, cancelled, timed_out, without_usage])
async def test_where_nobody_knows_what_was_used_all_that_was_held_counts_and_is_marked_as_estimated(
    limits: Limits, database: Database, ends: Any
) -> None:
    await enforce(limits, database, limit("1", Window.MONTH, Unit.USD, scope=U1))

    with suppress(ConnectionError, TimeoutError):
        await ends()

    entry = await only_entry(database)
    assert (entry["inputTokens"], entry["outputTokens"], entry["cost"].to_decimal()) == (1_000, 500, Decimal("0.0075"))
    assert (entry["costSource"], entry["estimatedUsage"]) == ("estimated", "tokens")
    assert await reservations(database) == [("settled", True)]


async def test_a_call_that_the_provider_did_not_bill_used_nothing(limits: Limits, database: Database) -> None:
    await enforce(limits, database, limit("1", Window.MONTH, Unit.USD, scope=U1))

    with pytest.raises(ConnectionError):
        async with track_ai_call(**ENFORCED, at_most=AT_MOST):
            raise ConnectionError

    entry = await only_entry(database)
    assert (entry["status"], entry["inputTokens"], entry["cost"].to_decimal()) == ("error", 0, 0)
    assert await reservations(database) == [("settled", True)]


async def test_a_stream_that_was_read_to_its_end_counts_what_it_used(limits: Limits, database: Database) -> None:
    await enforce(limits, database, limit("1", Window.MONTH, Unit.USD, scope=U1))

    async with track_ai_call(**ENFORCED, at_most=AT_MOST) as call:
        pieces = [piece async for piece in call.stream(stream())]

    assert len(pieces) == 3
    assert call.receipt is not None
    assert (call.receipt.reservation, call.receipt.cost) == ("settled", Decimal("0.00075"))


async def test_a_report_that_is_refused_gives_back_what_was_held(limits: Limits, database: Database) -> None:
    await enforce(limits, database, limit(1, scope=U1))

    async with reserve_ai_call(**BOUNDED):
        receipt = await track_ai_request("u1", "chat", "gpt-4o", input_tokens=-1)
    assert receipt.status == "rejected"

    assert await held(database) == 0
    assert await reservations(database) == [("released", False)]


async def test_a_call_that_was_reported_before_leaves_nothing_held(limits: Limits, database: Database) -> None:
    await enforce(limits, database, limit(5, scope=U1))

    for status in ("committed", "duplicate"):
        async with reserve_ai_call(**BOUNDED):
            receipt = await track_ai_request("u1", "chat", "gpt-4o", input_tokens=1, request_id="r1")
        assert receipt.status == status

    await limits.fold.now()
    assert await held(database) == 0
    assert sorted(await reservations(database)) == [("released", False), ("settled", True)]


async def test_a_check_says_what_the_earlier_systems_said_and_takes_nothing(limits: Limits, database: Database) -> None:
    content = limit(1, Window.MONTH, scope=U1, filter=LimitFilter(service_type="content"))
    await enforce(limits, database, content, limit(0, scope=U1, filter=LimitFilter(service_type="image")))

    assert (await check_usage_limit("u1", "content")).allowed
    async with reserve_ai_call(user_id="u1", content_type="summary", model="gpt-4o"):
        decision = await check_usage_limit("u1", "content")
        assert (decision.allowed, decision.violated) == (False, (content.id,))
        figures = [decision.limit, decision.used, decision.held, decision.asked]
        assert figures == [1, 0, 1, 1]
        assert (await check_usage_limit("u1", "chat")).allowed
    assert (await check_usage_limit("u1", "content")).allowed
    image = await check_usage_limit("u1", "image")
    assert image.message is not None
    assert image.message.startswith("You have no images for today.")


async def test_money_needs_a_bound_before_a_call_and_something_left_before_a_check(
    limits: Limits, database: Database
) -> None:
    await enforce(limits, database, limit("0.0075", Window.MONTH, Unit.USD, scope=U1))

    assert (await check_usage_limit("u1", "chat")).allowed
    with pytest.raises(UnboundedAskError):
        async with reserve_ai_call(user_id="u1", content_type="chat", model="gemini-2.5-pro", input_tokens=1):
            pass
    async with reserve_ai_call(**BOUNDED):
        assert not (await check_usage_limit("u1", "chat")).allowed


async def test_a_fault_of_what_is_asked_is_named(limits: Limits) -> None:  # noqa: ARG001
    with pytest.raises(InvalidRequestError, match="max_output_tokens"):
        async with reserve_ai_call(**{**BOUNDED, "max_output_tokens": -1}):
            pass


async def test_another_thread_asks_too(limits: Limits, database: Database) -> None:
    await enforce(limits, database, limit(1, scope=U1))
    outcome: list[Any] = []

    async def ask() -> None:
        async with reserve_ai_call(**BOUNDED):
            outcome.append(await check_usage_limit("u1", "chat"))
            outcome.append(await track_openai_usage(RESPONSE, **KNOWN))

    await asyncio.to_thread(lambda: asyncio.run(ask()))

    assert not outcome[0].allowed
    assert outcome[1].reservation == "settled"
    assert await reservations(database) == [("settled", True)]


async def test_a_host_enforces_counts_and_records_what_was_crossed(
    settings: Settings, mongodb_uri: str, database: Database
) -> None:
    two = limit(2, scope=U1)
    await define(database, two)

    async with tracking(settings, mongodb_uri) as tracker:
        for _ in range(2):
            async with track_ai_call(**ENFORCED, at_most=AT_MOST) as call:
                call.record(RESPONSE)
        with pytest.raises(QuotaExceededError) as refused:
            async with track_ai_call(**ENFORCED, at_most=AT_MOST):
                pass
        assert tracker.asking is not None
        await tracker.asking.limits.fold.now()

    refusal = refused.value.refusal
    assert [refusal.used, refusal.held, refusal.asked] == [2, 0, 1]
    assert refused.value.message.startswith("You have used all 2 of your requests for today. They reset at 00:00 on ")
    alerts = [stored async for stored in database.writes[ALERTS].find()]
    assert sorted(stored["threshold"] for stored in alerts) == [80, 90, 100]


async def test_without_tracking_nobody_can_be_asked() -> None:
    with pytest.raises(LimitsUnavailableError):
        await check_usage_limit("u1", "chat")
    with pytest.raises(LimitsUnavailableError):
        async with reserve_ai_call(**BOUNDED):
            pass
