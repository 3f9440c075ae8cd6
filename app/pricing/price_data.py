"""genai-prices' data file as a table of token prices, read by the package's own loader and checked."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any

from genai_prices.data import providers as bundled_providers
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, StartDateConstraint, TieredPrices, _providers_from_raw
from pydantic import ValidationError

from app.pricing.token_prices import TokenPrices

MAX_BYTES = 50_000_000
"""Of a file; the one of 2026-11 has less than one million."""
LEAST_SHARE = Decimal("0.8")
"""Of the models that are in use a file must have at least so many: one that was cut, or a part, is no table."""
_SHOWN = 3


class PriceDataError(ValueError):
    """A file that is no table of prices, and why."""


def read_providers(data: bytes) -> list[Provider]:
    """The providers of a data file (`prices/new_data/v2/data.json`). Raises PriceDataError."""
    if len(data) > MAX_BYTES:
        raise PriceDataError(f"has more than {MAX_BYTES:,} bytes")
    try:
        raw = json.loads(data, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise PriceDataError(f"is not JSON: {error}") from error
    if not isinstance(raw, list) or not raw or not all(isinstance(each, dict) for each in raw):
        raise PriceDataError("is not genai-prices' data: a list of providers, as its prices/new_data/v2/data.json")
    try:
        # how usage is found in a response is for app.usage to say
        providers = _providers_from_raw([{k: v for k, v in each.items() if k != "extractors"} for each in raw])
    except ValidationError as error:
        raise PriceDataError(f"is not genai-prices' data: {_faults(error)}") from error
    except Exception as error:  # whatever its loader meets in what it was not made for
        raise PriceDataError(f"is not genai-prices' data: {type(error).__name__}") from error
    if faults := list(_wrong_with(providers)):
        raise PriceDataError(f"is not usable: {'; '.join(faults[:_SHOWN])}")
    return providers


def table_of(providers: list[Provider], version: str) -> TokenPrices:
    """Their prices under the name of a version."""
    return TokenPrices(DataSnapshot(providers=providers, from_auto_update=False), version)


def hash_of(data: bytes) -> str:
    return sha256(data).hexdigest()


def version_of(data: bytes, loaded: date) -> str:
    """What entries name it by: `genai-prices data 2026-11-30 (1a2b3c4d)`."""
    return f"genai-prices data {loaded.isoformat()} ({hash_of(data)[:8]})"


def newest_price(providers: Iterable[Provider], today: date) -> date | None:
    """The last day up to `today` on which a price began, by which tables are told apart: none says its own date."""
    return max((day for day in _days(providers) if day <= today), default=None)


def refusal(providers: Sequence[Provider], used: Sequence[Provider], today: date) -> str | None:
    """Why these are not to replace the providers that are `used`; None where they may."""
    if gone := {provider.id for provider in used if provider.models} & _MAIN - {provider.id for provider in providers}:
        return f"is not a whole table: it has no prices of {', '.join(sorted(gone))}"
    count, known = models_of(providers), models_of(used)
    if count < known * LEAST_SHARE:
        return f"is not a whole table: it has {count:,} models, and the table in use has {known:,}"
    theirs, ours = newest_price(providers, today), newest_price(used, today)
    if ours is not None and (theirs is None or theirs < ours):
        said = f"its newest price is of {theirs}" if theirs else "it has no dated price"
        return f"is older than the table in use: {said}, and that of the table in use of {ours}"
    return None


def models_of(providers: Iterable[Provider]) -> int:
    return sum(len(provider.models) for provider in providers)


def bundled() -> list[Provider]:
    """Those of the installed package."""
    return bundled_providers


_MAIN = frozenset({"anthropic", "aws", "azure", "google", "openai", "openrouter"})


def _faults(error: ValidationError) -> str:
    """Where, and what, without the values."""
    faults = error.errors(include_url=False, include_input=False)
    said = [f"{'.'.join(map(str, fault['loc'][:4]))}: {fault['msg']}" for fault in faults[:_SHOWN]]
    return "; ".join(said) + (f" and {len(faults) - _SHOWN:,} more" if len(faults) > _SHOWN else "")


def _wrong_with(providers: Sequence[Provider]) -> Iterator[str]:
    ids = [provider.id for provider in providers]
    for name in sorted({name for name in ids if ids.count(name) > 1}):
        yield f"{name} is there twice"
    for provider in providers:
        for model in provider.models:
            if not all(amount.is_finite() and amount >= 0 for prices in _prices(model) for amount in _amounts(prices)):
                yield f"{provider.id}/{model.id}: a price is not a number of zero or more"


def _prices(model: ModelInfo) -> Iterator[ModelPrice]:
    if isinstance(model.prices, ModelPrice):
        yield model.prices
    else:
        yield from (each.prices for each in model.prices)
    yield from (variant.prices for variant in model.price_variants or ())


def _amounts(prices: ModelPrice) -> Iterator[Decimal]:
    for price in vars(prices).values():
        if isinstance(price, TieredPrices):
            yield from (price.base, *(tier.price for tier in price.tiers))
        elif price is not None:
            yield price


def _days(providers: Iterable[Provider]) -> Iterator[date]:
    for provider in providers:
        for model in provider.models:
            dated: list[Any] = [] if isinstance(model.prices, ModelPrice) else [*model.prices]
            for each in (*dated, *(model.price_variants or ())):
                if isinstance(each.constraint, StartDateConstraint):
                    yield each.constraint.start_date
