"""What comes due: each row worked out by hand, as an invoice would say it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.finance.revenue.charges import charges, next_due
from models.limits import Interval
from models.plans import Discount, PlanVersion, Price, Status, Subscription, Term
from models.revenue import NewRevenue
from tests.finance.a_year import ENTRIES
from tests.finance.figures.the_year import subscriptions
from tests.finance.revenue.entries import utc
from tests.limits.defined import plan, subscription

FIRST, FIRST_DAY = utc(1), date(2026, 1, 1)
FAR = utc(1, year=2030)
PLANS: Mapping[str, PlanVersion] = {
    "free": plan("free"),
    "basic": plan("basic", price=Decimal("10.00")),
    "pro": plan("pro", price=Decimal("30.00")),
    "yearly": plan("yearly", price=Decimal("300.00"), interval=Interval.YEAR),
}
Line = tuple[str, str, datetime, datetime]


def version_of(name: str, version: int) -> PlanVersion | None:
    assert version == 1
    return PLANS.get(name)


def term(name: str, since: datetime = FIRST, anchor: date = FIRST_DAY, **more: Any) -> Term:
    fields = {"version": 1, "interval": Interval.MONTH, "timezone": "UTC", **more}
    return Term(plan=name, since=since, anchor=anchor, **fields)


def due(*terms: Term, since: datetime = FIRST, until: datetime, **more: Any) -> list[Line]:
    return lines(charges(subscription(*terms, **more), version_of, since=since, until=until))


def lines(entries: Any) -> list[Line]:
    return [(one.kind.value, f"{one.amount} {one.currency}", one.start, one.end) for one in entries]


def test_each_period_comes_due_when_it_begins() -> None:
    assert due(term("basic"), until=utc(3)) == [
        ("subscription", "10.00 USD", utc(1), utc(2)),
        ("subscription", "10.00 USD", utc(2), utc(3)),
        ("subscription", "10.00 USD", utc(3), utc(4)),
    ]
    assert len(due(term("basic"), until=utc(3) - timedelta(microseconds=1))) == 2


@pytest.mark.parametrize(
    ("interval", "ends"),
    [
        (Interval.DAY, [utc(1, 2), utc(1, 3)]),
        (Interval.WEEK, [utc(1, 8), utc(1, 15)]),
        (Interval.QUARTER, [utc(4), utc(7)]),
        (Interval.YEAR, [utc(1, year=2027), utc(1, year=2028)]),
    ],
)
def test_a_period_is_as_long_as_its_interval(interval: Interval, ends: list[datetime]) -> None:
    found = due(term("basic", interval=interval, price=Price(amount=Decimal("10.00"))), until=ends[0])

    assert [end for _, _, _, end in found] == ends
    assert {amount for _, amount, _, _ in found} == {"10.00 USD"}


def test_a_month_from_the_31st_comes_due_on_the_last_day_of_shorter_ones() -> None:
    found = due(term("basic", utc(1, 31), date(2026, 1, 31)), until=utc(4))

    assert [start for _, _, start, _ in found] == [utc(1, 31), utc(2, 28), utc(3, 31)]


def test_a_period_begins_at_the_subscriber_s_midnight() -> None:
    new_york = term("basic", utc(3, 1, 5), date(2026, 3, 1), timezone="America/New_York")

    # clocks go forward on the 8th of March: midnight is an hour earlier in UTC
    assert [start for _, _, start, _ in due(new_york, until=utc(4, 2))] == [utc(3, 1, 5), utc(4, 1, 4)]


def test_nothing_comes_due_before_it_is_looked_for_here() -> None:
    found = due(term("basic"), since=utc(2, 10), until=utc(3))

    assert found == [("subscription", "10.00 USD", utc(3), utc(4))]


def test_of_a_period_that_ran_elsewhere_before_only_a_difference_comes_due() -> None:
    """It began on the 1st, was paid there, and was taken over on the 11th; on the 16th it is upgraded."""
    found = due(term("basic", utc(6, 11)), term("pro", utc(6, 16)), until=utc(6, 30))

    assert found == [("credit", "-5.00 USD", utc(6, 16), utc(7)), ("subscription", "15.00 USD", utc(6, 16), utc(7))]


def test_up_to_an_anchor_that_is_still_to_come_a_part_comes_due() -> None:
    found = due(term("pro", utc(6, 21), date(2026, 7, 1)), until=utc(7))

    assert found == [("subscription", "10.00 USD", utc(6, 21), utc(7)), ("subscription", "30.00 USD", utc(7), utc(8))]


def test_an_upgrade_gives_back_what_is_left_and_charges_what_is_left() -> None:
    found = due(term("basic"), term("pro", utc(6, 11)), since=utc(6), until=utc(7))

    assert found == [
        ("subscription", "10.00 USD", utc(6), utc(7)),
        ("credit", "-6.67 USD", utc(6, 11), utc(7)),
        ("subscription", "20.00 USD", utc(6, 11), utc(7)),
        ("subscription", "30.00 USD", utc(7), utc(8)),
    ]


def test_a_downgrade_at_renewal_is_only_another_price() -> None:
    found = due(term("pro"), term("basic", utc(7)), since=utc(6), until=utc(7))

    assert found == [("subscription", "30.00 USD", utc(6), utc(7)), ("subscription", "10.00 USD", utc(7), utc(8))]


def test_of_two_changes_in_one_period_each_is_settled_with_the_one_before_it() -> None:
    found = due(term("basic"), term("pro", utc(6, 11)), term("free", utc(6, 21)), since=utc(6), until=utc(7))

    assert found[1:] == [
        ("credit", "-6.67 USD", utc(6, 11), utc(7)),
        ("subscription", "20.00 USD", utc(6, 11), utc(7)),
        ("credit", "-10.00 USD", utc(6, 21), utc(7)),
    ]


def test_a_price_of_its_own_comes_before_that_of_the_plan() -> None:
    own = term("pro", price=Price(amount=Decimal(2500), currency="JPY"))
    changed = own.model_copy(update={"since": utc(6, 11), "price": Price(amount=Decimal(1999), currency="JPY")})

    assert due(own, changed, since=utc(6), until=utc(6, 20)) == [
        ("subscription", "2500 JPY", utc(6), utc(7)),
        # 2500 x 20 / 30 = 1666.67 and 1999 x 20 / 30 = 1332.67: yen have no decimals
        ("credit", "-1667 JPY", utc(6, 11), utc(7)),
        ("subscription", "1333 JPY", utc(6, 11), utc(7)),
    ]


def test_a_price_for_nothing_is_nothing_that_comes_due() -> None:
    assert due(term("free"), until=utc(6)) == []
    assert due(term("gone"), until=utc(6)) == []
    assert due(term("pro", price=Price(amount=Decimal(0))), until=utc(6)) == []


def test_discounts_hold_for_periods_that_begin_in_their_time() -> None:
    half, five = Discount(percent=Decimal(50), until=utc(7)), Discount(amount=Decimal(5), since=utc(6, 15))

    found = due(term("pro", discounts=(half, five)), since=utc(5), until=utc(8))

    assert [amount for _, amount, _, _ in found] == ["15.00 USD", "15.00 USD", "25.00 USD", "25.00 USD"]


def test_discounts_are_taken_one_after_the_other_and_never_below_nothing() -> None:
    all_off = (Discount(amount=Decimal(25)), Discount(percent=Decimal(10)), Discount(amount=Decimal(4)))

    assert due(term("pro", discounts=all_off), until=utc(1))[0][1] == "0.50 USD"
    assert due(term("pro", discounts=(*all_off, Discount(amount=Decimal(1)))), until=utc(1)) == []


def test_a_discount_that_is_given_within_a_period_begins_with_the_next_one() -> None:
    later = term("pro", utc(6, 11), discounts=(Discount(percent=Decimal(50)),))

    assert due(term("pro"), later, since=utc(6), until=utc(7)) == [
        ("subscription", "30.00 USD", utc(6), utc(7)),
        ("subscription", "15.00 USD", utc(7), utc(8)),
    ]


def test_what_is_given_back_is_what_was_charged() -> None:
    half = (Discount(percent=Decimal(50), until=utc(6, 5)),)

    found = due(term("pro", discounts=half), term("basic", utc(6, 16)), since=utc(6), until=utc(6, 20))

    assert found == [
        ("subscription", "15.00 USD", utc(6), utc(7)),
        ("credit", "-7.50 USD", utc(6, 16), utc(7)),
        ("subscription", "5.00 USD", utc(6, 16), utc(7)),
    ]


def test_what_was_charged_is_given_back_also_where_a_discount_came_in_between() -> None:
    half = (Discount(percent=Decimal(50)),)

    given = due(term("basic"), term("basic", utc(1, 11), discounts=half), term("pro", utc(1, 21)), until=utc(1, 31))
    taken = due(term("basic", discounts=half), term("basic", utc(1, 11)), term("pro", utc(1, 21)), until=utc(1, 31))

    assert [amount for _, amount, _, _ in given] == ["10.00 USD", "-3.55 USD", "10.65 USD"]
    assert [amount for _, amount, _, _ in taken] == ["5.00 USD", "-1.77 USD", "10.65 USD"]


def test_a_trial_costs_nothing_and_then_comes_due() -> None:
    trial = term("pro", utc(6, 1), date(2026, 6, 15), trial_until=utc(6, 15))

    assert due(trial, until=utc(7, 15)) == [
        ("subscription", "30.00 USD", utc(6, 15), utc(7, 15)),
        ("subscription", "30.00 USD", utc(7, 15), utc(8, 15)),
    ]


def test_when_a_trial_ends_within_a_period_the_rest_of_it_comes_due() -> None:
    assert due(term("pro", utc(6), trial_until=utc(6, 11)), until=utc(7)) == [
        ("subscription", "20.00 USD", utc(6, 11), utc(7)),
        ("subscription", "30.00 USD", utc(7), utc(8)),
    ]


def test_who_leaves_in_the_trial_never_pays() -> None:
    assert due(term("pro", trial_until=utc(1, 15)), until=FAR, ended_at=utc(1, 10), status=Status.ENDED) == []


def test_an_end_gives_nothing_back_and_nothing_comes_due_from_then_on() -> None:
    for ended in (utc(6, 15), utc(7)):
        assert due(term("pro"), since=utc(6), until=FAR, ended_at=ended, status=Status.ENDED) == [
            ("subscription", "30.00 USD", utc(6), utc(7))
        ]


def test_another_interval_begins_with_the_next_period() -> None:
    year = term("pro", utc(7), date(2026, 7, 1), interval=Interval.YEAR, price=Price(amount=Decimal(300)))

    assert due(term("pro"), year, since=utc(6), until=utc(7, year=2027)) == [
        ("subscription", "30.00 USD", utc(6), utc(7)),
        ("subscription", "300.00 USD", utc(7), utc(7, year=2027)),
        ("subscription", "300.00 USD", utc(7, year=2027), utc(7, year=2028)),
    ]


def test_up_to_the_renewal_a_yearly_plan_costs_a_month_s_share() -> None:
    terms = term("basic"), term("yearly", utc(6, 16)), term("yearly", utc(7), date(2026, 7, 1), interval=Interval.YEAR)

    assert due(*terms, since=utc(6), until=utc(7)) == [
        ("subscription", "10.00 USD", utc(6), utc(7)),
        ("credit", "-5.00 USD", utc(6, 16), utc(7)),
        ("subscription", "12.50 USD", utc(6, 16), utc(7)),
        ("subscription", "300.00 USD", utc(7), utc(7, year=2027)),
    ]


def test_entries_name_whose_they_are_and_have_ids_of_their_moments() -> None:
    one = subscription(
        term("basic"), term("pro", utc(6, 11)), id="s1", scope={"user_id": "anna", "client_id": "shop"}, synthetic=True
    )

    found = list(charges(one, version_of, since=utc(6), until=utc(6, 20)))

    assert [entry.source_id for entry in found] == [
        "s1/2026-06-01T00:00:00.000Z",
        "s1/2026-06-11T00:00:00.000Z/rest",
        "s1/2026-06-11T00:00:00.000Z",
    ]
    assert [(entry.plan, entry.plan_version) for entry in found] == [("basic", 1), ("basic", 1), ("pro", 1)]
    assert {(entry.client_id, entry.user_id, entry.subscription_id, entry.synthetic) for entry in found} == {
        ("shop", "anna", "s1", True)
    }


def test_the_year_comes_due_as_it_was_worked_out_by_hand() -> None:
    def told(of: Sequence[Any]) -> list[tuple[Any, ...]]:
        return sorted((one.customer, one.kind, one.amount, one.currency, one.plan, one.start, one.end) for one in of)

    def all_of(one: Subscription) -> list[NewRevenue]:
        return list(charges(one, version_of_the_year, since=utc(1, year=2025), until=utc(1, year=2026)))

    by_hand = [one for one in ENTRIES if one.kind in {"subscription", "credit"} and one.at < utc(1, year=2026)]
    ours = [
        (one.user_id or one.client_id, one.kind.value, one.amount, one.currency, one.plan, one.start, one.end)
        for of in subscriptions()
        for one in all_of(of)
        if one.at < utc(1, year=2026)
    ]

    assert sorted(ours) == told(by_hand)


def version_of_the_year(_name: str, _version: int) -> None:
    return None


def test_the_next_moment_is_that_of_the_next_entry() -> None:
    trial = subscription(term("pro", utc(1), trial_until=utc(1, 11)), term("basic", utc(2, 15)))
    moments: list[datetime] = []
    at: datetime | None = utc(1) - timedelta(microseconds=1)
    while at is not None and at < utc(4):
        at = next_due(trial, at)
        moments += [at] if at is not None else []

    assert moments == [utc(1), utc(1, 11), utc(2), utc(2, 15), utc(3), utc(4)]
    ended = trial.model_copy(update={"ended_at": utc(2)})
    assert next_due(ended, utc(1, 11)) is None
    assert next_due(ended, utc(5)) is None
