"""What a call costs, whole: every source in its order, and what users of such systems complain about."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from beanie import PydanticObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from app.ledger.features import Features
from app.pricing.costs import PricedCall, Pricing
from app.pricing.estimates import Estimates
from app.pricing.media_prices import MediaPrices
from app.pricing.overrides import OverrideTable
from app.pricing.sellers import Sellers
from app.pricing.token_prices import TokenPrices
from models import PriceOverride, UnitPrices
from models.call import AICall
from models.money import USD_PLACES

AT = datetime(2025, 11, 1, 12, 0, tzinfo=UTC)
SELLERS = Sellers(TokenPrices(), MediaPrices())


class Book:
    """A price book without a database."""

    def __init__(self, *overrides: PriceOverride) -> None:
        self.table = OverrideTable(overrides)


def override(prices: dict[str, Any], **facts: Any) -> PriceOverride:
    known = {"client_id": None, "provider": None, "model": "gpt-4o", "effective_to": None, "created_by": "me"}
    times = {"effective_from": datetime(2025, 1, 1, tzinfo=UTC), "created_at": AT}
    stored = {"id": PydanticObjectId(), "prices": UnitPrices(**prices), **known, **times, **facts}
    made: PriceOverride = PriceOverride.model_construct(**stored)
    return made


def price(*overrides: PriceOverride, at: datetime = AT, **reported: Any) -> PricedCall:
    call = AICall(**{"user_id": "u", "content_type": "chat", "model": "gpt-4o", **reported})
    pricing = Pricing(SELLERS, Book(*overrides), Estimates())
    return pricing.price(call, call.service_type or Features().of(call.content_type).service_type, at)


def cost(*overrides: PriceOverride, **reported: Any) -> tuple[Any, str]:
    found = price(*overrides, **reported).cost
    return found.cost, found.source


@pytest.mark.parametrize(
    ("reported", "dollars"),
    [
        ({"input_tokens": 1_000, "output_tokens": 500}, "0.0075"),
        ({"input_tokens": 1_000, "output_tokens": 500, "cache_read_tokens": 800}, "0.0065"),
        ({"model": "gemini-2.0-flash", "input_tokens": 1_000, "output_tokens": 500}, "0.0003"),
        (
            {
                "model": "claude-sonnet-4-5",
                "input_tokens": 10_000,
                "cache_read_tokens": 6_000,
                "cache_write_tokens": 3_000,
                "output_tokens": 500,
            },
            "0.02355",
        ),
        (
            {"model": "llama-3.1-70b-versatile", "provider": "groq", "input_tokens": 1_000, "output_tokens": 500},
            "0.000985",
        ),
        ({"model": "llama-3.1-70b-versatile", "input_tokens": 1_000, "output_tokens": 500}, "0.000985"),
        ({"model": "whisper-1", "content_type": "transcription", "audio_seconds": 120}, "0.012"),
        (
            {
                "model": "dall-e-3",
                "content_type": "image-generation",
                "images": 1,
                "size": "1024x1024",
                "quality": "standard",
            },
            "0.04",
        ),
    ],
)
def test_a_call_costs_its_published_price(reported: dict[str, Any], dollars: str) -> None:
    assert cost(**reported) == (Decimal(dollars), "priced")


def test_the_sources_are_asked_in_their_order() -> None:
    tokens: dict[str, Any] = {"input_tokens": 1_000_000, "output_tokens": 0}
    everyone = override({"input_mtok": 7})
    acme = override({"input_mtok": 5}, client_id="acme")

    assert cost(acme, everyone, **tokens, client_id="acme", cost=Decimal("1.5")) == (Decimal("1.5"), "reported")
    assert cost(acme, everyone, **tokens, client_id="acme") == (5, "priced")
    assert cost(acme, everyone, **tokens, client_id="other") == (7, "priced")
    assert cost(**tokens) == (Decimal("2.5"), "priced")
    assert cost(model="flux-1.1-pro", images=2) == (Decimal("0.08"), "priced")
    assert cost(tokens_used=1_000)[1] == "estimated"
    assert cost(model="unheard-of", **tokens) == (None, "unpriced")


def test_every_price_names_its_table_and_version() -> None:
    own = override({"input_mtok": 7})

    assert price(own, input_tokens=5).cost.price_version == f"override {own.id}"
    assert str(price(input_tokens=5).cost.price_version).startswith("genai-prices ")
    assert str(price(model="flux-1.1-pro", images=1).cost.price_version).startswith("media 20")


def test_an_override_holds_from_its_date_up_to_its_end() -> None:
    may = override(
        {"input_mtok": 1},
        effective_from=datetime(2025, 5, 1, tzinfo=UTC),
        effective_to=datetime(2025, 6, 1, tzinfo=UTC),
    )

    def at(moment: datetime) -> Decimal | None:
        return price(may, at=moment, input_tokens=1_000_000).cost.cost

    assert at(datetime(2025, 4, 30, 23, 59, 59, tzinfo=UTC)) == Decimal("2.5")
    assert at(datetime(2025, 5, 1, tzinfo=UTC)) == 1
    assert at(datetime(2025, 5, 31, 23, 59, 59, tzinfo=UTC)) == 1
    assert at(datetime(2025, 6, 1, tzinfo=UTC)) == Decimal("2.5")


def test_an_override_for_one_provider_goes_before_one_for_any() -> None:
    any_provider, azure = override({"input_mtok": 3}), override({"input_mtok": 4}, provider="azure")
    tokens: dict[str, Any] = {"input_tokens": 1_000_000}

    assert cost(any_provider, azure, **tokens, provider="azure") == (4, "priced")
    assert cost(any_provider, azure, **tokens, provider="openai") == (3, "priced")


def test_an_override_without_a_price_for_all_that_was_used_is_passed_over() -> None:
    only_images = override({"image": Decimal("0.5")})

    assert cost(only_images, images=2) == (1, "priced")
    assert cost(only_images, input_tokens=1_000_000) == (Decimal("2.5"), "priced")


def test_the_own_cache_and_a_providers_cache_are_told_apart() -> None:
    tokens: dict[str, Any] = {"input_tokens": 1_000, "output_tokens": 500}
    own = price(**tokens, cached=True).cost
    theirs = price(**tokens, cache_read_tokens=800).cost

    assert (own.cost, own.saved_cost, own.source) == (Decimal(0), Decimal("0.0075"), "cached")
    assert (theirs.cost, theirs.saved_cost, theirs.source) == (Decimal("0.0065"), Decimal("0.001"), "priced")


def test_a_cache_write_costs_more_than_it_saves_and_an_hour_more_than_five_minutes() -> None:
    call: dict[str, Any] = {
        "model": "claude-sonnet-4-5",
        "input_tokens": 10_000,
        "output_tokens": 0,
        "cache_write_tokens": 10_000,
    }
    five_minutes, hour = price(**call).cost, price(**call, cache_write_1h_tokens=10_000).cost

    assert (five_minutes.cost, five_minutes.saved_cost) == (Decimal("0.0375"), Decimal("-0.0075"))
    assert (hour.cost, hour.saved_cost) == (Decimal("0.06"), Decimal("-0.03"))


def test_batches_and_tiers_have_prices_of_their_own() -> None:
    call: dict[str, Any] = {
        "model": "gpt-5",
        "input_tokens": 1_000_000,
        "output_tokens": 0,
        "at": datetime(2026, 11, 1, tzinfo=UTC),
    }
    standard = price(**call).cost.cost

    assert standard == Decimal("1.25")
    assert price(**call, batch=True).cost.cost == price(**call, service_tier="batch").cost.cost == Decimal("0.625")
    assert price(**call, service_tier="flex").cost.cost == Decimal("0.625")
    assert price(**call, service_tier="priority").cost.cost == Decimal("2.5")


def test_history_is_priced_at_the_price_of_its_own_day() -> None:
    tokens: dict[str, Any] = {"model": "o3", "input_tokens": 1_000_000, "output_tokens": 0}

    assert price(**tokens, at=datetime(2025, 6, 9, tzinfo=UTC)).cost.cost == 10
    assert price(**tokens, at=datetime(2025, 6, 11, tzinfo=UTC)).cost.cost == 2


def test_a_small_variant_is_not_priced_as_the_large_one() -> None:
    tokens: dict[str, Any] = {"input_tokens": 1_000_000, "output_tokens": 0}

    assert cost(model="gpt-4o-mini", **tokens) == (Decimal("0.15"), "priced")
    assert cost(model="gpt-4o-mini-2024-07-18", **tokens) == (Decimal("0.15"), "priced")
    assert cost(model="gpt-4o-2024-08-06", **tokens) == (Decimal("2.5"), "priced")


def test_reasoning_is_part_of_the_output_and_not_priced_twice() -> None:
    tokens: dict[str, Any] = {"model": "o3", "input_tokens": 0, "output_tokens": 1_000}

    assert cost(**tokens, reasoning_tokens=900) == cost(**tokens)


def test_image_tokens_are_not_priced_as_text() -> None:
    text = price(model="gpt-image-1", input_tokens=1_000, output_tokens=0).cost.cost
    image = price(model="gpt-image-1", input_tokens=1_000, output_tokens=0, input_image_tokens=1_000).cost.cost

    assert (text, image) == (Decimal("0.005"), Decimal("0.01"))


@pytest.mark.parametrize(
    "reported",
    [
        {"model": "dall-e-2", "images": 1, "content_type": "image-generation"},
        {"model": "whisper-large-v3", "provider": "groq", "audio_seconds": 60, "content_type": "transcription"},
        {"model": "sora-2", "video_seconds": 8, "content_type": "video-generation"},
        {"model": "tts-1", "characters": 1_000, "content_type": "speech", "service_type": "audio"},
        {"model": "gpt-4o-transcribe", "audio_seconds": 60, "content_type": "transcription"},
    ],
)
def test_images_speech_and_video_never_cost_nothing(reported: dict[str, Any]) -> None:
    dollars, source = cost(**reported)

    assert source == "priced"
    assert dollars is not None
    assert dollars > 0


def test_a_total_alone_is_split_and_marked_estimated() -> None:
    found = price(tokens_used=1_000)

    assert (found.usage.input_tokens, found.usage.output_tokens) == (850, 150)
    assert (found.cost.cost, found.cost.source) == (Decimal("0.003625"), "estimated")


def test_texts_are_measured_and_nothing_known_is_the_average() -> None:
    measured, average = price(input_text="x" * 401, output_text=""), price()

    assert (measured.usage.input_tokens, measured.usage.output_tokens) == (101, 0)
    assert (average.usage.input_tokens, average.usage.output_tokens) == (1_155, 211)
    assert measured.cost.source == average.cost.source == "estimated"
    assert price(model="text-embedding-3-small", content_type="embedding").usage.output_tokens == 0


def test_a_failed_call_without_usage_costs_nothing_but_a_time_out_may_have() -> None:
    assert cost(status="error") == cost(status="rate_limited") == (0, "priced")
    assert cost(status="timeout")[1] == "estimated"


def test_an_image_without_a_count_is_taken_for_one() -> None:
    assert cost(model="dall-e-3", content_type="image-generation") == (Decimal("0.04"), "estimated")


def test_usage_that_could_not_be_read_is_unpriced() -> None:
    assert cost(unreadable_usage=True) == (None, "unpriced")
    assert cost(unreadable_usage=True, status="error") == (None, "unpriced")


@pytest.mark.parametrize(
    ("provider", "model", "recorded", "kept"),
    [
        (None, "gpt-4o", "openai", None),
        ("OpenAI", "gpt-4o", "openai", None),
        ("azure", "gpt-4o", "azure", None),
        ("openai", "flux-1.1-pro", "black-forest-labs", "openai"),
        ("anthropic", "gpt-4o", "openai", "anthropic"),
        ("my-gateway", "gpt-4o", "my-gateway", None),
        ("openai", "gpt-99-unheard-of", "openai", None),
        (None, "unheard-of", "unknown", None),
    ],
)
def test_providers_and_models_are_told_apart(provider: str | None, model: str, recorded: str, kept: str | None) -> None:
    seller = price(provider=provider, model=model).seller

    assert (seller.provider, seller.reported_provider) == (recorded, kept)


MODELS = ["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro", "deepseek-chat", "gpt-image-1", "o3", "unheard-of", "sonar"]
COUNTS = st.integers(0, 300_000)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(MODELS), COUNTS, COUNTS, st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)), st.booleans())
def test_the_parts_of_a_cost_always_sum_to_it_to_the_last_digit(
    model: str, tokens: int, output: int, shares: tuple[float, float], cached: bool
) -> None:
    parts: dict[str, Any] = {
        "cache_read_tokens": int(tokens * shares[0]),
        "cache_write_tokens": int(tokens * shares[1]),
    }
    found = price(model=model, input_tokens=tokens, output_tokens=output, cached=cached, **parts).cost

    if found.cost is None or found.parts is None:
        assert (found.cost, found.parts, model) == (None, None, "unheard-of")
        return
    assert sum(found.parts) == found.cost
    amounts = [*found.parts, found.cost, found.saved_cost]
    assert all(amount == 0 or amount.as_tuple().exponent == -USD_PLACES for amount in amounts)
