"""The columns of an export: one for every field of a ledger entry, and the external id that its event has.

They are read off the models, so that a new field is a new column.
"""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, get_args, get_origin

from beanie import PydanticObjectId

from models import AIUsage
from models.base import camel

Row = dict[str, Any]
"""By column: text, int, bool, Decimal, datetime, what JSON can say (metadata, former costs), or None."""


class Kind(StrEnum):
    """The type of a column."""

    ID = "id"
    TEXT = "text"
    COUNT = "count"
    FLAG = "flag"
    AMOUNT = "amount"
    MOMENT = "moment"
    JSON = "json"


_KINDS: dict[type, Kind] = {
    PydanticObjectId: Kind.ID,
    bool: Kind.FLAG,
    int: Kind.COUNT,
    Decimal: Kind.AMOUNT,
    datetime: Kind.MOMENT,
    dict: Kind.JSON,
    list: Kind.JSON,
    str: Kind.TEXT,
}
_BEANIES_OWN = "revision_id"
EXTERNAL_ID = "clerkUserId"


def _kind_of(annotation: Any) -> Kind:
    """The kind of the first type in `annotation` that is not a wrapper. Enums count as text."""
    origin = get_origin(annotation)
    if origin in {dict, list}:
        return Kind.JSON
    if origin is Annotated or origin is not None:
        return _kind_of(get_args(annotation)[0])
    return next(kind for known, kind in _KINDS.items() if issubclass(annotation, known))


_FIELDS = {field.alias or camel(name): field for name, field in AIUsage.model_fields.items() if name != _BEANIES_OWN}


def _columns() -> dict[str, Kind]:
    columns = {name: _kind_of(field.annotation) for name, field in _FIELDS.items()}
    return {"_id": columns.pop("_id"), **columns, EXTERNAL_ID: Kind.TEXT}


COLUMNS = _columns()
"""Every column by its name, in order."""

ALWAYS = ("schemaVersion", "inputTokens", "outputTokens", "tokensUsed")
NEEDED = tuple(name for name in COLUMNS if name in ALWAYS or (name in _FIELDS and _FIELDS[name].is_required()))
"""Columns that every entry has. Others may be missing: an export of an earlier version has fewer."""


def rfc3339(moment: datetime) -> str:
    """Whole ms in UTC, as they are stored: `2026-11-21T10:00:00.000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
