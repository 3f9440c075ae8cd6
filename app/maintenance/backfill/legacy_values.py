"""Values of events that were written before there was a ledger, read with care.

Old writers had no schema: ids are strings, numbers or ObjectIds, dates may be strings, integers doubles. What has one
meaning is read; what has none, or several, is refused with its field and a reason.
"""

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bson import Decimal128, ObjectId

from models.fields import CLOCK_TOLERANCE, OLDEST
from models.moments import in_milliseconds

LONGEST_NAME = 256
EXACT = 2.0**53
"""Below this each whole number is a double of its own."""
# as in AICall, and without lone surrogates, which is how the driver passes broken text on
_is_name = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]+").fullmatch


class UnusableError(ValueError):
    """An event cannot become an entry. `field` is its stored name, `reason` a sentence without subject."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def name_of(value: object, field: str) -> str | None:
    """A name; None where there is none. Raises UnusableError."""
    if value is None or value == "":
        return None
    if type(value) is not str:  # Code is a subclass of str, and not a name
        return _number_name(value, field)
    if len(value) > LONGEST_NAME:
        raise UnusableError(field, f"has more than {LONGEST_NAME} characters")
    if _is_name(value) is None:
        raise UnusableError(field, "has control characters or broken ones")
    return value


def _number_name(value: object, field: str) -> str:
    """An id that is an ObjectId or a number, which old drivers also stored as a double."""
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, ObjectId | int):
        raise UnusableError(field, f"is not a string but {_kind(value)}")
    return str(value)


def flag_of(value: object, field: str, *, default: bool) -> bool:
    """True, false, 1 or 0; `default` where there is nothing. Raises UnusableError."""
    if value is None:
        return default
    if isinstance(value, int | float) and value in {0, 1}:
        return bool(value)
    raise UnusableError(field, "is neither true nor false")


def moment_of(value: object, now: datetime) -> datetime:
    """When it happened: a date, or an ISO 8601 string with a zone. Raises UnusableError."""
    if isinstance(value, str):
        value = _parsed(value)
    if not isinstance(value, datetime):
        raise UnusableError("createdAt", "is missing" if value is None else f"is not a date but {_kind(value)}")
    if value < OLDEST:
        raise UnusableError("createdAt", f"is before {OLDEST.date()}")
    if value > now + CLOCK_TOLERANCE:
        raise UnusableError("createdAt", "is in the future")
    return value


def _parsed(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
        at = None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UnusableError("createdAt", "is a string that is not a date") from error
    if at is None:
        raise UnusableError("createdAt", "is a string without a time zone")
    return in_milliseconds(at)


def number_of(value: object) -> Any:
    """A stored number as AICall accepts it: integral ones as int. Everything else as it is, for AICall to judge."""
    if isinstance(value, Decimal128):
        value = value.to_decimal()
        if not value.is_finite():
            return float("nan")  # a signalling one raises wherever it is touched
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)  # the driver's Int64 is not quite an int
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return int(value)
    return value


def _kind(value: object) -> str:
    kinds: tuple[tuple[type, str], ...] = ((bool, "a boolean"), (dict, "a document"), (list, "a list"))
    return next((name for kind, name in kinds if isinstance(value, kind)), f"of type {type(value).__name__}")
