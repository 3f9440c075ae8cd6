"""Stripe's objects and events, in the shapes of the API's version 2026-10-28, and signed as Stripe signs them."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from stripe import WebhookSignature

SECRET = "whsec_of_a_test"
VERSION = "2026-10-28.endive"

Object = dict[str, Any]


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def listed(*rows: Object) -> Object:
    return {"object": "list", "data": list(rows), "has_more": False, "url": "/v1/rows"}


def customer(id_: str, **metadata: str) -> Object:
    return {
        "id": id_,
        "object": "customer",
        "email": "somebody@customer.example",
        "name": "Some Body",
        "livemode": False,
        "metadata": metadata,
    }


def price(
    id_: str,
    cents: int | None,
    interval: str | None = "month",
    *,
    every: int = 1,
    currency: str = "usd",
    plan: str | None = None,
    **more: Any,
) -> Object:
    recurring = {"interval": interval, "interval_count": every, "usage_type": "licensed", "meter": None}
    return {
        "id": id_,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "currency": currency,
        "livemode": False,
        "lookup_key": None,
        "metadata": {} if plan is None else {"plan": plan},
        "product": f"prod_{id_}",
        "recurring": recurring if interval else None,
        "type": "recurring" if interval else "one_time",
        "unit_amount": cents,
        "unit_amount_decimal": None if cents is None else str(cents),
        **more,
    }


def item(id_: str, of: Object, *, quantity: int | None = 1, ends: datetime | None = None, **more: Any) -> Object:
    return {
        "id": id_,
        "object": "subscription_item",
        "current_period_end": None if ends is None else seconds(ends),
        "discounts": [],
        "metadata": {},
        "price": of,
        "quantity": quantity,
        **more,
    }


def subscription(id_: str, of: str, started: datetime, *items: Object, **more: Any) -> Object:
    return {
        "id": id_,
        "object": "subscription",
        "billing_cycle_anchor": seconds(started),
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "created": seconds(started),
        "currency": items[0]["price"]["currency"] if items else "usd",
        "customer": of,
        "discounts": [],
        "ended_at": None,
        "items": listed(*items),
        "livemode": False,
        "metadata": {},
        "pause_collection": None,
        "start_date": seconds(started),
        "status": "active",
        "trial_end": None,
        "trial_start": None,
        **more,
    }


def coupon(id_: str, **more: Any) -> Object:
    plain: Object = {"amount_off": None, "percent_off": None, "currency": None, "duration": "forever", "metadata": {}}
    return {"id": id_, "object": "coupon", "livemode": False, "valid": True, **plain, **more}


def discount(id_: str, of: str, start: datetime, end: datetime | None = None, **more: Any) -> Object:
    return {
        "id": id_,
        "object": "discount",
        "source": {"type": "coupon", "coupon": of},
        "start": seconds(start),
        "end": None if end is None else seconds(end),
        **more,
    }


def line(
    id_: str,
    cents: int,
    start: datetime,
    end: datetime,
    *,
    of: Object | None = None,
    subscription: str | None = None,
    discounted: int = 0,
    **more: Any,
) -> Object:
    details: Object = {"subscription": subscription, "subscription_item": "si_1", "proration": False}
    parent: Object = {"type": "subscription_item_details", "subscription_item_details": details}
    if subscription is None:
        parent = {
            "type": "invoice_item_details",
            "invoice_item_details": {"invoice_item": "ii_1", "proration": False},
        }
    priced = None if of is None else {"price": of["id"], "product": of["product"]}
    return {
        "id": id_,
        "object": "line_item",
        "amount": cents,
        "currency": "usd" if of is None else of["currency"],
        "description": "Something",
        "discount_amounts": [{"amount": discounted, "discount": "di_1"}] if discounted else [],
        "discounts": [],
        "parent": parent,
        "period": {"start": seconds(start), "end": seconds(end)},
        "pretax_credit_amounts": [],
        "pricing": {"type": "price_details", "price_details": priced, "unit_amount_decimal": str(cents)},
        "quantity": 1,
        "taxes": [],
        **more,
    }


def invoice(
    id_: str, of: str, at: datetime, *lines: Object, subscription: str | None = None, tax: int = 0, **more: Any
) -> Object:
    """A draft; `finalized` and `paid` make more of it."""
    details: Object = {"subscription": subscription, "metadata": {}, "subscription_proration_date": None}
    net = sum(one["amount"] - sum(each["amount"] for each in one["discount_amounts"]) for one in lines)
    return {
        "id": id_,
        "object": "invoice",
        "created": seconds(at),
        "currency": lines[0]["currency"] if lines else "usd",
        "customer": of,
        "customer_email": "somebody@customer.example",
        "lines": listed(*lines),
        "livemode": False,
        "metadata": {},
        "parent": None if subscription is None else {"type": "subscription_details", "subscription_details": details},
        "status": "draft",
        "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        "total": net + tax,
        "total_excluding_tax": net,
        "total_taxes": [],
        **more,
    }


def became(document: Object, status: str, at: datetime) -> Object:
    """An invoice in another status."""
    names = {"open": "finalized_at", "paid": "paid_at", "void": "voided_at", "uncollectible": "marked_uncollectible_at"}
    return {
        **document,
        "status": status,
        "status_transitions": {**document["status_transitions"], names[status]: seconds(at)},
    }


def payment(id_: str, of: str, intent: str) -> Object:
    return {
        "id": id_,
        "object": "invoice_payment",
        "invoice": of,
        "livemode": False,
        "payment": {"type": "payment_intent", "payment_intent": intent},
        "status": "paid",
    }


def refund(id_: str, intent: str, cents: int, at: datetime, *, currency: str = "usd", **more: Any) -> Object:
    return {
        "id": id_,
        "object": "refund",
        "amount": cents,
        "charge": f"ch_{intent}",
        "created": seconds(at),
        "currency": currency,
        "metadata": {},
        "payment_intent": intent,
        "status": "succeeded",
        **more,
    }


_numbers = count(1)


def event(type_: str, of: Object, at: datetime, previous: Object | None = None, **more: Any) -> Object:
    data = {"object": of} if previous is None else {"object": of, "previous_attributes": previous}
    return {
        "id": f"evt_{next(_numbers)}",
        "object": "event",
        "api_version": VERSION,
        "created": seconds(at),
        "data": data,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": type_,
        **more,
    }


def body_of(event: Object) -> bytes:
    """As it is sent: amounts that are no whole numbers are numbers all the same."""
    return json.dumps(event, default=float).encode()


def signed(body: bytes, secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
    """The headers with which Stripe sends a body."""
    timestamp = None if at is None else seconds(at)
    signature = WebhookSignature.generate_signature_header(body.decode(), secret, timestamp)
    return {"Stripe-Signature": signature, "Content-Type": "application/json; charset=utf-8"}


def cents(amount: Decimal) -> int:
    return int(amount * 100)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]
