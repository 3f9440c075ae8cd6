"""Prices against genai-prices itself, model by model and digit by digit: everything here compares with ==."""

import random
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from itertools import product

import pytest
from genai_prices import Usage, data_snapshot
from genai_prices.data import providers
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)
from genai_prices.units import _get_registry
from hypothesis import given, settings
from hypothesis import strategies as st

from app.pricing.lookups import LOOKUPS
from app.pricing.token_prices import FREE, FREE_OUTPUT, PricedModel, TokenPrices
from app.pricing.token_rates import CACHE_KEYS, QUANTITY_KEYS, Rates, TokenPrice
from models.token_usage import TokenUsage

NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)
NOTHING = TokenUsage()
UNITS = _get_registry()
ALL_MODELS = [(provider, model) for provider in providers for model in provider.models]
BY_ID = {provider.id: provider for provider in providers}


@pytest.fixture(scope="module")
def prices() -> TokenPrices:
    return TokenPrices()


def priced(prices: TokenPrices, model: str, provider: str | None = None) -> PricedModel:
    found = prices.resolve(model, provider)
    assert found is not None
    return found


def usd(input_cost: str = "0", output_cost: str = "0", rest: str = "0", cost: str = "0") -> TokenPrice:
    return TokenPrice(Decimal(input_cost), Decimal(output_cost), Decimal(rest), Decimal(cost), Decimal(0))


# What genai-prices says


def by_genai_prices(
    provider: Provider,
    model: ModelInfo,
    usage: TokenUsage,
    *,
    at: datetime = NOW,
    context: Mapping[str, str] | None = None,
    quantities: Mapping[str, int | Decimal] | None = None,
) -> TokenPrice | None:
    counts = usage._asdict() | dict(quantities or {})
    counts["output_reasoning_tokens"] = counts.pop("reasoning_tokens")
    priced_keys = price_keys(provider, model, at, context)
    used = {key for key, count in counts.items() if count}
    if not priced_keys or not all(priced_keys & {key, *UNITS.ancestor_usage_keys(key)} for key in used):
        return None

    def calc(counts: Mapping[str, int | Decimal]) -> tuple[Decimal, Decimal, Decimal]:
        price = model.calc_price(Usage(**counts), provider, genai_request_timestamp=at, price_context=context)
        return price.input_price, price.output_price, price.total_price

    input_cost, output_cost, cost = calc(counts)
    uncached = input_cost
    if used & CACHE_KEYS:
        uncached, _, _ = calc({key: 0 if key in CACHE_KEYS else count for key, count in counts.items()})
    return TokenPrice(input_cost, output_cost, cost - input_cost - output_cost, cost, uncached - input_cost)


def price_keys(provider: Provider, model: ModelInfo, at: datetime, context: Mapping[str, str] | None) -> set[str]:
    own = any(model is other for other in provider.models)
    listed = vars(model.get_prices(at, context if own else None))
    keys = {UNITS.unit_for_price_key(key).usage_key for key, price in listed.items() if price is not None}
    if is_listed(FREE, provider, model):
        keys |= {"input_tokens", "output_tokens"}
    if is_listed(FREE_OUTPUT, provider, model):
        keys |= {"output_tokens"}
    return keys


def is_listed(free: Mapping[str, tuple[str, ...]], provider: Provider, model: ModelInfo) -> bool:
    for pattern in free.get(provider.id, ()):
        head, star, tail = pattern.partition("*")
        if model.id == pattern or (star and model.id.startswith(head) and model.id.endswith(tail)):
            return True
    return False


# Every moment, context and size at which a price may change


def lists(model: ModelInfo) -> list[ModelPrice]:
    standard = [model.prices] if isinstance(model.prices, ModelPrice) else [c.prices for c in model.prices]
    return standard + [variant.prices for variant in model.price_variants or ()]


