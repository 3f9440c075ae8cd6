"""The most that a call may cost, from bounds of what it uses and before it is made: what `Pricing` makes of the call
itself is never more, whatever its tokens turn out to be, and however it is served.

What the bounds leave open is taken at its dearest: tier, batch and region, the size and quality of an image. Of prices
that change in between, the dearer ones hold.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time
from decimal import ROUND_CEILING, Context, Decimal
from itertools import product
from typing import NamedTuple

from cachetools import LRUCache

from app.pricing.ceilings import Ceiling, Stairs, dearest
from app.pricing.costs import Pricing
from app.pricing.factors import Factors
from app.pricing.lookups import LOOKUPS
from app.pricing.overrides import NO_TOKENS, MediaUse, OverridePrices
from app.pricing.sellers import Seller
from app.pricing.terms import Terms, region_of, tier_of
from app.pricing.token_prices import PricedModel
from models.money import USD_PLACES, ZERO
from models.token_usage import TokenUsage

NO_MEDIA = MediaUse()
_CACHED = TokenUsage(input_tokens=1, cache_read_tokens=1)
_UP = Context(60, ROUND_CEILING)
_QUANTUM = Decimal(1).scaleb(-USD_PLACES)


Lacking = tuple[str, ...]
"""The names of the bounds that would have to be known."""
Figure = Decimal | Lacking | None
"""A cost in USD; None for what has no price."""


class Bounds(NamedTuple):
    """What a call uses at most; None for what is not known."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    """Of one answer."""
    web_searches: int = 0
    media: MediaUse = NO_MEDIA
    size: str | None = None
    quality: str | None = None
    service_tier: str | None = None
    batch: bool | None = None
    region: str | None = None
    answers: int = 1
    """That are made of one input."""


class Most(NamedTuple):
    """What a call takes at most. What is None is not bounded."""

    input_tokens: int | None
    output_tokens: int | None
    usd: Decimal | None
    lacking: Lacking = ()
    """What would have to be known for a bound of the cost: names of bounds, or `model` where it has no price."""


class Span(NamedTuple):
    """The time in which a call may happen, both ends included; they have a zone."""

    first: datetime
    last: datetime

    def in_utc(self) -> "Span":
        return Span(self.first.astimezone(UTC), self.last.astimezone(UTC))


class Dearest:
    """By the price sources of one deployment."""

    def __init__(self, pricing: Pricing) -> None:
        self._pricing = pricing
        self._stairs: LRUCache[tuple[object, ...], Stairs] = LRUCache(LOOKUPS)

    def most(self, client_id: str, model: str, provider: str | None, bounds: Bounds, span: Span) -> Most:
        """What a call of this client takes at most."""
        span = span.in_utc()
        seller = self._pricing.seller(model, provider)
        stairs = None if seller.tokens is None else self._listed(seller.tokens, seller.region, bounds, span)
        known = _known(bounds, seller, stairs)
        costs = [_by_override(override, known) for override in self._overrides(client_id, model, seller, span)]
        if None in costs or len(costs) < len(span):
            costs.append(_by_lists(seller, stairs, known, span))
        lacking = tuple(dict.fromkeys(field for cost in costs if isinstance(cost, tuple) for field in cost))
        priced = [cost for cost in costs if isinstance(cost, Decimal)]
        usd = max(priced) if priced and not lacking else None
        return Most(known.input_tokens, known.output_tokens, usd, lacking or (() if priced else ("model",)))

    def _overrides(self, client_id: str, model: str, seller: Seller, span: Span) -> list[OverridePrices]:
        """Those that apply at the beginning and at the end; fewer than two where the lists apply at one of them."""
        find = self._pricing.book.table.find
        found = [find(client_id=client_id, provider=seller.provider, model=model, at=at) for at in span]
        return [override for override in found if override is not None]

    def _listed(self, prices: PricedModel, region: str | None, bounds: Bounds, span: Span) -> Stairs:
        """The ceilings of one list, for all ways in which the call may be served, on the days concerned."""
        said = bounds.service_tier, bounds.batch, bounds.region
        key = prices, region, said, span.first.date(), span.last.date()
        if (stairs := self._stairs.get(key)) is None:
            factors = self._pricing.factors
            ways = _ways(prices, factors, region, bounds)
            stairs = self._stairs[key] = dearest(_stairs(prices, factors, ways, span))
        return stairs


def _ways(prices: PricedModel, factors: Factors, region: str | None, bounds: Bounds) -> Iterator[Terms]:
    """The ways in which a call may be served, as far as its bounds leave them open."""
    tiers, regions = factors.words(prices)
    tier, is_batch = tier_of(bounds.service_tier)
    may_be = {None} if bounds.service_tier else {None, *tiers, *prices.words(("service_tier", "speed"))}
    batches = {True, False} if bounds.batch is None and not bounds.service_tier else {bool(bounds.batch) or is_batch}
    where = {region_of(bounds.region)} if bounds.region else {region_of(region), *regions, *prices.words(("region",))}
    # who asks for a tier may be served by the standard one instead
    return (Terms(*way) for way in product(may_be | {tier}, batches, where))


def _stairs(prices: PricedModel, factors: Factors, ways: Iterator[Terms], span: Span) -> Iterator[Stairs]:
    days = datetime.combine(span.first.date(), time(), UTC), span.last
    for way in ways:
        lists = [Stairs.of(rates) for rates in prices.rates_between(span.first.date(), span.last.date(), way.context())]
        found = {factors.of(prices, way, usage, at) for usage in (NO_TOKENS, _CACHED) for at in days}
        for factor in found:
            if not isinstance(factor, str):
                yield from (stairs.times(factor) for stairs in lists)


def _known(bounds: Bounds, seller: Seller, stairs: Stairs | None) -> Bounds:
    """The bounds of all answers together, with the model's own where none are given: what is not sold by the token uses
    none.
    """
    own_input, own_output = _own(seller, stairs)
    of_one = own_output if bounds.output_tokens is None else bounds.output_tokens
    return bounds._replace(
        input_tokens=own_input if bounds.input_tokens is None else bounds.input_tokens,
        output_tokens=None if of_one is None else of_one * bounds.answers,
        answers=1,
    )


def _own(seller: Seller, stairs: Stairs | None) -> tuple[int | None, int | None]:
    """How many tokens a model takes and answers at most, as far as its lists say."""
    if seller.tokens is None or stairs is None:
        return (None, None) if seller.media is None else (0, 0)
    window = seller.tokens.window
    if window is not None and stairs.starts and stairs.starts[-1] >= window:
        window = None  # the list contradicts itself: it has prices for more
    top = stairs.up_to(None)
    return 0 if top.input is None else window, 0 if top.output is None else window


def _by_lists(seller: Seller, stairs: Stairs | None, bounds: Bounds, span: Span) -> Figure:
    """The dearer of what the call costs by its tokens, and by its media: it is billed by one of both."""
    costs: list[Figure] = []
    if stairs is not None:
        ceiling = stairs.up_to(bounds.input_tokens)
        costs = [_of_tokens(ceiling, bounds), _of_audio(ceiling, bounds.media)]
    if seller.media is not None and bounds.media != NO_MEDIA:
        cost = seller.media.most(bounds.media.amounts(), bounds.size, bounds.quality, *span)
        costs.append(None if cost is None else rounded_up(cost))
    lacking = next((cost for cost in costs if isinstance(cost, tuple)), None)
    return lacking or max((cost for cost in costs if isinstance(cost, Decimal)), default=None)


def _by_override(override: OverridePrices, bounds: Bounds) -> Figure:
    """None where it does not cover all that may be used: then the lists apply."""
    media = override.media_price(bounds.media)
    if media is None:
        return None
    if (stairs := override.stairs) is None:
        return None if bounds.input_tokens or bounds.output_tokens or bounds.web_searches else rounded_up(media)
    tokens = _of_tokens(stairs.up_to(bounds.input_tokens), bounds)
    return tokens + rounded_up(media) if isinstance(tokens, Decimal) else tokens


def _of_tokens(ceiling: Ceiling, bounds: Bounds) -> Figure:
    """What tokens, searches and the request cost; None where one of them has no price."""
    used: Sequence[tuple[str, Decimal | None, int | None]] = (
        ("input_tokens", ceiling.input, bounds.input_tokens),
        # a list that sells input alone is of a model that answers no tokens
        ("output_tokens", ZERO if ceiling.output is None else ceiling.output, bounds.output_tokens),
        ("web_searches", ceiling.search, bounds.web_searches),
        ("requests", ceiling.fee, 1),
    )
    if any(rate is None and amount for _, rate, amount in used):
        return None
    lacking = tuple(name for name, rate, amount in used if rate and amount is None)
    if lacking:
        return lacking
    return sum((rounded_up(rate * amount) for _, rate, amount in used if rate and amount), ZERO)


def _of_audio(ceiling: Ceiling, media: MediaUse) -> Decimal | None:
    """What audio and characters cost by a list of tokens; None where it does not sell them."""
    if media.images or media.video_seconds or not (media.audio_seconds or media.characters):
        return None
    if (media.audio_seconds and ceiling.second is None) or (media.characters and ceiling.character is None):
        return None
    seconds = max(media.audio_seconds, ceiling.least_seconds or ZERO) if media.audio_seconds else ZERO
    costs = (ceiling.second or ZERO) * seconds, (ceiling.character or ZERO) * media.characters, ceiling.fee or ZERO
    return sum(map(rounded_up, costs), ZERO)


def rounded_up(amount: Decimal) -> Decimal:
    """An amount rounded up to what is stored, so that a sum of rounded parts is never more."""
    return amount.quantize(_QUANTUM, context=_UP)
