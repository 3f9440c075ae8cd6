"""Rows as CSV (RFC 4180, UTF-8), with exact decimals, and without formulas that a spreadsheet would run."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, get_args

from bson import Int64
from pydantic import BaseModel

from app.reports.rows import Row, Totals
from models import CallStatus
from models.base import camel
from models.money import plain

RUN_BY_SPREADSHEETS = tuple("=+-@\uff1d\uff0b\uff0d\uff20\t\r\n")
"""How text begins that a spreadsheet takes for a formula, in East Asia in full width too, or that hides one after a
break (OWASP, CSV injection).
"""


def text_of(rows: Iterable[Sequence[Any]]) -> str:
    """The lines of some rows."""
    written = io.StringIO()
    csv.writer(written).writerows([cell(value) for value in row] for row in rows)
    return written.getvalue()


def cell(value: Any) -> str:
    """One value. Only text is neutralised, by a leading apostrophe: a negative number stays a number."""
    convert = _AS_TEXT.get(type(value))
    return convert(value) if convert is not None else neutral(str(value))


def neutral(text: str) -> str:
    """Text that no spreadsheet runs."""
    return "'" + text if text.startswith(RUN_BY_SPREADSHEETS) else text


KEYS = frozenset({"day", "provider", "model", "feature"})
"""Fields that name the row of a list of totals."""

_AS_TEXT: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "",
    bool: lambda value: "true" if value else "false",
    int: str,
    Int64: str,
    float: repr,
    Decimal: plain,
    datetime: lambda moment: moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    date: date.isoformat,
    dict: lambda value: json.dumps(value, ensure_ascii=False, default=str),
    list: lambda value: neutral(" ".join(map(str, value))),
}
"""By type; all else is text."""


def columns_of(row: type[BaseModel]) -> list[str]:
    """The columns of rows of this class, by JSON name: nested figures as `tokensInput`, statuses one by one."""
    return [camel("_".join(path)) for path in _paths(row)]


def values_of(row: BaseModel) -> list[Any]:
    """The values of a row, in the order of its columns."""
    return [_at(row, path) for path in _paths(type(row))]


Path = tuple[str, ...]


@cache
def _paths(row: type[BaseModel]) -> list[Path]:
    found: list[Path] = []
    for name, field in row.model_fields.items():
        of = field.annotation
        if name == "statuses":
            found += [(name, str(status)) for status in CallStatus]
        elif isinstance(of, type) and issubclass(of, Row):
            found += [(name, *path) for path in _paths(of)]
        elif not _holds_rows(of):
            found.append((name,))  # rows within rows do not fit in a table
    # what a row is about stands before its figures
    return sorted(found, key=lambda path: path[0] not in KEYS) if issubclass(row, Totals) else found


def _holds_rows(of: Any) -> bool:
    return any((isinstance(inner, type) and issubclass(inner, Row)) or _holds_rows(inner) for inner in get_args(of))


def _at(row: Any, path: Path) -> Any:
    for name in path:
        row = row.get(name, 0) if isinstance(row, dict) else getattr(row, name)
    return row
