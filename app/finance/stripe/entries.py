"""What comes due by an invoice, and what of it was taken back: the entries that there should be. Pure.

They follow from the newest state of an invoice, its refunds, credit notes and disputes, whichever came first. A line
comes due when its invoice is finalized, for its own period. All that takes back does so from its own moment on to the
end of the line's period, and is spread over the lines with an amount above 0 in proportion.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple

from app.finance.stripe.facts import CreditNote, Dispute, Invoice, Line, Refund, Whose
from app.finance.stripe.money import amount_of
from models.revenue import NewRevenue, RevenueFields, RevenueKind, RevenueSource, revenue_id

CAME_DUE = frozenset({"open", "paid", "uncollectible", "void"})
"""Statuses of invoices that were finalized."""


class Taken(NamedTuple):
    """What one refund, dispute or credit note takes back of an invoice, without tax, in cents."""

    id: str
    at: datetime
    cents: int
    lines: Mapping[str, int] | None = None
    """By line, where it says so."""


class Paid(NamedTuple):
    """What a line pays for."""

    subscription: str | None
    plan: str | None
    version: int | None
    metered: bool = False


class Papers(NamedTuple):
    """An invoice, and all that changes it."""

    invoice: Invoice
    refunds: Sequence[Refund] = ()
    notes: Sequence[CreditNote] = ()


class Wanted(NamedTuple):
    """The entries of an invoice, and what is wrong with what should change it."""

    entries: list[NewRevenue]
    refused: str | None


def wanted(papers: Papers, owner: Whose, paid_for: Callable[[Line], Paid]) -> Wanted:
    """All entries that there should be of an invoice, in the order in which they came due."""
    invoice = papers.invoice
    at = invoice.finalized_at or (invoice.created if invoice.status in CAME_DUE else None)
    if at is None:
        return Wanted([], None)
    entries = _Entries(invoice, owner, paid_for)
    for line in invoice.lines:
        entries.add(line, line.net, at, "")
    left = {line.id: line.net for line in invoice.lines}
    taken, refused = _taken(papers)
    for one in taken:
        for line, cents in _spread(one, invoice, left):
            left[line.id] -= cents
            entries.add(line, -cents, one.at, one.id)
    for line in invoice.lines:
        for moment, sign, reason in _given_up(invoice):
            entries.add(line, sign * left[line.id], moment, reason)
    return Wanted(entries.made, refused)


class _Entries:
    def __init__(self, invoice: Invoice, owner: Whose, paid_for: Callable[[Line], Paid]) -> None:
        self._invoice, self._owner, self._paid_for = invoice, owner, paid_for
        self.made: list[NewRevenue] = []

    def add(self, line: Line, cents: int, at: datetime, reason: str) -> None:
        """One entry of a line; of a `reason`, where that changes it."""
        if not cents:
            return
        paid, invoice = self._paid_for(line), self._invoice
        source_id = f"{invoice.id}/{line.id}"
        start, end = line.start, line.end
        if reason:  # from its own moment on, or all of it then
            start = max(at, start)
            end = max(start, end)
        kind = kind_of(line, cents, metered=line.metered or paid.metered)
        refunds = None
        if reason and cents < 0 < line.net:
            kind, refunds = RevenueKind.REFUND, revenue_id(RevenueSource.STRIPE, source_id)
        self.made.append(
            NewRevenue(
                client_id=self._owner.client_id,
                user_id=self._owner.user_id,
                subscription_id=paid.subscription,
                plan=paid.plan,
                plan_version=paid.version,
                kind=kind,
                amount=amount_of(cents, invoice.currency),
                currency=invoice.currency,
                start=start,
                end=end,
                at=at,
                source=RevenueSource.STRIPE,
                source_id=f"{source_id}/{reason}" if reason else source_id,
                refunds=refunds,
                overlaps=True,
            )
        )


def kind_of(line: Line, cents: int, *, metered: bool) -> RevenueKind:
    """What a line, or a change of it, is."""
    if cents < 0:
        return RevenueKind.CREDIT
    if metered:
        return RevenueKind.USAGE
    return RevenueKind.SUBSCRIPTION if line.recurring else RevenueKind.ONE_TIME


def difference(like: RevenueFields, amount: Decimal, number: int, at: datetime) -> NewRevenue:
    """The entry that makes what was booked what it should be now, by an `amount`: the `number`-th such of an entry, at
    the moment of what has changed it.
    """
    start = max(at, like.start)
    kind = RevenueKind.CREDIT if amount < 0 else RevenueKind.SUBSCRIPTION
    fields = {name: getattr(like, name) for name in RevenueFields.model_fields}
    changes = {"amount": amount, "kind": kind, "refunds": None, "at": max(at, like.at), "overlaps": True}
    of_rest = {"start": start, "end": max(start, like.end), "source_id": f"{like.source_id}~{number}"}
    return NewRevenue.model_validate({**fields, **changes, **of_rest})


def _given_up(invoice: Invoice) -> Iterator[tuple[datetime, int, str]]:
    """When all that is left was given up, or came in after all."""
    if invoice.voided_at is not None or invoice.status == "void":
        yield invoice.voided_at or invoice.created, -1, "void"
    elif invoice.uncollectible_at is not None or invoice.status == "uncollectible":
        given_up = invoice.uncollectible_at or invoice.created
        yield given_up, -1, "uncollectible"
        if invoice.status == "paid":
            yield max(given_up, invoice.paid_at or given_up), 1, "paid"


def _taken(papers: Papers) -> tuple[list[Taken], str | None]:
    """What takes back, in its order, and what is more than there is."""
    net = sum(line.net for line in papers.invoice.lines)
    total, refused = papers.invoice.total, None
    refunds = sorted(filter(attrgetter("counts"), papers.refunds), key=attrgetter("created", "id"))
    ends = [0]
    for refund in refunds:
        left = max(total - ends[-1], 0)
        if refund.amount > left:
            what = "dispute" if isinstance(refund, Dispute) else "refund"
            asked, there = (f"{amount_of(each, refund.currency):f}" for each in (refund.amount, left))
            refused = f"{what} {refund.id} of {asked} {refund.currency} is more than the {there} that are left"
        ends.append(ends[-1] + min(refund.amount, left))
    # rounded where they end, so that a payment given back in parts is given back exactly
    shares = [_share(net, end, total) for end in ends]
    taken = [
        Taken(refund.id, refund.created, to - since)
        for refund, (since, to) in zip(refunds, pairwise(shares), strict=True)
    ]
    by_id = {refund.id: refund for refund in papers.refunds}
    for note in sorted(filter(attrgetter("counts"), papers.notes), key=attrgetter("created", "id")):
        given_back = sum(_refunded(note, id_, amount, by_id) for id_, amount in note.refunds)
        rest = note.net - _share(note.net, min(given_back, note.total), note.total)
        lines: Counter[str] | None = None
        if not given_back and all(each.line for each in note.lines) and sum(each.net for each in note.lines) == rest:
            lines = Counter[str]()
            for each in note.lines:
                lines[each.line or ""] += each.net
        taken.append(Taken(note.id, note.created, rest, lines))
    return taken, refused


def _refunded(note: CreditNote, id_: str, amount: int | None, refunds: Mapping[str, Refund]) -> int:
    """What of a note a refund of its own takes back; nothing where that has failed: it is credited then."""
    refund = refunds.get(id_)
    if refund is not None and not refund.counts:
        return 0
    if amount is not None:
        return amount
    return note.total if refund is None else refund.amount


def _share(net: int, part: int, total: int) -> int:
    """What of the net amount a part of the total is."""
    if total <= 0:
        return 0
    share = Fraction(net * part, total)
    return int((Decimal(share.numerator) / share.denominator).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def _spread(taken: Taken, invoice: Invoice, left: Mapping[str, int]) -> Iterator[tuple[Line, int]]:
    """What is taken back of each line, never more than is left of it."""
    if taken.lines is not None:
        for line in invoice.lines:
            if cents := min(taken.lines.get(line.id, 0), max(left[line.id], 0)):
                yield line, cents
        return
    lines = [line for line in invoice.lines if left[line.id] > 0]
    there = sum(left[line.id] for line in lines)
    cents, before, given = min(taken.cents, there), 0, 0
    for line in lines:
        before += left[line.id]
        end = cents * before // there
        if end > given:
            yield line, end - given
        given = end
