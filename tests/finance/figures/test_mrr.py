from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from app.finance.figures import formulas
from app.finance.figures.known_revenue import moment
from app.finance.figures.known_subscribers import Subscribers
from app.finance.figures.mrr import Movement, Valuation, by_day, day_of, movement, recurring
from app.finance.figures.recognised import Scope
from app.finance.revenue.rates import KnownRates
from models.limits import Interval
from models.money import usd_of_units
from models.plans import Discount, PlanVersion, Price, Subscription
from tests.finance.a_year import Month
from tests.finance.figures.the_year import months, rates, subscriptions

ZONE = ZoneInfo("UTC")
RATES = KnownRates(rates())
REAL = Scope(None, None, frozenset({False}))


def no_version(*_: object) -> PlanVersion | None:
    return None


def value_at(moment_: int) -> Valuation:
    return Valuation(RATES, day_of(moment_, ZONE))


YEAR = Subscribers.of(1, subscriptions(), no_version)


def moved(start: datetime, end: datetime) -> Movement:
    before, after = moment(start) - 1, moment(end) - 1
    return movement(YEAR.customers(REAL), before, after, value_at(before), value_at(after))


def test_mrr_of_each_month_is_what_was_worked_out_by_hand() -> None:
    for _, end, month in months():
        last = moment(end) - 1
        found = recurring(YEAR.customers(REAL), last, value_at(last))
        assert usd_of_units(found.units) == month.mrr, month.month
        assert (found.paying, found.trials) == (month.customers, month.trials), month.month
        assert (found.unpriced, found.without_rate) == (0, Counter())


def test_what_moved_it_is_too() -> None:
    at_start = 0
    for start, end, month in months():
        found = moved(start, end)
        by_hand = month.new, month.reactivation, month.upgrade, month.downgrade, month.churn, month.exchange
        assert tuple(map(usd_of_units, found[:-1])) == by_hand, month.month
        assert formulas.customer_churn(found.lost, at_start) == month.customer_churn, month.month
        at_start = month.customers


def test_revenue_churn_is_of_the_mrr_at_the_beginning() -> None:
    december: Month = months()[-1][2]
    before = months()[-2][2].mrr
    # 60 of 410.416666666666667 are lost: 14.62 %; nobody upgraded
    assert formulas.gross_revenue_churn(december.churn, december.downgrade, before) == Decimal("14.62")
    assert formulas.net_revenue_churn(december.churn, december.downgrade, Decimal(0), before) == Decimal("14.62")
    # in March 28 of 113.416666666666667 went, and 20 came: 24.69 and 7.05 %
    march, february = months()[2][2], months()[1][2]
    assert formulas.gross_revenue_churn(march.churn, march.downgrade, february.mrr) == Decimal("24.69")
    assert formulas.net_revenue_churn(march.churn, march.downgrade, march.upgrade, february.mrr) == Decimal("7.05")


def test_days_are_as_moments_are() -> None:
    ends = [moment(datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=day)) - 1 for day in range(1, 366)]
    series = by_day(YEAR.customers(REAL), ends, lambda number: value_at(ends[number]))
    assert series == [recurring(YEAR.customers(REAL), end, value_at(end)).units for end in ends]


@given(st.lists(st.integers(0, 365 * 24), min_size=2, max_size=2, unique=True))
def test_movement_sums_to_the_difference_of_any_two_moments(hours: list[int]) -> None:
    start, end = sorted(datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in hours)
    before, after = (
        recurring(YEAR.customers(REAL), at, value_at(at)).units for at in (moment(start) - 1, moment(end) - 1)
    )
    assert sum(moved(start, end)[:-1]) == after - before


def test_clients_sum_to_all() -> None:
    last = moment(datetime(2026, 1, 1, tzinfo=UTC)) - 1
    parts = [
        recurring(YEAR.customers(REAL._replace(client=name)), last, value_at(last)).units
        for name in ("acme", "beta", "kappa")
    ]
    assert sum(parts) == recurring(YEAR.customers(REAL), last, value_at(last)).units
    assert all(parts)


def test_an_interval_is_normalised_to_a_month() -> None:
    per_month = {interval: formulas.per_month(Decimal(12), interval) for interval in Interval}
    assert per_month == {
        Interval.DAY: Decimal(365),
        Interval.WEEK: Decimal(52),
        Interval.MONTH: Decimal(12),
        Interval.QUARTER: Decimal(4),
        Interval.YEAR: Decimal(1),
    }


def test_a_currency_without_a_rate_is_told_and_never_guessed() -> None:
    lea = next(one for one in subscriptions() if one.scope.user_id == "lea")
    early = _since(lea, datetime(2025, 7, 1, tzinfo=UTC))
    known = Subscribers.of(1, [early], no_version)
    at = moment(datetime(2025, 7, 2, tzinfo=UTC))
    found = recurring(known.customers(REAL), at, value_at(at))
    assert (found.units, found.paying, found.without_rate) == (0, 0, Counter({"EUR": 1}))


