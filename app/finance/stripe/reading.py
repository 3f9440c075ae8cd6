"""Stripe's objects, as events and the API have them, in today's shapes and in those of older versions. Pure."""

from collections.abc import Callable, Iterator

from app.finance.stripe import reading_invoices, reading_subscriptions
from app.finance.stripe.facts import Facts
from app.finance.stripe.values import Object


def read(stripe: Object) -> list[Facts]:
    """What an object says, of itself first and then of those within it; nothing where it is of no kind that matters.

    Raises ValueError (pydantic's too), KeyError and TypeError for one that is not as Stripe says.
    """
    reader = _READERS.get(stripe.get("object", ""))
    return list(reader(stripe)) if reader else []


_READERS: dict[str, Callable[[Object], Iterator[Facts]]] = {
    "price": reading_subscriptions.read_price,
    "coupon": reading_subscriptions.read_coupon,
    "discount": reading_subscriptions.read_discount,
    "customer": reading_subscriptions.read_customer,
    "checkout.session": reading_subscriptions.read_session,
    "subscription": reading_subscriptions.read_subscription,
    "invoice": reading_invoices.read_invoice,
    "invoice_payment": reading_invoices.read_payment,
    "charge": reading_invoices.read_charge,
    "refund": reading_invoices.read_refund,
    "dispute": reading_invoices.read_dispute,
    "credit_note": reading_invoices.read_credit_note,
}