def moments(model: ModelInfo) -> Iterator[datetime]:
    yield NOW
    conditional = [] if isinstance(model.prices, ModelPrice) else model.prices
    for constraint in [c.constraint for c in conditional] + [v.constraint for v in model.price_variants or ()]:
        if isinstance(constraint, StartDateConstraint):
            start = datetime.combine(constraint.start_date, datetime.min.time(), UTC)
            yield from (start - timedelta(microseconds=1), start)
        if isinstance(constraint, TimeOfDateConstraint):
            for edge in (constraint.start_time, constraint.end_time):
                at = datetime.combine(NOW.date(), edge, edge.tzinfo or UTC)
                yield from (at - timedelta(microseconds=1), at)


def contexts(model: ModelInfo) -> Iterator[dict[str, str] | None]:
    yield None
    whens = [variant.when for variant in model.price_variants or ()]
    yield from whens
    if whens:
        yield {"processing": "Batch", "service_tier": "unheard of"}
        yield {key: value for when in reversed(whens) for key, value in when.items()}


def tier_edges(model: ModelInfo) -> list[int]:
    tiered = [price for listed in lists(model) for price in vars(listed).values() if isinstance(price, TieredPrices)]
    starts = {tier.start for price in tiered for tier in price.tiers}
    return sorted(start + step for start in starts for step in (-1, 0, 1))


def usages(rng: random.Random, model: ModelInfo) -> Iterator[TokenUsage]:
    yield TokenUsage(input_tokens=rng.randint(1, 9_999), output_tokens=rng.randint(1, 9_999))
    yield TokenUsage(input_tokens=rng.randint(1, 9_999))
    yield usage_of(rng, common=True)
    yield usage_of(rng)
    for tokens in tier_edges(model):
        cached = rng.randint(0, tokens)
        yield TokenUsage(tokens, rng.randint(0, 9_999), cache_read_tokens=cached)


LEAVES = ("text", "read", "write", "write_1h", "answer", "reasoning")
RARE_LEAVES = ("audio", "audio_read", "image", "image_read", "video", "spoken", "drawn")


def usage_of(rng: random.Random, *, common: bool = False) -> TokenUsage:
    """A call whose parts fit, with any of them missing."""
    odds = {**dict.fromkeys(LEAVES, 0.7), **dict.fromkeys(RARE_LEAVES, 0 if common else 0.3)}
    leaves = {leaf: rng.randint(1, 300_000) if rng.random() < chance else 0 for leaf, chance in odds.items()}
    return summed(leaves)._replace(web_searches=0 if common else rng.choice((0, 0, 1, 7)))


def summed(leaf: Mapping[str, int]) -> TokenUsage:
    """The usage whose parts, each billed by itself, are `leaf`."""
    cache_read = leaf["read"] + leaf["audio_read"] + leaf["image_read"]
    cache_write, image, audio = leaf["write"] + leaf["write_1h"], leaf["image"], leaf["audio"]
    return TokenUsage(
        input_tokens=leaf["text"] + cache_read + cache_write + audio + image + leaf["video"],
        output_tokens=leaf["answer"] + leaf["reasoning"] + leaf["spoken"] + leaf["drawn"],
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        cache_write_1h_tokens=leaf["write_1h"],
        reasoning_tokens=leaf["reasoning"],
        input_audio_tokens=audio + leaf["audio_read"],
        output_audio_tokens=leaf["spoken"],
        cache_audio_read_tokens=leaf["audio_read"],
        input_image_tokens=image + leaf["image_read"],
        output_image_tokens=leaf["drawn"],
        cache_image_read_tokens=leaf["image_read"],
        input_video_tokens=leaf["video"],
    )


# Equal to the last digit


