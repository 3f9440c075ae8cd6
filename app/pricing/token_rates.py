"""The rates of one model at one moment, compiled from genai-prices to price a call in a microsecond or a few.

Rates are in USD for one token, search or request. In the smallest decimal unit of all of them they are integers, and so
a cost is a sum of integers: several times faster than Decimal, exact, and free in its order. genai-prices rounds to 28
digits after each step; up to that many both agree to the last digit. What is sold in other units, as audio by the hour,
is rounded as it does.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, getcontext
from operator import attrgetter, itemgetter, mul, sub
from typing import NamedTuple

from genai_prices.data_units import unit_data
from genai_prices.decompose import is_descendant_or_self
from genai_prices.types import ModelPrice, TieredPrices
from genai_prices.units import UnitDef, UnitRegistry

from models.fields import MAX_COUNT
from models.money import USD_PLACES, ZERO
from models.token_usage import TOKEN_FIELDS, TokenUsage

Count = int | Decimal
"""How much of a unit was used: tokens, seconds, characters, pages. Zero or more."""

_UNITS: Mapping[str, UnitDef] = UnitRegistry(unit_data).units
_UNIT_OF_PRICE = {unit.price_key: unit for unit in _UNITS.values()}

TOKEN_KEYS = tuple("output_reasoning_tokens" if name == "reasoning_tokens" else name for name in TOKEN_FIELDS)
"""What genai-prices calls TOKEN_FIELDS, in their order."""

token_counts = attrgetter(*TOKEN_FIELDS)
"""All counts of a TokenUsage, in the same order."""

QUANTITY_KEYS = frozenset(_UNITS) - {*TOKEN_KEYS, "requests"}
"""What else genai-prices may have a price for: seconds, characters, pages, rarer tokens and searches."""

CACHE_KEYS = frozenset(key for key, unit in _UNITS.items() if "cache" in unit.dimensions.get("token_type", ""))
"""What of both a provider's prompt cache bills at rates of its own."""

_DIGITS = 28
MONEY = Context(_DIGITS, ROUND_HALF_EVEN)
"""The context of genai-prices: decimal's default, whatever the host application sets the ambient context to."""

_WIDE = Context(99)  # exact for differences of counts, and for rates by the token, which have two dozen digits
_INPUT, _OUTPUT, _REST, _CACHE = range(4)  # where a cost goes; what cache tokens do to the input cost is kept apart

_MOST_UNITS = 1 << 64

_COMMON = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens")
_POSITIONS = {key: i for i, key in enumerate((*TOKEN_KEYS, "requests"))}
_NOTHING = len(_POSITIONS)


class TokenPrice(NamedTuple):
    """What one call costs, in USD, not yet rounded for storage."""

    input_cost: Decimal
    output_cost: Decimal
    generation_cost: Decimal
    """What is neither input nor output: requests, searches, audio sold by the hour whichever way it flows."""
    cost: Decimal
    saved_cost: Decimal
    """What the provider's prompt cache saved: cache reads and writes billed as ordinary input of the same modality,
    less what they were billed. Below zero where a write cost more than it saved; zero without cache tokens."""


class FlatRates(NamedTuple):
    """The price of a call that is a sum over its plain tokens, in units of the last decimal that is stored."""

    input: int
    """Of a token."""
    output: int
    fee: int
    """Of a call."""
    most_input: int = MAX_COUNT
    """Tokens of the largest call that they are for: a larger one has other rates."""


