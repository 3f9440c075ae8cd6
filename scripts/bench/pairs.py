"""The documents that the tracker would write, made without writing them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from app.database import Database
from app.ledger.features import Features
from app.ledger.twins import IdMint, Pair, build_pair
from app.pricing.costs import Pricing
from app.pricing.estimates import Estimates
from app.pricing.media_prices import MediaPrices
from app.pricing.price_book import PriceBook
from app.pricing.sellers import Sellers
from app.pricing.token_prices import TokenPrices
from app.tracking import AICall


def built_pairs(database: Database, reported: Iterable[dict[str, Any]]) -> list[Pair]:
    """A pair for the fields of each call."""
    features, now, mint = Features(), datetime.now(UTC), IdMint()
    pricing = Pricing(Sellers(TokenPrices(), MediaPrices()), PriceBook(database), Estimates())

    def pair(fields: dict[str, Any]) -> Pair:
        call = AICall(**fields)
        feature = features.of(call.content_type)
        priced = pricing.price(call, feature.service_type, now)
        return build_pair(call, feature, priced, now, mint.id_of(call, now))

    return [pair(fields) for fields in reported]
