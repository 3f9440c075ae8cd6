"""What every stored document shares: snake_case attributes, camelCase stored names, a schema version."""

import re
from decimal import Decimal
from typing import Annotated

from beanie import Document, PydanticObjectId
from bson import Decimal128
from pydantic import BeforeValidator, ConfigDict, Field

from models.money import to_decimal


def _from_stored(value: object) -> object:
    return to_decimal(value) if isinstance(value, Decimal128) else value


def camel(name: str) -> str:
    """`cache_write_1h_tokens` as it is stored and sent: `cacheWrite1hTokens`."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def snake(name: str) -> str:
    """The reverse of `camel`; a name that is snake_case already stays as it is."""
    return _WORD_STARTS.sub("_", name).lower()


_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[a-z])(?=[0-9])")

StoredDecimal = Annotated[Decimal, BeforeValidator(_from_stored)]
"""A Decimal that MongoDB keeps as Decimal128."""


class StoredDocument(Document):
    """What every document shares."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="ignore")

    # declared again, because with an alias generator Beanie would store it as `id`
    id: PydanticObjectId = Field(alias="_id")
    schema_version: int = 1