class Rates:
    """One price list of genai-prices (`ModelPrice`), compiled. `least_seconds` is the shortest audio that is billed."""

    def __init__(self, prices: ModelPrice, least_seconds: int = 0) -> None:
        listed = {key: price for key, price in vars(prices).items() if price is not None}
        # a price in a unit that this version does not know cannot be applied: what the call costs is not known
        known = listed if listed.keys() <= _UNIT_OF_PRICE.keys() else {}
        rows = [(_UNIT_OF_PRICE[key], price) for key, price in known.items()]
        self.least_seconds = least_seconds
        self._starts = sorted({tier.start for _, p in rows if isinstance(p, TieredPrices) for tier in p.tiers})
        self._tiers = [
            _Tier([(unit, _at_input(price, tokens)) for unit, price in rows])
            for tokens in (0, *(start + 1 for start in self._starts))
        ]
        self._keys = [unit.usage_key for unit, _ in rows]
        self._of_rows = _picker(_POSITIONS.get(key, _NOTHING) for key in self._keys)
        self._quantities = QUANTITY_KEYS.intersection(self._keys) - CACHE_KEYS
        self._covered = {k for k, unit in _UNITS.items() if any(is_descendant_or_self(u, unit) for u, _ in rows)}
        self._compile_conditions()

    def _compile_conditions(self) -> None:
        """Which counts must be zero for any price at all, and which for the common ones to be the only ones."""
        fields = dict(zip(TOKEN_KEYS, TOKEN_FIELDS, strict=True))
        unpriced = [key for key in TOKEN_KEYS if key not in self._covered]
        unusual = [key for key in TOKEN_KEYS if key in unpriced or (key in self._keys and key not in _COMMON)]
        self._unpriced = _picker(_POSITIONS[key] for key in unpriced)
        self._unusual = attrgetter(*(fields[key] for key in unusual))
        # nothing equals a fresh object: without a price for input no call is a common one
        self._usual: object = self._unusual(TokenUsage()) if "input_tokens" in self._keys else object()

    def cover(self, keys: Iterable[str]) -> bool:
        """Whether there are prices for all units of `keys`: their own, or one of a unit that includes them."""
        return bool(self._covered) and self._covered.issuperset(keys)

    @property
    def flat(self) -> FlatRates | None:
        """The rates of input and output, where a call that is not too large costs just so much for each token."""
        if not {"input_tokens", "output_tokens"} <= {*self._keys} or (flat := self._tiers[0].flat) is None:
            return None
        return flat._replace(most_input=self._starts[0]) if self._starts else flat

    def by_unit(self) -> list[tuple[int, dict[str, Decimal]]]:
        """The price of one of each unit, by its key, beyond how many tokens of input."""
        return [(start, tier.by_unit) for start, tier in zip((0, *self._starts), self._tiers, strict=True)]

    def depends_on_size(self, input_tokens: int) -> bool:
        """Whether so much input costs something else in one request than in several: beyond the first tier, or where
        each request has a fee.
        """
        return self._tiers[0].has_fee or bool(self._starts and bisect_left(self._starts, input_tokens))

    def price(self, usage: TokenUsage, quantities: Mapping[str, Count] | None) -> TokenPrice | None:
        """The price of a call; None where genai-prices has to decide, and to raise what it raises.

        That is where something used has no price, counts contradict each other or are too large, cache tokens are
        combined with quantities, and where the host application has set decimal to fewer digits.
        """
        tier = self._tiers[bisect_left(self._starts, usage.input_tokens)] if self._starts else self._tiers[0]
        if getcontext().prec < _DIGITS:
            return None
        if not quantities and self._unusual(usage) == self._usual:
            return tier.price_common(usage)
        counts = (*token_counts(usage), 1, 0)
        if not self._covered or any(self._unpriced(counts)):
            return None
        if not quantities:
            return tier.price_tokens(self._of_rows(counts))
        if usage.cache_read_tokens or usage.cache_write_tokens:
            return None
        return self._price_quantities(tier, self._of_rows(counts), quantities)

    def _price_quantities(
        self, tier: "_Tier", counts: Sequence[int], quantities: Mapping[str, Count]
    ) -> TokenPrice | None:
        if not (quantities.keys() <= self._quantities and all(map(_is_count, quantities.values()))):
            return None
        seconds = quantities.get("audio_seconds") or quantities.get("input_audio_seconds")
        if self.least_seconds and seconds:
            billed = max(seconds, self.least_seconds)
            quantities = {**quantities, "audio_seconds": billed, "input_audio_seconds": billed}
        return tier.price_rounded([quantities.get(key, n) for key, n in zip(self._keys, counts, strict=False)])


