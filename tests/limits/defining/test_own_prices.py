"""What subscriptions cost beside their plans: prices of their own, discounts and trials, as terms."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.limits.defining.terms import Effective, changed_terms, first_term
from models.limits import Interval
from models.plans import Discount, Price, Term, amount_for
from tests.limits.defined import NOW, plan, subscription, term

RENEWAL = datetime(2026, 8, 10, tzinfo=UTC)
FREE, PRO, YEARLY = plan("free"), plan("pro"), plan("yearly", interval=Interval.YEAR)
TEN = Price(amount=Decimal(10))
TWENTY = Price(amount=Decimal(20), currency="EUR")
HALF = (Discount(percent=Decimal(50)),)
BEGUN = term("pro", since=datetime(2026, 1, 10, tzinfo=UTC), price=TEN, discounts=HALF)
SUBSCRIBED = subscription(BEGUN)


def costs(terms: tuple[Term, ...]) -> list[tuple[datetime, str, Price | None]]:
    return [(one.since, one.plan, one.price) for one in terms]


def test_what_was_stored_before_has_no_price_of_its_own() -> None:
    document = term("pro").stored()
    old = {name: value for name, value in document.items() if name != "discounts"}

    read = Term.read(old)

    assert (read.price, read.discounts, read.trial_until) == (None, (), None)


def test_a_subscription_with_a_trial_is_counted_from_its_end() -> None:
    own: dict[str, Any] = {"price": TEN, "trial_until": NOW + timedelta(days=14)}

    begun = first_term(PRO, anchor=None, timezone="UTC", now=NOW, own=own)

    assert (begun.since, begun.anchor, begun.price) == (NOW, date(2026, 7, 29), TEN)


def test_another_price_holds_at_once_or_from_the_next_period_on() -> None:
    now = changed_terms(SUBSCRIBED, NOW, effective=Effective.NOW, own={"price": TWENTY})
    later = changed_terms(SUBSCRIBED, NOW, effective=Effective.RENEWAL, own={"price": TWENTY})

    assert costs(now) == [(BEGUN.since, "pro", TEN), (NOW, "pro", TWENTY)]
    assert costs(later) == [(BEGUN.since, "pro", TEN), (RENEWAL, "pro", TWENTY)]
    assert {one.discounts for one in (*now, *later)} == {HALF}


def test_another_plan_ends_a_price_of_ones_own_unless_it_has_one() -> None:
    assert costs(changed_terms(SUBSCRIBED, NOW, version=FREE))[1:] == [(NOW, "free", None)]
    with_price = changed_terms(SUBSCRIBED, NOW, version=FREE, own={"price": TWENTY})
    assert costs(with_price)[1:] == [(NOW, "free", TWENTY)]


def test_a_price_for_now_leaves_that_of_a_scheduled_plan_alone() -> None:
    scheduled = subscription(BEGUN, term("free", since=RENEWAL, price=TWENTY))

    changed = changed_terms(scheduled, NOW, own={"price": Price(amount=Decimal(7)), "discounts": ()})

    assert costs(changed)[1:] == [(NOW, "pro", Price(amount=Decimal(7))), (RENEWAL, "free", TWENTY)]
    assert [one.discounts for one in changed[1:]] == [(), ()]


def test_up_to_the_renewal_a_year_s_price_is_that_of_a_month() -> None:
    year = Price(amount=Decimal(300))

    changed = changed_terms(SUBSCRIBED, NOW, version=YEARLY, own={"price": year})

    assert costs(changed)[1:] == [
        (NOW, "yearly", Price(amount=Decimal(25))),
        (RENEWAL, "yearly", year),
    ]


def test_amounts_of_intervals_go_by_months() -> None:
    found = [amount_for(Decimal(365), each, of=Interval.YEAR) for each in Interval]

    assert [round(each, 6) for each in found] == [1, Decimal("7.019231"), Decimal("30.416667"), Decimal("91.25"), 365]
