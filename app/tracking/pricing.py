"""What a call costs, where that figure comes from, and what a cache saved."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from app.tracking.call import AICall
from app.tracking.token_prices import PricedModel, TokenPrices
from app.tracking.token_rates import TokenPrice
from models import CallStatus, CostSource, TokenUsage
from models.money import ZERO, quantize_usd

UNKNOWN_PROVIDER = "unknown"
NOT_BILLED = frozenset({CallStatus.ERROR, CallStatus.RATE_LIMITED})
"""How a call ends that the provider does not bill, when it reports no usage. A time-out may have cost something."""


class Cost(NamedTuple):
    """What a call costs in USD. Each part is quantised once to the 15 decimals that are stored; their sum is `cost`."""

    parts: tuple[Decimal, Decimal, Decimal] | None
    """Input, output, and generation: what is neither, as images, seconds, searches, or a cost reported whole."""
    cost: Decimal | None
    saved_cost: Decimal
    source: CostSource
    price_version: str | None = None


class PricedCall(NamedTuple):
    """A call with what pricing found out about it."""

    provider: str
    usage: TokenUsage
    cost: Cost


_NOTHING = (ZERO, ZERO, ZERO)
_FREE = Cost(_NOTHING, ZERO, ZERO, CostSource.PRICED)
_UNPRICED = Cost(None, None, ZERO, CostSource.UNPRICED)


class Pricing:
    """The sources of a price, in the order in which they are asked: the caller, then genai-prices."""

    def __init__(self, token_prices: TokenPrices) -> None:
        self._token_prices = token_prices

    def price(self, call: AICall, at: datetime) -> PricedCall:
        """Price `call` as of `at`, the moment when it happened."""
        usage = call.usage
        model = self._token_prices.resolve(call.model, call.provider)
        provider = call.provider or (model.provider if model else UNKNOWN_PROVIDER)
        cost = self._cost(call, usage, model, at)
        return PricedCall(provider, usage, _from_own_cache(cost) if call.cached else cost)

    def _cost(self, call: AICall, usage: TokenUsage, model: PricedModel | None, at: datetime) -> Cost:
        if call.cost is not None:
            reported = quantize_usd(call.cost)
            return Cost((ZERO, ZERO, reported), reported, ZERO, CostSource.REPORTED)
        quantities = _quantities(call)
        if not call.knows_tokens and not quantities:
            return _FREE if call.outcome in NOT_BILLED else _UNPRICED
        if model is None:
            return _UNPRICED
        price = model.price(usage, at, _context(call), quantities)
        return _UNPRICED if price is None else self._priced(price)

    def _priced(self, price: TokenPrice) -> Cost:
        parts = quantize_usd(price.input_cost), quantize_usd(price.output_cost), quantize_usd(price.generation_cost)
        saved = quantize_usd(price.saved_cost)
        return Cost(parts, sum(parts, ZERO), saved, CostSource.PRICED, self._token_prices.version)


def _from_own_cache(cost: Cost) -> Cost:
    """An answer from the application's own cache: it cost nothing, and saved what it would have cost."""
    saved = ZERO if cost.cost is None else cost.cost
    return Cost(_NOTHING, ZERO, saved, CostSource.CACHED, cost.price_version)


def _quantities(call: AICall) -> dict[str, int | Decimal]:
    """What is sold by other units than tokens, by genai-prices' names. Media that it has no unit for are not here."""
    quantities: dict[str, int | Decimal] = {}
    if call.audio_seconds:
        quantities["audio_seconds"] = call.audio_seconds
    if call.characters:
        quantities["input_characters"] = call.characters
    return quantities


def _context(call: AICall) -> Mapping[str, str] | None:
    """What a price may depend on beside model and time, by genai-prices' names."""
    if call.service_tier is None and not call.batch:
        return None
    context = {"service_tier": call.service_tier} if call.service_tier else {}
    return context | {"processing": "batch"} if call.batch else context