def test_every_model_costs_what_genai_prices_says_at_every_date_tier_and_variant() -> None:
    rng = random.Random(1)
    compared = unpriced = 0
    for provider, model in ALL_MODELS:
        mine = PricedModel(provider, model)
        for at, context in product(moments(model), contexts(model)):
            for usage in usages(rng, model):
                expected = by_genai_prices(provider, model, usage, at=at, context=context)
                assert mine.price(usage, at, context) == expected, (provider.id, model.id, usage, at, context)
                compared += expected is not None
                unpriced += expected is None
    assert compared > 20_000
    assert unpriced > 1_000


def test_a_model_lent_by_another_provider_costs_the_same_in_any_context() -> None:
    rng = random.Random(2)
    compared = 0
    for provider in providers:
        for lender, model in product(provider.fallback_model_providers or (), range(200)):
            if model >= len(BY_ID[lender].models):
                continue
            lent = BY_ID[lender].models[model]
            mine, usage = PricedModel(provider, lent), usage_of(rng, common=True)
            standard = by_genai_prices(provider, lent, usage)
            for context in contexts(lent):
                assert mine.price(usage, NOW, context) == by_genai_prices(provider, lent, usage, context=context)
                assert mine.price(usage, NOW, context) == standard
                compared += 1
    assert compared > 300


def test_seconds_characters_and_pages_cost_what_genai_prices_says() -> None:
    rng = random.Random(3)
    compared = 0
    for provider, model in ALL_MODELS:
        keys = {UNITS.unit_for_price_key(key).usage_key for listed in lists(model) for key in vars(listed)}
        mine = PricedModel(provider, model)
        for at in moments(model) if keys & QUANTITY_KEYS else ():
            for _ in range(10):
                quantities = quantities_of(rng, keys & QUANTITY_KEYS)
                usage = usage_of(rng) if "input_tokens" in keys else NOTHING
                of_output = sum(quantities.get(key, 0) for key in ("output_video_tokens", "output_citation_tokens"))
                usage = usage._replace(output_tokens=usage.output_tokens + int(of_output))
                expected = by_genai_prices(provider, model, usage, at=at, quantities=quantities)
                assert mine.price(usage, at, None, quantities) == expected, (provider.id, model.id, usage, quantities)
                compared += expected is not None
    assert compared > 400


def quantities_of(rng: random.Random, keys: Iterable[str]) -> dict[str, int | Decimal]:
    """Some of each, in a set order, and of totals no less than of their parts."""
    quantities: dict[str, int | Decimal] = {}
    for key in sorted(keys):
        whole = rng.choice((0, rng.randint(1, 999)))
        quantities[key] = whole if key.endswith("tokens") else rng.choice((whole, amount(rng)))
    for part, total in (
        ("input_audio_seconds", "audio_seconds"),
        ("input_annotated_document_pages", "input_document_pages"),
    ):
        if part in quantities:
            quantities[total] = quantities[part] + rng.choice((0, rng.randint(1, 999), amount(rng)))
    return quantities


def amount(rng: random.Random) -> Decimal:
    return Decimal(rng.randint(1, 10_000_000)) / 1000


VARIED = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-realtime"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google", "gemini-2.5-pro"),
    ("openrouter", "google/gemini-3.5-flash"),
    ("huggingface_together", "meta-llama/Llama-3.3-70B-Instruct"),
    ("perplexity", "sonar-deep-research"),
    ("deepseek", "deepseek-chat"),
    ("mistral", "voxtral-small-24b-2507"),
    ("groq", "whisper-large-v3"),
    ("voyageai", "voyage-3"),
]
SOLD_BY_THE_SECOND = {"voxtral-small-24b-2507", "whisper-large-v3"}
counts = st.just(0) | st.integers(0, 10) | st.integers(0, 10**6) | st.integers(0, 10**30)
seconds = st.decimals(0, 10**9, places=9) | st.integers(0, 10**9)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(
    st.sampled_from(VARIED),
    st.fixed_dictionaries(dict.fromkeys((*LEAVES, *RARE_LEAVES), counts)),
    st.sampled_from((0, 0, 0, 0, 1, 10**6)),
    st.dictionaries(st.sampled_from(("audio_seconds", "input_audio_seconds")), seconds),
)
def test_any_counts_cost_what_genai_prices_says_or_are_refused_as_it_refuses_them(
    model: tuple[str, str], leaves: dict[str, int], missing: int, audio: dict[str, int | Decimal]
) -> None:
    provider, quantities = BY_ID[model[0]], audio if model[1] in SOLD_BY_THE_SECOND else {}
    info = next(m for m in provider.models if m.id == model[1])
    usage = summed(leaves) if provider.id != "groq" else NOTHING
    usage = usage._replace(input_tokens=max(0, usage.input_tokens - missing))
    try:
        expected = by_genai_prices(provider, info, usage, quantities=quantities)
    except ValueError:
        with pytest.raises(ValueError, match=r"tokens|seconds"):
            PricedModel(provider, info).price(usage, NOW, None, quantities)
    else:
        assert PricedModel(provider, info).price(usage, NOW, None, quantities) == expected


