"""US dollars, from price to page: always Decimal, never a float."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from bson import Decimal128

USD_PLACES = 15
"""Decimal places of a stored cost. Stored costs share one exponent, so that a sum does not depend on its order."""

_QUANTUM = Decimal(1).scaleb(-USD_PLACES)
# Decimal128 holds 34 digits: 19 before the point beside 15 behind it
_STORAGE = Context(prec=34, rounding=ROUND_HALF_EVEN)

ZERO = Decimal(0)


def quantize_usd(amount: Decimal) -> Decimal:
    """`amount` in USD rounded half-even to the 15 decimals that are stored.

    Raises decimal.InvalidOperation where the amount has more than 19 digits before the point.
    """
    return amount.quantize(_QUANTUM, context=_STORAGE)


# the upper of the two words of IEEE 754-2008's binary integer encoding, for the exponent that all stored amounts share
_HIGH_WORD = (6176 - USD_PLACES) << 49
_ONE_WORD = 1 << 64
_STORED_ZERO = Decimal128(quantize_usd(ZERO))


def stored_usd(amount: Decimal) -> Decimal128:
    """An amount from `quantize_usd` as MongoDB keeps it: the same value as `Decimal128(amount)`, ten times as fast."""
    if not amount:
        return _STORED_ZERO
    return from_units(int(amount.scaleb(USD_PLACES, _STORAGE)))


def exact_units(amount: Decimal) -> int | None:
    """A finite amount as a whole number of the last stored decimal; None where it has more decimals, or is too large
    for one word.
    """
    scaled = amount.scaleb(USD_PLACES, _STORAGE)
    return int(scaled) if -_ONE_WORD < scaled < _ONE_WORD and scaled == scaled.to_integral_value() else None


def to_decimal(stored: object) -> Decimal:
    """A number as MongoDB returns it (Decimal128, int, or None for a sum over nothing) as Decimal."""
    if isinstance(stored, Decimal128):
        return stored.to_decimal()
    if isinstance(stored, Decimal | int):
        return Decimal(stored)
    if stored is None:
        return ZERO
    raise TypeError(f"not an exact number: {type(stored).__name__}")


def plain(number: Decimal) -> str:
    """`number` in plain decimal digits, without exponent or trailing zeros: 3E-7 is 0.0000003."""
    digits = format(number, "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits == "-0" else digits


def stored_units(amount: Decimal128) -> int:
    """A stored amount as a whole number of its last decimal, 1e-15 USD: such numbers sum fast and exactly."""
    # the two words, as the constructor takes them; `bid` packs them into bytes first
    high, low = amount.__getstate__()
    # the usual case: positive, our exponent, and small enough for one word
    if high == _HIGH_WORD:
        return low
    return int(amount.to_decimal().scaleb(USD_PLACES, _STORAGE))


def from_units(units: int) -> Decimal128:
    """The reverse of `stored_units`."""
    if 0 <= units < _ONE_WORD:  # not below zero, nor above 18,446 USD
        words: Any = _HIGH_WORD, units  # the driver's stub knows nothing of this form
        return Decimal128(words)
    return Decimal128(usd_of_units(units))


def usd_of_units(units: int) -> Decimal:
    """What `stored_units` counts, as Decimal: ten times as fast as the driver's own conversion."""
    return Decimal(units).scaleb(-USD_PLACES, _STORAGE)
