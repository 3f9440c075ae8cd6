"""What a call asks of limits, from what its caller says of it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.ledger.features import Features
from app.limits.asks import OVERHEAD_TOKENS, Ask, Asks
from app.limits.meters import Asked
from models import PriceOverride
from models.limits import Unit
from tests.pricing.test_costs import override
from tests.pricing.test_dearest import pricing_of

NOW = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)


def asked(*overrides: PriceOverride, **said: Any) -> Asked:
    ask = Ask(**{"userId": "u1", "contentType": "chat", "model": "gpt-4o", "serviceTier": "default", **said})
    service_type = ask.service_type or Features().of(ask.content_type).service_type
    return Asks(pricing_of(*overrides)).of(ask, service_type, NOW, timedelta(minutes=10))


def figures(found: Asked) -> tuple[Any, ...]:
    return found.requests, found.tokens, found.usd, found.images, found.seconds


IMAGE = {"contentType": "image-generation", "model": "dall-e-3"}
VIDEO = {"contentType": "video-generation", "model": "sora-2"}
SPEECH = {"contentType": "transcription", "model": "whisper-1"}


@pytest.mark.parametrize(
    ("said", "tokens", "usd", "images", "seconds"),
    [
        ({"inputTokens": 1_000, "maxOutputTokens": 500}, 1_500, "0.0075", 0, 0),
        # 128,000 tokens are all that the model takes, or answers
        ({"inputTokens": 1_000}, 129_000, "1.2825", 0, 0),
        ({}, 256_000, "1.6", 0, 0),
        ({"inputBytes": 500, "maxOutputTokens": 0}, 500 + OVERHEAD_TOKENS, "0.00375", 0, 0),
        ({"inputTokens": 100, "inputBytes": 500, "maxOutputTokens": 0}, 100, "0.00025", 0, 0),
        # two answers to one question, of what is said of each, and of all that the model answers
        ({"inputTokens": 1_000, "maxOutputTokens": 500, "answers": 2}, 2_000, "0.0125", 0, 0),
        ({"inputTokens": 1_000, "answers": 2}, 257_000, "2.5625", 0, 0),
        ({"contentType": "embedding", "model": "text-embedding-3-small", "inputTokens": 1_000}, 1_000, "0.00002", 0, 0),
        ({**IMAGE}, 0, "0.12", 1, 0),
        ({**IMAGE, "images": 3, "size": "1024x1024", "quality": "standard"}, 0, "0.12", 3, 0),
        ({**VIDEO, "videoSeconds": 4}, 0, "0.4", 0, 4),
        ({**SPEECH, "audioSeconds": "90.5"}, 0, "0.00905", 0, "90.5"),
        ({"contentType": "speech", "serviceType": "audio", "model": "tts-1", "characters": 1_000}, 0, "0.015", 0, None),
    ],
)
def test_a_call_asks_for_the_most_that_it_may_use(
    said: dict[str, Any], tokens: int, usd: str, images: int, seconds: Any
) -> None:
    found = asked(**said)
    length = None if seconds is None else Decimal(seconds)
    assert figures(found) == (1, tokens, Decimal(usd), images, length)


@pytest.mark.parametrize(
    ("said", "unit", "fields"),
    [
        ({"model": "gemini-2.5-pro", "inputTokens": 10}, Unit.USD, ["maxOutputTokens"]),
        ({"model": "gemini-2.5-pro", "inputTokens": 10}, Unit.TOKENS, ["maxOutputTokens"]),
        ({"model": "gemini-2.5-pro", "maxOutputTokens": 10}, Unit.USD, ["inputTokens"]),
        ({"model": "mine", "inputTokens": 10, "maxOutputTokens": 10}, Unit.USD, ["model"]),
        (VIDEO, Unit.USD, ["videoSeconds"]),
        (VIDEO, Unit.SECONDS, ["videoSeconds"]),
        (SPEECH, Unit.USD, ["audioSeconds"]),
        ({**IMAGE, "model": "gpt-image-1"}, Unit.USD, ["inputTokens", "maxOutputTokens"]),
    ],
)
def test_what_a_call_cannot_be_bounded_without_is_named(said: dict[str, Any], unit: Unit, fields: list[str]) -> None:
    found = asked(**said)
    assert found.of(unit) is None
    assert [each.field for each in found.unbounded if each.unit is unit] == fields


def test_a_call_without_a_price_still_has_a_bound_of_its_requests_and_tokens() -> None:
    found = asked(model="mine", inputTokens=10, maxOutputTokens=20)
    assert figures(found) == (1, 30, None, 0, 0)
    assert "POST /api/admin/prices" in found.unbounded[0].message


def test_who_reports_the_cost_himself_says_the_most_that_it_is() -> None:
    found = asked(model="mine", inputTokens=10, maxOutputTokens=20, maxCost="0.0000000000000001")
    assert (found.usd, found.unbounded) == (Decimal("1e-15"), ())
    assert asked(**VIDEO, maxCost="2.5").usd == Decimal("2.5")


def test_what_costs_nothing_asks_for_nothing_whatever_its_size() -> None:
    free = override({"input_mtok": "0", "output_mtok": "0"}, model="mine")
    assert asked(free, model="mine").usd == 0
    video = override({"video_second": "0"}, model="sora-2")
    assert asked(video, **VIDEO).usd == 0
    assert asked(video, **VIDEO).seconds is None
