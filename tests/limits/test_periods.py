"""Periods: by the calendar of a zone or from an anchor, over changes of clocks, leap days and short months."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.limits.periods import LIFETIME, Cycle, first_moment, period_of
from models.limits import Interval, Period, Window

UTC_ZONE, BERLIN, KOLKATA = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
# clocks that change at midnight, by half an hour, at a minute past midnight, or leave out a day
ZONES = [
    ZoneInfo(name)
    for name in (
        *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"),
        *("America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "America/St_Johns", "Pacific/Apia", "America/Asuncion"),
        *("America/Scoresbysund", "Asia/Gaza", "Africa/Casablanca", "Asia/Tehran", "America/Havana"),
    )
]
moments = st.datetimes(datetime(2000, 1, 2), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
cycles = st.builds(
    Cycle, st.dates(date(2000, 1, 1), date(2050, 12, 31)), st.sampled_from(Interval), st.sampled_from(ZONES)
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def local(zone: ZoneInfo, text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        (Window.MINUTE, "2024-02-29T13:37+01:00", "2024-02-29T13:38+01:00"),
        (Window.HOUR, "2024-02-29T13:00+01:00", "2024-02-29T14:00+01:00"),
        (Window.DAY, "2024-02-29T00:00+01:00", "2024-03-01T00:00+01:00"),
        (Window.WEEK, "2024-02-26T00:00+01:00", "2024-03-04T00:00+01:00"),
        (Window.MONTH, "2024-02-01T00:00+01:00", "2024-03-01T00:00+01:00"),
        (Window.YEAR, "2024-01-01T00:00+01:00", "2025-01-01T00:00+01:00"),
    ],
)
def test_windows_are_those_of_the_calendar_in_the_zone(window: Window, start: str, end: str) -> None:
    assert period_of(local(BERLIN, "2024-02-29T13:37:42"), window, BERLIN) == Period(at(start), at(end))


def test_a_boundary_is_in_the_later_period() -> None:
    midnight = at("2024-03-01T00:00+01:00")

    before = period_of(midnight - timedelta(milliseconds=1), Window.DAY, BERLIN)
    after = period_of(midnight, Window.DAY, BERLIN)

    assert before.end == after.start == midnight


def test_a_lifetime_never_ends() -> None:
    assert period_of(at("2024-03-01T00:00Z"), Window.LIFETIME, BERLIN) is LIFETIME
    assert LIFETIME.resets_at is None
    assert period_of(at("2024-03-01T00:00Z"), Window.DAY, BERLIN).resets_at == at("2024-03-02T00:00+01:00")


def test_days_on_which_clocks_change_have_23_and_25_hours() -> None:
    spring = period_of(at("2024-03-31T12:00Z"), Window.DAY, BERLIN)
    autumn = period_of(at("2024-10-27T12:00Z"), Window.DAY, BERLIN)

    assert spring == Period(at("2024-03-31T00:00+01:00"), at("2024-04-01T00:00+02:00"))
    assert autumn == Period(at("2024-10-27T00:00+02:00"), at("2024-10-28T00:00+01:00"))
    assert (spring.end - spring.start, autumn.end - autumn.start) == (timedelta(hours=23), timedelta(hours=25))


def test_an_hour_that_happens_twice_is_two_periods() -> None:
    first = period_of(at("2024-10-27T02:30+02:00"), Window.HOUR, BERLIN)
    second = period_of(at("2024-10-27T02:30+01:00"), Window.HOUR, BERLIN)

    assert first == Period(at("2024-10-27T00:00Z"), at("2024-10-27T01:00Z"))
    assert second == Period(at("2024-10-27T01:00Z"), at("2024-10-27T02:00Z"))


def test_hours_begin_at_full_ones_of_local_time_and_end_where_clocks_change() -> None:
    lord_howe = ZoneInfo("Australia/Lord_Howe")  # from 2:00 back to 1:30

    assert period_of(at("2024-05-01T10:10Z"), Window.HOUR, KOLKATA).start == at("2024-05-01T15:00+05:30")
    repeated = period_of(at("2024-04-06T15:10Z"), Window.HOUR, lord_howe)
    assert repeated == Period(at("2024-04-07T01:30+10:30"), at("2024-04-07T02:00+10:30"))


def test_a_day_without_a_midnight_begins_when_clocks_skip_it() -> None:
    beirut = ZoneInfo("Asia/Beirut")  # on the 31st of March, from midnight to one

    assert first_moment(date(2024, 3, 31), beirut) == at("2024-03-31T01:00+03:00")


def test_a_day_that_a_zone_left_out_is_in_no_period() -> None:
    apia = ZoneInfo("Pacific/Apia")  # crossed the date line: no 30th of December
    last = period_of(local(apia, "2011-12-29T23:59"), Window.DAY, apia)
    next_one = period_of(last.end, Window.DAY, apia)

    assert last.end == local(apia, "2011-12-31T00:00")
    assert (last.end - last.start, next_one.end - next_one.start) == (timedelta(days=1), timedelta(days=1))


def test_the_31st_is_the_last_day_of_a_shorter_month_and_the_31st_again_after_it() -> None:
    cycle = Cycle(date(2024, 1, 31), Interval.MONTH, BERLIN)
    starts = [
        period_of(local(BERLIN, text), Window.PERIOD, UTC_ZONE, [cycle]).start.astimezone(BERLIN).date()
        for text in ("2024-01-31T00:00", "2024-03-01T00:00", "2024-04-01T00:00", "2024-05-30T23:00", "2025-02-28T00:00")
    ]

    assert starts == [
        date(2024, 1, 31),
        date(2024, 2, 29),
        date(2024, 3, 31),
        date(2024, 4, 30),
        date(2025, 2, 28),
    ]


def test_a_year_from_a_leap_day_begins_on_the_28th_and_on_the_29th_again() -> None:
    cycle = Cycle(date(2024, 2, 29), Interval.YEAR, UTC_ZONE)

    assert period_of(at("2025-06-01T00:00Z"), Window.PERIOD, UTC_ZONE, [cycle]) == Period(
        at("2025-02-28T00:00Z"), at("2026-02-28T00:00Z")
    )
    assert period_of(at("2028-02-29T00:00Z"), Window.PERIOD, UTC_ZONE, [cycle]).start == at("2028-02-29T00:00Z")


@pytest.mark.parametrize(
    ("interval", "end"),
    [
        (Interval.DAY, "2024-05-13T00:00+02:00"),
        (Interval.WEEK, "2024-05-19T00:00+02:00"),
        (Interval.MONTH, "2024-06-12T00:00+02:00"),
        (Interval.QUARTER, "2024-08-12T00:00+02:00"),
        (Interval.YEAR, "2025-05-12T00:00+02:00"),
    ],
)
def test_a_subscription_has_periods_of_its_interval(interval: Interval, end: str) -> None:
    cycle = Cycle(date(2024, 5, 12), interval, BERLIN)

    assert period_of(local(BERLIN, "2024-05-12T08:00"), Window.PERIOD, UTC_ZONE, [cycle]).end == at(end)


def test_a_moment_before_the_anchor_is_in_a_period_too() -> None:
    cycle = Cycle(date(2024, 5, 31), Interval.MONTH, UTC_ZONE)

    assert period_of(at("2024-02-10T00:00Z"), Window.PERIOD, UTC_ZONE, [cycle]) == Period(
        at("2024-01-31T00:00Z"), at("2024-02-29T00:00Z")
    )


def test_a_period_without_an_anchor_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="anchor"):
        period_of(at("2024-02-10T00:00Z"), Window.PERIOD, BERLIN)


@given(moment=moments, zone=st.sampled_from(ZONES), window=st.sampled_from(Window), cycle=cycles)
@example(
    at("2011-12-30T09:59:59Z"), ZoneInfo("Pacific/Apia"), Window.DAY, Cycle(date(2011, 12, 30), Interval.DAY, UTC_ZONE)
)
@example(
    at("2010-11-07T02:31Z"), ZoneInfo("America/St_Johns"), Window.DAY, Cycle(date(2010, 11, 7), Interval.DAY, UTC_ZONE)
)
def test_periods_follow_each_other_without_gap_or_overlap(
    moment: datetime, zone: ZoneInfo, window: Window, cycle: Cycle
) -> None:
    period = period_of(moment, window, zone, [cycle])

    assert period.start <= moment < period.end
    tick = timedelta(microseconds=1)
    assert period_of(period.start, window, zone, [cycle]) == period
    assert period_of(period.end - tick, window, zone, [cycle]) == period
    if window is not Window.LIFETIME:
        assert period_of(period.end, window, zone, [cycle]).start == period.end
        assert period_of(period.start - tick, window, zone, [cycle]).end == period.start


@given(moment=moments, cycle=cycles, other=moments)
def test_a_boundary_does_not_depend_on_where_one_looks_from(moment: datetime, cycle: Cycle, other: datetime) -> None:
    here = period_of(moment, Window.PERIOD, UTC_ZONE, [cycle])
    there = period_of(other, Window.PERIOD, UTC_ZONE, [cycle])

    assert here == there or here.end <= there.start or there.end <= here.start


@given(moment=moments, zone=st.sampled_from(ZONES))
def test_a_day_is_one_date_of_local_time(moment: datetime, zone: ZoneInfo) -> None:
    period = period_of(moment, Window.DAY, zone)

    assert first_moment(moment.astimezone(zone).date(), zone) in {period.start, period.end}
    assert timedelta(hours=22) <= period.end - period.start <= timedelta(hours=26)


def test_a_changed_zone_ends_the_period_as_it_was_promised_and_keeps_the_anchor() -> None:
    end = at("2024-06-12T00:00+02:00")
    new_york, tokyo = ZoneInfo("America/New_York"), ZoneInfo("Asia/Tokyo")
    first = Cycle(date(2024, 5, 12), Interval.MONTH, BERLIN)

    for zone, next_end in ((new_york, "2024-07-12T00:00-04:00"), (tokyo, "2024-07-12T00:00+09:00")):
        cycles = [first, first._replace(zone=zone, since=end)]
        before = period_of(end - timedelta(milliseconds=1), Window.PERIOD, UTC_ZONE, cycles)
        after = period_of(end, Window.PERIOD, UTC_ZONE, cycles)

        assert before == Period(at("2024-05-12T00:00+02:00"), end)
        assert after == Period(end, at(next_end))
        assert period_of(after.end, Window.PERIOD, UTC_ZONE, cycles) == Period(
            local(zone, "2024-07-12T00:00"), local(zone, "2024-08-12T00:00")
        )


def test_another_interval_begins_where_the_period_ends() -> None:
    end = at("2024-02-29T00:00+01:00")
    monthly = Cycle(date(2024, 1, 31), Interval.MONTH, BERLIN)
    cycles = [monthly, Cycle(date(2024, 2, 29), Interval.YEAR, BERLIN, end)]

    assert period_of(at("2024-02-01T00:00Z"), Window.PERIOD, UTC_ZONE, cycles).end == end
    assert period_of(at("2024-06-01T00:00Z"), Window.PERIOD, UTC_ZONE, cycles) == Period(
        end, at("2025-02-28T00:00+01:00")
    )


@given(moment=moments, cycle=cycles, changed=moments, zone=st.sampled_from(ZONES), interval=st.sampled_from(Interval))
def test_periods_follow_each_other_over_changes_of_zone_and_interval(
    moment: datetime, cycle: Cycle, changed: datetime, zone: ZoneInfo, interval: Interval
) -> None:
    since = period_of(changed, Window.PERIOD, UTC_ZONE, [cycle]).end
    anchor = cycle.anchor if interval is cycle.interval else since.astimezone(cycle.zone).date()
    both = [cycle, Cycle(anchor, interval, zone, since)]
    tick = timedelta(microseconds=1)

    for place in (moment, since, since - tick):
        period = period_of(place, Window.PERIOD, UTC_ZONE, both)
        assert period.start <= place < period.end
        assert period_of(period.end, Window.PERIOD, UTC_ZONE, both).start == period.end
        assert period_of(period.end - tick, Window.PERIOD, UTC_ZONE, both) == period
    assert period_of(since, Window.PERIOD, UTC_ZONE, both).start == since