# Known figures


@pytest.mark.parametrize(
    ("model", "provider", "usage", "cost"),
    [
        ("gpt-4o", None, TokenUsage(1_000, 500), "0.0075"),
        ("gpt-4o", "openai", TokenUsage(1_000, 500, cache_read_tokens=800), "0.0065"),
        ("gpt-4o", "azure", TokenUsage(1_000, 500), "0.0075"),
        ("gemini-2.0-flash", None, TokenUsage(1_000, 500), "0.0003"),
        ("claude-sonnet-4-5", "anthropic", TokenUsage(10_000, 500, 6_000, 3_000), "0.02355"),
        ("llama-3.1-70b-versatile", "groq", TokenUsage(1_000, 500), "0.000985"),
        ("llama-3.1-70b-versatile", None, TokenUsage(1_000, 500), "0.000985"),
        ("openai/gpt-4o", None, TokenUsage(1_000, 500), "0.0075"),
    ],
)
def test_a_call_costs_what_the_price_list_says(
    prices: TokenPrices, model: str, provider: str | None, usage: TokenUsage, cost: str
) -> None:
    price = priced(prices, model, provider).price(usage, NOW)
    assert price is not None
    assert price.cost == price.input_cost + price.output_cost == Decimal(cost)


@pytest.mark.parametrize(
    ("usage", "saved"),
    [
        (TokenUsage(10_000, 500), "0"),
        (TokenUsage(10_000, 500, cache_read_tokens=6_000), "0.0162"),
        (TokenUsage(10_000, 500, 6_000, 3_000), "0.01395"),
        (TokenUsage(10_000, 500, cache_write_tokens=3_000), "-0.00225"),
        (TokenUsage(10_000, 500, cache_write_tokens=3_000, cache_write_1h_tokens=3_000), "-0.009"),
        (TokenUsage(10_000, 500, cache_write_tokens=3_000, web_searches=2), "-0.00225"),
    ],
)
def test_a_cache_read_saves_and_a_cache_write_alone_costs_more(
    prices: TokenPrices, usage: TokenUsage, saved: str
) -> None:
    price = priced(prices, "claude-sonnet-4-5").price(usage, NOW)
    assert price is not None
    assert price.saved_cost == Decimal(saved)


def test_a_fee_per_request_and_searches_are_neither_input_nor_output(prices: TokenPrices) -> None:
    sonar = priced(prices, "sonar", "perplexity").price(TokenUsage(1_000, 500), NOW)
    searching = priced(prices, "claude-sonnet-4-5").price(TokenUsage(1_000, 500, web_searches=2), NOW)
    assert sonar == usd("0.001", "0.0005", "0.012", "0.0135")
    assert searching == usd("0.003", "0.0075", "0.02", "0.0305")


