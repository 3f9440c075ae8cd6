"""The year of `tests.finance.a_year`, as Stripe tells it."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from tests.finance.a_year import ENTRIES, STEPS, Changed, Ended, Entry, Started, Step, client_of
from tests.finance.stripe import objects
from tests.finance.stripe.objects import Object, became, cents, event

INTERVALS = {"month": ("month", 1), "year": ("year", 1), "quarter": ("month", 3), "week": ("week", 1)}
BY_SESSION, BY_SUBSCRIPTION = {"gina", "ben"}, {"anna", "kappa", "emil"}
"""Whose metadata are in the checkout, and whose in the subscription; of all others they are the customer's."""


def metadata_of(customer: str) -> dict[str, str]:
    if customer == client_of(customer):
        return {"clientId": customer}
    return {"userId": customer, "clientId": client_of(customer)}


class Account:
    """One at Stripe: its objects as they are now, and the events that told of each change."""

    def __init__(self) -> None:
        self.events: list[Object] = []
        self.objects: dict[str, Object] = {}
        self._of: dict[str, str] = {}
        """The newest subscription of each customer."""
        self._paid: dict[tuple[str, datetime], str] = {}
        self._amounts: dict[str, Decimal] = {}
        self._offs: dict[str, Started] = {}

    def tell(self, type_: str, of: Object, at: datetime, previous: Object | None = None) -> None:
        self.objects[of["id"]] = of
        self.events.append(event(type_, of, at, previous))

    def change(self, id_: str, at: datetime, type_: str = "customer.subscription.updated", **changes: object) -> None:
        before = self.objects[id_]
        previous = {name: before[name] for name in changes}
        self.tell(type_, {**before, **changes}, at, previous)

    def price(self, plan: str, amount: Decimal, interval: str, currency: str) -> Object:
        unit, every = INTERVALS[interval]
        id_ = f"price_{plan}_{cents(amount)}_{currency}"
        return objects.price(id_, cents(amount), unit, every=every, currency=currency.lower(), plan=plan)

    def take(self, step: Step) -> None:
        match step:
            case Started():
                self.started(step)
            case Changed():
                self.changed(step)
            case Ended():
                self.ended(step)

    def started(self, step: Started) -> None:
        name, customer = step.customer, f"cus_{step.customer}"
        here = metadata_of(name)
        if customer not in self.objects:
            told = {} if name in BY_SESSION | BY_SUBSCRIPTION else here
            self.tell("customer.created", objects.customer(customer, **told), step.at)
        id_ = f"sub_{name}_{step.at.month}"
        if name in BY_SESSION:
            session = {"id": f"cs_{id_}", "object": "checkout.session", "customer": customer, "subscription": id_}
            whose: Object = {"client_reference_id": here["userId"], "metadata": {"clientId": here["clientId"]}}
            self.tell("checkout.session.completed", session | whose, step.at)
        paid = self.price(step.plan, step.amount, step.interval, step.currency)
        self._amounts[name] = step.amount
        more: Object = {"metadata": here if name in BY_SUBSCRIPTION else {}}
        if step.trial_until:
            trial = {"trial_start": objects.seconds(step.at), "trial_end": objects.seconds(step.trial_until)}
            more |= {"status": "trialing", "billing_cycle_anchor": objects.seconds(step.trial_until), **trial}
        if step.off:
            self._offs[name] = step
            percent = None if step.off.percent is None else float(step.off.percent)
            amount = None if step.off.amount is None else cents(step.off.amount)
            off = {"percent_off": percent, "amount_off": amount, "currency": "usd" if amount else None}
            self.tell("coupon.created", objects.coupon(f"off_{name}", duration="repeating", **off), step.at)
            held = objects.discount(f"di_{name}", f"off_{name}", step.at, step.off.until, subscription=id_)
            self.tell("customer.discount.created", held, step.at)
            more["discounts"] = [held["id"]]
        found = objects.subscription(id_, customer, step.at, objects.item(f"si_{id_}", paid), **more)
        self._of[name] = id_
        self.tell("customer.subscription.created", {**found, "status": "incomplete"}, step.at)
        self.change(id_, step.at, status=found["status"])

    def changed(self, step: Changed) -> None:
        id_ = self._of[step.customer]
        (item,) = self.objects[id_]["items"]["data"]
        paid = self.price(step.plan, step.amount, "month", "USD")
        self.change(id_, step.at, items=objects.listed({**item, "price": paid}))
        self._amounts[step.customer] = step.amount

    def ended(self, step: Ended) -> None:
        ended = {"status": "canceled", "ended_at": objects.seconds(step.at), "canceled_at": objects.seconds(step.at)}
        self.change(self._of[step.customer], step.at, "customer.subscription.deleted", **ended)

    def invoiced(self, at: datetime, customer: str, entries: list[Entry]) -> None:
        """What came due at once."""
        once = [entry for entry in entries if entry.kind == "one_time"]
        for number, due in enumerate(([entry for entry in entries if entry not in once], once)):
            if due:
                self._invoice(f"in_{customer}_{at:%m%d}_{number}", at, customer, due)

    def _invoice(self, id_: str, at: datetime, customer: str, due: list[Entry]) -> None:
        of, lines = self._of[customer], []
        recurring = due[0].kind != "one_time"
        for number, entry in enumerate(due):
            amount, discounted = entry.amount, Decimal(0)
            step = self._offs.get(customer)
            if step and step.off and at < step.off.until and entry.kind == "subscription":
                amount, discounted = step.amount, step.amount - entry.amount
            paid = objects.price("price_usage", 1, plan=None)
            paid["recurring"]["usage_type"] = "metered"
            if entry.plan:
                basis = amount if entry.start == at and entry.kind == "subscription" else abs(amount)
                paid = self.price(entry.plan, self._amounts.get(customer, basis), "month", entry.currency)
                if entry.kind == "credit":  # of the price before the change
                    paid = self.price("pro", Decimal(30), "month", "USD")
            elif entry.kind == "usage":
                self.tell("price.created", paid, at)
            lines.append(
                objects.line(
                    f"il_{id_}_{number}",
                    cents(amount),
                    entry.start,
                    entry.end,
                    of=paid if recurring else None,
                    subscription=of if recurring else None,
                    discounted=cents(discounted),
                )
            )
        draft = objects.invoice(id_, f"cus_{customer}", at, *lines, subscription=of if recurring else None)
        self.tell("invoice.created", draft, at)
        open_ = became(draft, "open", at)
        self.tell("invoice.finalized", open_, at, {"status": "draft"})
        self.tell("invoice.paid", became(open_, "paid", at), at, {"status": "open"})
        self.tell("invoice_payment.paid", objects.payment(f"inpay_{id_}", id_, f"pi_{id_}"), at)
        self._paid[customer, at] = f"pi_{id_}"

    def refunded(self, entry: Entry) -> None:
        if entry.refunds is None:
            raise ValueError(entry)
        intent = self._paid[entry.customer, entry.refunds]
        back = objects.refund(f"re_{entry.customer}", intent, cents(-entry.amount), entry.at)
        self.tell("refund.created", back, entry.at)

    def renewed(self, customer: str, until: datetime) -> None:
        """What happens by itself up to a moment: trials and discounts end."""
        found = self.objects.get(self._of.get(customer, ""))
        if found is None or found["status"] == "canceled":
            return
        trial = found["trial_end"]
        if found["status"] == "trialing" and trial <= objects.seconds(until):
            self.change(found["id"], until, status="active")
        step = self._offs.get(customer)
        if step and step.off and step.off.until <= until and found["discounts"]:
            held = self.objects[found["discounts"][0]]
            self.tell("customer.discount.deleted", held, step.off.until)
            self.change(found["id"], step.off.until, discounts=[])


def year() -> Account:
    """All that happened, in order."""
    account = Account()
    due: dict[datetime, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in ENTRIES:
        due[entry.at][entry.customer].append(entry)
    moments = sorted({*due, *(step.at for step in STEPS)})
    for moment in moments:
        for step in STEPS:
            if step.at == moment:
                account.take(step)
        for customer, entries in due[moment].items():
            account.renewed(customer, moment)
            if came := [entry for entry in entries if entry.kind != "refund"]:
                account.invoiced(moment, customer, came)
            for entry in entries:
                if entry.kind == "refund":
                    account.refunded(entry)
    return account
