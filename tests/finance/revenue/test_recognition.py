from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.finance.revenue.recognition import recognised, recognised_units
from app.limits.periods import first_moment
from models.money import quantize_usd
from models.revenue import Revenue, RevenueKind, RevenueSource
from tests.finance.revenue.entries import utc

FIRST, LAST = utc(1, year=2000), utc(1, year=2040)


def entry(usd: str | Decimal, start: datetime, end: datetime, **more: datetime) -> Revenue:
    amount = quantize_usd(Decimal(usd))
    return Revenue(
        id="manual:1",
        kind=RevenueKind.CREDIT if amount < 0 else RevenueKind.SUBSCRIPTION,
        amount=amount,
        currency="USD",
        rate=Decimal(1),
        usd=amount,
        start=start,
        end=end,
        at=start,
        source=RevenueSource.MANUAL,
        source_id="1",
        sequence=1,
        created_at=start,
        created_by="someone",
        **{"recognised_from": start, **more},
    )


moments = st.integers(0, (LAST - FIRST) // timedelta(microseconds=1)).map(lambda n: FIRST + timedelta(microseconds=n))
amounts = st.integers(-(10**24), 10**24).filter(bool).map(lambda units: Decimal(units).scaleb(-15))


@given(amounts, st.tuples(moments, moments).map(sorted), moments, st.lists(moments, max_size=20))
def test_however_time_is_cut_the_windows_sum_to_the_amount(
    usd: Decimal, service: list[datetime], since: datetime, cuts: list[datetime]
) -> None:
    one = entry(usd, *service, recognised_from=max(service[0], since))
    bounds = sorted([FIRST, *cuts, LAST])
    windows = [recognised(one, start, end) for start, end in pairwise(bounds)]

    assert sum(windows) == one.usd
    assert all(part * one.usd >= 0 for part in windows)


@given(amounts, moments, moments)
def test_what_is_recognised_at_a_moment_is_in_the_window_that_begins_then(
    usd: Decimal, moment: datetime, late: datetime
) -> None:
    one = entry(usd, moment, moment, recognised_from=max(moment, late))
    since = one.recognised_from

    assert recognised_units(one, since) == 0
    assert recognised(one, since, since + timedelta(microseconds=1)) == one.usd


@pytest.mark.parametrize(
    ("amount", "service", "window", "expected"),
    [
        # 2024 has 366 days, 29 of them in February
        ("366", ("2024-01-01", "2025-01-01"), ("2024-02-01", "2024-03-01"), "29"),
        ("365", ("2025-01-01", "2026-01-01"), ("2025-02-01", "2025-03-01"), "28"),
        # March has 743 h in Berlin, where clocks go forward on the 29th, and October 745
        ("743", ("2026-03-01", "2026-04-01"), ("2026-03-29", "2026-03-30"), "23"),
        ("743", ("2026-03-01", "2026-04-01"), ("2026-03-28", "2026-03-29"), "24"),
        ("745", ("2026-10-01", "2026-11-01"), ("2026-10-25", "2026-10-26"), "25"),
        # of 1 USD a third is no decimal: the windows are floored, and the last one has the rest
        ("1", ("2026-06-01", "2026-06-04"), ("2026-06-01", "2026-06-02"), "0.333333333333333"),
        ("1", ("2026-06-01", "2026-06-04"), ("2026-06-03", "2026-06-04"), "0.333333333333334"),
        # a window before it, behind it, and around it
        ("30", ("2026-06-01", "2026-07-01"), ("2026-05-01", "2026-06-01"), "0"),
        ("30", ("2026-06-01", "2026-07-01"), ("2026-07-01", "2026-08-01"), "0"),
        ("30", ("2026-06-01", "2026-07-01"), ("2026-01-01", "2027-01-01"), "30"),
    ],
)
def test_a_window_has_its_share_by_elapsed_time(
    amount: str, service: tuple[str, str], window: tuple[str, str], expected: str
) -> None:
    def moment(day: str) -> datetime:
        return first_moment(date.fromisoformat(day), ZoneInfo("Europe/Berlin"))

    assert recognised(entry(amount, *map(moment, service)), *map(moment, window)) == Decimal(expected)


def test_what_was_booked_late_is_spread_over_what_is_open_of_its_service() -> None:
    one = entry("30", utc(6), utc(8), recognised_from=utc(7))

    assert recognised(one, utc(6), utc(7)) == 0
    assert recognised(one, utc(7), utc(8)) == 30


def test_what_was_booked_after_its_service_is_recognised_at_once() -> None:
    one = entry("-30", utc(5), utc(6), recognised_from=utc(7))

    assert recognised(one, utc(5), utc(7)) == 0
    assert recognised(one, utc(7), utc(8)) == -30
