"""The most that a unit of use may cost: what asks are bounded by before a call is made.

A price list of tokens is a stair: how dear a token is depends on how much input a call has. At each step a ceiling has
the dearest rate of anything that a token may turn out to be, up to there: plain, cached or written to the cache, text
or audio, an answer or reasoning. No call of as much costs more, whatever its tokens were.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple, Self

from app.pricing.token_rates import CACHE_KEYS, TOKEN_KEYS, Rates
from models.money import ZERO

_INPUT = frozenset(key for key in TOKEN_KEYS if key.startswith("input_")) | CACHE_KEYS
_OUTPUT = frozenset(key for key in TOKEN_KEYS if key.startswith("output_"))
_AUDIO = frozenset({"audio_seconds", "input_audio_seconds"})


class Ceiling(NamedTuple):
    """In USD for one; None for what has no price."""

    input: Decimal | None = None
    """Of any token of input."""
    output: Decimal | None = None
    """Of any token of output."""
    search: Decimal | None = None
    fee: Decimal | None = None
    """Of a call, whatever it used."""
    second: Decimal | None = None
    """Of audio."""
    character: Decimal | None = None
    least_seconds: Decimal | None = None
    """The shortest audio that is billed."""

    @classmethod
    def of(cls, rates: Mapping[str, Decimal], least_seconds: int) -> Self:
        """That of a list that asks so much for one of each unit."""
        return cls(
            # where plain tokens have no price, no call has one that used any
            input=max(rates[key] for key in rates.keys() & _INPUT) if "input_tokens" in rates else None,
            output=max(rates[key] for key in rates.keys() & _OUTPUT) if "output_tokens" in rates else None,
            search=rates.get("web_searches"),
            fee=rates.get("requests", ZERO) if rates else None,
            second=max((rates[key] for key in rates.keys() & _AUDIO), default=None),
            character=rates.get("input_characters"),
            least_seconds=Decimal(least_seconds),
        )

    def times(self, factor: Decimal) -> Self:
        """With tokens at `factor` times their rate; all else stays as it is."""
        return self._replace(
            input=None if self.input is None else self.input * factor,
            output=None if self.output is None else self.output * factor,
        )


class Stairs:
    """The ceilings of one model by the input tokens of a call: each holds beyond its start, up to the next one."""

    def __init__(self, starts: Sequence[int], ceilings: Sequence[Ceiling]) -> None:
        """`starts` are those of all but the first ceiling, which holds from nothing on."""
        self.starts = tuple(starts)
        self._ceilings = tuple(accumulate(ceilings, lambda below, here: _dearest((below, here))))

    @classmethod
    def of(cls, rates: Rates) -> Self:
        """Those of one price list."""
        steps = rates.by_unit()
        return cls([start for start, _ in steps[1:]], [Ceiling.of(each, rates.least_seconds) for _, each in steps])

    def up_to(self, input_tokens: int | None) -> Ceiling:
        """The ceiling of calls with so much input at most; None for any."""
        return self._ceilings[-1 if input_tokens is None else bisect_left(self.starts, input_tokens)]

    def times(self, factor: Decimal) -> "Stairs":
        return Stairs(self.starts, [ceiling.times(factor) for ceiling in self._ceilings])


def dearest(lists: Iterable[Stairs]) -> Stairs:
    """The ceilings of a call that is billed by one of these; it is not known by which."""
    lists = tuple(lists)
    starts = sorted({start for stairs in lists for start in stairs.starts})
    sizes = (*starts, None)
    return Stairs(starts, [_dearest(stairs.up_to(size) for stairs in lists) for size in sizes])


def _dearest(ceilings: Iterable[Ceiling]) -> Ceiling:
    """The dearest of each rate."""
    of_each = zip(*ceilings, strict=True)
    return Ceiling(*(max((rate for rate in rates if rate is not None), default=None) for rates in of_each))
