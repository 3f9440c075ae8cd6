"""From values in a file or a foreign document to values of a call. What cannot be read is reported, never guessed."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from bson import Binary, Decimal128
from bson.binary import ALL_UUID_SUBTYPES

from scripts.transfer.columns import Kind

MAX_DIGITS = 18
"""Before the point. A number is bounded before all else: 1e999999999 as an integer would have a billion digits."""
_BOUND = 10**MAX_DIGITS
_FLAGS = {"true": True, "t": True, "yes": True, "1": True, "false": False, "f": False, "no": False, "0": False}
_SHOWN = 60
_DAY = re.compile(r"\d{4}-?\d\d-?\d\d")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_US_DOLLARS = re.compile(r"(?:US\$|USD|\$)\s*|\s*(?:US\$|USD|\$)$", re.IGNORECASE)
_DIGIT, _SIGN = re.compile(r"\d"), re.compile(r"[^\d\s.,+-]")


class UnreadableError(ValueError):
    """A value that is not what its column should hold."""


def text(value: object) -> str:
    if type(value) is str:
        return value
    if isinstance(value, Binary) and value.subtype in ALL_UUID_SUBTYPES:
        return str(UUID(bytes=bytes(value)))
    if isinstance(value, Mapping | list | bytes):
        raise UnreadableError(f"{_shown(value)} is not a string")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def number(value: object) -> Decimal:
    """Exact. A float is what it prints as, and commas stand between thousands or nowhere."""
    try:
        if isinstance(value, Decimal128):
            found = value.to_decimal()
        elif isinstance(value, str) and "," in value and _THOUSANDS.fullmatch(value.strip()):
            found = Decimal(value.strip().replace(",", ""))
        else:  # a bool is not a number: "True" is refused
            found = Decimal(repr(value) if isinstance(value, float) else str(value).strip())
    except InvalidOperation:
        raise UnreadableError(f"{_shown(value)} is not a number") from None
    if not found.is_finite() or (found and found.adjusted() >= MAX_DIGITS):
        raise UnreadableError(f"{_shown(value)} is not a number that a call could have")
    return found


def dollars(value: object) -> Decimal:
    """An amount in US dollars, with or without their sign. Other currencies are refused: no rate is known here."""
    if not isinstance(value, str):
        return number(value)
    bare = _US_DOLLARS.sub("", value.strip())
    try:
        return number(bare)
    except UnreadableError:
        if _DIGIT.search(bare) and _SIGN.search(bare):
            raise UnreadableError(
                f"{_shown(value)} is not an amount in US dollars, and no rate is known here"
            ) from None
        raise


def whole(value: object) -> int:
    if type(value) is int and -_BOUND < value < _BOUND:
        return value
    if type(value) is str and len(value) <= MAX_DIGITS and value.isascii() and value.isdigit():
        return int(value)
    found = number(value)
    if found != int(found):
        raise UnreadableError(f"{_shown(value)} is not a whole number")
    return int(found)


def flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if (found := _FLAGS.get(str(value).strip().lower())) is None:
        raise UnreadableError(f"{_shown(value)} is neither true nor false")
    return found


def metadata(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise UnreadableError(f"{_shown(value)} is not valid JSON") from None


def is_day(value: object) -> bool:
    """Whether it is a date without a time."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return True
    return isinstance(value, str) and _DAY.fullmatch(value.strip()) is not None


def moment(value: object, zone: ZoneInfo | None) -> datetime:
    """A date with a time. One without a zone is in `zone`; without that it cannot be read."""
    found = value if isinstance(value, datetime) else _parsed(value)
    if found.tzinfo is not None:
        return found
    if zone is None:
        raise UnreadableError(
            f'{_shown(value)} has no time zone: set timezone = "Europe/Berlin", or where it was written'
        )
    local = found.replace(tzinfo=zone)
    # a time that clocks skipped in spring comes back as another one
    if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != found:
        raise UnreadableError(f"{_shown(value)} was skipped by the clocks of {zone.key}")
    return local


def since_1970(seconds: Decimal) -> datetime:
    """The moment so many seconds after the start of 1970, to the microsecond."""
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(seconds * 1_000_000))
    except OverflowError:
        raise UnreadableError(f"{seconds} is outside the years 1 to 9999") from None


READERS: dict[Kind, Callable[[Any], Any]] = {
    Kind.ID: text,
    Kind.TEXT: text,
    Kind.COUNT: whole,
    Kind.FLAG: flag,
    Kind.AMOUNT: number,
    Kind.JSON: metadata,
    Kind.MOMENT: lambda value: moment(value, None),
}


def _parsed(value: object) -> datetime:
    if isinstance(value, date):
        raise UnreadableError(f"{value} has no time of day")
    written = str(value).strip().removesuffix(" UTC")
    utc = "+00:00" if written != str(value).strip() else ""
    try:
        return datetime.fromisoformat(written + utc)
    except ValueError:
        raise UnreadableError(f"{_shown(value)} is not a date such as 2026-11-21T10:00:00Z") from None


def _shown(value: object) -> str:
    written = repr(value) if isinstance(value, str) else str(value)
    return written if len(written) <= _SHOWN else f"{written[:_SHOWN]}…"
