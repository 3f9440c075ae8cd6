"""The steps of a window, also where clocks are changed."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.errors import InvalidRequestError
from app.reports.parts.buckets import Step, buckets_of, chosen_step
from app.reports.windows import TimeWindow, timed_window

HOUR = timedelta(hours=1)


def day(zone: str, *of: int) -> TimeWindow:
    return TimeWindow(date(*of), date(*of), ZoneInfo(zone))


def lengths(window: TimeWindow) -> list[float]:
    """The minutes of each hour of a window."""
    starts = buckets_of(window, Step.HOUR).starts
    return [(end - start) / timedelta(minutes=1) for start, end in zip(starts, [*starts[1:], window.end], strict=True)]


@pytest.mark.parametrize(
    ("window", "hours"),
    [
        (day("UTC", 2024, 5, 1), [60] * 24),
        (day("Asia/Kolkata", 2024, 5, 1), [60] * 24),
        (day("America/New_York", 2024, 3, 10), [60] * 23),
        (day("America/New_York", 2024, 11, 3), [60] * 25),
        # clocks go back from 3:45 to 2:45: what is left of 3, then the end of 2 again, then 3 once more
        (day("Pacific/Chatham", 2024, 4, 7), [60, 60, 60, 45, 15, *[60] * 21]),
        (day("Pacific/Chatham", 2024, 9, 29), [60, 60, 45, 15, *[60] * 20]),
        (day("Australia/Lord_Howe", 2024, 4, 7), [60, 60, 30, *[60] * 22]),
    ],
)
def test_hours_are_those_of_the_clock(window: TimeWindow, hours: list[float]) -> None:
    assert lengths(window) == hours


@pytest.mark.parametrize(
    ("zone", "of", "odd"),
    [
        ("UTC", (2024, 5, 1), []),
        ("America/New_York", (2024, 3, 10), []),
        ("America/New_York", (2024, 11, 3), [("05:00", "07:00")]),
        ("Pacific/Chatham", (2024, 4, 7), [("12:15", "15:15")]),
    ],
)
def test_only_an_hour_that_occurs_twice_is_none_of_the_cells(
    zone: str, of: tuple[int, int, int], odd: list[tuple[str, str]]
) -> None:
    found = buckets_of(day(zone, *of), Step.HOUR)

    assert [(f"{start:%H:%M}", f"{end:%H:%M}") for start, end in found.odd] == odd
    starts = [start.astimezone(ZoneInfo(zone)) for start in found.starts]
    assert all(starts[place].hour == hour for (_, hour), place in found.hours.items())


def test_the_edges_between_two_instants_are_no_whole_hours() -> None:
    window = timed_window("2024-05-01T10:37:00Z", "2024-05-01T13:05:00Z", ZoneInfo("UTC"))

    found = buckets_of(window, Step.HOUR)

    assert [f"{start:%H:%M}" for start in found.starts] == ["10:37", "11:00", "12:00", "13:00"]
    assert found.hours == {("2024-05-01", 11): 1, ("2024-05-01", 12): 2}
    assert [(f"{start:%H:%M}", f"{end:%H:%M}") for start, end in found.odd] == [("10:37", "11:00"), ("13:00", "13:05")]
    assert found.place(datetime(2024, 5, 1, 10, 30, tzinfo=UTC)) == 0
    assert buckets_of(window, Step.DAY).starts == [window.start]
    assert len(buckets_of(window, Step.MINUTE).starts) == 148


def test_a_window_has_the_finest_step_that_is_not_too_much() -> None:
    zone = ZoneInfo("UTC")

    def of(days: int) -> TimeWindow:
        return TimeWindow(date(2024, 5, 1), date(2024, 5, 1) + timedelta(days=days - 1), zone)

    assert [chosen_step(of(days), None) for days in (1, 2, 14, 15)] == [Step.MINUTE, Step.HOUR, Step.HOUR, Step.DAY]
    assert chosen_step(day("America/New_York", 2024, 11, 3), Step.MINUTE) is Step.MINUTE
    for days, step in ((2, Step.MINUTE), (15, Step.HOUR)):
        with pytest.raises(InvalidRequestError, match="shorter window"):
            chosen_step(of(days), step)


@pytest.mark.parametrize(
    ("begin", "until", "field", "words"),
    [
        ("2024-05-01T10:00:00Z", None, "toTime", "is missing"),
        (None, "2024-05-01T10:00:00Z", "fromTime", "is missing"),
        ("2024-05-01", "2024-05-02T00:00:00Z", "fromTime", "with its time zone"),
        ("2024-05-01T10:00:00", "2024-05-02T00:00:00Z", "fromTime", "with its time zone"),
        ("2024-05-01T10:00:00Z", "2024-05-01T11:00:00 01:00", "toTime", "%2B"),
        ("2024-13-01T10:00:00Z", "2024-05-01T11:00:00Z", "fromTime", "with its time zone"),
        ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z", "fromTime", "before toTime"),
        ("2024-05-01T10:00:00Z", "2024-05-15T11:00:00.001Z", "fromTime", "14 days"),
        ("0001-01-01T00:00:00+10:00", "2024-05-15T11:00:00Z", "fromTime", "time zone"),
        ("1999-01-01T00:00:00Z", "2024-05-15T11:00:00Z", "fromTime", "between 2000-01-01"),
    ],
)
def test_a_bad_instant_is_refused_by_the_name_of_its_parameter(begin: Any, until: Any, field: str, words: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        timed_window(begin, until, ZoneInfo("UTC"))

    (error,) = caught.value.errors
    assert error["field"] == field
    assert words in error["message"]


def test_a_change_of_the_clock_beside_the_instants_is_none_of_theirs() -> None:
    window = timed_window("2024-11-03T08:00:00Z", "2024-11-03T09:00:00Z", ZoneInfo("America/New_York"))

    assert window.offsets() == [(window.start, timedelta(hours=-5))]
    assert window.days == [date(2024, 11, 3)]
