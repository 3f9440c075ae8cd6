"""Cursors: where the next page of a list starts, as one opaque string."""

import base64
import json
from typing import Any

from app.errors import InvalidRequestError, invalid


def encoded(position: dict[str, Any]) -> str:
    """The cursor for a position of plain JSON values."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def decoded(cursor: str) -> dict[str, Any]:
    """The position of a cursor. Raises InvalidRequestError for anything else."""
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        json.dumps(position, ensure_ascii=False).encode()  # MongoDB has no halves of a surrogate pair
    except (ValueError, RecursionError) as error:
        raise _invalid() from error
    if not isinstance(position, dict):
        raise _invalid()
    return position


def _invalid() -> InvalidRequestError:
    message = "is not a cursor of this API; use `nextCursor` of the previous page, or leave it out"
    return invalid("cursor", message)
