"""The prices that a stored call can be repriced with: today's, or a single version of them."""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path

from genai_prices.data_snapshot import DataSnapshot

from app.errors import ConfigurationError
from app.maintenance.repricing.stored_calls import cost_of
from app.pricing.costs import Cost, Pricing
from app.pricing.estimates import BUILT_IN, Estimates
from app.pricing.factors import Factors
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
    """What this deployment has: its token prices, one media table, and the stored overrides."""

    def __init__(
        self,
        overrides: list[PriceOverride],
        estimates_file: Path | None,
        aliases_file: Path | None = None,
        tokens: TokenPrices | None = None,
    ) -> None:
        """By the `tokens` that were loaded, else the package's. Raises ConfigurationError where a file is no use."""
        self._overrides = {f"override {override.id}": override for override in overrides}
        self._files = [file for file in (estimates_file, aliases_file) if file is not None]
        self._estimates = Estimates(estimates_file)
        self._sellers = Sellers.installed(aliases_file, tokens)
        self._factors = Factors.packaged()

    def names(self) -> list[str]:
        """The available versions, as entries name them."""
        return [self._sellers.token_version, self._sellers.media_version, *self._overrides]

    def fingerprint(self) -> str:
        """A different string whenever anything that costs depend on differs."""
        overrides = sorted(override.model_dump_json() for override in self._overrides.values())
        files = [file.read_text(encoding="utf-8") for file in (BUILT_IN, *self._files)]
        said = "\0".join([*sorted(self.names()), self._factors.version, *overrides, *files])
        return blake2b(said.encode(), digest_size=16).hexdigest()

    def today(self) -> Prices:
        """All of them, as a call of today is priced."""
        return self._prices(self._sellers, list(self._overrides.values()))

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
        only_media = version == self._sellers.media_version
        sellers = self._sellers.with_tokens(TokenPrices(NO_TOKEN_PRICES)) if only_media else self._sellers
        prices = self._prices(sellers, [self._overrides[version]] if version in self._overrides else [])
        # by a factor of ours too, which has no price by itself
        versions = {version, f"{version} + {self._factors.version}"}

        def priced(entry: Document) -> Cost | None:
            cost = prices(entry)
            return cost if cost is not None and cost.price_version in versions else None

        return priced

    def _prices(self, sellers: Sellers, overrides: list[PriceOverride]) -> Prices:
        pricing = Pricing(sellers, _Book(overrides), self._estimates)
        return lambda entry: cost_of(entry, sellers, pricing)
