"""Stored documents as rows: what can be read of a damaged one is shown, and what cannot is said."""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from bson import Decimal128, ObjectId
from pydantic import ValidationError

from app.reports.rows import Row
from models.base import camel
from models.money import to_decimal

MOST_SHOWN = 80
"""Characters of a stored value that cannot be read."""

R = TypeVar("R", bound="ReadableRow")


class DamagedField(Row):
    """A field whose stored value cannot be read; in the row it is null."""

    field: str
    stored: str
    """The beginning of the value, as text; `missing` where there is none."""


class ReadableRow(Row):
    """A row that is made of one stored document."""

    never_null: ClassVar[frozenset[str]] = frozenset()
    """What every proper document has."""
    damaged: list[DamagedField] | None = None
    """Of a damaged document: what cannot be read. The doctor says what to do about it."""


def readable(row: type[R], values: Mapping[str, Any]) -> R:
    """The row of these values, by attribute, with null for what cannot be read."""
    by_name = {field: value for field, value in values.items() if field != "damaged"}
    wrong = {name for name in row.never_null if by_name[name] is None}
    try:
        found = row(**by_name)
    except ValidationError as error:
        wrong |= {str(detail["loc"][0]) for detail in error.errors(include_url=False)}
    else:
        if not wrong:
            return found
    damaged = [DamagedField(field=camel(name), stored=_shown(by_name[name])) for name in sorted(wrong)]
    return row(**{**by_name, **dict.fromkeys(wrong)}, damaged=damaged)


def value_of(stored: Any) -> Any:
    """A stored value as reports have it."""
    of = type(stored)
    if of is Decimal128:
        return to_decimal(stored)
    if of is ObjectId:
        return str(stored)
    return {str(name): _plain(value) for name, value in stored.items()} if of is dict else stored


def _plain(value: Any) -> Any:
    """What JSON has; all else, which nothing of ours stores, as text."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def _shown(value: Any) -> str:
    return "missing" if value is None else repr(value)[:MOST_SHOWN]
