"""Factors on token prices that genai-prices lacks: `factors.toml`, whose own comments explain its rows."""

import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from app.errors import ConfigurationError
from app.pricing.lookups import LOOKUPS
from app.pricing.media_table import Source
from app.pricing.terms import Terms
from app.pricing.token_prices import PricedModel
from app.pricing.token_rates import MONEY, TokenPrice
from models import TokenUsage

TABLE = Path(__file__).with_name("factors.toml")
ONE = Decimal(1)
_ANYWHERE = "*"


def _no_float(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('a factor is a string, such as "1.1"')  # noqa: TRY004 - what Pydantic reports with its place
    return value


class Factor(BaseModel):
    """One row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str
    models: tuple[str, ...] = Field(min_length=1)
    region: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    tier: str | None = None
    batch: bool = False
    factor: Annotated[Decimal, BeforeValidator(_no_float), Field(gt=0)]
    cached: bool = True
    """Whether it holds for calls with cache tokens."""
    start: date = Field(alias="from")
    end: date = Field(date.max, alias="to")
    source: str

    @model_validator(mode="after")
    def _for_one_thing(self) -> Self:
        if bool(self.region) + bool(self.tier) + self.batch != 1:
            raise ValueError("is for a region, a tier or a batch: one of them")
        return self

    def is_for(self, provider: str, model: str) -> bool:
        return provider == self.provider and any(fnmatchcase(model, pattern) for pattern in self.models)

    def times(self) -> tuple[datetime, datetime]:
        """From when on it holds, and until before when."""
        start, end = (datetime.combine(day, time(), UTC) for day in (self.start, self.end))
        return start, end


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: str = Field(pattern=r"^\d{4}-\d{2}")
    factor: list[Factor]
    sources: dict[str, Source]

    @model_validator(mode="after")
    def _with_sources(self) -> Self:
        if missing := {row.source for row in self.factor} - self.sources.keys():
            raise ValueError(f"{', '.join(sorted(missing))}: not one of the sources")
        return self


class Factors:
    """The table."""

    def __init__(self, path: Path = TABLE) -> None:
        """Raises ConfigurationError where the file cannot be used, naming it and what is at fault."""
        try:
            table = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
            raise ConfigurationError(f"{path} cannot be used: {error}") from error
        self.version = f"factors {table.version}"
        self._table = table.factor
        self._rows = lru_cache(LOOKUPS)(self._find)

    @classmethod
    @cache
    def packaged(cls) -> Self:
        """The one that ships with twinmeter, read once."""
        return cls()

    def of(self, prices: PricedModel, terms: Terms, usage: TokenUsage, at: datetime) -> Decimal | str:
        """What the list's price is to be multiplied by, or the name of what has no price: a tier, or a batch."""
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        dated = self._rows(prices.provider, prices.model)
        rows = [row for start, end, row in dated if start <= at < end] if dated else []
        if not (terms.tier or terms.batch):
            return self._of_region(rows, terms.region) if terms.region else ONE
        context, factor = terms.context() or {}, ONE
        cached = bool(usage.cache_read_tokens or usage.cache_write_tokens)
        if terms.tier and not prices.varies(("service_tier", "speed"), context, at):
            row = next((row for row in rows if row.tier == terms.tier and (row.cached or not cached)), None)
            if row is None:
                return f"the tier {terms.tier}"
            factor = MONEY.multiply(factor, row.factor)
        if terms.batch and not prices.varies(("processing",), context, at):
            row = next((row for row in rows if row.batch and (row.cached or not cached)), None)
            if row is None:
                return "a batch"
            factor = MONEY.multiply(factor, row.factor)
        return MONEY.multiply(factor, self._of_region(rows, terms.region)) if terms.region else factor

    def words(self, prices: PricedModel) -> tuple[set[str], set[str]]:
        """The tiers, and the regions, for which a model has rows."""
        rows = [row for _, _, row in self._rows(prices.provider, prices.model)]
        return {row.tier for row in rows if row.tier}, {region for row in rows for region in row.region}

    def _find(self, provider: str, model: str) -> list[tuple[datetime, datetime, Factor]]:
        return [(*row.times(), row) for row in self._table if row.is_for(provider, model)]

    @staticmethod
    def _of_region(rows: Sequence[Factor], region: str) -> Decimal:
        fitting = (row for row in rows if region in row.region or (_ANYWHERE in row.region and region not in row.but))
        row = next(fitting, None)
        return ONE if row is None else row.factor


def multiplied(price: TokenPrice, factor: Decimal) -> TokenPrice:
    """The price with its tokens at `factor` times their rate; requests and searches stay as they are."""
    if factor == ONE:
        return price
    input_cost, output_cost = (MONEY.multiply(part, factor) for part in (price.input_cost, price.output_cost))
    cost = MONEY.add(MONEY.add(input_cost, output_cost), price.generation_cost)
    saved = MONEY.multiply(price.saved_cost, factor)
    return TokenPrice(input_cost, output_cost, price.generation_cost, cost, saved)
