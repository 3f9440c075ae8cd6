"""The prices that a stored call can be repriced with: today's, or a single version of them."""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path

from genai_prices.data_snapshot import DataSnapshot

from app.errors import ConfigurationError
from app.maintenance.repricing.stored_calls import cost_of
from app.pricing.costs import Cost, Pricing
from app.pricing.estimates import BUILT_IN, Estimates
from app.pricing.media_prices import MediaPrices
from app.pricing.overrides import OverrideTable
from app.pricing.sellers import Sellers
from app.pricing.token_prices import TokenPrices
from models import PriceOverride
from models.documents import Document

Prices = Callable[[Document], Cost | None]
"""The cost of an entry's call; None where it stays as it is."""

NO_TOKEN_PRICES = DataSnapshot(providers=[], from_auto_update=False)


class _Book:
    def __init__(self, overrides: Iterable[PriceOverride]) -> None:
        self.table = OverrideTable(overrides)


class PriceVersions:
    """What this installation has: one genai-prices snapshot, one media table, and the stored overrides."""

    def __init__(self, overrides: list[PriceOverride], estimates_file: Path | None) -> None:
        """Raises ConfigurationError where the file cannot be used."""
        self._overrides = {f"override {override.id}": override for override in overrides}
        self._estimates_file = estimates_file
        self._estimates = Estimates(estimates_file)
        self._media = MediaPrices()
        self._tokens = TokenPrices()

    def names(self) -> list[str]:
        """The available versions, as entries name them."""
        return [self._tokens.version, self._media.version, *self._overrides]

    def fingerprint(self) -> str:
        """A different string whenever anything that costs depend on differs."""
        overrides = sorted(override.model_dump_json() for override in self._overrides.values())
        files = [file.read_text(encoding="utf-8") for file in (BUILT_IN, self._estimates_file) if file is not None]
        said = "\0".join([*sorted(self.names()), *overrides, *files])
        return blake2b(said.encode(), digest_size=16).hexdigest()

    def today(self) -> Prices:
        """All of them, as a call of today is priced."""
        return self._prices(self._tokens, list(self._overrides.values()))

    def only(self, version: str) -> Prices:
        """One of them. What it has no price for stays as it is. Raises ConfigurationError naming the available ones.

        Of an earlier package or table nothing is kept: install it in an environment of its own to price by it.
        """
        if version not in self.names():
            known = ", ".join(self.names())
            raise ConfigurationError(
                f"unknown price version {version!r}; available: {known}. "
                "Earlier ones are not kept: run this with the twinmeter installation that had them"
            )
        tokens = TokenPrices(NO_TOKEN_PRICES) if version == self._media.version else self._tokens
        prices = self._prices(tokens, [self._overrides[version]] if version in self._overrides else [])

        def priced(entry: Document) -> Cost | None:
            cost = prices(entry)
            return cost if cost is not None and cost.price_version == version else None

        return priced

    def _prices(self, tokens: TokenPrices, overrides: list[PriceOverride]) -> Prices:
        sellers = Sellers(tokens, self._media)
        pricing = Pricing(sellers, _Book(overrides), self._estimates)
        return lambda entry: cost_of(entry, sellers, pricing)
