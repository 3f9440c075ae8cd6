from datetime import date
from decimal import Decimal

import pytest

from app.errors import InvalidRequestError
from app.finance.revenue.book import RevenueBook
from app.finance.revenue.rates import Rates, RateStatus
from models.revenue import NewRate
from tests.finance.revenue.entries import booked, new, utc


async def added(rates: Rates, *given: tuple[str, str, str]) -> list[tuple[RateStatus, str | None]]:
    new = [NewRate(currency=currency, day=date.fromisoformat(day), usd=Decimal(usd)) for currency, day, usd in given]
    return [(one.status, one.message) for one in await rates.add(new, by="someone")]


async def test_a_day_has_the_newest_rate_dated_on_or_before_it(rates: Rates) -> None:
    await added(rates, ("EUR", "2026-06-05", "1.10"), ("EUR", "2026-06-01", "1.05"), ("JPY", "2026-06-01", "0.0067"))

    assert await rates.usd("EUR", date(2026, 6, 4)) == Decimal("1.05")
    assert await rates.usd("EUR", date(2026, 6, 5)) == Decimal("1.10")
    assert await rates.usd("EUR", date(2027, 1, 1)) == Decimal("1.10")
    assert await rates.usd("USD", date(2026, 6, 1)) == 1


async def test_without_a_rate_nothing_is_guessed(rates: Rates) -> None:
    await added(rates, ("EUR", "2026-06-05", "1.10"))

    with pytest.raises(InvalidRequestError, match="EUR: there is no rate on or before 2026-06-04; add one with POST"):
        await rates.usd("EUR", date(2026, 6, 4))


async def test_a_rate_may_be_replaced_until_something_is_booked_with_it(rates: Rates, book: RevenueBook) -> None:
    assert await added(rates, ("EUR", "2026-06-01", "10.5")) == [(RateStatus.ADDED, None)]
    assert await added(rates, ("EUR", "2026-06-01", "1.05")) == [(RateStatus.REPLACED, "it was 10.5")]
    assert await added(rates, ("EUR", "2026-06-01", "1.05")) == [(RateStatus.THERE, None)]
    entry, *_ = await booked(book, new("20.00", currency="EUR", at=utc(6, 3)))

    again, later = await added(rates, ("EUR", "2026-06-01", "1.06"), ("EUR", "2026-06-03", "1.06"))

    assert (entry.rate, entry.rate_day, entry.usd) == (Decimal("1.05"), date(2026, 6, 1), Decimal("21.00"))
    assert again[0] is RateStatus.REFUSED
    assert again[1] == (
        "usd cannot change any more: EUR is worth 1.05 on 2026-06-01, and revenue was booked with that; "
        "add a rate for a later day"
    )
    assert later == (RateStatus.ADDED, None)
    assert await rates.usd("EUR", date(2026, 6, 2)) == Decimal("1.05")


async def test_dollars_have_no_rate(rates: Rates) -> None:
    assert await added(rates, ("usd", "2026-06-01", "1.05")) == [
        (RateStatus.REFUSED, "currency is USD, in which all others are told: it has no rate")
    ]


async def test_pages_go_by_currency_with_the_newest_day_first(rates: Rates) -> None:
    await added(rates, ("JPY", "2026-06-01", "1"), ("EUR", "2026-06-01", "1"), ("EUR", "2026-06-02", "1"))

    first = await rates.page(None, after=None, size=2)
    rest = await rates.page(None, after=("EUR", "2026-06-01"), size=2)

    assert [one.id for one in first] == ["EUR@2026-06-02", "EUR@2026-06-01"]
    assert [one.id for one in rest] == ["JPY@2026-06-01"]
    assert [one.id for one in await rates.page("JPY", after=None, size=2)] == ["JPY@2026-06-01"]


async def test_a_rate_is_of_the_deployment_s_day(rates: Rates, book: RevenueBook) -> None:
    await added(rates, ("EUR", "2026-06-01", "1.05"), ("EUR", "2026-06-02", "1.10"))

    # 23:00 in UTC is the next day in Berlin
    before, behind = await booked(
        book, *(new("1", currency="EUR", at=utc(6, 1, hour), user_id=f"u{hour}") for hour in (21, 23))
    )

    assert (before.usd, behind.usd) == (Decimal("1.05"), Decimal("1.10"))
