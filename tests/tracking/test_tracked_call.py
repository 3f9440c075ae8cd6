"""Timing a model call: what is recorded, and what the caller's own code sees."""

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest

from app.database import Database
from app.tracking import Tracker, track_ai_call
from tests.twins import assert_twins, entries

pytestmark = pytest.mark.usefixtures("tracker")

KNOWN: dict[str, Any] = {"user_id": "u", "content_type": "chat", "provider": "openai"}
RESPONSE = {"model": "gpt-4o", "usage": {"prompt_tokens": 1_000, "completion_tokens": 500, "total_tokens": 1_500}}
USAGE = {"model": "gpt-4o", "choices": [], "usage": RESPONSE["usage"]}


def chunk(text: str) -> dict[str, Any]:
    return {"model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": text}}], "usage": None}


async def answer(*chunks: Any) -> AsyncIterator[Any]:
    for piece in chunks:
        yield piece


async def only_entry(database: Database) -> dict[str, Any]:
    await assert_twins(database)
    (entry,) = await entries(database)
    return entry


async def test_a_response_gives_its_tokens_its_model_and_the_time_it_took(database: Database) -> None:
    async with track_ai_call(**KNOWN) as call:
        call.record(RESPONSE)

    assert call.receipt is not None
    assert (call.receipt.status, call.receipt.cost) == ("committed", Decimal("0.0075"))
    entry = await only_entry(database)
    assert (entry["aiModel"], entry["inputTokens"], entry["outputTokens"]) == ("gpt-4o", 1_000, 500)
    assert 0 <= entry["requestDuration"] < 10_000


async def test_a_stream_passes_through_untouched_and_its_usage_is_taken(database: Database) -> None:
    chunks = [chunk("Hel"), chunk("lo"), USAGE]

    async with track_ai_call(**KNOWN) as call:
        seen = [piece async for piece in call.stream(answer(*chunks))]

    assert all(one is other for one, other in zip(seen, chunks, strict=True))
    entry = await only_entry(database)
    assert (entry["status"], entry["cost"].to_decimal(), entry["costSource"]) == (
        "success",
        Decimal("0.0075"),
        "priced",
    )
    assert 0 <= entry["timeToFirstToken"] <= entry["requestDuration"]


async def test_a_stream_without_usage_is_estimated_from_its_text(database: Database) -> None:
    async with track_ai_call(**KNOWN, input_text="x" * 400) as call:
        async for _ in call.stream(answer(chunk("y" * 30), chunk("y" * 10))):
            pass

    entry = await only_entry(database)
    assert (entry["inputTokens"], entry["outputTokens"], entry["costSource"]) == (100, 10, "estimated")
    assert entry["cost"].to_decimal() == Decimal("0.00035")


async def test_a_stream_left_in_the_middle_leaves_an_entry(database: Database) -> None:
    async with track_ai_call(**KNOWN) as call:
        async for _ in call.stream(answer(chunk("y" * 40), chunk("never read"))):
            break

    entry = await only_entry(database)
    assert (entry["status"], entry["costSource"], entry["outputTokens"]) == ("error", "estimated", 10)
    assert entry["errorMessage"] == "interrupted before the answer was complete"


async def test_a_cancelled_stream_leaves_an_entry_and_stays_cancelled(database: Database) -> None:
    reading = asyncio.Event()

    async def endless() -> AsyncIterator[Any]:
        yield chunk("y" * 40)
        reading.set()
        await asyncio.Event().wait()

    async def read() -> None:
        async with track_ai_call(**KNOWN) as call:
            async for _ in call.stream(endless()):
                pass

    task = asyncio.create_task(read())
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    entry = await only_entry(database)
    assert (entry["status"], entry["costSource"], entry["outputTokens"]) == ("error", "estimated", 10)


class APITimeoutError(Exception):
    """As provider SDKs name theirs."""


class RateLimitError(Exception):
    status_code = 429


class RefusedError(Exception):
    code = 400


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TimeoutError("secret prompt"), "timeout"),
        (APITimeoutError("secret prompt"), "timeout"),
        (RateLimitError("secret prompt"), "rate_limited"),
        (RefusedError("secret prompt"), "error"),
    ],
)
async def test_errors_are_recorded_by_kind_and_go_on_to_the_caller(
    database: Database, error: Exception, status: str
) -> None:
    with pytest.raises(type(error)) as caught:
        async with track_ai_call(**KNOWN, model="gpt-4o"):
            raise error

    assert caught.value is error
    entry = await only_entry(database)
    assert (entry["status"], entry["errorMessage"]) == (status, type(error).__name__)


class Hostile:
    """A response that cannot even be looked at."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


@pytest.mark.parametrize(
    "make", [Hostile, lambda: {"usage": {"prompt_tokens": -1, "completion_tokens": 2}}, lambda: "text"]
)
async def test_a_response_that_cannot_be_read_is_unpriced_and_hurts_nobody(
    database: Database, make: Callable[[], Any]
) -> None:
    async with track_ai_call(**KNOWN, model="gpt-4o") as call:
        call.record(make())

    entry = await only_entry(database)
    assert (entry["cost"], entry["costSource"], entry["unreadableUsage"]) == (None, "unpriced", True)


async def test_as_a_decorator_every_call_is_reported_by_itself(database: Database, tracker: Tracker) -> None:
    @track_ai_call(**KNOWN)
    async def ask(tokens: int) -> dict[str, Any]:
        """Ask the model."""
        await asyncio.sleep(0)
        return {"model": "gpt-4o", "usage": {"prompt_tokens": tokens, "completion_tokens": 0}}

    answers = await asyncio.gather(*(ask(tokens) for tokens in range(1, 21)))

    assert (ask.__name__, ask.__doc__) == ("ask", "Ask the model.")
    assert [answer["usage"]["prompt_tokens"] for answer in answers] == list(range(1, 21))
    assert sorted(entry["inputTokens"] for entry in await entries(database)) == list(range(1, 21))
    assert tracker.counters.snapshot() == {"committed": 20}
