"""Customers, their subscriptions, and what those cost, as Stripe's objects have them. Pure.

Subscriptions' periods moved to their items and a discount's coupon to `source` with the versions of 2025: what is read
here is looked for in both places.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from app.finance.stripe import facts
from app.finance.stripe.facts import Facts
from app.finance.stripe.values import Object, id_of, ids_of, moment, name_of, required_moment, rows_of, whose
from models.limits import Interval


def read_price(price: Object) -> Iterator[Facts]:
    recurring = price.get("recurring") or {}
    grouped = price.get("transform_quantity") or {}
    unit = price.get("unit_amount_decimal", price.get("unit_amount"))
    tiers = [
        facts.Tier(up_to=tier.get("up_to"), unit=_cents(tier, "unit_amount"), flat=_cents(tier, "flat_amount"))
        for tier in price.get("tiers") or ()
    ]
    yield facts.Price(
        id=price["id"],
        product=id_of(price.get("product")),
        plan=name_of((price.get("metadata") or {}).get("plan")),
        lookup_key=name_of(price.get("lookup_key")),
        currency=price["currency"].upper(),
        unit=None if unit is None or price.get("billing_scheme") == "tiered" else Decimal(str(unit)),
        tiers=tuple(tiers),
        volume=price.get("tiers_mode") == "volume",
        divide_by=grouped.get("divide_by", 1),
        round_up=grouped.get("round") == "up",
        interval=Interval(recurring["interval"]) if recurring else None,
        count=recurring.get("interval_count", 1),
        metered=recurring.get("usage_type") == "metered",
    )


def read_plan(plan: Object) -> Iterator[Facts]:
    """The form of prices before there were any."""
    unit = plan.get("amount_decimal", plan.get("amount"))
    recurring = {name: plan.get(name) for name in ("interval", "interval_count", "usage_type")}
    yield from read_price({**plan, "recurring": recurring, "unit_amount_decimal": unit})


def _cents(tier: Object, name: str) -> Decimal:
    amount = tier.get(f"{name}_decimal", tier.get(name))
    return Decimal(0) if amount is None else Decimal(str(amount))


def read_coupon(coupon: Object) -> Iterator[Facts]:
    percent = coupon.get("percent_off")
    currency = coupon.get("currency")
    yield facts.Coupon(
        id=coupon["id"],
        percent=None if percent is None else Decimal(str(percent)),
        amount=coupon.get("amount_off"),
        currency=currency.upper() if currency else None,
        duration=coupon.get("duration", "forever"),
        products=tuple((coupon.get("applies_to") or {}).get("products") or ()),
    )


def read_discount(discount: Object) -> Iterator[Facts]:
    coupon = (discount.get("source") or {}).get("coupon", discount.get("coupon"))
    yield facts.Discount(
        id=discount["id"],
        coupon=id_of(coupon),
        since=moment(discount.get("start")),
        until=moment(discount.get("end")),
    )
    if isinstance(coupon, dict):
        yield from read_coupon(coupon)


def read_customer(customer: Object) -> Iterator[Facts]:
    yield facts.Customer(
        id=customer["id"], whose=whose(customer.get("metadata")), deleted=customer.get("deleted") is True
    )


def read_session(session: Object) -> Iterator[Facts]:
    # whoever opens a Payment Link may write what it refers to into its address
    refers_to = None if session.get("payment_link") else session.get("client_reference_id")
    yield facts.Session(
        id=session["id"],
        whose=whose(session.get("metadata"), refers_to),
        customer=id_of(session.get("customer")),
        subscription=id_of(session.get("subscription")),
    )


def read_subscription(subscription: Object) -> Iterator[Facts]:
    if (subscription.get("items") or {}).get("has_more"):
        raise ValueError("a subscription has more items than were sent")
    items, within = [], []
    for item in rows_of(subscription.get("items")):
        if item.get("deleted"):
            continue
        price = next(read_price(item["price"]) if item.get("price") else read_plan(item["plan"]))
        within.append(price)
        within += _expanded(item.get("discounts"))
        quantity, discounts = item.get("quantity"), ids_of(rows_of(item.get("discounts")))
        items.append(facts.Item(price=price.id, quantity=1 if quantity is None else quantity, discounts=discounts))
    given = rows_of(subscription.get("discounts")) or [subscription.get("discount")]
    within += _expanded(given)
    status = subscription["status"]
    yield facts.SubscriptionState(
        id=subscription["id"],
        customer=id_of(subscription["customer"]),
        whose=whose(subscription.get("metadata")),
        status=status,
        currency=subscription["currency"].upper(),
        started=required_moment(subscription.get("start_date", subscription.get("created"))),
        anchor=required_moment(subscription["billing_cycle_anchor"]),
        trial_until=moment(subscription.get("trial_end")),
        ends=_end_of(subscription),
        paused=status == "paused" or bool(subscription.get("pause_collection")),
        items=tuple(items),
        discounts=ids_of(given),
    )
    yield from within


def _expanded(discounts: object) -> list[Facts]:
    return [each for one in rows_of(discounts) if isinstance(one, dict) for each in read_discount(one)]


def _end_of(subscription: Object) -> datetime | None:
    if (ended := subscription.get("ended_at")) is not None:
        return moment(ended)
    if (at := subscription.get("cancel_at")) is not None:
        return moment(at)
    if not subscription.get("cancel_at_period_end"):
        return None
    ends = [item.get("current_period_end") for item in rows_of(subscription.get("items"))]
    return moment(max((end for end in ends if end), default=subscription.get("current_period_end")))