class _Tier:
    """The rates between two thresholds of total input tokens. Crossing one reprices the whole call."""

    def __init__(self, rows: Sequence[tuple[UnitDef, Decimal]]) -> None:
        units = [unit for unit, _ in rows]
        self._prices = [(price, unit.per, _side(unit)) for unit, price in rows]
        # exact, because tokens, searches and requests are sold by powers of ten
        rates = [_WIDE.divide(price, unit.per) if unit.usage_key in _POSITIONS else ZERO for unit, price in rows]
        self.by_unit = {unit.usage_key: _WIDE.divide(price, unit.per) for unit, price in rows}
        places = max((-int(rate.as_tuple().exponent) for rate in rates), default=0)
        self._quantum = Decimal((0, (1,), -places))
        self._rates = [int(_WIDE.scaleb(rate, places)) for rate in rates]
        self._limit = 10**_DIGITS // max([*self._rates, 1])
        # the most specific first, so that what a unit includes is known when its turn comes
        order = sorted(range(len(units)), key=lambda i: -len(units[i].dimensions))
        self._wholes = [(i, parts) for i in order if (parts := _parts(units[i], units))]
        self._weights = [(i, self._weight(i), _side(unit)) for i, unit in enumerate(units)]
        self._compile_common({unit.usage_key: rate for unit, rate in zip(units, self._rates, strict=True)})

    @property
    def flat(self) -> FlatRates | None:
        """None where a call's cost has to be rounded, or may be too large for 64 bits."""
        quantum = self._quantum.scaleb(USD_PLACES, _WIDE)
        of_units = [_WIDE.multiply(quantum, rate) for rate in (self._input, self._output, self._fee)]
        flat = FlatRates(*map(int, of_units))
        most = (flat.input + flat.output) * MAX_COUNT + flat.fee
        return flat if [*flat[:3]] == of_units and most < _MOST_UNITS and self._limit > 2 * MAX_COUNT else None

    @property
    def has_fee(self) -> bool:
        """Whether each request is billed, whatever it used."""
        return self._fee != 0

    def _weight(self, of: int) -> int:
        """What one more of a unit adds to the cost.

        It counts in each unit that includes it too, so that is its own rate less the rate that it would have if it were
        nothing special. For cache tokens the opposite is what they save.
        """
        effect = [int(i == of) for i in range(len(self._rates))]
        for i, parts in self._wholes:
            effect[i] -= sum(effect[part] for part in parts)
        return sum(map(mul, self._rates, effect))

    def _compile_common(self, rates: Mapping[str, int]) -> None:
        self._input, self._output = rates.get("input_tokens", 0), rates.get("output_tokens", 0)
        # a kind without a rate of its own is billed as what includes it
        self._read = rates.get("cache_read_tokens", self._input)
        self._write = rates.get("cache_write_tokens", self._input)
        self._write_1h = rates.get("cache_write_1h_tokens", self._write)
        self._fee = rates.get("requests", 0)
        self._fee_cost = _WIDE.multiply(self._quantum, self._fee)

    def price_common(self, usage: TokenUsage) -> TokenPrice | None:
        """The price of plain and cached input, of output and of the request."""
        tokens, output = usage.input_tokens, usage.output_tokens
        if tokens < 0 or output < 0 or tokens + output >= self._limit:
            return None
        input_cost, output_cost, saved, quantum = self._input * tokens, self._output * output, ZERO, self._quantum
        if usage.cache_read_tokens or usage.cache_write_tokens or usage.cache_write_1h_tokens:
            uncached, input_cost = input_cost, self._cached(usage)
            if input_cost < 0:
                return None
            saved = quantum * (uncached - input_cost)
        cost = quantum * (input_cost + output_cost + self._fee)
        return TokenPrice(quantum * input_cost, quantum * output_cost, self._fee_cost, cost, saved)

    def _cached(self, usage: TokenUsage) -> int:
        """The cost of all input, or -1 where the counts contradict each other."""
        read, write, write_1h = usage.cache_read_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens
        fresh, write_5m = usage.input_tokens - read - write, write - write_1h
        if fresh < 0 or read < 0 or write_5m < 0 or write_1h < 0:
            return -1
        return self._input * fresh + self._read * read + self._write * write_5m + self._write_1h * write_1h

    def price_tokens(self, counts: Sequence[int]) -> TokenPrice | None:
        """The price of any tokens: `counts` of each unit, in order."""
        if sum(counts) >= self._limit or min(self._left(counts, sub)) < 0:
            return None
        costs = [0, 0, 0, 0]
        for i, weight, side in self._weights:
            if counts[i]:
                costs[side] += weight * counts[i]
        quantum, input_cost = self._quantum, costs[_INPUT] + costs[_CACHE]
        cost = quantum * (input_cost + costs[_OUTPUT] + costs[_REST])
        saved = quantum * -costs[_CACHE]
        return TokenPrice(quantum * input_cost, quantum * costs[_OUTPUT], quantum * costs[_REST], cost, saved)

    def price_rounded(self, counts: Sequence[Count]) -> TokenPrice | None:
        """The price of anything but cache tokens, rounded like genai-prices: after each step, in the list's order."""
        left = self._left(counts, _WIDE.subtract)
        if min(left) < 0:
            return None
        total, costs = ZERO, [ZERO, ZERO, ZERO, ZERO]
        for (price, per, side), count in zip(self._prices, left, strict=True):
            if count:
                cost = MONEY.divide(MONEY.multiply(price, count), per)
                total, costs[side] = MONEY.add(total, cost), MONEY.add(costs[side], cost)
        input_cost, output_cost, rest, _ = costs
        if rest:
            rest = MONEY.subtract(MONEY.subtract(total, input_cost), output_cost)
        return TokenPrice(input_cost, output_cost, rest, total, ZERO)

    def _left(self, counts: Sequence[Count], less: Callable[[Count, Count], Count]) -> list[Count]:
        """What is left of each unit when those of its parts that have a price are billed separately."""
        left = list(counts)
        for i, parts in self._wholes:
            for part in parts:
                if left[part]:
                    left[i] = less(left[i], left[part])
        return left


def _is_count(value: object) -> bool:
    return (type(value) is int and value >= 0) or (type(value) is Decimal and value.is_finite() and value >= 0)


def _picker(positions: Iterable[int]) -> "itemgetter[tuple[int, ...]]":
    """What picks these positions of a call's counts, and nothing twice: one position alone would make no tuple."""
    return itemgetter(*positions, _NOTHING, _NOTHING)


def _at_input(price: Decimal | TieredPrices, tokens: int) -> Decimal:
    """The price that applies to a call of this many input tokens in total."""
    if isinstance(price, TieredPrices):
        reached = [tier.price for tier in price.tiers if tokens > tier.start]
        return reached[-1] if reached else price.base
    return price


def _parts(unit: UnitDef, units: Sequence[UnitDef]) -> list[int]:
    return [i for i, other in enumerate(units) if other is not unit and is_descendant_or_self(unit, other)]


def _side(unit: UnitDef) -> int:
    if unit.usage_key in CACHE_KEYS:
        return _CACHE
    return {"input": _INPUT, "output": _OUTPUT}.get(unit.dimensions.get("direction", ""), _REST)
