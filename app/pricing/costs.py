"""What a call costs, where that figure comes from, and what a cache saved.

The sources in order: the caller, an administrator's override, genai-prices, the media table. A call that does not say
what it used is estimated first; one that no source has a price for is unpriced, never free, and so is one that was
served by a tier, or in a batch, that no source has a price for.
"""

from collections.abc import Hashable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from app.pricing.estimates import Estimates
from app.pricing.factors import ONE, Factors, multiplied
from app.pricing.media_prices import PricedMedia
from app.pricing.overrides import NO_TOKENS, MediaUse, OverrideTable
from app.pricing.sellers import UNKNOWN_PROVIDER, Seller, Sellers
from app.pricing.terms import Terms, terms_of
from app.pricing.token_prices import PricedModel, TokenPrices
from app.pricing.token_rates import FlatRates, TokenPrice
from models import CallStatus, CostSource, ServiceType, TokenUsage
from models.call import AICall
from models.money import ZERO, quantize_usd
from models.token_usage import TOKEN_FIELDS
from models.unpriced import UnpricedCode, unpriced_reason

NOT_BILLED = frozenset({CallStatus.ERROR, CallStatus.RATE_LIMITED})
"""Statuses that the provider does not bill when no usage is reported. A time-out may have cost something."""
GUESSED_TOKENS, GUESSED_IMAGE = "tokens", "image"
REPORTED_VERSION = "reported"
"""In place of a price version: no table was used. For a cached answer, only this says that a cost was reported."""


class Cost(NamedTuple):
    """What a call costs in USD. Each part is quantised once to the 15 decimals that are stored; their sum is `cost`."""

    parts: tuple[Decimal, Decimal, Decimal] | None
    """Input, output, and generation, which is neither: images, seconds, searches, or a cost reported as a whole."""
    cost: Decimal | None
    saved_cost: Decimal
    source: CostSource
    price_version: str | None = None
    unpriced_reason: str | None = None
    """Of a cost that is not known, why: see `models.unpriced`."""


class PricedCall(NamedTuple):
    """A call with the result of pricing."""

    seller: Seller
    usage: TokenUsage
    cost: Cost
    estimated: str | None = None
    """What is estimated: `tokens`, or that it was one image."""


class Overrides(Protocol):
    """Provides the current overrides, and the token prices that were loaded: a price book."""

    table: OverrideTable


class _Unpriced(NamedTuple):
    """Why a call has no price."""

    code: UnpricedCode
    words: str


_Priced = tuple[TokenPrice, str]
"""A price, and the version of the table that it is by."""
_NotPriced = tuple[None, _Unpriced | None]
"""None, and why, where there is more to say than that no source has a price for what was used."""


class _Used(NamedTuple):
    """What a call used, as far as known or estimated."""

    usage: TokenUsage
    media: MediaUse
    estimated: bool

    def guess(self) -> str | None:
        if not self.estimated:
            return None
        return GUESSED_IMAGE if self.usage == NO_TOKENS and self.media is not _NO_MEDIA else GUESSED_TOKENS


_NO_MEDIA = MediaUse()
_NOTHING = (ZERO, ZERO, ZERO)
_FREE = Cost(_NOTHING, ZERO, ZERO, CostSource.PRICED)
_BY_SIZE = "is priced by the size or number of its requests, and this is a sum of many: report them one by one"
_NOT_TOLD = "the response's usage could not be read"


