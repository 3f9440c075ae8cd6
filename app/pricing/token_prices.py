"""Token prices of genai-prices, found by model and provider and compiled for the hot path.

A price equals `genai_prices.calc_price` to the last digit wherever that has prices for what was used; where that would
return 0 for lack of a price, the result here is None: unpriced.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, localcontext
from fnmatch import fnmatchcase
from functools import lru_cache

from genai_prices import __version__ as package_version
from genai_prices.data import providers as bundled_providers
from genai_prices.data_snapshot import DataSnapshot, find_provider_by_id
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    PriceCalculation,
    Provider,
    StartDateConstraint,
    TimeOfDateConstraint,
    Usage,
)

from app.pricing.listings import Listings
from app.pricing.lookups import LOOKUPS, MAX_NAME
from app.pricing.name_index import NameIndex
from app.pricing.token_rates import (
    CACHE_KEYS,
    MONEY,
    QUANTITY_KEYS,
    TOKEN_KEYS,
    Count,
    FlatRates,
    Rates,
    TokenPrice,
    token_counts,
)
from models.token_usage import TokenUsage

# genai-prices drops zeros when it is built: none of its price keys is 0, and a model without prices is free or unknown
# alike. Free is only what OpenRouter's naming (`:free`) or the data's own comments call free outright.
FREE = {
    "openrouter": ("*:free",),
    "google": ("gemma-3", "gemma-3n", "gemma-4-26b-a4b-it", "gemma-4-31b-it"),
    "openai": ("moderation",),
    # part of the subscription; a live request reported a zero token cost
    "github-copilot": ("gpt-3.5-turbo", "gpt-4.1", "gpt-4o", "gpt-4o-mini"),
}
FREE_OUTPUT = {
    "typesafe": ("jev-*",),
    "perplexity": ("pplx-decider-*",),
    "openrouter": ("typesafe/jev-*", "perplexity/pplx-decider-v1.1-27b"),
}

# Groq bills ten seconds of Whisper at least: code in genai-prices, not data
_LEAST_SECONDS = {("groq", "whisper-large-v3"): 10, ("groq", "whisper-large-v3-turbo"): 10}


class TokenPrices:
    """The models of one genai-prices snapshot (default: the installed package's own), under the name of a version."""

    def __init__(self, snapshot: DataSnapshot | None = None, version: str | None = None) -> None:
        self._providers = snapshot.providers if snapshot else bundled_providers
        self.version = version or f"genai-prices {package_version}"
        self._sellers = Listings(self._providers)
        self._name_index = NameIndex(self._providers)
        self._models: dict[tuple[str, int], PricedModel] = {}  # as many as the snapshot has, whatever the names
        self._lookup = lru_cache(LOOKUPS)(self._find)

    def resolve(self, model: str, provider: str | None = None) -> "PricedModel | None":
        """The model sold under this name, or None where it is not known.

        With a provider: genai-prices' own rule, and None for an unknown provider or a model that it does not sell.
        Without one (or with "litellm", which is none): genai-prices' rule again, the first provider that claims the
        name by its pattern. Where that finds nothing, in this order:
        1. `vendor/model` whose vendor is a known provider with a model of exactly that id: `openai/gpt-4o`.
        2. the provider that lists the whole name: `llama-3.1-70b-versatile`, `anthropic/claude-haiku-4.5:batch`.
        3. `vendor/model` that the vendor knows in any way: `azure/gpt-4o`.
        4. the provider with a pattern for the whole name: `us.amazon.nova-pro-v1:0`.
        Where several providers list it, or several patterns fit, each has its own price: None rather than a guess.
        """
        if len(model) > MAX_NAME or (provider is not None and len(provider) > MAX_NAME):
            return None
        return self._lookup(model, provider)

    def sellers(self, model: str) -> "list[PricedModel]":
        """The model at every provider that sells one under exactly this name, by the providers' own rules."""
        name = model.lower()
        if not name or len(model) > MAX_NAME or not self._name_index.claimants(name):
            return []
        sold = (self._sold(provider, name) for provider in self._providers)
        return [self._priced(found) for found in sold if found]

    def knows_provider(self, name: str) -> bool:
        """Whether any price list is this provider's, by its id or another name that genai-prices knows it by."""
        return len(name) <= MAX_NAME and find_provider_by_id(self._providers, name) is not None

    def _find(self, model: str, provider: str | None) -> "PricedModel | None":
        name = model.lower()
        found = self._at_provider(name, provider) if provider is not None else self._anywhere(name)
        return self._priced(found) if found else None

    def _priced(self, found: "_Found") -> "PricedModel":
        seller, info = found
        key = (seller.id, id(info))
        if key not in self._models:
            self._models[key] = PricedModel(seller, info)
        return self._models[key]

    def _at_provider(self, name: str, provider: str) -> "_Found | None":
        if provider.lower() == "litellm":
            vendor, _, rest = name.partition("/")
            if not (vendor and rest and find_provider_by_id(self._providers, vendor)):
                return self._anywhere(name)
            provider, name = vendor, rest
        return self._sold(find_provider_by_id(self._providers, provider), name)

    def _anywhere(self, name: str) -> "_Found | None":
        if not name:
            return None
        first = next((p for p in self._providers if p.model_match is not None and p.model_match.is_match(name)), None)
        return self._sold(first, name) or self._by_seller(name)

    def _by_seller(self, name: str) -> "_Found | None":
        vendor_name, _, rest = name.partition("/")
        vendor = find_provider_by_id(self._providers, vendor_name) if rest else None
        at_vendor = self._sold(vendor, rest)
        if at_vendor and at_vendor[1].id.lower() == rest:
            return at_vendor
        sellers = self._sellers.listing(name)
        if not sellers and at_vendor:
            return at_vendor
        sellers = sellers or self._sellers.matching(name, self._name_index.claimants(name))
        return self._sold(sellers[0], name) if len(sellers) == 1 else None

    def _sold(self, provider: Provider | None, name: str) -> "_Found | None":
        if provider is None or not self._name_index.may_have(provider, name):
            return None
        model = provider.find_model(name, all_providers=self._providers)
        return (provider, model) if model else None


_Found = tuple[Provider, ModelInfo]


class PricedModel:
    """One model at one provider, its price lists compiled when first needed.

    `provider` and `model` are the ids of genai-prices.
    """

    def __init__(self, provider: Provider, info: ModelInfo) -> None:
        self.provider, self.model = provider.id, info.id
        self._provider, self._info = provider, info
        lists = [] if isinstance(info.prices, ModelPrice) else info.prices
        # the last active one applies; the first where none is
        self._lists = [(i, _active(lists[i].constraint)) for i in reversed(range(len(lists)))]
        # genai-prices ignores the context of a model that another provider lends
        own = any(info is model for model in provider.models)
        variants = (info.price_variants or ()) if own else ()
        self._variants = [(i, v.when.items(), _active(v.constraint)) for i, v in enumerate(variants)]
        constraints = [each.constraint for each in (*lists, *variants)]
        self._turns = sorted({time(), *(turn for each in constraints for turn in _turns(each))})
        self._compiled: dict[tuple[int, ...], Rates] = {}  # as many as combinations of the data, whatever the context
        self._undated = None if lists else self._compile(datetime.now(UTC), None)

    def price(
        self,
        usage: TokenUsage,
        at: datetime,
        context: Mapping[str, str] | None = None,
        quantities: Mapping[str, Count] | None = None,
    ) -> TokenPrice | None:
        """The price of one call at `at` (UTC where it has no zone), or None: unpriced.

        `context` selects variants: `service_tier`, `processing` (batch), `speed` and what else the model's data names.
        `quantities` are further usage by genai-prices' keys, such as `audio_seconds`, `input_characters` or
        `input_document_pages`; like tokens, a total includes its parts and must be given with them.

        Unpriced is a model without any price, and a call that used a unit that neither has a price nor is part of one
        that has: tokens at a model sold by the second. Nothing used costs 0, or the model's fee per request.

        Raises ValueError where parts exceed their total, a count is negative or a quantity is not one.
        """
        rates = self._undated
        if rates is None or (context and self._variants):
            rates = self._rates_at(at, context)
        price = rates.price(usage, quantities)
        return self._by_genai_prices(rates, usage, at, context, quantities or {}) if price is None else price

    @property
    def flat(self) -> FlatRates | None:
        """The rates of a call without a context, where neither its size nor its time has a say in them."""
        return None if self._undated is None else self._undated.flat

    @property
    def window(self) -> int | None:
        """How many tokens a call can have at most, where the data knows."""
        return self._info.context_window

    def words(self, names: Collection[str]) -> set[str]:
        """What a context may say under these names, such as `service_tier`, and has a price of its own."""
        return {value for _, when, _ in self._variants for name, value in when if name in names}

    def rates_between(self, first: date, last: date, context: Mapping[str, str] | None) -> list[Rates]:
        """The price lists that apply to calls in such a context at any time of these days (UTC)."""
        days = (first + timedelta(days=number) for number in range((last - first).days + 1))
        moments = (datetime.combine(day, turn, UTC) for day in days for turn in self._turns)
        return list({id(rates): rates for at in moments for rates in [self._rates_at(at, context)]}.values())

    def varies(self, names: Collection[str], context: Mapping[str, str], at: datetime) -> bool:
        """Whether what `context` says under one of `names`, such as `service_tier`, has a price of its own."""
        at = _in_utc(at)
        given = context.items()
        return any(
            when <= given and active(at) and any(name in names for name, _ in when)
            for _, when, active in self._variants
        )

    def depends_on_size(self, usage: TokenUsage, at: datetime) -> bool:
        """Whether a sum of calls that used this together costs something else than one call that did."""
        return (self._undated or self._rates_at(at, None)).depends_on_size(usage.input_tokens)

    def period(self, at: datetime) -> int:
        """The price list that applies at `at` to calls without a context, by its number."""
        if self._undated is not None:
            return 0
        return self._list_at(_in_utc(at))

    def _by_genai_prices(
        self,
        rates: Rates,
        usage: TokenUsage,
        at: datetime,
        context: Mapping[str, str] | None,
        quantities: Mapping[str, Count],
    ) -> TokenPrice | None:
        """The rare price that `rates` cannot give; most often there is none."""
        if not quantities.keys() <= QUANTITY_KEYS:
            raise ValueError(f"not a quantity beside the token counts: {', '.join(quantities.keys() - QUANTITY_KEYS)}")
        counts = {**dict(zip(TOKEN_KEYS, token_counts(usage), strict=True)), **quantities}
        if not rates.cover(key for key, count in counts.items() if count):
            return None

        def calc(counts: Mapping[str, Count]) -> PriceCalculation:
            used = Usage(**counts)
            return self._info.calc_price(used, self._provider, genai_request_timestamp=at, price_context=context)

        with localcontext(MONEY):
            price, uncached = calc(counts), calc({key: 0 if key in CACHE_KEYS else n for key, n in counts.items()})
            rest = price.total_price - price.input_price - price.output_price
            saved = uncached.input_price - price.input_price
        return TokenPrice(price.input_price, price.output_price, rest, price.total_price, saved)

    def _rates_at(self, at: datetime, context: Mapping[str, str] | None) -> Rates:
        if at.tzinfo is not UTC:
            at = _in_utc(at)
        key: tuple[int, ...] = (self._list_at(at), *(self._variants_at(at, context) if context else ()))
        rates = self._compiled.get(key)
        if rates is None:
            rates = self._compiled[key] = self._compile(at, context if self._variants else None)
        return rates

    def _variants_at(self, at: datetime, context: Mapping[str, str]) -> list[int]:
        given = context.items()
        return [i for i, when, active in self._variants if when <= given and active(at)]

    def _list_at(self, at: datetime) -> int:
        for i, active in self._lists:
            if active(at):
                return i
        return 0

    def _compile(self, at: datetime, context: Mapping[str, str] | None) -> Rates:
        prices = self._info.get_prices(at, context)
        listed = {key: price for key, price in vars(prices).items() if price is not None}
        model = (self.provider, self.model)
        return Rates(ModelPrice(**{**_confirmed_free(*model), **listed}), _LEAST_SECONDS.get(model, 0))


def _confirmed_free(provider: str, model: str) -> dict[str, Decimal]:
    if any(fnmatchcase(model, pattern) for pattern in FREE.get(provider, ())):
        return {"input_mtok": Decimal(0), "output_mtok": Decimal(0)}
    if any(fnmatchcase(model, pattern) for pattern in FREE_OUTPUT.get(provider, ())):
        return {"output_mtok": Decimal(0)}
    return {}


def _active(constraint: StartDateConstraint | TimeOfDateConstraint | None) -> Callable[[datetime], bool]:
    """Whether a constraint is met at a moment in UTC: the constraint's own `active`, without its conversions."""
    if constraint is None:
        return lambda _: True
    if isinstance(constraint, StartDateConstraint):
        return datetime.combine(constraint.start_date, time(), UTC).__le__
    start, end = _utc_time(constraint.start_time), _utc_time(constraint.end_time)
    if end < start:
        return lambda at: at.time() >= start or at.time() < end
    return lambda at: start <= at.time() < end


def _turns(constraint: StartDateConstraint | TimeOfDateConstraint | None) -> list[time]:
    """The times of the day, in UTC, at which it begins or ends to be met."""
    if not isinstance(constraint, TimeOfDateConstraint):
        return []
    return [_utc_time(constraint.start_time), _utc_time(constraint.end_time)]


def _in_utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _utc_time(of_day: time) -> time:
    return datetime.combine(date(1970, 1, 1), of_day, of_day.tzinfo or UTC).astimezone(UTC).time()