def test_a_whole_long_call_pays_the_long_context_price(prices: TokenPrices) -> None:
    gemini = priced(prices, "gemini-2.5-pro")
    at, above = (gemini.price(TokenUsage(tokens, 1_000), NOW) for tokens in (200_000, 200_001))
    assert at is not None
    assert above is not None
    assert at.cost == Decimal("0.25") + Decimal("0.01")
    assert above.cost == Decimal("0.5000025") + Decimal("0.015")


def test_a_price_changes_at_midnight_utc_wherever_the_call_was_made(prices: TokenPrices) -> None:
    o3 = priced(prices, "o3")
    change = datetime(2025, 6, 10, tzinfo=UTC)
    before, after = (
        o3.price(TokenUsage(1_000, 0), change - timedelta(seconds=1)),
        o3.price(TokenUsage(1_000, 0), change),
    )
    assert before is not None
    assert after is not None
    assert (before.cost, after.cost) == (Decimal("0.01"), Decimal("0.002"))
    for zone in (timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))):
        assert o3.price(TokenUsage(1_000, 0), change.astimezone(zone)) == after
    assert o3.price(TokenUsage(1_000, 0), change.replace(tzinfo=None)) == after


def test_groq_bills_ten_seconds_of_whisper_at_least(prices: TokenPrices) -> None:
    whisper = priced(prices, "whisper-large-v3", "groq")
    by_seconds = {}
    for told in (0, 1, Decimal("9.9"), 10, 20):
        price = whisper.price(NOTHING, NOW, None, {"audio_seconds": told, "input_audio_seconds": told})
        assert price is not None
        by_seconds[told] = price.cost
    assert by_seconds[0] == 0
    assert by_seconds[1] == by_seconds[Decimal("9.9")] == by_seconds[10] == Decimal("1.11") / 3600
    assert by_seconds[20] == Decimal("2.22") / 3600
    assert whisper.price(NOTHING, NOW, None, {"input_audio_seconds": 1}) == whisper.price(
        NOTHING, NOW, None, {"audio_seconds": 1, "input_audio_seconds": 1}
    )


def test_a_host_application_that_narrows_decimals_changes_no_price(prices: TokenPrices) -> None:
    usage, speech = TokenUsage(123_457, 98_765, 12_345), {"audio_seconds": 7, "input_audio_seconds": 7}
    models = priced(prices, "gpt-4o"), priced(prices, "whisper-large-v3", "groq")
    expected = models[0].price(usage, NOW), models[1].price(NOTHING, NOW, None, speech)
    with localcontext() as context:
        context.prec = 4
        narrowed = models[0].price(usage, NOW), models[1].price(NOTHING, NOW, None, speech)
        compiled = TokenPrices().resolve("gpt-4o")
    assert narrowed == expected
    assert compiled is not None
    assert compiled.price(usage, NOW) == expected[0]


# Unpriced, free, refused


@pytest.mark.parametrize(
    ("model", "provider", "usage", "quantities"),
    [
        ("qwen-3-coder-480b", "cerebras", TokenUsage(1_000, 500), {}),  # no price at all
        ("qwen-3-coder-480b", "cerebras", NOTHING, {}),
        ("whisper-large-v3", "groq", TokenUsage(1_000, 0), {}),  # sold by the second
        ("gpt-4o", "openai", NOTHING, {"audio_seconds": 3}),  # sold by the token
        ("gpt-4o", "openai", TokenUsage(1_000, 500), {"input_characters": Decimal(3)}),
        ("llama-3.1-70b-versatile", "groq", TokenUsage(1_000, 500, web_searches=1), {}),
        ("text-embedding-3-small", "openai", TokenUsage(1_000, 1), {}),  # has no output
        ("mistral-nemo:free", "mistral", TokenUsage(1_000, 500), {}),  # a name of OpenRouter's, whom nobody confirms
    ],
)
def test_what_has_no_price_is_unpriced_and_not_free(
    prices: TokenPrices, model: str, provider: str, usage: TokenUsage, quantities: dict[str, int | Decimal]
) -> None:
    assert priced(prices, model, provider).price(usage, NOW, None, quantities) is None


