"""Cursors: where the next page of a list starts, as one opaque text."""

import base64
import json
from typing import Any

from app.errors import InvalidRequestError, invalid


def encoded(position: dict[str, Any]) -> str:
    """A text for a position of plain JSON values."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def decoded(cursor: str) -> dict[str, Any]:
    """The position of a cursor. Raises InvalidRequestError for what is none."""
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError) as error:
        raise _invalid() from error
    if not isinstance(position, dict):
        raise _invalid()
    return position


def _invalid() -> InvalidRequestError:
    message = "is none of ours; take `nextCursor` of the page before, or leave it out"
    return invalid("cursor", message)
