"""A provider's invoice against the ledger: what may explain the difference, and what nothing explains. Pure.

`difference = invoiced - recorded`. Each cause says how much it can explain at most; in order, each takes of what is
left what it can, in the direction that it has. What is left at the end is unexplained: the parts sum to the difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, localcontext
from typing import NamedTuple

from app.finance.months.report import Explanation, ReconciledProvider, Share
from models.documents import Document
from models.money import ZERO, quantize_usd, to_decimal
from models.rollups import OTHER

UNPRICED, ESTIMATED, TIERS = "unpriced", "estimated", "tiers"
WORDS = {
    UNPRICED: "Calls without a price, were they as dear as the provider's other calls on average: recorded too low.",
    ESTIMATED: "Calls whose tokens were estimated: recorded too high or too low, by their cost at most.",
    TIERS: "Calls in batches or of a service tier of their own: recorded too high or too low, by their cost at most.",
}


class Cause(NamedTuple):
    """What may make an invoice differ from what was recorded."""

    name: str
    calls: int
    up_to: Decimal | None
    """How much it can explain at most; None where nobody knows."""


class Recorded(NamedTuple):
    """What the ledger says of one provider's calls in a month."""

    provider: str
    cost: Decimal
    causes: tuple[Cause, ...]


class Invoiced(NamedTuple):
    """All invoices of one provider for a month."""

    number: int
    usd: Decimal


class Calls(NamedTuple):
    """Some calls and their cost."""

    calls: int = 0
    cost: Decimal = ZERO


def reconciled(recorded: Iterable[Recorded], invoices: Mapping[str, Invoiced]) -> list[ReconciledProvider]:
    """Every provider with calls or an invoice; those with an invoice first."""
    of = {each.provider: each for each in recorded}
    names = sorted(of.keys() | invoices.keys(), key=lambda name: (name not in invoices, name))
    return [_reconciled(of.get(name, Recorded(name, ZERO, ())), invoices.get(name)) for name in names]


def _reconciled(of: Recorded, invoiced: Invoiced | None) -> ReconciledProvider:
    difference = None if invoiced is None else invoiced.usd - of.cost
    left = difference or ZERO
    explanations = []
    for cause in of.causes:
        explained = _within(left, cause)
        left -= explained
        explanations.append(
            Explanation(
                cause=cause.name, words=WORDS[cause.name], calls=cause.calls, up_to=cause.up_to, explained=explained
            )
        )
    return ReconciledProvider(
        provider=of.provider,
        invoices=0 if invoiced is None else invoiced.number,
        invoiced=None if invoiced is None else invoiced.usd,
        recorded=of.cost,
        difference=difference,
        explanations=explanations,
        unexplained=None if invoiced is None else left,
    )


def _within(left: Decimal, cause: Cause) -> Decimal:
    """What a cause can explain of what is left: calls without a price made the ledger too low, never too high."""
    if cause.up_to is None:
        return ZERO
    return max(ZERO if cause.name == UNPRICED else -cause.up_to, min(cause.up_to, left))


def recorded(providers: Sequence[Share], estimated: Mapping[str, Calls], tiered: Mapping[str, Calls]) -> list[Recorded]:
    """What there is of each provider, with its calls that were estimated, and that were of a tier or a batch."""
    found = []
    for of in providers:
        causes = []
        if of.unpriced:
            causes.append(Cause(UNPRICED, of.unpriced, _as_dear_as_others(of)))
        for name, calls in ((ESTIMATED, estimated.get(of.name)), (TIERS, tiered.get(of.name))):
            if calls is not None and calls.calls:
                causes.append(Cause(name, *calls))
        found.append(Recorded(of.name, of.cost, tuple(causes)))
    return found


def kept(rows: Iterable[ReconciledProvider]) -> list[Recorded]:
    """The same from a report that was kept, whatever was invoiced then."""
    return [
        Recorded(row.provider, row.recorded, tuple(Cause(e.cause, e.calls, e.up_to) for e in row.explanations))
        for row in rows
    ]


def estimated_calls(parts: Iterable[tuple[str, Document]]) -> dict[str, Calls]:
    """By provider, from totals of estimated calls."""
    return _by_provider((provider, row["requests"], row["cost"]) for provider, row in parts)


def tiered_calls(details: Iterable[Document], providers: Iterable[str]) -> dict[str, Calls]:
    """By provider, from the rows of `details`; providers that reports fold count as reports do. What is estimated, too,
    is among the estimated ones.
    """
    known = set(providers)
    return _by_provider(
        (name if (name := row["_id"]["provider"]) in known else OTHER, row["calls"], row["cost"])
        for row in details
        if row["_id"]["tiered"] and not row["_id"]["estimated"]
    )


def _by_provider(rows: Iterable[tuple[str, int, object]]) -> dict[str, Calls]:
    found: dict[str, Calls] = {}
    for provider, calls, cost in rows:
        before = found.get(provider, Calls())
        found[provider] = Calls(before.calls + calls, before.cost + to_decimal(cost))
    return found


def _as_dear_as_others(of: Share) -> Decimal | None:
    """`cost / priced calls x unpriced calls`; None where no call has a price."""
    priced = of.requests - of.unpriced
    if priced == 0:
        return None
    with localcontext(prec=60):  # wide enough that it is rounded once only
        return quantize_usd(of.cost * of.unpriced / priced)
