"""When a budget is reached: at the mean of full days, and never said where that would be a guess."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from app.finance.campaigns.budgets import pace_days_of, reached

TODAY = date(2026, 11, 30)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


@pytest.mark.parametrize(
    ("begins", "first_call", "days"),
    [
        (ago(100), ago(28), (ago(28), 28)),
        (ago(10), ago(20), (ago(10), 10)),
        (ago(10), ago(4), (ago(4), 4)),
        (None, ago(3), (ago(3), 3)),
        (ago(10), None, (ago(10), 10)),
        (TODAY, None, (None, 0)),
        (TODAY + timedelta(days=5), ago(2), (None, 0)),
        (None, None, (None, 0)),
    ],
)
def test_the_pace_is_that_of_full_days_since_the_campaign_began(
    begins: date | None, first_call: date | None, days: tuple[date | None, int]
) -> None:
    found = pace_days_of(TODAY, begins, first_call)

    assert (found[0] if found else None, len(found)) == days
    assert not found or found[-1] == ago(1)


@pytest.mark.parametrize(
    ("used", "costs", "days", "ends", "on", "words"),
    [
        # 90 used, 10 a day: the rest of 10 is gone by the end of today
        (90, [10, 10, 10], 3, None, TODAY, "at the mean of the last 3 full days"),
        (70, [10, 10, 10], 3, None, TODAY + timedelta(days=2), "at the mean of the last 3 full days"),
        (70, [40, 0, 0, 0], 4, None, TODAY + timedelta(days=2), "at the mean of the last 4 full days"),
        (75, [10, 10, 10], 3, None, TODAY + timedelta(days=2), "at the mean of the last 3 full days"),
        (70, [10, 10, 10], 3, TODAY + timedelta(days=1), None, "not before its last day"),
        (70, [10, 10, 10], 3, ago(1), None, "not reached: the campaign has ended"),
        (100, [10, 10, 10], 3, None, None, "reached: all of the budget is used"),
        (10, [10, 10], 2, None, None, "not said before 3 full days: there are 2"),
        (10, [0, 0, 0], 3, None, None, "not within ten years"),
    ],
)
def test_a_budget_of_100_is_reached_when_its_pace_says(
    used: int, costs: list[int], days: int, ends: date | None, on: date | None, words: str
) -> None:
    by_day = {ago(days - place): Decimal(cost) for place, cost in enumerate(costs) if cost}

    found = reached(
        Decimal(100), Decimal(used), by_day, [ago(days - place) for place in range(days)], today=TODAY, ends=ends
    )

    assert (found.on, found.words.startswith(words)) == (on, True), found
