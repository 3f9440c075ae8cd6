"""What is stored of a call gives its cost again, to the digit, for as long as prices are the same."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.ledger.features import Features
from app.ledger.twins import IdMint, build_pair, service_type_of
from app.maintenance.repricing.stored_calls import cost_of, is_reported
from app.pricing.costs import Cost, Pricing
from app.pricing.estimates import Estimates
from models.call import AICall
from models.documents import Document
from models.money import stored_usd
from tests.pricing.test_costs import SELLERS, Book, override

AT = datetime(2025, 11, 1, 12, 0, tzinfo=UTC)
BOOK = Book(
    override({"input_mtok": 7, "output_mtok": 9, "requests_kcount": 1}, model="gpt-4o", client_id="acme"),
    override({"image": Decimal("0.5")}, model="claude-sonnet-4-5"),
)
PRICING = Pricing(SELLERS, BOOK, Estimates())
MODELS = [
    "gpt-4o",
    "openai/gpt-4o",
    "azure/gpt-4o",
    "claude-sonnet-4-5",
    "anthropic/claude-haiku-4.5:batch",
    "us.amazon.nova-pro-v1:0",
    "gemini-2.5-pro",
    "llama-3.1-70b-versatile",
    "dall-e-3",
    "flux-1.1-pro",
    "whisper-1",
    "whisper-large-v3",
    "sora-2",
    "text-embedding-3-small",
    "of-nobody",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "models/gemini-2.5-flash",
    "projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-6",
    "claude-sonnet-4-5@20250929",
    "claude-sonnet-4-5-20250929",
    "anthropic/claude-sonnet-4.5",
    "openai:gpt-4o",
    "meta-llama/Llama-3.3-70B-Instruct",
    "us-gov.anthropic.claude-3-haiku-20240307-v1:0",
]
PROVIDERS = [
    *("openai", "azure", "google", "litellm", "openrouter", "My Gate", "nobody", "xai.chat", "amazon-bedrock"),
    *("google.vertex.anthropic.messages", "gateway", "strands-agents", "ollama", "unknown", "anthropic"),
]
some = st.integers(0, 3_000)
reports = st.fixed_dictionaries(
    {"model": st.sampled_from(MODELS), "content_type": st.sampled_from(["chat", "summary", "haiku"])},
    optional={
        "client_id": st.just("acme"),
        "provider": st.sampled_from(PROVIDERS),
        "service_type": st.sampled_from(["chat", "image", "video", "audio", "embedding"]),
        "status": st.sampled_from(["success", "error", "timeout", "rate_limited"]),
        "cached": st.just(True),
        "input_tokens": some,
        "output_tokens": some,
        "tokens_used": st.integers(0, 5_000),
        "input_text": st.text(max_size=50),
        "cache_read_tokens": st.integers(0, 500),
        "cache_write_tokens": st.integers(0, 500),
        "cache_write_1h_tokens": st.integers(0, 100),
        "reasoning_tokens": st.integers(0, 200),
        "input_audio_tokens": st.integers(0, 200),
        "web_searches": st.integers(0, 3),
        "images": st.integers(0, 3),
        "characters": st.integers(0, 900),
        "video_seconds": st.decimals(0, 60, places=3),
        "audio_seconds": st.decimals(0, 600, places=6),
        "size": st.sampled_from(["1024x1024", "720p", "odd"]),
        "quality": st.sampled_from(["hd", "standard"]),
        "unreadable_usage": st.just(True),
        "cost": st.sampled_from([Decimal(0), Decimal("1.25")]),
        "service_tier": st.sampled_from(["priority", "flex", "batch", "default", "fast"]),
        "batch": st.just(True),
        "region": st.sampled_from(["eu", "us"]),
    },
)


def stored(**reported: Any) -> tuple[Document, Cost]:
    call = AICall(user_id="u", created_at=AT, **reported)
    feature = Features().of(call.content_type)
    priced = PRICING.price(call, service_type_of(call, feature), AT)
    return build_pair(call, feature, priced, AT, IdMint().fresh(AT)).entry, priced.cost


def again(entry: Document) -> Cost | None:
    return cost_of(entry, SELLERS, PRICING)


@settings(max_examples=300)
@given(reports)
def test_pricing_a_fresh_entry_again_gives_the_identical_cost(reported: dict[str, Any]) -> None:
    try:
        entry, cost = stored(**reported)
    except ValidationError:
        return
    if "cost" in reported:
        assert is_reported(entry)
        assert again(entry) is None
    elif cost.price_version is None:
        assert again(entry) is None
    else:
        assert again(entry) == cost


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("provider", [None, *PROVIDERS])
def test_every_name_leads_to_its_own_seller_again(model: str, provider: str | None) -> None:
    entry, cost = stored(content_type="chat", model=model, provider=provider, input_tokens=1_000, output_tokens=100)

    assert again(entry) == (cost if cost.price_version else None)


def test_what_was_guessed_stays_a_guess_by_whatever_price() -> None:
    entry, _ = stored(content_type="chat", model="gpt-4o", tokens_used=1_000)
    unpriced = {**entry, "costSource": "unpriced", "cost": None}

    assert again(unpriced) == again(entry)
    assert again(entry).source == "estimated"  # type: ignore[union-attr]


def test_an_answer_from_the_cache_keeps_a_saving_that_was_reported_before_that_was_noted() -> None:
    entry, _ = stored(content_type="chat", model="gpt-4o", cached=True, input_tokens=1_000, cost=Decimal(2))
    del entry["priceVersion"]

    assert entry["savedCost"] == Decimal128("2.000000000000000")
    assert is_reported(entry)
    assert not is_reported({**entry, "savedCost": stored_usd(Decimal(0))})
