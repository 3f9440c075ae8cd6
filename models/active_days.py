"""User activity by day: a month of a user is one integer, whose bit 0 is the first of the month."""

from collections.abc import Collection
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


def new_users(active: Collection[ActiveDay], stored: StoredDays) -> NewUsers:
    """How many users in `active` are new in a day or a month, for every scope. Adds them to `stored`."""
    new: NewUsers = {}
    periods = {day: (day[:7], bit_of(day)) for day in {each.day for each in active}}
    for day, client, synthetic, user in active:
        month, bit = periods[day]
        by_client = stored.setdefault((month, synthetic, user), {})
        mine, anyone = by_client.get(client, 0), reduce(or_, by_client.values(), 0)
        for scope, bits in ((client, mine), (EVERYONE, anyone)):
            if not bits & bit:
                new[day, scope, synthetic] = new.get((day, scope, synthetic), 0) + 1
            if not bits:
                new[month, scope, synthetic] = new.get((month, scope, synthetic), 0) + 1
        by_client[client] = mine | bit
    return new
