"""How subscriptions change: at once or at renewal, and what was promised for the current period holds to its end."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.limits.defining.terms import Effective, changed_terms, current_period, first_term, is_downgrade
from models.limits import Interval, Kind, Unit, Window
from models.plans import Term
from tests.limits.defined import NOW, allowance, plan, subscription, term

RENEWAL = datetime(2026, 8, 10, tzinfo=UTC)
FREE, PRO = plan("free", allowance(10)), plan("pro", allowance(100))
YEARLY = plan("yearly", allowance(1_000), interval=Interval.YEAR)
SUBSCRIBED = subscription(term("free", since=datetime(2026, 1, 10, tzinfo=UTC)))


def told(terms: tuple[Term, ...]) -> list[tuple[datetime, str, str]]:
    return [(one.since, one.plan, one.timezone) for one in terms]


def test_a_subscription_begins_with_todays_date_in_its_zone() -> None:
    late = datetime(2026, 7, 15, 23, 30, tzinfo=UTC)

    assert first_term(PRO, anchor=None, timezone="Europe/Berlin", now=late).anchor == date(2026, 7, 16)
    assert first_term(PRO, anchor=date(2026, 1, 31), timezone="UTC", now=late).anchor == date(2026, 1, 31)


def test_a_plan_holds_at_once_or_from_the_next_period_on() -> None:
    at_once = changed_terms(SUBSCRIBED, NOW, version=PRO, effective=Effective.NOW)
    later = changed_terms(SUBSCRIBED, NOW, version=PRO, effective=Effective.RENEWAL)

    begun = SUBSCRIBED.terms[0].since
    assert told(at_once) == [(begun, "free", "UTC"), (NOW, "pro", "UTC")]
    assert told(later) == [(begun, "free", "UTC"), (RENEWAL, "pro", "UTC")]
    assert current_period(subscription(*at_once), NOW) == current_period(SUBSCRIBED, NOW)


def test_another_zone_begins_with_the_next_period_and_keeps_the_anchor() -> None:
    terms = changed_terms(SUBSCRIBED, NOW, timezone="Asia/Tokyo")

    assert told(terms)[1:] == [(RENEWAL, "free", "Asia/Tokyo")]
    assert terms[1].anchor == SUBSCRIBED.terms[0].anchor
    changed = subscription(*terms)
    assert current_period(changed, NOW) == current_period(SUBSCRIBED, NOW)
    assert current_period(changed, RENEWAL).end == datetime(2026, 9, 9, 15, tzinfo=UTC)


def test_a_plan_of_another_interval_keeps_the_current_period() -> None:
    terms = changed_terms(SUBSCRIBED, NOW, version=YEARLY, effective=Effective.NOW)

    assert told(terms)[1:] == [(NOW, "yearly", "UTC"), (RENEWAL, "yearly", "UTC")]
    changed = subscription(*terms)
    assert current_period(changed, NOW) == current_period(SUBSCRIBED, NOW)
    assert current_period(changed, RENEWAL) == (RENEWAL, datetime(2027, 8, 10, tzinfo=UTC))


def test_what_was_scheduled_is_part_of_a_later_change_or_replaced_by_it() -> None:
    zoned = subscription(*changed_terms(SUBSCRIBED, NOW, timezone="Asia/Tokyo"))

    both = changed_terms(zoned, NOW, version=PRO, effective=Effective.RENEWAL)
    at_once = changed_terms(zoned, NOW, version=PRO, effective=Effective.NOW)
    downgrade = subscription(*changed_terms(SUBSCRIBED, NOW, version=PRO, effective=Effective.RENEWAL))
    undone = changed_terms(downgrade, NOW, version=FREE, effective=Effective.RENEWAL)

    assert told(both)[1:] == [(RENEWAL, "pro", "Asia/Tokyo")]
    assert told(at_once)[1:] == [(NOW, "pro", "UTC"), (RENEWAL, "pro", "Asia/Tokyo")]
    assert undone == SUBSCRIBED.terms


def test_a_change_after_its_moment_begins_from_what_holds_then() -> None:
    later = subscription(*changed_terms(SUBSCRIBED, NOW, version=PRO, effective=Effective.RENEWAL))

    terms = changed_terms(later, RENEWAL + timedelta(days=1), version=YEARLY, effective=Effective.NOW)

    assert [one.plan for one in terms] == ["free", "pro", "yearly", "yearly"]


@given(st.lists(st.tuples(st.sampled_from([FREE, PRO, YEARLY]), st.sampled_from(Effective), st.integers(0, 90))))
def test_no_change_ever_moves_the_end_of_the_current_period(
    changes: list[tuple[object, Effective, int]],
) -> None:
    changed, now = SUBSCRIBED, NOW
    for version, effective, days in changes:
        now += timedelta(days=days)
        before = current_period(changed, now)
        terms = changed_terms(changed, now, version=version, effective=effective)  # type: ignore[arg-type]
        changed = subscription(*terms)
        assert current_period(changed, now) == before
        assert [one.since for one in terms] == sorted({one.since for one in terms})


def test_less_of_anything_is_a_downgrade() -> None:
    both = plan("both", allowance(100), allowance(5, Window.DAY))
    soft = plan("soft", allowance(100, kind=Kind.SOFT))
    capped = plan("capped", allowance(100, kind=Kind.SOFT, overage_cap=Decimal(10)))

    assert is_downgrade(PRO, FREE)
    assert not is_downgrade(FREE, PRO)
    assert is_downgrade(PRO, both)  # where there was no bound by day
    assert not is_downgrade(both, PRO)
    assert not is_downgrade(PRO, soft)
    assert is_downgrade(soft, capped)
    assert is_downgrade(capped, PRO)
    assert is_downgrade(None, FREE)
    assert is_downgrade(PRO, plan("mixed", allowance(1_000), allowance(1, unit=Unit.USD)))