def test_a_change_of_currency_is_an_upgrade_by_the_rate_of_the_end() -> None:
    one = next(each for each in subscriptions() if each.id.startswith("lea"))  # EUR 100, at 1.10, from October at 1.20
    changed = datetime(2025, 10, 10, tzinfo=UTC)
    in_dollars = one.terms[0].model_copy(update={"since": changed, "price": Price(amount=Decimal(150))})
    lea = Subscribers.of(1, [one.model_copy(update={"terms": (*one.terms, in_dollars)})], no_version)
    before, after = moment(datetime(2025, 10, 1, tzinfo=UTC)) - 1, moment(datetime(2025, 11, 1, tzinfo=UTC)) - 1

    found = movement(lea.customers(REAL), before, after, value_at(before), value_at(after))

    assert (usd_of_units(found.exchange), usd_of_units(found.upgrade)) == (Decimal(10), Decimal(30))


def test_a_plan_says_the_price_where_the_subscription_does_not() -> None:
    one = subscriptions()[0]
    plain = one.model_copy(update={"terms": (one.terms[0].model_copy(update={"price": None}),)})
    version = PlanVersion(plan="basic", version=1, name="Basic", price=7, created_at=one.created_at, created_by="test")
    at = moment(datetime(2025, 1, 2, tzinfo=UTC))
    worth = Subscribers.of(1, [plain], lambda *_: version)
    assert recurring(worth.customers(REAL), at, value_at(at)).units == 7 * 10**15
    unknown = Subscribers.of(1, [plain], no_version)
    assert recurring(unknown.customers(REAL), at, value_at(at)).unpriced == 1


def test_several_discounts_are_taken_in_their_order() -> None:
    one = subscriptions()[0]
    until = datetime(2025, 1, 16, tzinfo=UTC)
    off = (Discount(percent=Decimal(10)), Discount(amount=Decimal(4), until=until))
    term = one.terms[0].model_copy(update={"price": Price(amount=Decimal(100)), "discounts": off})
    known = Subscribers.of(1, [one.model_copy(update={"terms": (term,)})], no_version)
    days = [datetime(2025, 1, day, tzinfo=UTC) for day in (15, 16)]
    units = [recurring(known.customers(REAL), moment(day), value_at(moment(day))).units for day in days]
    assert units == [86 * 10**15, 90 * 10**15]


def _since(subscription: Subscription, since: datetime) -> Subscription:
    term = subscription.terms[0].model_copy(update={"since": since})
    return subscription.model_copy(update={"terms": (term,)})


def test_a_change_of_one_is_taken_in() -> None:
    some, (last,) = subscriptions()[:-1], subscriptions()[-1:]
    grown = Subscribers.of(1, some, no_version).with_changed(2, [last], no_version)
    at = moment(datetime(2025, 12, 31, tzinfo=UTC))
    assert recurring(grown.customers(REAL), at, value_at(at)) == recurring(YEAR.customers(REAL), at, value_at(at))
    assert grown.version == 2


def test_demo_subscriptions_are_a_scope_of_their_own() -> None:
    some = [one.model_copy(update={"synthetic": number < 3}) for number, one in enumerate(subscriptions())]
    known, at = Subscribers.of(1, some, no_version), moment(datetime(2025, 1, 2, tzinfo=UTC))
    scopes = [Scope(None, None, frozenset(kinds)) for kinds in ({False}, {True}, {False, True})]
    real, demo, both = (recurring(known.customers(scope), at, value_at(at)) for scope in scopes)
    assert (real.paying, demo.paying, both.paying) == (2, 3, 5)
    assert real.units + demo.units == both.units


def test_a_demo_subscription_of_who_has_a_real_one_is_demo_data_all_the_same() -> None:
    anna, carla = subscriptions()[:2]
    demo = carla.model_copy(update={"scope": anna.scope, "status": "beside", "synthetic": True})
    known, at = Subscribers.of(1, [anna, demo], no_version), moment(datetime(2025, 1, 2, tzinfo=UTC))
    scopes = [Scope(None, None, frozenset(kinds)) for kinds in ({False}, {True}, {False, True})]
    real, made_up, both = (recurring(known.customers(scope), at, value_at(at)).units for scope in scopes)
    assert (real, made_up, both) == (10 * 10**15, 30_416_666_666_666_667, real + made_up)


def test_several_subscriptions_of_one_customer_are_added_up() -> None:
    anna, carla = subscriptions()[:2]
    beside = carla.model_copy(update={"scope": anna.scope, "status": "beside"})
    known, at = Subscribers.of(1, [anna, beside], no_version), moment(datetime(2025, 1, 2, tzinfo=UTC))
    found = recurring(known.customers(REAL), at, value_at(at))
    assert (found.units, found.paying) == (10 * 10**15 + 30_416_666_666_666_667, 1)
    (customer,) = known.customers(REAL)
    assert customer.plan_on(at, at + 1) == "basic"  # the other one gives no plan
