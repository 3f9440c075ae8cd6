"""What stands in a column of a row: in an object, and in JSON that stands in a cell as a text."""

import json
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from math import isnan
from typing import Any

NOTHING = ("", "NULL", "\\N")
"""How SQL systems write that there is nothing."""
NO_NUMBER = frozenset(
    {
        "-",
        "--",
        "\u2013",
        "\u2014",
        "n/a",
        "na",
        "nan",
        "none",
        "null",
        "included",
        "free",
        "not billed",
        "unknown",
        "#n/a",
    }
)
"""What stands in place of a number where nothing is known or nothing was billed, in lower case: no 0 follows of it."""


def value_of(row: dict[str, Any], column: str) -> Any:
    """The value of a column; a dot leads into an object, or into JSON that a cell holds as a text."""
    if column in row or "." not in column:
        return row.get(column)
    first, rest = column.split(".", 1)
    inner = as_object(row.get(first))
    return value_of(inner, rest) if inner is not None else None


def has(row: dict[str, Any], column: str) -> bool:
    """Whether the row has the column, empty or not."""
    if column in row or "." not in column:
        return column in row
    first, rest = column.split(".", 1)
    inner = as_object(row.get(first))
    return inner is not None and has(inner, rest)


def first_of(row: dict[str, Any], columns: Sequence[str], absent: frozenset[str] = frozenset()) -> Any:
    """What stands in the first of `columns` that is not empty, or None; words of `absent`, in lower case, are empty."""
    for column in columns:
        value = row[column] if column in row else value_of(row, column)
        if value is None or is_absent(value):
            continue
        if absent and isinstance(value, str) and not value[:1].isdigit() and value.strip().lower() in absent:
            continue
        return value
    return None


def is_absent(value: object) -> bool:
    # pandas writes NaN where there is nothing
    if isinstance(value, str):
        return value in NOTHING
    return value is None or (isinstance(value, float) and isnan(value))


def as_object(value: object) -> dict[str, Any] | None:
    """An object, as it is or out of its JSON text; None for all else."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = _parsed(value)
    return value if isinstance(value, dict) else None


@lru_cache(8)  # several fields are read out of one cell
def _parsed(text: str) -> object:
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError, ArithmeticError):
        return None
