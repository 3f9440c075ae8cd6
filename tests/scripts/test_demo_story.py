"""What happens in the demo's history, for its pages to tell."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from scripts.toolkit.demo_calls import Plan
from scripts.toolkit.demo_story import Story

TODAY = date(2026, 3, 13)
NOON = datetime(2026, 3, 13, 12, tzinfo=UTC)
PLAN = Plan(date(2025, 2, 11), NOON, 20_000, tells=True)
Call = dict[str, object]


@pytest.fixture(scope="module")
def calls() -> list[Call]:
    return [call for day, count in PLAN.days() for call in PLAN.calls_of(day, range(count))]


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def day_of(call: Call) -> date:
    at = call["created_at"]
    assert isinstance(at, datetime)
    return at.date()


def hour_of(call: Call) -> int:
    at = call["created_at"]
    assert isinstance(at, datetime)
    return at.hour


def test_thirteen_months_each_busier_than_the_one_before(calls: list[Call]) -> None:
    months = Counter(day_of(call).strftime("%Y-%m") for call in calls)
    whole = [count for month, count in sorted(months.items()) if month not in {"2025-02", "2026-03"}]

    assert len(months) == 14
    assert all(earlier < later for earlier, later in pairwise(whole))
    assert sum(count for _, count in PLAN.days()) == 20_000


def test_a_new_model_takes_the_place_of_another_and_one_without_a_price_comes(calls: list[Call]) -> None:
    first: dict[str, date] = {}
    for call in calls:
        first.setdefault(str(call["model"]), day_of(call))

    assert first["gpt-4.1-mini"] == ago(75)
    assert ago(40) <= first["support-llama-70b"] <= ago(38)  # it is called seldom
    recent = Counter(call["model"] for call in calls if day_of(call) >= ago(75))
    assert recent["gpt-4.1-mini"] > 3 * recent["gpt-4o-mini"] > 0


def test_one_provider_fails_and_is_slow_for_two_hours() -> None:
    begin, end = Story(TODAY).incident
    of_day = PLAN.calls_of(begin.date(), range(2_000))
    during = [call for call in of_day if 13 <= hour_of(call) < 15 and call["provider"] == "anthropic"]
    failed = [call for call in during if call["status"] != "success"]

    assert (begin.date(), end - begin) == (ago(7), timedelta(hours=2))
    assert len(failed) > len(during) / 3 > 10


def test_a_script_runs_away_with_one_user_s_key() -> None:
    of_day = list(PLAN.calls_of(ago(2), range(2_000)))
    ((busiest, most), *_) = Counter(call["user_id"] for call in of_day if hour_of(call) in range(9, 12)).most_common()

    assert busiest == "user-0042"
    assert most > len(of_day) / 10
    models = Counter(call["model"] for call in of_day if call["user_id"] == busiest and hour_of(call) in range(9, 12))
    assert models["claude-sonnet-4-5"] > 0.9 * most


def test_what_is_new_comes_at_the_pace_of_the_last_day() -> None:
    assert PLAN.calls_of_last_day == next(count for day, count in PLAN.days() if day == TODAY) > 100
