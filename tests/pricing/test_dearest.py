"""The most that a call may cost: whatever it turns out to be, it never costs more than what was asked for it."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from genai_prices.data import providers
from genai_prices.types import ModelInfo

from app.pricing.costs import Pricing
from app.pricing.dearest import Bounds, Dearest, Most, Span
from app.pricing.estimates import Estimates
from app.pricing.media_table import TABLE, UNITS, Row, read_table
from app.pricing.overrides import MediaUse
from models import PriceOverride, ServiceType
from models.call import AICall
from tests.pricing.test_costs import SELLERS, Book, override
from tests.pricing.test_token_prices import moments, usage_of

Way = dict[str, Any]
CALL = {"user_id": "u", "content_type": "chat"}
NOW = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)


def pricing_of(*overrides: PriceOverride) -> Pricing:
    return Pricing(SELLERS, Book(*overrides), Estimates())


def most(model: str, *overrides: PriceOverride, **bounds: Any) -> Most:
    media = MediaUse(**{name: bounds.pop(name) for name in MediaUse._fields if name in bounds})
    provider, at = bounds.pop("provider", None), bounds.pop("at", NOW)
    dearest = Dearest(pricing_of(*overrides))
    return dearest.most("c", model, provider, Bounds(media=media, **bounds), Span(at, at + timedelta(minutes=10)))


@pytest.mark.parametrize(
    ("model", "bounds", "dollars"),
    [
        # the answer may be as long as the model's window, 128,000 tokens
        ("gpt-4o", {"input_tokens": 1_000, "service_tier": "default"}, "1.2825"),
        ("gpt-4o", {"service_tier": "default"}, "1.6"),
        # beyond 200,000 tokens of input all are dearer; written to the cache for an hour, input costs twice
        ("claude-sonnet-4-5", {"input_tokens": 200_000, "output_tokens": 1_000, "batch": False}, "1.215"),
        ("claude-sonnet-4-5", {"input_tokens": 200_001, "output_tokens": 1_000, "batch": False}, "2.422512"),
        ("claude-sonnet-4-5", {"input_tokens": 0, "output_tokens": 0, "web_searches": 5}, "0.05"),
        ("text-embedding-3-small", {"input_tokens": 1_000_000}, "0.02"),
        ("whisper-1", {"audio_seconds": Decimal(120)}, "0.012"),
        # Groq bills ten seconds at least
        ("whisper-large-v3", {"audio_seconds": Decimal(1), "provider": "groq"}, "0.000308333333334"),
        # of sizes and qualities that are not told, the dearest
        ("dall-e-3", {"images": 2}, "0.24"),
        ("dall-e-3", {"images": 2, "size": "1024x1024"}, "0.16"),
        ("dall-e-3", {"images": 2, "size": "1024x1024", "quality": "standard"}, "0.08"),
        ("sora-2-pro", {"video_seconds": Decimal(10)}, "7"),
        ("sora-2-pro", {"video_seconds": Decimal(10), "quality": "720p"}, "3"),
        ("gemma-3", {"provider": "google"}, "0"),
    ],
)
def test_what_is_left_open_is_taken_at_its_dearest(model: str, bounds: dict[str, Any], dollars: str) -> None:
    assert most(model, **bounds).usd == Decimal(dollars)


@pytest.mark.parametrize(
    ("model", "bounds", "lacking"),
    [
        ("gemini-2.5-pro", {"input_tokens": 1_000}, ("output_tokens",)),
        ("gemini-2.5-pro", {}, ("input_tokens", "output_tokens")),
        # its list has prices for more tokens than it says that the model takes
        ("claude-sonnet-4-5", {"output_tokens": 1_000}, ("input_tokens",)),
        ("nobody-knows-this", {"input_tokens": 1_000, "output_tokens": 1_000}, ("model",)),
        ("whisper-1", {"input_tokens": 1_000}, ("model",)),
        ("text-embedding-3-small", {"input_tokens": 1_000, "web_searches": 1}, ("model",)),
        ("dall-e-3", {"images": 1, "size": "1x1"}, ("model",)),
    ],
)
def test_what_has_no_bound_is_named(model: str, bounds: dict[str, Any], lacking: tuple[str, ...]) -> None:
    asked = most(model, **bounds)
    assert (asked.usd, asked.lacking) == (None, lacking)


def test_an_administrators_price_is_the_bound_where_it_covers_all_that_is_asked_for() -> None:
    cheap = override({"input_mtok": "0", "output_mtok": "1", "image": "0.5"})
    tokens = {"input_tokens": 1_000, "output_tokens": 1_000}
    assert most("gpt-4o", cheap, **tokens).usd == Decimal("0.001")
    assert most("gpt-4o", cheap, **tokens, images=2).usd == Decimal("1.001")
    assert most("gpt-4o", override({"input_mtok": "0", "output_mtok": "0"})).usd == 0
    assert most("self-hosted", override({"input_mtok": "0", "output_mtok": "0"}, model="self-hosted")).usd == 0
    # what it does not cover is billed by the lists, and so may all of the call
    assert most("gpt-4o", override({"image": "0.5"}), **tokens, service_tier="default").usd == Decimal("0.0125")
    # one that ends before the call may have ended
    ending = override({"input_mtok": "0", "output_mtok": "0"}, effective_to=NOW + timedelta(minutes=5))
    assert most("gpt-4o", ending, **tokens, service_tier="default").usd == Decimal("0.0125")
    beginning = override({"input_mtok": "9", "output_mtok": "90"}, effective_from=NOW + timedelta(minutes=5))
    assert most("gpt-4o", beginning, **tokens, service_tier="default").usd == Decimal("0.099")


@pytest.mark.parametrize("row", read_table(TABLE).price, ids=lambda row: f"{row.models[0]} {row.unit}")
def test_no_use_of_media_costs_more_than_was_asked_for_it(row: Row) -> None:
    model, kind = row.models[0].replace("*", "2026-01-01"), UNITS[row.unit][0]
    now = max(min(NOW, row.period().end - timedelta(hours=1)), row.period().start)
    for (size, quality), amount in product(row.conditions(), (1, 7)):
        call = AICall(**CALL, model=model, provider=row.provider, **{kind: amount}, size=size, quality=quality)
        cost = pricing_of().price(call, ServiceType.IMAGE, now).cost.cost
        assert cost is not None
        for said in ({}, {"size": size}, {"quality": quality}, {"size": size, "quality": quality}):
            # some are sold by tokens too, which the call may report instead
            bounds: Way = {kind: amount, "input_tokens": 0, "output_tokens": 0, **said}
            asked = most(model, provider=row.provider, at=now, **bounds).usd
            assert asked is not None
            assert cost <= asked
            assert len(said) < len(row.conditions()[0]) or asked - cost <= Decimal("1e-15")


@pytest.mark.parametrize(
    ("model", "bounds", "dollars"),
    [
        # 2.5 and 10 a million; the priority tier, 4.25 and 17, may be the one that answers
        ("gpt-4o", {"input_tokens": 1_000, "output_tokens": 500}, "0.01275"),
        ("gpt-4o", {"input_tokens": 1_000, "output_tokens": 500, "service_tier": "default"}, "0.0075"),
        ("gpt-4o", {"input_tokens": 1_000, "output_tokens": 500, "service_tier": "default", "batch": True}, "0.00375"),
    ],
)
def test_a_call_is_asked_for_at_the_dearest_price_that_it_may_have(
    model: str, bounds: dict[str, Any], dollars: str
) -> None:
    assert most(model, **bounds).usd == Decimal(dollars)


TIERS = (None, "default", "flex", "priority", "fast")
REGIONS = (None, "us", "eu", "global", "europe-west1")
PLAIN: Way = {}
WAYS: list[Way] = [
    {"service_tier": tier, "batch": batch, "region": region}
    for tier, batch, region in product(TIERS, (False, True), REGIONS)
]


def moments_of(model: ModelInfo) -> Iterator[datetime]:
    yield from {NOW, *moments(model)}


def test_no_call_within_its_bounds_costs_more_than_was_asked_for_it_whatever_its_model_tokens_tier_and_place() -> None:
    rng = random.Random(7)
    pricing = pricing_of()
    dearest = Dearest(pricing)
    outcomes: Counter[str] = Counter()
    for provider in providers:
        for model in provider.models:
            for now, way in product(moments_of(model), (PLAIN, PLAIN, *rng.sample(WAYS, 3))):
                usage = usage_of(rng, common=rng.random() < 0.9)
                more = rng.choice((0, 0, 1, 100_000))
                bounds = Bounds(
                    usage.input_tokens + more,
                    usage.output_tokens + more,
                    usage.web_searches,
                    # whether who asks says how the call is to be served, or leaves it open
                    **({} if rng.random() < 0.5 else way),
                )
                asked = dearest.most("c", model.id, provider.id, bounds, Span(now, now + timedelta(minutes=10)))
                call = AICall(**{**CALL, "model": model.id, "provider": provider.id}, **usage._asdict(), **way)
                cost = pricing.price(call, ServiceType.CHAT, now + timedelta(seconds=rng.randint(0, 600))).cost.cost
                if cost is None or (cost == 0 and asked.usd is None):  # nothing used of what has no price costs nothing
                    outcomes["unpriced"] += 1
                    continue
                assert asked.usd is not None, (provider.id, model.id, usage, way, bounds)
                assert cost <= asked.usd, (provider.id, model.id, usage, way, bounds)
                outcomes["as asked" if cost == asked.usd else "less"] += 1
    assert outcomes["as asked"] > 1_000
    assert outcomes["less"] > 5_000
