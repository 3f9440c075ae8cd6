"""The counts of one usage object, term by term, each a whole number of what it is named for."""

import math
from decimal import Decimal
from typing import Any

from app.usage.objects import FlatUsage, UnreadableUsageError
from app.usage.rows import UsageRow
from models.fields import MAX_COUNT

_DIGITS = 19


Told = dict[str, dict[int, int]]
"""By field, the count of each of its terms."""


def told_in(usage: FlatUsage, row: UsageRow, *, strict: bool) -> tuple[Told, Told]:
    """The counts of each field, term by term; terms are different facts, and each counts. What is billed besides the
    provider's own counts is apart.

    Raises UnreadableUsageError where one fact has two values, or a count of an unknown name stands there: it may be
    what the bill is made of. Cached tokens at full price are many times off, and searches at none are free.
    """
    found: dict[tuple[str, int, bool], dict[str, int]] = {}
    for name, leaves in usage.items():
        if (terms := row.read.get(name)) is not None:
            for field, number, besides, whole_name in terms:
                told = found.setdefault((field, number, besides), {})
                told[whole_name] = told.get(whole_name, 0) + value_of(usage, name, field)
        elif strict and name[-1:] != "*" and name not in row.evidence and any(map(_is_count, leaves)):
            _refuse(name, row)
    counts: tuple[Told, Told] = ({}, {})
    for (field, number, besides), told in found.items():
        counts[besides].setdefault(field, {})[number] = _one_value(field, told, row)
    return counts


def _one_value(field: str, told: dict[str, int], row: UsageRow) -> int:
    if len(told) == 1:
        return next(iter(told.values()))
    values = {name: value for name, value in told.items() if value}
    if len(values) > 1 and len(set(values.values())) > 1:
        if field == "input_tokens" and values.keys() <= set(row.inputs):
            return next(values[name] for name in row.inputs if name in values)
        (one, value), (other, another) = list(values.items())[:2]
        if value == another:
            other, another = next((name, count) for name, count in values.items() if count != value)
        raise UnreadableUsageError(f"{field}: is {value} in {one} and {another} in {other}")
    return next(iter(values.values()), 0)


def _refuse(name: str, row: UsageRow) -> None:
    if not row.lets_be(name):
        of_cache = "cached tokens" if "cach" in name else "something"
        raise UnreadableUsageError(f"{name[:200]}: a count of {of_cache} under a name that is not known here")


def value_of(usage: FlatUsage, name: str, field: str) -> int:
    count = 0
    for leaf in usage.get(name, ()):
        count += leaf if type(leaf) is int and 0 <= leaf <= MAX_COUNT else whole(leaf, f"{field} ({name})")
    return count


def _is_count(leaf: Any) -> bool:
    if isinstance(leaf, str):
        return len(leaf) <= _DIGITS and leaf.isdigit() and leaf.strip("0") != ""
    return isinstance(leaf, int | float | Decimal) and bool(leaf) and not isinstance(leaf, bool)


def whole(value: Any, field: str) -> int:
    """A count as a whole number: also where it is written as a text, or as a float.

    Raises UnreadableUsageError where it is not one, is below zero, or is larger than any call is.
    """
    if isinstance(value, str) and len(value) <= _DIGITS and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise UnreadableUsageError(f"{field}: must be a number of tokens, not {type(value).__name__}")
    if not isinstance(value, int) and not (math.isfinite(value) and int(value) == value):
        raise UnreadableUsageError(f"{field}: must be a whole number of tokens, not {value}")
    if value < 0:
        raise UnreadableUsageError(f"{field}: must be zero or more, not {short(value)}")
    if value > MAX_COUNT:
        raise UnreadableUsageError(f"{field}: must be at most {MAX_COUNT}, not {short(value)}")
    return int(value)


def short(value: Any) -> str:
    return f"{value:.6g}" if abs(value) < 1e300 else "more"  # noqa: PLR2004 - the largest float
