"""Statistics as they are answered."""

from decimal import Context, Decimal

_TEN_DIGITS = Context(prec=10)


def rounded(number: float | None) -> Decimal | None:
    """Ten significant digits: a statistic has no more. Sums of money are never rounded so."""
    return None if number is None else _TEN_DIGITS.create_decimal_from_float(number)
