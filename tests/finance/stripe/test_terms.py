"""The terms that follow from what Stripe said of a subscription, with prices worked out by hand."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.finance.stripe.events import Sent
from app.finance.stripe.facts import Coupon, Discount, Price
from app.finance.stripe.reading import read
from app.finance.stripe.store import _add_state, history
from app.finance.stripe.terms import NO_PLAN, Known, Stretch, stretches
from models import plans
from models.documents import Document
from models.limits import Interval
from tests.finance.stripe import objects
from tests.finance.stripe.objects import Object, event, seconds, utc

UTC = ZoneInfo("UTC")
START = utc(2025, 3, 1)
PRO = objects.price("price_pro", 3_000, plan="pro")
TEAM = objects.price("price_team", 6_000, plan="team")


def subscription(*items: Object, **more: Any) -> Object:
    return objects.subscription("sub_1", "cus_1", START, *(items or (objects.item("si_1", PRO),)), **more)


def updated(of: Object, at: datetime, **changes: Any) -> tuple[Object, Object]:
    """The object as it is then, and the event of its change."""
    after = {**of, **changes}
    return after, event("customer.subscription.updated", after, at, {name: of[name] for name in changes})


def of_events(*events: Object, more: tuple[Object, ...] = (), zone: ZoneInfo = UTC) -> list[Stretch]:
    document: Document = {}
    found = [each for one in more for each in read(one)]
    for one in events:
        received = Sent.model_validate(one).received()
        _add_state(document, received.facts[0], received.told, received.before)  # type: ignore[arg-type]
        found += received.facts
    known = Known(
        {each.id: each for each in found if isinstance(each, Price)},
        {each.id: each for each in found if isinstance(each, Discount)},
        {each.id: each for each in found if isinstance(each, Coupon)},
        lambda price: price.plan,
        lambda _plan, _at: 1,
        zone,
    )
    return stretches(history(document), known)


def of_one(of: Object, *more: Object) -> plans.Term:
    """The only term of a subscription that never changed."""
    ((term,), _) = of_events(event("customer.subscription.created", of, START), more=more)[0]
    return term


def told(found: list[Stretch]) -> list[Any]:
    return [
        ([(term.since, term.plan, term.price.amount if term.price else None) for term in one.terms], one.ends)
        for one in found
    ]


@pytest.mark.parametrize(
    ("interval", "every", "theirs", "amount"),
    [
        ("month", 1, Interval.MONTH, "60"),
        ("year", 1, Interval.YEAR, "60"),
        ("month", 12, Interval.YEAR, "60"),
        ("year", 3, Interval.YEAR, "20"),
        ("month", 3, Interval.QUARTER, "60"),
        ("month", 6, Interval.QUARTER, "30"),
        ("month", 7, Interval.MONTH, "8.571428571428571"),
        ("week", 2, Interval.WEEK, "30"),
        ("day", 30, Interval.DAY, "2"),
    ],
)
def test_a_period_is_some_intervals(interval: str, every: int, theirs: Interval, amount: str) -> None:
    price = objects.price("price_1", 6_000, interval, every=every, plan="pro")

    term = of_one(subscription(objects.item("si_1", price)))

    assert (term.interval, term.price) == (theirs, plans.Price(amount=Decimal(amount)))


def test_all_items_cost_together_what_they_cost_in_a_period() -> None:
    yearly = objects.price("price_year", 12_000, "year")
    metered = objects.price("price_usage", 5, plan=None)
    metered["recurring"] |= {"usage_type": "metered"}

    # 3 x 30.00, 120.00 / 12, and nothing beforehand for what is metered
    term = of_one(
        subscription(
            objects.item("si_1", PRO, quantity=3),
            objects.item("si_2", yearly),
            objects.item("si_3", metered, quantity=None),
        )
    )

    assert (term.plan, term.price) == ("pro", plans.Price(amount=Decimal(100)))


@pytest.mark.parametrize(("mode", "amount"), [("graduated", "60.5"), ("volume", "38")])
def test_tiers_and_packages(mode: str, amount: str) -> None:
    tiers = [
        {"up_to": 5, "unit_amount": 500, "flat_amount": 1_000},
        {"up_to": None, "unit_amount": 250, "flat_amount": 300},
    ]
    tiered = objects.price("price_1", None, billing_scheme="tiered", tiers=tiers, tiers_mode=mode)
    packs = objects.price("price_2", 100, transform_quantity={"divide_by": 10, "round": "up"})

    # 14 units: graduated 10.00 + 5 x 5.00 + 3.00 + 9 x 2.50 = 60.50; volume 3.00 + 14 x 2.50 = 38.00; 11 units are
    # 2 packs
    of_tiers = of_one(subscription(objects.item("si_1", tiered, quantity=14)))
    of_packs = of_one(subscription(objects.item("si_1", packs, quantity=11)))

    assert of_tiers.price == plans.Price(amount=Decimal(amount))
    assert of_packs.price == plans.Price(amount=Decimal(2))


def test_without_a_plan_it_is_paid_for_all_the_same() -> None:
    assert of_one(subscription(objects.item("si_1", objects.price("price_1", 500)))).plan == NO_PLAN


def test_a_trial_its_end_and_a_change_of_plans() -> None:
    trial = subscription(status="trialing", trial_end=seconds(utc(2025, 3, 15)))
    active, ended = updated(trial, utc(2025, 3, 15), status="active")
    team = objects.listed(objects.item("si_1", TEAM))
    _, changed = updated(active, utc(2025, 3, 20), items=team)

    (one,) = of_events(event("customer.subscription.created", trial, START), ended, changed)

    assert [(term.since, term.plan, term.trial_until) for term in one.terms] == [
        (START, "pro", utc(2025, 3, 15)),
        (utc(2025, 3, 15), "pro", None),
        (utc(2025, 3, 20), "team", None),
    ]
    assert one.ends is None


def test_an_end_that_is_set_and_taken_back() -> None:
    at_end = subscription(objects.item("si_1", PRO, ends=utc(2025, 4, 1)), cancel_at_period_end=True)
    _, resumed = updated(at_end, utc(2025, 3, 10), cancel_at_period_end=False)
    created = event("customer.subscription.created", at_end, START)

    assert of_events(created)[0].ends == utc(2025, 4, 1)
    assert of_events(created, resumed)[0].ends is None
    older = {**subscription(cancel_at_period_end=True), "current_period_end": seconds(utc(2025, 4, 1))}
    assert of_events(event("customer.subscription.created", older, START))[0].ends == utc(2025, 4, 1)


def test_what_was_never_active_is_none() -> None:
    created = event("customer.subscription.created", subscription(status="incomplete"), START)
    expired = event(
        "customer.subscription.updated", subscription(status="incomplete_expired"), utc(2025, 3, 2), {"status": "x"}
    )

    assert of_events(created, expired) == []


def test_unpaid_is_a_break_and_paused_costs_nothing() -> None:
    first = subscription()
    unpaid, broken = updated(first, utc(2025, 4, 1), status="unpaid")
    paid, resumed = updated(unpaid, utc(2025, 4, 5), status="active")
    _, paused = updated(paid, utc(2025, 4, 10), pause_collection={"behavior": "void"})

    found = of_events(event("customer.subscription.created", first, START), broken, resumed, paused)

    assert told(found) == [
        ([(START, "pro", Decimal(30))], utc(2025, 4, 1)),
        ([(utc(2025, 4, 5), "pro", Decimal(30)), (utc(2025, 4, 10), "pro", Decimal(0))], None),
    ]


def test_only_its_end_is_known() -> None:
    gone = subscription(status="canceled", ended_at=seconds(utc(2025, 5, 1)))

    found = of_events(event("customer.subscription.deleted", gone, utc(2025, 5, 1)))

    assert told(found) == [([(START, "pro", Decimal(30))], utc(2025, 5, 1))]


@pytest.mark.parametrize(
    ("coupon", "expected"),
    [
        ({"percent_off": 12.5}, [plans.Discount(percent=Decimal("12.5"), since=START)]),
        ({"amount_off": 500, "currency": "usd"}, [plans.Discount(amount=Decimal(5), since=START)]),
        ({"percent_off": 50, "duration": "once"}, [plans.Discount(percent=50, since=START, until=utc(2025, 4, 1))]),
        (
            {"percent_off": 50, "applies_to": {"products": ["prod_price_team"]}},
            [plans.Discount(amount=30, since=START)],
        ),
    ],
)
def test_discounts(coupon: dict[str, Any], expected: list[plans.Discount]) -> None:
    off, held = objects.coupon("off", **coupon), objects.discount("di_1", "off", START)
    items = objects.item("si_1", PRO), objects.item("si_2", TEAM)

    term = of_one(subscription(*items, discounts=["di_1"]), off, held)

    assert list(term.discounts) == expected


def test_discounts_of_items_and_those_that_are_within() -> None:
    off = objects.coupon("off", percent_off=50)
    within = {**objects.discount("di_1", "off", START), "source": {"coupon": off, "type": "coupon"}}
    older = {"id": "di_2", "object": "discount", "coupon": off, "start": seconds(START), "end": None}

    # half of 60.00 for one item; and in the older form half of all
    of_item = of_one(subscription(objects.item("si_1", PRO), objects.item("si_2", TEAM, discounts=[within])))
    whole = subscription()
    del whole["discounts"]
    of_older = of_one(whole | {"discount": older})

    assert of_item.discounts == (plans.Discount(amount=Decimal(30), since=START),)
    assert of_older.discounts == (plans.Discount(percent=Decimal(50), since=START),)


def _busy_second() -> list[Object]:
    """Five events of one second, of which each changes what the one before it left."""
    first = subscription(status="incomplete")
    events = [event("customer.subscription.created", first, START)]
    now = first
    for changes in (
        {"status": "active"},
        {"items": objects.listed(objects.item("si_1", TEAM))},
        {"items": objects.listed(objects.item("si_1", PRO))},
        {"items": objects.listed(objects.item("si_1", TEAM, quantity=2))},
    ):
        now, changed = updated(now, START, **changes)
        events.append(changed)
    _, later = updated(now, utc(2025, 4, 1), cancel_at=seconds(utc(2025, 5, 1)))
    return [*events, later]


BUSY = _busy_second()


@given(st.permutations(range(len(BUSY))))
def test_events_of_one_second_are_in_their_order_whatever_the_order_in_which_they_came(order: list[int]) -> None:
    found = of_events(*(BUSY[number] for number in order))

    assert told(found) == [([(START, "team", Decimal(120))], utc(2025, 5, 1))]
