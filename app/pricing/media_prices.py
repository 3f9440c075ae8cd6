"""Prices per image, second of video, second of audio and character: what genai-prices lacks.

`media_prices.toml` gives the source and the date of each price. A call that the table does not cover is unpriced,
never priced by the nearest row.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, reduce
from pathlib import Path

from app.pricing.lookups import LOOKUPS, MAX_NAME
from app.pricing.media_table import KINDS, TABLE, Conditions, Kind, Period, Row, read_table
from app.pricing.token_rates import MONEY

_RESOLUTION = re.compile(r"\d{3,4}p|\dk")
_BETWEEN = str.maketrans({":": "x", "\N{MULTIPLICATION SIGN}": "x", " ": None})
_ANY: Conditions = (None, None)


class Offer:
    """The prices of one model for one kind of use, by size and quality."""

    def __init__(self, rows: list[Row], other_sizes: dict[str, list[str]]) -> None:
        self._by_size, self._by_quality = bool(rows[0].size), bool(rows[0].quality)
        self._default = next((row.conditions()[0] for row in rows if row.default), _ANY)
        self._periods: dict[Conditions, list[Period]] = {}
        for row in rows:
            for size, quality in row.conditions():
                for name in (size, *other_sizes.get(size or "", ())):
                    self._periods.setdefault((name, quality), []).append(row.period())
        self.changes = {moment for periods in self._periods.values() for period in periods for moment in period[:2]}
        """Moments at which a price begins or ends."""
        self._flat = self._periods.get(_ANY)  # rows without conditions are alone: a table that mixes them is refused

    def cost(self, quantity: Decimal | int, size: str | None, quality: str | None, at: datetime) -> Decimal | None:
        """The cost in USD of `quantity` images, seconds or characters, or None where no row is for it."""
        periods = self._flat or self._periods.get((size, quality))
        if periods is None:  # the call does not use the table's words, or leaves something open
            periods = self._periods.get(self._conditions(size, quality), [])
        for start, end, price, per in periods:
            if start <= at < end:
                cost = MONEY.multiply(price, quantity)
                return cost if per == 1 else MONEY.divide(cost, per)
        return None

    def most(
        self, quantity: Decimal | int, size: str | None, quality: str | None, first: datetime, last: datetime
    ) -> Decimal | None:
        """The cost in USD of `quantity` at most, at any moment from `first` to `last`: of what is not said, by the
        dearest. None where no row is for it.
        """
        size, quality = _told(size, quality)
        costs = [
            MONEY.divide(MONEY.multiply(period.price, quantity), period.per)
            for (of_size, of_quality), periods in self._periods.items()
            if (size is None or of_size in {None, size}) and (quality is None or of_quality in {None, quality})
            for period in periods
            if period.start <= last and first < period.end
        ]
        return max(costs, default=None)

    def _conditions(self, size: str | None, quality: str | None) -> Conditions:
        """What distinguishes the rows: what the call says, else what the default row says."""
        size, quality = _told(size, quality)
        return (
            (size or self._default[0]) if self._by_size else None,
            (quality or self._default[1]) if self._by_quality else None,
        )


class PricedMedia:
    """One model at one provider. `provider` and `model` are the table's names: of several for one model, the first."""

    def __init__(self, provider: str, model: str, offers: dict[Kind, Offer]) -> None:
        self.provider, self.model = provider, model
        self._offers = [offers.get(kind) for kind in KINDS]
        self._changes = sorted(set().union(*(offer.changes for offer in offers.values())))

    def period(self, at: datetime) -> int:
        """The period, by its number, in which no price of this model changes."""
        return bisect_right(self._changes, at if at.tzinfo else at.replace(tzinfo=UTC))

    def price(
        self,
        *,
        images: int,
        video_seconds: Decimal | None,
        audio_seconds: Decimal | None,
        characters: int,
        size: str | None,
        quality: str | None,
        at: datetime,
    ) -> Decimal | None:
        """The cost in USD, unquantised, of what a call used at `at` (UTC where it has no zone), or None: unpriced.

        Unpriced is a call that used nothing, or something that this model has no price for at that moment: of another
        kind, or of a size or quality that its rows do not name. Where they name none, neither matters. What the call
        leaves open is taken from the default row.

        Sizes and qualities are compared in lower case; in a size, `:` and the multiplication sign are an `x`. The table
        gives some sizes other names (`1280x720` is `720p`). A resolution that a call gives as its quality is its size.

        Raises ValueError where a quantity is negative.
        """
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        total = None
        for offer, quantity in zip(self._offers, (images, video_seconds, audio_seconds, characters), strict=True):
            if quantity:
                if quantity < 0:
                    raise ValueError("a quantity is negative")
                cost = offer.cost(quantity, size, quality, at) if offer else None
                if cost is None:
                    return None
                total = cost if total is None else MONEY.add(total, cost)
        return total

    def most(
        self,
        amounts: Sequence[Decimal | int],
        size: str | None,
        quality: str | None,
        first: datetime,
        last: datetime,
    ) -> Decimal | None:
        """The cost in USD, unquantised, of images, seconds of video and of audio, and characters, so many at most, at
        any moment from `first` to `last`. None where one of them has no price.
        """
        used = [(offer, quantity) for offer, quantity in zip(self._offers, amounts, strict=True) if quantity]
        costs = [offer.most(quantity, size, quality, first, last) if offer else None for offer, quantity in used]
        known = [cost for cost in costs if cost is not None]
        return reduce(MONEY.add, known) if known and len(known) == len(costs) else None


