"""The rows of a batch: a JSON array or NDJSON. A fault of the whole is raised; that of a row affects only that row."""

from typing import Any, NamedTuple

from app.errors import BodyTooLargeError, InvalidRequestError, UnsupportedMediaTypeError
from app.http.serialization import JSON, decode

NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
MAX_ROWS = 1_000


class BadRow(NamedTuple):
    """A row that is not JSON."""

    message: str


def rows_of(body: bytes, media_type: str) -> list[Any]:
    """The rows, decoded; a `BadRow` for one that cannot be. Blank lines of NDJSON are skipped.

    Raises UnsupportedMediaTypeError, InvalidRequestError and BodyTooLargeError.
    """
    if media_type in NDJSON:
        lines = [line for line in body.split(b"\n") if line.strip()]
        _check_number(len(lines))
        return [_row(line) for line in lines]
    if not JSON.fullmatch(media_type):
        raise UnsupportedMediaTypeError(f"send application/json or {NDJSON[0]}, not {media_type or 'an untyped body'}")
    rows = decode(body)
    if not isinstance(rows, list):
        raise InvalidRequestError("the body must be a JSON array of calls")
    _check_number(len(rows))
    return rows


def _check_number(rows: int) -> None:
    if rows > MAX_ROWS:
        raise BodyTooLargeError(f"a batch has at most {MAX_ROWS:,} rows, this one has {rows:,}; send it in parts")


def _row(line: bytes) -> Any:
    try:
        return decode(line)
    except InvalidRequestError as error:
        return BadRow(error.detail.replace("the body", "the row"))
