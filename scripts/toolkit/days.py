"""The days of a command: --from and --to, or how many."""

import argparse
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

FIRST, LAST = date(1970, 1, 1), date(9998, 12, 31)
"""Days whose ends are valid moments in every zone."""
MOST = 36_500


FIRST_THERE_IS, LAST_THERE_IS = "the first there is", "the last there is"


def add_arguments(parser: argparse.ArgumentParser, *, first: str = FIRST_THERE_IS, last: str = LAST_THERE_IS) -> None:
    """`first` and `last` say what the defaults are."""
    for name, attribute, default in (("--from", "first", first), ("--to", "last", last)):
        parser.add_argument(
            name, dest=attribute, type=_day, metavar="DAY", help=f"{attribute} day, as 2026-11-01 (default: {default})"
        )


def checked(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> argparse.Namespace:
    """These arguments; exits with the usage where the days are not valid."""
    if arguments.first is not None and arguments.last is not None and arguments.first > arguments.last:
        parser.error("--from must not be after --to")
    return arguments


def count(text: str) -> int:
    """An argument that is a number of days. Raises ArgumentTypeError."""
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 1 to {MOST:,}")
    return int(text)


def moments(first: date | None, last: date | None, zone: ZoneInfo) -> dict[str, Any]:
    """A condition for moments within these days; unbounded where one is None."""
    bounds = {} if first is None else {"$gte": start_of(first, zone)}
    return bounds if last is None else bounds | {"$lt": start_of(last + timedelta(days=1), zone)}


def start_of(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def behind(moment: datetime, last_id: Any, field: str = "createdAt") -> dict[str, Any]:
    """A condition for what comes after a document, in order of time and id."""
    return {"$or": [{field: {"$gt": moment}}, {field: moment, "_id": {"$gt": last_id}}]}


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 2026-11-01") from error
    if not FIRST <= day <= LAST:
        raise argparse.ArgumentTypeError(f"{text!r} must be a day from {FIRST} to {LAST}")
    return day