def test_a_price_in_a_unit_of_a_newer_version_leaves_the_call_unpriced() -> None:
    rates = Rates(ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(2), dreams_mcount=Decimal(3)))
    assert rates.price(TokenUsage(1_000, 500), None) is None
    assert not rates.cover(["input_tokens"])


@pytest.mark.parametrize(
    ("model", "provider"),
    [("deepseek/deepseek-chat:free", "openrouter"), ("gemma-3-27b-it", "google"), ("gpt-4.1", "github-copilot")],
)
def test_a_confirmed_free_model_costs_nothing_and_its_searches_are_unpriced(
    prices: TokenPrices, model: str, provider: str
) -> None:
    free = priced(prices, model, provider)
    assert free.price(TokenUsage(1_000, 500, 200), NOW) == usd()
    assert free.price(TokenUsage(1_000, 500, web_searches=1), NOW) is None


def test_free_output_costs_nothing_beside_input_that_is_sold(prices: TokenPrices) -> None:
    jev = priced(prices, "jev-1.14.0", "typesafe")
    assert jev.price(TokenUsage(1_000, 500), NOW) == usd("0.000042", "0", "0", "0.000042")


def test_each_confirmed_free_name_still_has_no_price_in_the_data() -> None:
    for free, key in ((FREE, "input_mtok"), (FREE, "output_mtok"), (FREE_OUTPUT, "output_mtok")):
        for provider, patterns in free.items():
            for pattern in patterns:
                only = {provider: (pattern,)}
                found = [model for model in BY_ID[provider].models if is_listed(only, BY_ID[provider], model)]
                assert found, pattern
                assert all(getattr(listed, key) is None for model in found for listed in lists(model)), pattern


def test_a_price_of_zero_never_occurs_in_the_data_so_zero_is_ours_to_confirm() -> None:
    zeros = [
        (provider.id, model.id, key)
        for provider, model in ALL_MODELS
        for listed in lists(model)
        for key, price in vars(listed).items()
        for amount in ([price.base, *(t.price for t in price.tiers)] if isinstance(price, TieredPrices) else [price])
        if amount == 0
    ]
    assert zeros == []


def test_nothing_used_costs_nothing_but_the_fee_per_request(prices: TokenPrices) -> None:
    assert priced(prices, "gpt-4o").price(NOTHING, NOW) == usd()
    assert priced(prices, "whisper-1").price(NOTHING, NOW) == usd()
    assert priced(prices, "sonar", "perplexity").price(NOTHING, NOW) == usd("0", "0", "0.012", "0.012")


