"""Values as JSON has them: Decimals as plain numbers, never `3E-7`; times as RFC 3339 in UTC; models by alias."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
from pydantic import BaseModel

from models.money import plain


def exact(content: Any) -> Any:
    """`content` as msgspec encodes it without losing a digit."""
    if isinstance(content, BaseModel):
        content = content.model_dump(by_alias=True)
    if isinstance(content, dict):
        return {key: exact(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [exact(value) for value in content]
    convert = _AS_TEXT.get(type(content))
    return convert(content) if convert else content


def exact_number(number: Decimal) -> msgspec.Raw:
    """`number` as JSON."""
    return msgspec.Raw(plain(number).encode())


def instant(moment: datetime) -> str:
    """A time in UTC as JSON has it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_AS_TEXT: dict[type, Callable[[Any], Any]] = {
    Decimal: exact_number,
    datetime: instant,
    date: date.isoformat,
}
