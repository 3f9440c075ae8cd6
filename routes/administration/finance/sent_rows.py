"""One object or up to a thousand, as JSON, NDJSON or CSV: what is wrong with one affects no other."""

import csv
import io
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from litestar import Request
from pydantic import ValidationError

from app.auth.principals import Principal
from app.errors import BodyTooLargeError, InvalidRequestError
from app.http.batches import MAX_ROWS, BadRow, read_row, rows_of
from app.http.bodies import body_budget_of
from app.http.serialization import JSON, decode_flat
from app.process import in_turns
from models.base import camel
from models.faults import faults_of
from routes.ingest import sender_of

MAX_BYTES = 1_000_000
CSV = "text/csv"
MOST_FAULTS = 5
"""Of a row that are told."""

Read = TypeVar("Read")
Faults = Mapping[str, str]
"""What is wrong, by field as it is sent; `""` for the whole."""


class SentRows(NamedTuple):
    """What was sent."""

    rows: list[Any]
    alone: bool
    """Whether it was one object, and no list."""


async def sent_rows(request: Request[Principal, Any, Any]) -> SentRows:
    """The rows of a body. Raises AppError where it cannot be read as a whole."""
    media_type, _ = request.content_type
    async with body_budget_of(request).body(request, sender_of(request.user), MAX_BYTES) as body:
        if media_type == CSV:
            return SentRows(_of_csv(body), alone=False)
        if JSON.fullmatch(media_type) and body.lstrip()[:1] == b"{":
            return SentRows([decode_flat(body)], alone=True)
        return SentRows([read_row(row, MAX_BYTES) async for row in in_turns(rows_of(body, media_type))], alone=False)


def _of_csv(body: bytes) -> list[Any]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"the body is not UTF-8: {error.reason} at byte {error.start}") from error
    try:
        rows = list(csv.DictReader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise InvalidRequestError(f"the body is not valid CSV: {error}") from error
    if len(rows) > MAX_ROWS:
        raise BodyTooLargeError(f"a body has at most {MAX_ROWS:,} rows; send it in parts")
    return [_cells(row) for row in rows]


def _cells(row: dict[Any, Any]) -> Any:
    if None in row:
        return BadRow("the row has more cells than the first line has columns")
    return {name.strip(): value.strip() for name, value in row.items() if value}


def read_or_faults(row: Any, read: Callable[[dict[str, Any]], Read]) -> Read | Faults:
    """What a row says, or what is wrong with it."""
    if isinstance(row, BadRow):
        return {"": row.message}
    if not isinstance(row, dict):
        return {"": "must be a JSON object"}
    try:
        return read(row)
    except ValidationError as error:
        return {_in_camel(fault.field): fault.message for fault in faults_of(error, MOST_FAULTS)}


def _in_camel(field: str) -> str:
    first, dot, rest = field.partition(".")
    return camel(first) + dot + rest


def refusal(faults: Faults) -> InvalidRequestError:
    """The error for one that was sent alone."""
    detail = "; ".join(f"{field or 'the body'}: {message}" for field, message in faults.items())
    return InvalidRequestError(detail, errors=[{"field": field, "message": text} for field, text in faults.items()])
