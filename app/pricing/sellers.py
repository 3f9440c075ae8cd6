"""The seller of a call: the provider as recorded, and its price lists for the model."""

from functools import lru_cache
from typing import NamedTuple

from app.pricing.lookups import LOOKUPS
from app.pricing.media_prices import MediaPrices, PricedMedia
from app.pricing.token_prices import PricedModel, TokenPrices

UNKNOWN_PROVIDER = "unknown"


class Seller(NamedTuple):
    """A provider and its prices for one model."""

    provider: str
    tokens: PricedModel | None
    media: PricedMedia | None
    reported_provider: str | None = None
    """What the caller said, where that provider cannot be right: it does not sell the model, another one does."""


class Sellers:
    """Resolves providers and models."""

    def __init__(self, token_prices: TokenPrices, media_prices: MediaPrices) -> None:
        self._tokens = token_prices
        self._media = media_prices
        self.token_version, self.media_version = token_prices.version, media_prices.version
        self.of = lru_cache(LOOKUPS)(self._of)

    def _of(self, model: str, provider: str | None) -> Seller:
        """The seller of `model`, given what the caller said of the provider.

        A provider that does not sell the model is replaced by the one that does, if both are known. Nothing is
        concluded from a name that no price list has: a new model, or a gateway of the caller's own, stays with the
        provider that was reported, and is unpriced.
        """
        at_reported = self._at(model, provider) if provider else None
        own = at_reported or self._at(model, None)
        if own is None or (provider and not at_reported and not self._knows(provider)):
            return Seller((provider or UNKNOWN_PROVIDER).lower(), None, None)
        return own if at_reported or not provider else own._replace(reported_provider=provider.lower())

    def _at(self, model: str, provider: str | None) -> Seller | None:
        tokens = self._tokens.resolve(model, provider)
        media = self._media.resolve(model, tokens.provider if tokens else provider)
        seller = tokens or media
        return Seller(seller.provider, tokens, media) if seller else None

    def _knows(self, provider: str) -> bool:
        return self._tokens.knows_provider(provider) or self._media.knows_provider(provider)
