"""Time to price a call, against genai-prices' own `calc_price` in the same run."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median

from genai_prices import Usage, calc_price

from app.pricing.token_prices import TokenPrices
from models import TokenUsage

CALLS = 2_000
ROUNDS = 15
LINEAR = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("google", "gemini-2.0-flash"),
    ("groq", "llama-3.1-8b-instant"),
]
GENERAL = [("google", "gemini-2.5-pro"), ("anthropic", "claude-sonnet-4-5"), ("deepseek", "deepseek-chat")]
"""Tiered, tiered and dated, and by the time of day."""
AT = datetime(2025, 11, 1, 12, 0, tzinfo=UTC)


def measure() -> dict[str, float]:
    """Microseconds per call, including look-up and Decimals: the median over the models of the best of 15 rounds.

    `price_us` and `calc_price_us` are for plain linear prices, the `general` ones for tiered and dated prices;
    `least_times_faster` is the worst of all models.
    """
    prices = TokenPrices()
    linear = [_pair(prices, provider, model) for provider, model in LINEAR]
    general = [_pair(prices, provider, model) for provider, model in GENERAL]
    return {
        "price_us": median(ours for ours, _ in linear),
        "calc_price_us": median(theirs for _, theirs in linear),
        "times_faster": median(theirs / ours for ours, theirs in linear),
        "least_times_faster": min(theirs / ours for ours, theirs in [*linear, *general]),
        "general_price_us": median(ours for ours, _ in general),
        "general_calc_price_us": median(theirs for _, theirs in general),
        "general_times_faster": median(theirs / ours for ours, theirs in general),
    }


def _pair(prices: TokenPrices, provider: str, model: str) -> tuple[float, float]:
    usage = TokenUsage(input_tokens=12_345, output_tokens=678)

    def ours() -> None:
        priced = prices.resolve(model, provider)
        if priced is None or priced.price(usage, AT) is None:
            raise RuntimeError(f"{provider}/{model} has no price")

    def theirs() -> None:
        known = Usage(input_tokens=12_345, output_tokens=678)
        calc_price(known, model, provider_id=provider, genai_request_timestamp=AT)

    rounds = [(_microseconds(ours), _microseconds(theirs)) for _ in range(ROUNDS)]
    return min(mine for mine, _ in rounds), min(its for _, its in rounds)


def _microseconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    for _ in range(CALLS):
        work()
    return (time.perf_counter() - started) / CALLS * 1e6
