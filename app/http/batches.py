"""The rows of a batch: a JSON array or NDJSON. A fault of the whole is raised; that of a row affects only that row."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from app.errors import BodyTooLargeError, InvalidRequestError, UnsupportedMediaTypeError
from app.http.serialization import JSON, decode_flat

NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
MAX_ROWS = 1_000

_LINE = re.compile(rb"\S[^\n]*")
_ABSENT = msgspec.Raw()
# an array as a struct: what comes after its last field is skipped, where a list would first have all of it as objects
_Rows = msgspec.defstruct("_Rows", [(f"row_{n}", msgspec.Raw, _ABSENT) for n in range(MAX_ROWS + 1)], array_like=True)
_array = msgspec.json.Decoder(_Rows)


class BadRow(NamedTuple):
    """A row that is not JSON, or more than a call can be."""

    message: str


def rows_of(body: bytes, media_type: str) -> list[bytes | msgspec.Raw]:
    """The rows as they were sent, each for `read_row`. Blank lines of NDJSON are skipped.

    Raises UnsupportedMediaTypeError, InvalidRequestError and BodyTooLargeError.
    """
    if media_type in NDJSON:
        lines = (found[0] for found in _LINE.finditer(body))
        return _checked(lines)
    if not JSON.fullmatch(media_type):
        raise UnsupportedMediaTypeError(f"send application/json or {NDJSON[0]}, not {media_type or 'an untyped body'}")
    try:
        rows = _array.decode(body)
    except msgspec.ValidationError:
        raise InvalidRequestError("the body must be a JSON array of calls") from None
    except msgspec.DecodeError as error:
        raise InvalidRequestError(f"the body is not valid JSON: {error}") from error
    except RecursionError:
        raise InvalidRequestError("the body is nested too deeply") from None
    return _checked(row for row in msgspec.structs.astuple(rows) if row is not _ABSENT)


def _checked(rows: Iterator[Any]) -> list[Any]:
    found = list(islice(rows, MAX_ROWS + 1))
    if len(found) > MAX_ROWS:
        raise BodyTooLargeError(f"a batch has at most {MAX_ROWS:,} rows; send it in parts")
    return found


def read_row(row: bytes | msgspec.Raw, limit: int) -> Any:
    """One row, decoded, as if it came alone; a `BadRow` where it cannot be, or has more than `limit` bytes."""
    if len(row) > limit:
        return BadRow(f"the row may have at most {limit // 1_000_000} MB")
    try:
        return decode_flat(row)
    except InvalidRequestError as error:
        return BadRow(error.detail.replace("the body", "the row"))