class MediaPrices:
    """The models of one table (default: the one that ships with twinmeter).

    Raises ConfigurationError where the table cannot be used, naming the file and every row and field at fault.
    """

    def __init__(self, path: Path = TABLE) -> None:
        table = read_table(path)
        self.version = f"media {table.version}"
        self._providers = {name: provider for provider, names in table.providers.items() for name in (provider, *names)}
        self._models: dict[str, dict[str, PricedMedia]] = {provider: {} for provider in table.providers}
        for (provider, model), offers in table.offers().items():
            sold = {kind: Offer(rows, table.sizes) for kind, rows in offers.items()}
            first = next(iter(offers.values()))[0].models[0]
            self._models[provider][model] = PricedMedia(provider, first.removesuffix("*"), sold)
        self._prefixes = {
            provider: sorted((model for model in models if model.endswith("*")), key=len, reverse=True)
            for provider, models in self._models.items()
        }
        self._lookup = lru_cache(LOOKUPS)(self._find)

    def knows_provider(self, name: str) -> bool:
        """Whether a provider of this name, in any case, has rows: a model that it does not sell is then not its."""
        return name.lower() in self._providers

    def resolve(self, model: str, provider: str | None) -> PricedMedia | None:
        """The model sold under this name, or None where it is not known.

        With a provider: None for an unknown one (a reseller has prices of its own) and for a model that it does not
        sell. Without one (or with "litellm", which is none): `vendor/model` at a known vendor, or else the one provider
        that sells it; where several do, None rather than a guess. An exact name goes before the longest prefix.
        """
        if len(model) > MAX_NAME or (provider is not None and len(provider) > MAX_NAME):
            return None
        return self._lookup(model, provider)

    def _find(self, model: str, provider: str | None) -> PricedMedia | None:
        name = model.lower()
        vendor, _, rest = name.partition("/")
        vendor_id = self._providers.get(vendor) if rest else None
        if provider is not None and provider.lower() != "litellm":
            seller = self._providers.get(provider.lower())
            return self._sold(seller, rest if seller == vendor_id else name) if seller else None
        if vendor_id:
            return self._sold(vendor_id, rest)
        sold = [found for seller in self._models if (found := self._sold(seller, name))]
        return sold[0] if len(sold) == 1 else None

    def _sold(self, provider: str, name: str) -> PricedMedia | None:
        models = self._models[provider]
        prefix = next((p for p in self._prefixes[provider] if name.startswith(p[:-1])), "")
        return models.get(name) or models.get(prefix)


def _told(size: str | None, quality: str | None) -> Conditions:
    """What a call says, in the table's words."""
    size, quality = plain_size(size), plain(quality)
    if size is None and quality and _RESOLUTION.fullmatch(quality):
        return quality, None  # a resolution is a size, wherever the call says it
    return size, quality


def plain(text: str | None) -> str | None:
    return (text.strip().lower() or None) if text else None


def plain_size(text: str | None) -> str | None:
    size = plain(text)
    return size.translate(_BETWEEN) if size else None
