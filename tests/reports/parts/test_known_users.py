"""A count of users is used again only while nobody can have come."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from app.reports.parts.known_users import KnownUsers, periods_of, token_of
from app.reports.windows import TimeWindow

MONTH = TimeWindow(date(2024, 4, 16), date(2024, 5, 15), ZoneInfo("UTC"))
NUMBERS = {"2024-04": 90, "2024-04-15": 7, "2024-04-16": 5, "2024-05": 40, "2024-05-15": 9}


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"2024-04-15": 8, "2024-04": 91}, True),  # before the window
        ({"2024-05-15": 10}, True),  # somebody who was active earlier in the month
        ({"2024-05": 41}, False),
        ({"2024-04-16": 6}, False),
        ({"2024-05-16": 1}, False),  # behind the window: the month's number is of more days than the window's
    ],
)
def test_the_number_of_a_window_follows_from_those_of_its_periods(changed: dict[str, int], same: bool) -> None:
    assert (token_of(MONTH, NUMBERS | changed, 0) == token_of(MONTH, NUMBERS, 0)) is same


def test_a_count_is_forgotten_with_its_epoch_and_known_by_scope() -> None:
    known, token = KnownUsers(), token_of(MONTH, NUMBERS, 0)
    known.remember(("*", False), MONTH, token, 50)

    assert known.get(("*", False), MONTH, token) == 50
    assert known.get(("*", True), MONTH, token) is None
    assert known.get(("*", False), MONTH, token_of(MONTH, NUMBERS, 1)) is None


def test_all_days_of_the_months_are_looked_up() -> None:
    assert len(periods_of(MONTH)) == 2 + 30 + 31