@pytest.mark.parametrize(
    ("usage", "quantities", "reason"),
    [
        (TokenUsage(1_000, 0, cache_read_tokens=1_001), {}, "cache_read_tokens"),
        (TokenUsage(1_000, 0, cache_read_tokens=600, cache_write_tokens=600), {}, "exceeds input_tokens"),
        (TokenUsage(1_000, 0, cache_write_tokens=1, cache_write_1h_tokens=2), {}, "cache_write_1h_tokens"),
        (TokenUsage(-1, 0), {}, "input_tokens"),
        (TokenUsage(1, 0, web_searches=-1), {}, "web_searches"),
        (TokenUsage(1, 0), {"cached_tokens": 1}, "cached_tokens"),
        (TokenUsage(1, 0), {"input_tokens": 1}, "input_tokens"),
        (TokenUsage(1, 0), {"output_video_tokens": -1}, "output_video_tokens"),
        (TokenUsage(1, 0), {"output_video_tokens": Decimal("NaN")}, "output_video_tokens"),
    ],
)
def test_counts_that_cannot_be_are_refused_with_the_field_at_fault(
    prices: TokenPrices, usage: TokenUsage, quantities: dict[str, int | Decimal], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        priced(prices, "claude-sonnet-4-5").price(usage, NOW, None, quantities)


def test_a_part_of_the_seconds_without_the_seconds_is_refused_and_not_free(prices: TokenPrices) -> None:
    with pytest.raises(ValueError, match="require explicit audio_seconds"):
        priced(prices, "whisper-1").price(NOTHING, NOW, None, {"input_audio_seconds": 30})


# Finding the model


def test_every_name_means_what_it_means_to_genai_prices(prices: TokenPrices) -> None:
    snapshot = data_snapshot.DataSnapshot(providers=providers, from_auto_update=False)
    names = [model.id for _, model in ALL_MODELS]
    asked = [(model.id, provider.id) for provider, model in ALL_MODELS] + [(name, None) for name in names]
    asked += [(name.upper(), seller) for name in names[::7] for seller in ("azure", " Google", "nobody", "litellm")]
    for name, seller in asked:
        found = prices.resolve(name, seller)
        try:
            provider, model = snapshot.find_provider_model(name, None, seller, None)
        except LookupError:
            assert found is None or seller in {None, "litellm"}, name
        else:
            assert found is not None
            assert (found.provider, found.model) == (provider.id, model.id), (name, seller)


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [
        ("openai/gpt-4o", "openai", "gpt-4o"),
        ("openrouter/openai/gpt-4o", "openrouter", "openai/gpt-4o"),
        ("anthropic/claude-haiku-4.5:batch", "openrouter", "anthropic/claude-haiku-4.5:batch"),
        ("llama-3.1-70b-versatile", "groq", "llama-3.1-70b-versatile"),
        ("text-embedding-3-small", "openai", "text-embedding-3-small"),  # Azure resells it
        ("chatgpt-4o-latest", "openai", "chatgpt-4o-latest"),  # OpenRouter's own name has a vendor
        ("azure/gpt-4o", "azure", "gpt-4o"),
        ("vertex_ai/claude-sonnet-4-5", "google", "claude-sonnet-4-5"),
        (
            "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "aws",
            "regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
        ("us.amazon.nova-pro-v1:0", "aws", "amazon.nova-pro-v1:0"),
    ],
)
def test_a_name_without_provider_finds_its_seller(prices: TokenPrices, name: str, provider: str, model: str) -> None:
    found = priced(prices, name)
    assert (found.provider, found.model) == (provider, model)


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("meta-llama/llama-3.1-8b-instruct", None),  # eight sellers, eight prices
        ("deepseek/deepseek-r1-distill-qwen-14b", None),  # not the vendor's deepseek-reasoner
        ("claude-nonsense", None),
        ("gpt-4o", "nobody"),
        ("gpt-4o", ""),
        ("gpt-4o", "groq"),
        ("", None),
        ("/", None),
        ("gpt-4o/", None),
        ("claude-3-haiku-" + "x" * 200, None),
        ("gpt-4o", "openai" * 40),
    ],
)
def test_a_name_that_is_unknown_or_could_mean_several_prices_is_not_guessed(
    prices: TokenPrices, name: str, provider: str | None
) -> None:
    assert prices.resolve(name, provider) is None


def test_made_up_names_fill_no_memory() -> None:
    prices, bundled = TokenPrices(), data_snapshot.get_snapshot()
    for i in range(100_000):
        assert prices.resolve(f"made-up-{i}", "groq") is None
    for i in range(1_000):
        assert prices.resolve(f"made-up-{i}") is None
        assert prices.resolve("gpt-4o", f"made-up-{i}") is None
        assert prices.resolve(f"made-up/made-up-{i}") is None
        assert priced(prices, f"claude-3-haiku-made-up-{i}").model == "claude-3-haiku"
    assert prices._lookup.cache_info().currsize == LOOKUPS
    assert len(prices._models) == 1
    caches = (bundled._lookup_cache, bundled._provider_cache, bundled._provider_misses)
    assert not any("made-up" in str(key) for cache in caches for key in cache)
