"""What a price is multiplied by for where and how a call was served, and tiers that have no price."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.errors import ConfigurationError
from app.pricing.factors import Factors
from tests.pricing.test_costs import price

NOVEMBER = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
TOKENS: dict[str, Any] = {"input_tokens": 12_000, "output_tokens": 3_000}
SONNET: dict[str, Any] = {"provider": "anthropic", "model": "claude-sonnet-4-6"}
VERSION = "genai-prices 0.2.3"
BY_FACTOR = f"{VERSION} + factors 2026-11"


@pytest.mark.parametrize(
    ("reported", "dollars", "version"),
    [
        # sonnet 4.6: 3 and 15 per million
        (SONNET | {"region": "us"}, "0.0891", BY_FACTOR),
        (SONNET | {"region": "US"}, "0.0891", BY_FACTOR),
        (SONNET | {"region": "global"}, "0.081", VERSION),
        (SONNET | {"region": "eu"}, "0.081", VERSION),
        (SONNET | {"region": "us", "batch": True}, "0.04455", BY_FACTOR),
        (SONNET | {"model": "claude-sonnet-4-5", "region": "us"}, "0.081", VERSION),
        (SONNET | {"model": "claude-opus-5", "region": "us", "service_tier": "fast"}, "0.297", BY_FACTOR),
        (SONNET | {"provider": "google.vertex.anthropic.messages", "region": "us-east5"}, "0.0891", BY_FACTOR),
        (SONNET | {"provider": "google-vertex", "region": "global"}, "0.081", VERSION),
        (SONNET | {"provider": "google-vertex"}, "0.081", VERSION),
        ({"model": "gemini-2.5-flash", "provider": "google", "region": "europe-west1"}, "0.0111", VERSION),
        ({"model": "gpt-4o", "region": "eu"}, "0.06", VERSION),
        # tiers and batches that genai-prices has
        ({"model": "gpt-5-nano", "service_tier": "flex"}, "0.0009", VERSION),
        ({"model": "gpt-5-nano", "service_tier": "FLEX"}, "0.0009", VERSION),
        ({"model": "gpt-5-nano", "batch": True}, "0.0009", VERSION),
        ({"model": "gpt-5-nano", "service_tier": "batch"}, "0.0009", VERSION),
        ({"model": "gpt-4.1", "service_tier": "priority"}, "0.084", VERSION),
        (SONNET | {"model": "claude-opus-4-6", "service_tier": "batch"}, "0.0675", VERSION),
        ({"provider": "google", "model": "gemini-2.5-flash", "batch": True}, "0.00555", VERSION),
        # those of our own table
        ({"provider": "google", "model": "gemini-2.5-flash", "service_tier": "flex"}, "0.00555", BY_FACTOR),
        ({"provider": "vertex", "model": "gemini-2.5-flash", "service_tier": "ON_DEMAND_FLEX"}, "0.00555", BY_FACTOR),
        (
            {"provider": "bedrock", "model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "batch": True},
            "0.04455",
            BY_FACTOR,
        ),
        (SONNET | {"provider": "google-vertex", "batch": True, "region": "europe-west1"}, "0.04455", BY_FACTOR),
        (
            {"provider": "groq", "model": "llama-3.3-70b-versatile", "service_tier": "flex"},
            "0.00945",
            VERSION,
        ),
    ],
)
def test_where_and_how_a_call_was_served_is_in_its_price(reported: dict[str, Any], dollars: str, version: str) -> None:
    cost = price(at=NOVEMBER, **reported, **TOKENS).cost

    assert (cost.cost, cost.price_version) == (Decimal(dollars), version)
    assert cost.parts is not None
    assert sum(cost.parts) == cost.cost


@pytest.mark.parametrize(
    "tier", ["default", "auto", "standard", "STANDARD", "on_demand", "ON_DEMAND", "standard_only", "none"]
)
@pytest.mark.parametrize("model", ["gpt-5", "claude-sonnet-4-6", "gemini-2.5-pro", "llama-3.3-70b-versatile"])
def test_a_standard_tier_costs_what_the_list_says(tier: str, model: str) -> None:
    assert (
        price(at=NOVEMBER, model=model, service_tier=tier, **TOKENS).cost
        == price(at=NOVEMBER, model=model, **TOKENS).cost
    )


@pytest.mark.parametrize(
    ("reported", "words"),
    [
        ({"model": "gpt-5", "service_tier": "scale"}, "openai has no price of gpt-5 for the tier scale"),
        (SONNET | {"service_tier": "priority"}, "anthropic has no price of claude-sonnet-4-6 for the tier priority"),
        ({"provider": "azure", "model": "gpt-4o", "batch": True}, "azure has no price of gpt-4o for a batch"),
        (
            {"provider": "groq", "model": "llama-3.3-70b-versatile", "service_tier": "performance"},
            "groq has no price of llama-3.3-70b-versatile for the tier performance",
        ),
        (
            {"provider": "bedrock", "model": "amazon.nova-pro-v1:0", "service_tier": "flex"},
            "aws has no price of amazon.nova-pro-v1:0 for the tier flex",
        ),
        (
            {"provider": "google", "model": "gemini-2.5-flash", "service_tier": "flex", "cache_read_tokens": 100},
            "google has no price of gemini-2.5-flash for the tier flex",
        ),
        ({"model": "gpt-5", "service_tier": "no-such-tier"}, "openai has no price of gpt-5 for the tier no-such-tier"),
    ],
)
def test_a_tier_without_a_price_is_never_billed_as_the_standard_one(reported: dict[str, Any], words: str) -> None:
    cost = price(at=NOVEMBER, **reported, **TOKENS).cost

    assert (cost.cost, cost.unpriced_reason) == (None, f"price_missing: {words}")


def test_a_tier_has_a_price_from_the_day_on_that_the_list_has_one() -> None:
    reported: dict[str, Any] = {"model": "gpt-5-nano", "service_tier": "flex", **TOKENS}

    assert price(at=datetime(2026, 10, 11, tzinfo=UTC), **reported).cost.cost is None
    assert price(at=datetime(2026, 10, 12, tzinfo=UTC), **reported).cost.cost == Decimal("0.0009")


def test_a_batch_was_half_before_the_list_said_so() -> None:
    august = datetime(2026, 8, 5, tzinfo=UTC)
    opus: dict[str, Any] = {
        "model": "claude-opus-5",
        "input_tokens": 100_000,
        "output_tokens": 5_000,
        "web_searches": 10,
    }

    assert price(at=august, batch=True, **opus).cost.cost == Decimal("0.4125")
    assert price(at=august, batch=True, model="gpt-4o", **TOKENS).cost.cost == Decimal("0.03")
    assert price(at=august, batch=True, model="gpt-4o", cache_read_tokens=1, **TOKENS).cost.cost is None


def test_all_tokens_are_multiplied_and_searches_are_not() -> None:
    reported: dict[str, Any] = {**SONNET, "input_tokens": 10_000, "output_tokens": 1_000, "web_searches": 2}
    cached: dict[str, Any] = {"cache_read_tokens": 6_000, "cache_write_tokens": 3_000, "cache_write_1h_tokens": 1_000}

    usual = price(at=NOVEMBER, **reported, **cached).cost
    in_us = price(at=NOVEMBER, **reported, **cached, region="us").cost

    assert usual.parts is not None
    assert in_us.parts == (usual.parts[0] * Decimal("1.1"), usual.parts[1] * Decimal("1.1"), Decimal("0.02"))
    assert in_us.saved_cost == usual.saved_cost * Decimal("1.1")
    assert in_us.cost == sum(in_us.parts)


def test_an_image_in_a_batch_is_not_billed_as_a_single_one() -> None:
    image: dict[str, Any] = {"model": "dall-e-3", "content_type": "image-generation", "images": 1}

    assert price(**image, batch=True).cost.cost is None


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ('factor = 1.1, region = ["us"], source = "s"', "a factor is a string"),
        ('factor = "0", region = ["us"], source = "s"', "greater than 0"),
        ('factor = "1.1", source = "s"', "one of them"),
        ('factor = "1.1", region = ["us"], tier = "flex", source = "s"', "one of them"),
        ('factor = "1.1", region = ["us"], source = "other"', "other: not one of the sources"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path: Path, row: str, fault: str) -> None:
    path = tmp_path / "factors.toml"
    source = 's = { url = "https://example.com", as_of = 2026-11-01 }'
    text = f'provider = "anthropic", models = ["*"], from = 2026-01-01, {row}'
    path.write_text(f'version = "2026-11"\nfactor = [{{ {text} }}]\n[sources]\n{source}\n')

    with pytest.raises(ConfigurationError, match="cannot be used") as raised:
        Factors(path)

    assert fault in str(raised.value)
