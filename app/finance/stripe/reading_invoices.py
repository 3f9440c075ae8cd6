"""Invoices and what changes them, as Stripe's objects have them. Pure.

An invoice's subscription moved to `parent` and a line's price to `pricing` with the versions of 2025: what is read here
is looked for in both places.
"""

from collections.abc import Iterator

from app.finance.stripe import facts
from app.finance.stripe.facts import Facts
from app.finance.stripe.reading_subscriptions import read_price
from app.finance.stripe.values import Object, id_of, ids_of, moment, required_moment, rows_of, whose

GOES_BACK = frozenset({"succeeded", "pending", "requires_action"})
"""Statuses of refunds that count."""
LOST = "lost"
OVER = frozenset({LOST, "won", "warning_closed", "prevented"})


def read_invoice(invoice: Object) -> Iterator[Facts]:
    parent = (invoice.get("parent") or {}).get("subscription_details") or {}
    older = invoice.get("subscription_details") or {}
    moments = invoice.get("status_transitions") or {}
    paid = [invoice.get("charge"), invoice.get("payment_intent")]
    lines = list(map(_line, rows_of(invoice.get("lines"))))
    for payment in rows_of(invoice.get("payments")):
        paid += [(payment.get("payment") or {}).get(name) for name in ("charge", "payment_intent")]
    yield facts.Invoice(
        id=invoice["id"],
        customer=id_of(invoice.get("customer")),
        subscription=id_of(parent.get("subscription")) or id_of(invoice.get("subscription")),
        whose=whose(invoice.get("metadata")) or whose(parent.get("metadata") or older.get("metadata")),
        status=invoice.get("status") or "draft",
        currency=invoice["currency"].upper(),
        total=invoice.get("total", 0),
        lines=tuple(lines),
        more=bool((invoice.get("lines") or {}).get("has_more")),
        created=required_moment(invoice["created"]),
        finalized_at=moment(moments.get("finalized_at")),
        voided_at=moment(moments.get("voided_at")),
        uncollectible_at=moment(moments.get("marked_uncollectible_at")),
        paid_at=moment(moments.get("paid_at")),
        payments=ids_of(paid),
    )
    for line in rows_of(invoice.get("lines")):
        if isinstance(line.get("price"), dict):
            yield from read_price(line["price"])


def _line(line: Object) -> facts.Line:
    parent = line.get("parent") or {}
    details = (line.get("pricing") or {}).get("price_details") or {}
    older = line.get("price") or line.get("plan") or {}
    recurring = older.get("recurring") or (line.get("plan") or {})
    of_subscription = parent.get("subscription_item_details") or line.get("type") == "subscription"
    proration = line.get("proration") or (parent.get("invoice_item_details") or {}).get("proration")
    period = line["period"]
    start, end = required_moment(period["start"]), required_moment(period["end"])
    return facts.Line(
        id=line["id"],
        net=_net(line),
        start=start,
        end=max(start, end),
        price=id_of(details.get("price")) or id_of(older),
        product=id_of(details.get("product")) or id_of(older.get("product")),
        metered=recurring.get("usage_type") == "metered",
        recurring=bool(of_subscription or proration),
    )


def _net(line: Object) -> int:
    """What is left of a line's amount without discounts, credits and the taxes that are within it."""
    taxes = line.get("taxes") or line.get("tax_amounts") or ()
    within = sum(tax["amount"] for tax in taxes if tax.get("inclusive") or tax.get("tax_behavior") == "inclusive")
    discounts = sum(one["amount"] for one in line.get("discount_amounts") or ())
    credits_ = [one for one in line.get("pretax_credit_amounts") or () if one.get("type") != "discount"]
    return int(line["amount"] - within - discounts - sum(one["amount"] for one in credits_))


def read_payment(payment: Object) -> Iterator[Facts]:
    paid = payment.get("payment") or {}
    payments = ids_of(paid.get(name) for name in ("charge", "payment_intent"))
    yield facts.Payment(id=payment["id"], invoice=id_of(payment["invoice"]), payments=payments)


def read_charge(charge: Object) -> Iterator[Facts]:
    payments = ids_of((charge["id"], charge.get("payment_intent")))
    yield facts.Charge(id=charge["id"], invoice=id_of(charge.get("invoice")), payments=payments)
    for refund in rows_of(charge.get("refunds")):
        yield from read_refund(refund)


def read_refund(refund: Object) -> Iterator[Facts]:
    yield facts.Refund(
        id=refund["id"],
        amount=refund["amount"],
        currency=refund["currency"].upper(),
        created=required_moment(refund["created"]),
        counts=refund.get("status", "succeeded") in GOES_BACK,
        payments=ids_of((refund.get("charge"), refund.get("payment_intent"))),
    )


def read_dispute(dispute: Object) -> Iterator[Facts]:
    withdrawn = [each["created"] for each in dispute.get("balance_transactions") or () if "created" in each]
    yield facts.Dispute(
        id=dispute["id"],
        amount=dispute["amount"],
        currency=dispute["currency"].upper(),
        created=required_moment(min(withdrawn, default=dispute["created"])),
        counts=dispute["status"] == LOST,
        open=dispute["status"] not in OVER,
        payments=ids_of((dispute.get("charge"), dispute.get("payment_intent"))),
    )


def read_credit_note(note: Object) -> Iterator[Facts]:
    if (note.get("lines") or {}).get("has_more"):
        raise ValueError("a credit note has more lines than were sent")
    total = int(note["total"])
    net = note.get("total_excluding_tax")
    if net is None:
        taxes = note.get("total_taxes") or note.get("tax_amounts") or ()
        net = total - sum(tax["amount"] for tax in taxes)
    refunds = [(id_of(each.get("refund")), each.get("amount_refunded")) for each in note.get("refunds") or ()]
    if (older := id_of(note.get("refund"))) and not refunds:
        refunds = [(older, None)]
    lines = [facts.NoteLine(line=line.get("invoice_line_item"), net=_net(line)) for line in rows_of(note.get("lines"))]
    yield facts.CreditNote(
        id=note["id"],
        invoice=id_of(note["invoice"]),
        net=net,
        total=total,
        refunds=tuple((id_, amount) for id_, amount in refunds if id_),
        lines=tuple(lines),
        created=required_moment(note["created"]),
        counts=note.get("status") == "issued",
    )
