"""What documents of limits, plans and alerts share: how they are named, and how MongoDB keeps them."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

from bson import Decimal128
from pydantic import BaseModel, ConfigDict

from models.base import camel
from models.documents import Document

FOUND_BY = frozenset({"subject", "client", "changed"})
"""What is stored beside them: the subject; the only client that they are for, where there is one; and the version of
the definitions with which they were changed last.
"""


class Shape(BaseModel):
    """What all of them share: camelCase names, and a form in which MongoDB keeps them."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid", frozen=True)

    def stored(self) -> Document:
        """As MongoDB keeps it: without what is not given, amounts as Decimal128, texts for names of enumerations."""
        document: Document = stored_value(self.model_dump(by_alias=True, exclude_none=True))
        return document

    @classmethod
    def read(cls, stored: Document) -> Self:
        """One as MongoDB keeps it. Raises ValidationError for a damaged one."""
        return cls.model_validate({name: value for name, value in stored.items() if name not in FOUND_BY})


def stored_value(value: Any) -> Any:
    """A value as MongoDB keeps it."""
    match value:
        case dict():
            return {name: stored_value(each) for name, each in value.items()}
        case list() | tuple():
            return [stored_value(each) for each in value]
        case Decimal():
            return Decimal128(value)
        case StrEnum():
            return value.value
        case date() if not isinstance(value, datetime):
            return value.isoformat()
    return value


def with_decimals(stored: Any) -> Any:
    """The reverse for amounts: a value that MongoDB keeps, with Decimals."""
    match stored:
        case dict():
            return {name: with_decimals(value) for name, value in stored.items()}
        case list():
            return [with_decimals(value) for value in stored]
        case Decimal128():
            return stored.to_decimal()
    return stored