class Pricing:
    """The price sources of one deployment."""

    def __init__(self, sellers: Sellers, book: Overrides, estimates: Estimates) -> None:
        self._packaged = self._sellers = sellers
        self._tokens: TokenPrices | None = None
        self.book = book
        self._estimates = estimates
        self.factors = Factors.packaged()

    @classmethod
    def of(cls, book: Overrides, estimates_file: Path | None = None, aliases_file: Path | None = None) -> Self:
        """From the installed price lists. Raises ConfigurationError where a file cannot be used."""
        return cls(Sellers.installed(aliases_file), book, Estimates(estimates_file))

    def price(self, call: AICall, service_type: ServiceType, at: datetime) -> PricedCall:
        """Price `call` as of `at`, the moment when it happened."""
        seller = self.seller(call.model, call.provider)
        used = self._used(call, service_type)
        cost = self._cost(call, seller, used, at)
        if call.cached:
            cost = _saved(cost)
        if used is None:
            return PricedCall(seller, call.usage, cost)
        return PricedCall(seller, used.usage, cost, used.guess())

    def period(self, client_id: str, model: str, provider: str | None, at: datetime) -> Hashable:
        """Equal for moments at which the same call, without a service tier or region, costs the same."""
        seller = self.seller(model, provider)
        override = self.book.table.find(client_id=client_id, provider=seller.provider, model=model, at=at)
        lists = [each for each in (seller.tokens, *seller.others) if each is not None]
        terms = Terms(None, False, seller.region.lower()) if seller.region else None
        factors = terms and [self.factors.of(each, terms, NO_TOKENS, at) for each in lists]
        media = None if seller.media is None else seller.media.period(at)
        return override, *(each.period(at) for each in lists), media, *(factors or ())

    def flat_rates(self, client_id: str, model: str, provider: str | None) -> FlatRates | None:
        """The rates of a call of plain tokens, where no override, time, place or other seller has a say in them."""
        seller = self.seller(model, provider)
        if seller.tokens is None or seller.others or seller.region or self.book.table.concerns(client_id, model):
            return None
        return seller.tokens.flat

    def seller(self, model: str, provider: str | None) -> Seller:
        """Who sells a model, as the prices are now: those that administrators loaded, else those of the package."""
        if (tokens := self.book.table.tokens) is not self._tokens:
            self._follow(tokens)
        return self._sellers.of(model, provider)

    def _follow(self, tokens: TokenPrices | None) -> None:
        self._sellers = self._packaged if tokens is None else self._packaged.with_tokens(tokens)
        self._tokens = tokens

    def _used(self, call: AICall, service_type: ServiceType) -> _Used | None:
        """None where nothing is known, and nothing may be assumed."""
        media = _media(call)
        if call.knows_tokens or media is not _NO_MEDIA:
            return _Used(call.usage, media, estimated=call.estimated_usage)
        return None if call.is_unreadable else self._estimated(call, service_type)

    def _estimated(self, call: AICall, service_type: ServiceType) -> _Used | None:
        habit = self._estimates.habit(call.model)
        if call.tokens_used is not None:
            usage = habit.of_total(call.tokens_used)
        elif call.input_text is not None or call.output_text is not None:
            usage = habit.of_texts(call.input_text, call.output_text)
        elif call.outcome in NOT_BILLED or service_type in {ServiceType.VIDEO, ServiceType.AUDIO}:
            return None
        elif service_type is ServiceType.IMAGE:
            return _Used(NO_TOKENS, MediaUse(images=1), estimated=True)
        else:
            usage = habit.average()
        return _Used(usage, _NO_MEDIA, estimated=True)

    def _cost(self, call: AICall, seller: Seller, used: _Used | None, at: datetime) -> Cost:
        if call.cost is not None:
            reported = quantize_usd(call.cost)
            return Cost((ZERO, ZERO, reported), reported, ZERO, CostSource.REPORTED, REPORTED_VERSION)
        if used is None:
            return _without_usage(call)
        try:
            price, said = self._price(call, seller, used, at)
        except ValueError as error:  # counts that no price list can tell apart
            return _unpriced(UnpricedCode.USAGE_UNREADABLE, str(error))
        if price is None or not isinstance(said, str):
            return _unpriced(*(said or _no_price(call, seller, used)))
        return _quantized(price, CostSource.ESTIMATED if used.estimated else CostSource.PRICED, said)

    def _price(self, call: AICall, seller: Seller, used: _Used, at: datetime) -> _Priced | _NotPriced:
        """The price from the first source that covers everything that was used, and the source's version."""
        override = self.book.table.find(client_id=call.client_id, provider=seller.provider, model=call.model, at=at)
        if override is not None and (price := override.price(used.usage, used.media)):
            return price, override.version
        terms = terms_of(call, seller.region)
        why: _Unpriced | None = None
        if seller.tokens is not None and call.aggregated and seller.tokens.depends_on_size(used.usage, at):
            return None, _Unpriced(UnpricedCode.PRICE_MISSING, f"{seller.tokens.model} {_BY_SIZE}")
        if seller.tokens is not None:
            asked = self._asked(seller.tokens, used, terms, at)
            if asked[0] is not None:
                why = self._disagreement(asked[0], seller, used, terms, at) if seller.others else None
                return (None, why) if why else asked
            why = asked[1]
        usual = terms is None or not (terms.tier or terms.batch)
        if seller.media is not None and usual and (price := _media_price(seller.media, used.media, call, at)):
            return price, self._sellers.media_version
        return None, why

    def _asked(self, prices: PricedModel, used: _Used, terms: Terms | None, at: datetime) -> _Priced | _NotPriced:
        """What one list asks, by where and how the call was served."""
        price = _list_price(prices, used, terms, at)
        if price is None:
            return None, None
        if terms is None:
            return price, self._sellers.token_version
        factor = self.factors.of(prices, terms, used.usage, at)
        if isinstance(factor, str):
            words = f"{prices.provider} has no price of {prices.model} for {factor}"
            return None, _Unpriced(UnpricedCode.PRICE_MISSING, words)
        if factor == ONE:
            return price, self._sellers.token_version
        return multiplied(price, factor), f"{self._sellers.token_version} + {self.factors.version}"

    def _disagreement(
        self, price: TokenPrice, seller: Seller, used: _Used, terms: Terms | None, at: datetime
    ) -> _Unpriced | None:
        """Where it is not known who sold the model, and one of those who do asks something else for this call."""
        for prices in seller.others:
            other, _ = self._asked(prices, used, terms, at)
            if other is not None and other != price:
                words = f"{prices.provider} asks another price of {prices.model} than its maker; {seller.provider} is "
                return _Unpriced(UnpricedCode.SELLER_UNCERTAIN, f"{words}not known")
        return None


