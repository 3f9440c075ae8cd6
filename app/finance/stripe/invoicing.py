"""An invoice of Stripe's, settled: what comes due by it is booked, and what of that was taken back."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from pydantic import ValidationError

from app.database import Database, Session
from app.finance.revenue.book import Booked, BookedStatus, RevenueBook
from app.finance.stripe.entries import CAME_DUE, Paid, Papers, difference, wanted
from app.finance.stripe.facts import CreditNote, Invoice, Line, Price, Refund, Whose
from app.finance.stripe.knowing import Knowing
from app.finance.stripe.settlements import Settlement, State
from app.finance.stripe.store import Kept, Objects
from app.finance.stripe.subscriptions import Subscriptions
from app.limits.stored_definitions import read
from models.faults import fields_at_fault
from models.moments import moment_now
from models.plans import Subscription
from models.revenue import REVENUE, NewRevenue, Revenue, RevenueSource, revenue_id

PATIENCE = timedelta(hours=1)
"""How long an invoice waits for a price or a subscription that nobody told of, before it is booked without a plan."""
BOOKED_BY = "stripe"
_OF_PAYMENTS = ("invoice", "invoice_payment", "charge")
_TAKE_BACK = ("refund", "dispute")


class _Outcome(NamedTuple):
    """What became of an invoice."""

    state: State
    reason: str | None = None
    waits: Sequence[str | None] = ()
    booked: int = 0


class Invoicing:
    """All of these raise PyMongoError."""

    def __init__(
        self,
        database: Database,
        objects: Objects,
        knowing: Knowing,
        subscriptions: Subscriptions,
        book: RevenueBook,
    ) -> None:
        self._objects, self._knowing, self._subscriptions, self._book = objects, knowing, subscriptions, book
        self._entries = database.writes[REVENUE]

    async def settle(self, kept: Kept, session: Session | None) -> Settlement | None:
        """An invoice, or that of what changes one. None for what has nothing to do with invoices."""
        if isinstance(kept.facts, Invoice):
            return await self._settle(kept, kept.facts, session)
        if kept.facts.kind not in {"credit_note", "invoice_payment", "charge", *_TAKE_BACK}:
            return None
        invoice = await self._objects.one(await self._invoice_of(kept, session), session)
        if invoice is not None and isinstance(invoice.facts, Invoice):
            return await self._settle(invoice, invoice.facts, session, kept.facts.id)
        if kept.facts.kind in {"charge", "invoice_payment"}:
            return None
        named = getattr(kept.facts, "invoice", None)
        waits = [named] if named else list(kept.facts.keys)
        reason = f"no invoice is known that {' or '.join(waits)} belongs to"
        await self._objects.settled(kept.facts.id, State.WAITING, session, reason=reason, waits=waits)
        return Settlement(kept.facts.id, kept.facts.kind, State.WAITING, reason)

    async def _invoice_of(self, kept: Kept, session: Session | None) -> str | None:
        named: str | None = getattr(kept.facts, "invoice", None)
        if named is not None:
            return named
        for other in await self._objects.by_keys(_OF_PAYMENTS, await self._keys(kept.facts.keys, session), session):
            found = other.facts.id if isinstance(other.facts, Invoice) else getattr(other.facts, "invoice", None)
            if found is not None:
                return str(found)
        return None

    async def _keys(self, keys: Sequence[str], session: Session | None) -> set[str]:
        """Of a payment all names: a charge's is also that of its payment intent."""
        charges = await self._objects.by_keys(("charge",), keys, session)
        return {*keys, *(key for charge in charges for key in charge.facts.keys)}

    async def _papers(self, invoice: Invoice, session: Session | None) -> Papers:
        payments = await self._objects.of_invoice(("invoice_payment", "charge"), invoice.id, session)
        keys = await self._keys([*invoice.keys, *(key for one in payments for key in one.facts.keys)], session)
        refunds = [one.facts for one in await self._objects.by_keys(_TAKE_BACK, keys, session)]
        notes = [one.facts for one in await self._objects.of_invoice(("credit_note",), invoice.id, session)]
        return Papers(
            invoice,
            [each for each in refunds if isinstance(each, Refund)],
            [each for each in notes if isinstance(each, CreditNote)],
        )

    async def _settle(self, kept: Kept, invoice: Invoice, session: Session | None, by: str | None = None) -> Settlement:
        """`by`: what has changed it."""
        papers = await self._papers(invoice, session)
        also = tuple(each.id for each in (*papers.refunds, *papers.notes))
        owner = await self._knowing.owner(kept, invoice.subscription, invoice.customer, session)
        outcome = await self._outcome(kept, papers, owner, by, session)
        state, reason, waits, booked = outcome
        await self._objects.settled(invoice.id, state, session, reason=reason, waits=waits, owner=owner)
        for id_ in also:
            notes = {"invoice": invoice.id}
            await self._objects.settled(id_, State.SETTLED, session, owner=owner, notes=notes)
        frees = state is State.SETTLED
        return Settlement(invoice.id, invoice.kind, state, reason, booked=booked, frees=frees, also=also)

    async def _outcome(
        self, kept: Kept, papers: Papers, owner: Whose | None, by: str | None, session: Session | None
    ) -> _Outcome:
        invoice = papers.invoice
        if invoice.status not in CAME_DUE:
            return _Outcome(State.SETTLED)
        if owner is None:
            reason = f"neither it nor customer {invoice.customer} has userId or clientId in its metadata"
            return _Outcome(State.UNMATCHED, reason, (invoice.subscription, invoice.customer))
        prices = await self._objects.named({line.price or "" for line in invoice.lines}, Price, session)
        if (obstacle := await self._obstacle(kept, invoice, prices, session)) is not None:
            return obstacle
        plans = await self._knowing.versions(session)
        subscriptions = await self._subscriptions.kept(invoice.subscription, session)

        def paid_for(line: Line) -> Paid:
            price = prices.get(line.price or "")
            plan = self._knowing.plan_of(price) if price else self._knowing.plan_of_product(line.product)
            metered = price is not None and price.metered
            of = _of(subscriptions, line.start)
            paid = Paid(None if of is None else of.id, plan, None, metered=metered)
            if plan is None:
                return paid
            version = None if of is None else _version(of, plan, line.start)
            return paid._replace(version=version or plans.at(plan, line.start))

        try:
            found = wanted(papers, owner, paid_for)
            receipts = await self._add(invoice, found.entries, await self._moment(kept, by, session), session)
        except ValidationError as error:
            return _Outcome(State.REFUSED, f"it cannot be booked: {', '.join(fields_at_fault(error))}")
        return _outcome_of(invoice, found.refused, receipts)

    async def _obstacle(
        self, kept: Kept, invoice: Invoice, prices: Mapping[str, Price], session: Session | None
    ) -> _Outcome | None:
        """What is missing before anything of it can be booked."""
        if invoice.more:
            reason = "it has more lines than the event: set TWINMETER_STRIPE_API_KEY, and run scripts.stripe_sync"
            return _Outcome(State.WAITING, reason, (invoice.id,))
        unknown = sorted({line.price or "" for line in invoice.lines if line.net and self._is_unknown(line, prices)})
        since: datetime = kept.document["since"]
        if moment_now() - since >= PATIENCE:
            return None
        if unknown:
            return _Outcome(State.WAITING, f"for price {', '.join(unknown)}: its plan is not known", unknown)
        if invoice.subscription and not await self._is_followed(invoice.subscription, session):
            reason = f"for {invoice.subscription}: nothing came of it yet, or it has not begun"
            return _Outcome(State.WAITING, reason, (invoice.subscription,))
        return None

    async def _is_followed(self, subscription: str, session: Session | None) -> bool:
        """Whether there is one here, by which what has no plan of its own is labelled, or none will ever be."""
        there = await self._objects.one(subscription, session)
        if there is None:
            return False
        if there.document.get("erased") or there.document["state"] == State.REFUSED:
            return True
        return bool(await self._subscriptions.kept(subscription, session))

    def _is_unknown(self, line: Line, prices: Mapping[str, Price]) -> bool:
        """Whether its price may yet say of which plan it is."""
        known = line.price is None or line.price in prices or self._knowing.plan_of_product(line.product) is not None
        return line.recurring and not known

    async def _moment(self, kept: Kept, by: str | None, session: Session | None) -> datetime:
        changed = await self._objects.one(by, session) or kept
        return changed.at

    async def _add(
        self, invoice: Invoice, entries: Sequence[NewRevenue], at: datetime, session: Session | None
    ) -> list[Booked]:
        """Book what is not there; where less or more is there than should be, the difference."""
        prefix = revenue_id(RevenueSource.STRIPE, f"{invoice.id}/")
        stored = self._entries.find({"_id": {"$gte": prefix, "$lt": f"{prefix[:-1]}0"}}, session=session)
        there: dict[str, list[Revenue]] = defaultdict(list)
        async for document in stored:
            if (entry := read(Revenue, document)) is not None:
                there[entry.source_id.partition("~")[0]].append(entry)
        new = [entry for entry in entries if entry.source_id not in there]
        amounts = {entry.source_id: entry.amount for entry in entries}
        for source_id, booked in there.items():
            rest = amounts.get(source_id, Decimal(0)) - sum(each.amount for each in booked)
            if rest:
                new.append(difference(booked[0], rest, len(booked), at))
        if not new:
            return []
        return await self._book.book(new, client=None, by=BOOKED_BY, session=session)


def _outcome_of(invoice: Invoice, refused: str | None, receipts: Sequence[Booked]) -> _Outcome:
    booked = sum(receipt.status is BookedStatus.BOOKED for receipt in receipts)
    messages = {receipt.field: receipt.message for receipt in receipts if receipt.status is BookedStatus.REFUSED}
    if "currency" in messages:
        return _Outcome(State.NO_RATE, messages["currency"], (f"rate:{invoice.currency}",), booked)
    reason = refused or next(iter(messages.values()), None)
    return _Outcome(State.SETTLED if reason is None else State.REFUSED, reason, (), booked)


def _of(subscriptions: Sequence[Subscription], moment: datetime) -> Subscription | None:
    """The one of a moment; before the first one, that."""
    begun = [one for one in subscriptions if one.terms[0].since <= moment]
    return begun[-1] if begun else next(iter(subscriptions), None)


def _version(subscription: Subscription, plan: str, moment: datetime) -> int | None:
    """That which a subscriber has of a plan at a moment."""
    there = reversed(subscription.terms)
    return next((term.version for term in there if term.since <= moment and term.plan == plan), None)
