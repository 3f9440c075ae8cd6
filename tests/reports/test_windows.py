"""Days are counted in the reporting time zone, and bad windows are refused by name."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.errors import InvalidRequestError
from app.reports.periods import Compare, Days, compared, complete_days
from app.reports.query import ReportQuery
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


@pytest.mark.parametrize(
    ("day", "clock", "minutes"),
    [
        (date(2024, 3, 9), time(2, 30), 150),
        (date(2024, 3, 10), time(2, 30), 120),  # clocks go from 2:00 to 3:00
        (date(2024, 3, 10), time(3, 30), 150),
        (date(2024, 11, 3), time(1, 30), 120),  # 1:00 to 2:00 comes twice, and both its halves count
        (date(2024, 11, 3), time(2, 30), 210),
    ],
)
def test_what_clocks_showed_before_a_time_is_every_minute_of_it(day: date, clock: time, minutes: int) -> None:
    zone = ZoneInfo("America/Los_Angeles")
    day_alone = TimeWindow(day, day, zone)
    length = (day_alone.end - day_alone.start) // timedelta(minutes=1)
    every = [day_alone.start + timedelta(minutes=n) for n in range(length)]

    def among(spans: list[tuple[datetime, datetime]]) -> list[datetime]:
        return [minute for minute in every if any(start <= minute < end for start, end in spans)]

    before, after = among(day_alone.before(clock)), among(day_alone.of_last_day(clock))
    assert before == [minute for minute in every if minute.astimezone(zone).time() < clock]
    assert (len(before), len(before) + len(after)) == (minutes, len(every))


@pytest.mark.parametrize(
    ("first", "last", "wish", "words"),
    [
        ((5, 9), (5, 15), Compare.PREVIOUS, "2024-05-09 to 2024-05-15 against 2024-05-02 to 2024-05-08, to 20:00"),
        ((5, 15), (5, 15), Compare.WEEK, "2024-05-15 against 2024-05-08, to 20:00"),
        ((5, 6), (5, 15), Compare.WEEK, "2024-05-06 to 2024-05-15 against 2024-04-22 to 2024-05-01, to 20:00"),
        ((5, 1), (5, 31), Compare.MONTH, "2024-05-01 to 2024-05-15 against 2024-04-01 to 2024-04-15, to 20:00"),
        ((4, 1), (4, 30), Compare.MONTH, "2024-04-01 to 2024-04-30 against 2024-03-01 to 2024-03-31"),
        ((5, 1), (5, 15), Compare.YEAR, "2024-05-01 to 2024-05-15 against 2023-05-01 to 2023-05-15, to 20:00"),
        ((2, 1), (2, 29), Compare.YEAR, "2024-02-01 to 2024-02-29 against 2023-02-01 to 2023-02-28"),
        (
            (5, 14),
            (5, 15),
            Days(date(2024, 4, 1), date(2024, 4, 2)),
            "2024-05-14 to 2024-05-15 against 2024-04-01 to 2024-04-02, to 20:00",
        ),
        (
            (5, 14),
            (5, 15),
            Days(date(2024, 4, 1), date(2024, 4, 9)),
            "2024-05-14 to 2024-05-15 against 2024-04-01 to 2024-04-09",
        ),
    ],
)
def test_a_window_is_compared_with_as_much_of_an_earlier_one(
    first: tuple[int, int], last: tuple[int, int], wish: Compare | Days, words: str
) -> None:
    asked = TimeWindow(date(2024, *first), date(2024, *last), UTC_ZONE)

    assert compared(ReportQuery(asked), NOW, wish).words == words


def test_a_month_longer_than_the_one_before_is_compared_with_all_of_it() -> None:
    march = ReportQuery(TimeWindow(date(2024, 3, 1), date(2024, 3, 31), UTC_ZONE))

    words = compared(march, datetime(2024, 3, 31, 12, tzinfo=UTC), Compare.MONTH).words
    assert words == "2024-03-01 to 2024-03-31 against 2024-02-01 to 2024-02-29"


def test_a_window_in_several_months_has_no_month_before_it() -> None:
    with pytest.raises(InvalidRequestError, match="several"):
        compared(ReportQuery(window()), NOW, Compare.MONTH)


def test_complete_days_leave_today_out() -> None:
    assert complete_days(ReportQuery(window(days=1)), NOW) is None
    (_, _, words) = complete_days(ReportQuery(window(days=3)), NOW) or (None, None, "")
    assert words == "2024-05-13 to 2024-05-14 against 2024-05-10 to 2024-05-11"