def _list_price(prices: PricedModel, used: _Used, terms: Terms | None, at: datetime) -> TokenPrice | None:
    """Tokens come first: where they are billed, images and seconds only say what they were used for."""
    context = terms.context() if terms else None
    if used.usage != NO_TOKENS or used.media is _NO_MEDIA:
        price = prices.price(used.usage, at, context)
        if price is not None or used.media is _NO_MEDIA:
            return price
    priced = (prices.price(NO_TOKENS, at, context, quantities) for quantities in _quantities(used.media))
    return next((price for price in priced if price is not None), None)


def _media_price(prices: PricedMedia, media: MediaUse, call: AICall, at: datetime) -> TokenPrice | None:
    amount = prices.price(**media._asdict(), size=call.size, quality=call.quality, at=at)
    return None if amount is None else TokenPrice(ZERO, ZERO, amount, amount, ZERO)


def _without_usage(call: AICall) -> Cost:
    if call.is_unreadable:
        return _unpriced(UnpricedCode.USAGE_UNREADABLE, call.unreadable_reason or _NOT_TOLD)
    if call.outcome in NOT_BILLED:
        return _FREE
    return _unpriced(UnpricedCode.USAGE_MISSING, "neither tokens nor an amount of media was reported")


def _unpriced(code: UnpricedCode, words: str) -> Cost:
    return Cost(None, None, ZERO, CostSource.UNPRICED, unpriced_reason=unpriced_reason(code, words))


def _no_price(call: AICall, seller: Seller, used: _Used) -> _Unpriced:
    if seller.unpriced is not None:
        return _Unpriced(*seller.unpriced)
    if seller.tokens is None and seller.media is None:
        at = "" if seller.provider == UNKNOWN_PROVIDER else f" at {seller.provider}"
        return _Unpriced(UnpricedCode.MODEL_UNKNOWN, f"no price list has {call.model}{at}")
    provider, model = (seller.tokens.provider, seller.tokens.model) if seller.tokens else (seller.provider, call.model)
    units = [name for name, count in zip(TOKEN_FIELDS, used.usage, strict=True) if count]
    units += [name for name, amount in used.media._asdict().items() if amount]
    words = f"{provider} has no price of {model} for {', '.join(units) or 'a call'}"
    return _Unpriced(UnpricedCode.PRICE_MISSING, words)


def _quantized(price: TokenPrice, source: CostSource, version: str) -> Cost:
    parts = quantize_usd(price.input_cost), quantize_usd(price.output_cost), quantize_usd(price.generation_cost)
    return Cost(parts, parts[0] + parts[1] + parts[2], quantize_usd(price.saved_cost), source, version)


def _saved(cost: Cost) -> Cost:
    """An answer from the application's own cache: it cost nothing, and saved what it would have cost."""
    saved = ZERO if cost.cost is None else cost.cost
    return Cost(_NOTHING, ZERO, saved, CostSource.CACHED, cost.price_version)


def _media(call: AICall) -> MediaUse:
    if call.images or call.video_seconds or call.audio_seconds or call.characters:
        return MediaUse(call.images, call.video_seconds or ZERO, call.audio_seconds or ZERO, call.characters)
    return _NO_MEDIA


def _quantities(media: MediaUse) -> Iterator[dict[str, int | Decimal]]:
    """The same use by the units that genai-prices may sell it by: audio as such, or as input."""
    if media.images or media.video_seconds:
        return
    characters = {"input_characters": media.characters} if media.characters else {}
    if not media.audio_seconds:
        yield dict(characters)
        return
    yield {"audio_seconds": media.audio_seconds, **characters}
    yield {"audio_seconds": media.audio_seconds, "input_audio_seconds": media.audio_seconds, **characters}
