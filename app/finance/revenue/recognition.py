"""Recognised revenue: an entry's amount, spread evenly over the service that it pays for. Pure.

With s = `recognised_from` and e = `end` (s where that is earlier), an entry has recognised by a moment t

    R(t) = floor(usd x (t - s) / (e - s))    in whole units of 1e-15 USD, by microseconds;

0 up to s, and all from e on; where s = e, all of it after s. The revenue of a window is R(to) - R(from): windows
that follow each other sum to the entry's amount exactly, however time is cut.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from models.money import usd_of_units
from models.revenue import Revenue

_MICROSECOND = timedelta(microseconds=1)


def recognised_units(entry: Revenue, until: datetime) -> int:
    """What an entry has recognised before a moment (aware), in units of 1e-15 USD; below zero for one that takes
    back.
    """
    elapsed = until - entry.recognised_from
    if elapsed <= timedelta(0):
        return 0
    units, length = units_of(entry), entry.end - entry.recognised_from
    if elapsed >= length:
        return units
    return units * (elapsed // _MICROSECOND) // (length // _MICROSECOND)


def recognised(entry: Revenue, start: datetime, end: datetime) -> Decimal:
    """What of an entry is recognised in the half-open window, in USD."""
    return usd_of_units(recognised_units(entry, end) - recognised_units(entry, start))


def units_of(entry: Revenue) -> int:
    """All of an entry, in units of 1e-15 USD."""
    return int(entry.usd.scaleb(15))
