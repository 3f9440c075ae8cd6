"""Price overrides, compiled: which one applies to a call, and what the call costs by it."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from genai_prices.types import ModelPrice

from app.pricing.ceilings import Stairs
from app.pricing.token_prices import TokenPrices
from app.pricing.token_rates import Rates, TokenPrice
from models import PriceOverride, TokenUsage
from models.money import ZERO

NO_TOKENS = TokenUsage()
_FREE = TokenPrice(ZERO, ZERO, ZERO, ZERO, ZERO)
_MEDIA_UNITS = ("image", "video_second", "audio_second", "character")


class MediaUse(NamedTuple):
    """Non-token usage of a call."""

    images: int = 0
    video_seconds: Decimal = ZERO
    audio_seconds: Decimal = ZERO
    characters: int = 0

    def amounts(self) -> tuple[int | Decimal, ...]:
        return self


class OverridePrices:
    """One override."""

    def __init__(self, override: PriceOverride) -> None:
        given = override.prices.given()
        self.version = f"override {override.id}"
        self._provider = override.provider
        self._first, self._last = override.effective_from, override.effective_to
        self._media = [given.pop(unit, None) for unit in _MEDIA_UNITS]
        self._rates = Rates(ModelPrice(**given)) if given else None

    def holds(self, provider: str, at: datetime) -> bool:
        """Whether it applies to calls to `provider` at this moment."""
        if self._provider is not None and self._provider != provider:
            return False
        return self._first <= at and (self._last is None or at < self._last)

    def price(self, usage: TokenUsage, media: MediaUse) -> TokenPrice | None:
        """What a call costs; None where it used something without a price here."""
        tokens = self._token_price(usage)
        generation = self.media_price(media)
        if tokens is None or generation is None:
            return None
        rest, cost = tokens.generation_cost + generation, tokens.cost + generation
        return tokens._replace(generation_cost=rest, cost=cost)

    @property
    def stairs(self) -> Stairs | None:
        """The most that tokens may cost; None where they have no price here."""
        return None if self._rates is None else Stairs.of(self._rates)

    def _token_price(self, usage: TokenUsage) -> TokenPrice | None:
        if self._rates is not None:
            return self._rates.price(usage, None)
        return _FREE if usage == NO_TOKENS else None

    def media_price(self, media: MediaUse) -> Decimal | None:
        """What media cost, 0 for none; None where some of it has no price here."""
        total = ZERO
        for used, price in zip(media.amounts(), self._media, strict=True):
            if used:
                if price is None:
                    return None
                total += used * price
        return total


class OverrideTable:
    """What administrators set at one moment. Rebuilt when it changes, so that a call sees one state of it."""

    def __init__(self, overrides: Iterable[PriceOverride], tokens: TokenPrices | None = None) -> None:
        self.tokens = tokens
        """The token prices that they loaded; None for those of the installed package."""
        self._by_model: dict[tuple[str | None, str], list[OverridePrices]] = {}
        # a provider's own override before one for any provider
        for override in sorted(overrides, key=lambda override: override.provider is None):
            key = override.client_id, override.model.lower()
            self._by_model.setdefault(key, []).append(OverridePrices(override))

    def concerns(self, client_id: str, model: str) -> bool:
        """Whether any override, of whatever time and provider, is for this client's calls of a model."""
        return not self._by_model.keys().isdisjoint((client, model.lower()) for client in (client_id, None))

    def find(self, *, client_id: str, provider: str, model: str, at: datetime) -> OverridePrices | None:
        """The override that applies to a call: the client's own, else one for every client."""
        if not self._by_model:
            return None
        name = model.lower()
        for client in (client_id, None):
            for prices in self._by_model.get((client, name), ()):
                if prices.holds(provider, at):
                    return prices
        return None
