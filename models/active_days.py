"""User activity by day: a month of a user is one integer, whose bit 0 is the first of the month."""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import reduce
from operator import or_
from typing import NamedTuple

from models.rollups import EVERYONE


class ActiveDay(NamedTuple):
    """One user active on one day, such as `2026-11-21`."""

    day: str
    client: str
    synthetic: bool
    user: str

    @property
    def month(self) -> str:
        return self.day[:7]

    @property
    def bit(self) -> int:
        return bit_of(self.day)


StoredDays = dict[tuple[str, bool, str], dict[str, int]]
"""By month, synthetic and user: the bits of each client."""
NewUsers = dict[tuple[str, str, bool], int]
"""By period (a day or a month), scope and synthetic: how many users."""


def bit_of(day: str) -> int:
    """The bit of a day in its month."""
    return 1 << (int(day[8:]) - 1)


def masks(first: date, last: date) -> dict[str, int]:
    """The bits of the days from `first` to `last`, by month."""
    found: dict[str, int] = {}
    for offset in range((last - first).days + 1):
        day = (first + timedelta(days=offset)).isoformat()
        found[day[:7]] = found.get(day[:7], 0) | bit_of(day)
    return found


def new_users(active: Iterable[ActiveDay], stored: StoredDays) -> NewUsers:
    """How many users in `active` are new in a day or a month, for every scope. Adds them to `stored`."""
    new: NewUsers = {}
    for each in active:
        by_client = stored.setdefault((each.month, each.synthetic, each.user), {})
        mine, anyone = by_client.get(each.client, 0), reduce(or_, by_client.values(), 0)
        for scope, bits in ((each.client, mine), (EVERYONE, anyone)):
            if not bits & each.bit:
                new[each.day, scope, each.synthetic] = new.get((each.day, scope, each.synthetic), 0) + 1
            if not bits:
                new[each.month, scope, each.synthetic] = new.get((each.month, scope, each.synthetic), 0) + 1
        by_client[each.client] = mine | each.bit
    return new
