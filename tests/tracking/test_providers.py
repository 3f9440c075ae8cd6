"""Reporting a response in one line."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from app.database import Database
from app.tracking import (
    TrackReceipt,
    track_anthropic_usage,
    track_gemini_usage,
    track_groq_usage,
    track_image_usage,
    track_openai_usage,
    track_video_usage,
    track_whisper_usage,
)
from tests.twins import entries

pytestmark = pytest.mark.usefixtures("tracker")

USAGE = {"prompt_tokens": 1_000, "completion_tokens": 500, "total_tokens": 1_500}
CHAT = {"model": "gpt-4o", "usage": USAGE}
RESPONSES = {
    "model": "gpt-4o",
    "usage": {"input_tokens": 1_000, "input_tokens_details": {"cached_tokens": 800}, "output_tokens": 500},
}
GROQ = SimpleNamespace(model="llama-3.1-8b-instant", usage=SimpleNamespace(prompt_tokens=1_000, completion_tokens=500))
ANTHROPIC = {
    "model": "claude-sonnet-4-5",
    "usage": {
        "input_tokens": 1_000,
        "cache_read_input_tokens": 6_000,
        "cache_creation_input_tokens": 3_000,
        "output_tokens": 500,
    },
}
GEMINI = {
    "modelVersion": "gemini-2.0-flash",
    "usageMetadata": {"promptTokenCount": 1_000, "candidatesTokenCount": 500, "totalTokenCount": 1_500},
}
STREAM = [{"model": "gpt-4o", "choices": [{"delta": {"content": "Hi"}}], "usage": None}, {**CHAT, "choices": []}]


@pytest.mark.parametrize(
    ("track", "response", "provider", "tokens", "dollars"),
    [
        (track_openai_usage, CHAT, "openai", (1_000, 500), "0.0075"),
        (track_openai_usage, RESPONSES, "openai", (1_000, 500), "0.0065"),
        (track_openai_usage, STREAM, "openai", (1_000, 500), "0.0075"),
        (track_groq_usage, GROQ, "groq", (1_000, 500), "0.00009"),
        (track_anthropic_usage, ANTHROPIC, "anthropic", (10_000, 500), "0.02355"),
        (track_gemini_usage, GEMINI, "google", (1_000, 500), "0.0003"),
    ],
    ids=["chat", "responses", "stream", "groq", "anthropic", "gemini"],
)
async def test_a_response_is_reported_with_its_tokens_and_its_cost(
    database: Database,
    track: Callable[..., Awaitable[TrackReceipt]],
    response: Any,
    provider: str,
    tokens: tuple[int, int],
    dollars: str,
) -> None:
    receipt = await track(response, user_id="u", content_type="chat", request_duration=812)

    assert (receipt.status, receipt.cost) == ("committed", Decimal(dollars))
    (entry,) = await entries(database)
    assert (entry["provider"], entry["inputTokens"], entry["outputTokens"]) == (provider, *tokens)
    assert entry["requestDuration"] == 812


async def test_a_response_is_read_as_one_of_the_model_that_the_caller_names(database: Database) -> None:
    usage = {"input_tokens": 23, "output_tokens": 1_056}
    receipt = await track_openai_usage({"usage": usage}, user_id="u", content_type="image", model="gpt-image-1.5")

    assert receipt.cost == Decimal("0.033907")  # as text it would be 0.010675
    (entry,) = await entries(database)
    assert entry["outputImageTokens"] == 1_056


async def test_what_a_response_says_of_its_bill_is_recorded_with_it(database: Database) -> None:
    flex = {
        "model": "gpt-5-nano",
        "service_tier": "flex",
        "usage": {"prompt_tokens": 12_000, "completion_tokens": 3_000},
    }
    stated = {"model": "x/y", "usage": {**USAGE, "cost": 0.017558}}
    unknown = {"model": "gpt-4o", "usage": {**USAGE, "novel_tokens": 5}}
    receipts = [
        await track_openai_usage(response, user_id="u", content_type="chat") for response in (flex, stated, unknown)
    ]

    assert [receipt.cost for receipt in receipts] == [Decimal("0.0009"), Decimal("0.017558"), None]
    found = {entry["aiModel"]: entry for entry in await entries(database)}
    assert (found["gpt-5-nano"]["serviceTier"], found["x/y"]["costSource"]) == ("flex", "reported")
    assert found["gpt-4o"]["unpricedReason"] == (
        "usage_unreadable: novel_tokens: a count of something under a name that is not known here"
    )


async def test_what_the_caller_says_comes_before_what_the_response_says(database: Database) -> None:
    response = {"model": "x/y", "usage": {**USAGE, "cost": 0.017558}}
    failed = {"custom_id": "a", "result": {"type": "errored"}}
    receipts = [
        await track_openai_usage(response, user_id="u", content_type="chat", cost=Decimal("0.5")),
        await track_anthropic_usage(failed, user_id="u", content_type="chat", success=True, cost=Decimal("0.25")),
    ]

    assert [(receipt.status, receipt.cost) for receipt in receipts] == [
        ("committed", Decimal("0.5")),
        ("committed", Decimal("0.25")),
    ]
    assert [entry.get("costBasis") for entry in await entries(database)] == [None, None]


async def test_media_are_reported_by_seconds_and_by_pieces(database: Database) -> None:
    receipts = [
        await track_whisper_usage(120, user_id="u"),
        await track_image_usage(2, user_id="u", model="dall-e-3", size="1024x1024", quality="hd"),
        await track_video_usage(Decimal("8.5"), user_id="u", model="sora-2"),
    ]

    assert [receipt.cost for receipt in receipts] == [Decimal("0.012"), Decimal("0.16"), Decimal("0.85")]
    stored = {entry["feature"]: entry for entry in await entries(database)}
    assert stored["transcription"]["audioSeconds"].to_decimal() == 120
    assert (stored["image-gen"]["images"], stored["image-gen"]["size"]) == (2, "1024x1024")
    assert stored["video-gen"]["videoSeconds"].to_decimal() == Decimal("8.5")


async def test_a_response_that_cannot_be_read_still_leaves_an_entry(database: Database) -> None:
    receipt = await track_openai_usage({"error": "odd"}, user_id="u", content_type="chat", model="gpt-4o")

    assert (receipt.status, receipt.cost, receipt.cost_source) == ("committed", None, "unpriced")
    (entry,) = await entries(database)
    assert entry["unreadableUsage"] is True
