"""Days are counted in the reporting time zone, and bad windows are refused by name."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.errors import InvalidRequestError
from app.reports.windows import TimeWindow, requested_window

NOW = datetime(2024, 5, 15, 20, 0, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")


def window(zone: ZoneInfo = UTC_ZONE, **asked: Any) -> TimeWindow:
    return requested_window(**{"days": None, "first": None, "last": None, **asked}, now=NOW, zone=zone)


def test_thirty_days_up_to_today_unless_asked_otherwise() -> None:
    assert (window().first, window().last) == (date(2024, 4, 16), date(2024, 5, 15))
    assert len(window().days) == 30


def test_one_day_is_today_where_the_reports_are_read() -> None:
    kolkata = window(ZoneInfo("Asia/Kolkata"), days=1)

    assert kolkata.first == kolkata.last == date(2024, 5, 16)
    assert kolkata.start == datetime(2024, 5, 15, 18, 30, tzinfo=UTC)
    assert kolkata.end == datetime(2024, 5, 16, 18, 30, tzinfo=UTC)


def test_a_window_without_an_end_goes_up_to_today() -> None:
    assert window(first=date(2024, 5, 10)).last == date(2024, 5, 15)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"days": 0}, "days"),
        ({"days": 367}, "days"),
        ({"days": -1}, "days"),
        ({"days": 7, "first": date(2024, 1, 1)}, "days"),
        ({"last": date(2024, 1, 1)}, "from"),
        ({"first": date(2024, 5, 2), "last": date(2024, 5, 1)}, "from"),
        ({"first": date(2024, 5, 16)}, "from"),
        ({"first": date(2023, 1, 1), "last": date(2024, 1, 2)}, "from"),
        ({"first": date(1, 1, 1), "last": date(1, 1, 1)}, "from"),
        ({"first": date(9999, 12, 31), "last": date(9999, 12, 31)}, "from"),
    ],
)
def test_a_bad_window_is_refused_by_the_name_of_its_parameter(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        window(**asked)

    assert [error["field"] for error in caught.value.errors] == [field]


def test_the_longest_window_has_366_days() -> None:
    assert len(window(first=date(2023, 1, 1), last=date(2024, 1, 1)).days) == 366


@pytest.mark.parametrize(
    ("zone", "first", "last", "hours"),
    [
        ("America/Los_Angeles", date(2024, 3, 10), date(2024, 3, 10), 23),
        ("America/Los_Angeles", date(2024, 11, 3), date(2024, 11, 3), 25),
        ("Australia/Lord_Howe", date(2024, 4, 7), date(2024, 4, 7), 24.5),
        ("Pacific/Chatham", date(2024, 9, 29), date(2024, 9, 29), 23),
        ("America/Havana", date(2024, 3, 10), date(2024, 3, 10), 23),  # the clock skips midnight
    ],
)
def test_a_day_is_as_long_as_its_clock_says(zone: str, first: date, last: date, hours: float) -> None:
    window = TimeWindow(first, last, ZoneInfo(zone))

    assert window.end - window.start == timedelta(hours=hours)


def test_a_change_of_the_clock_is_found_to_the_minute() -> None:
    window = TimeWindow(date(2024, 9, 28), date(2024, 9, 30), ZoneInfo("Pacific/Chatham"))

    assert window.offsets() == [
        (window.start, timedelta(hours=12, minutes=45)),
        (datetime(2024, 9, 28, 14, 0, tzinfo=UTC), timedelta(hours=13, minutes=45)),
    ]


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("UTC", date(2024, 2, 26)),
        ("America/New_York", date(2024, 3, 8)),  # an hour is missing
        ("America/New_York", date(2024, 11, 1)),  # an hour is there twice
        ("Australia/Lord_Howe", date(2024, 4, 5)),  # half an hour is
        ("America/Santiago", date(2024, 9, 6)),  # midnight is missing
        ("Asia/Kolkata", date(2024, 5, 1)),
    ],
)
def test_spans_hold_exactly_the_instants_of_an_hour_and_a_weekday(zone: str, first: date) -> None:
    window = TimeWindow(first, first + timedelta(days=5), ZoneInfo(zone))
    quarters = [window.start + n * timedelta(minutes=15) for n in range(-100, 700)]
    local = {at: at.astimezone(window.zone) for at in quarters if window.start <= at < window.end}

    for weekday in (None, *range(1, 8)):
        for hour in (None, *range(24)):
            spans = window.spans(weekday=weekday, hour=hour)
            found = [at for at in quarters if sum(start <= at < end for start, end in spans) == 1]
            assert found == [
                at
                for at, there in local.items()
                if weekday in {None, there.isoweekday()} and hour in {None, there.hour}
            ]
