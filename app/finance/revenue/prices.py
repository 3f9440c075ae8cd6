"""What a term costs for an interval, at a moment. Pure."""

from datetime import datetime
from decimal import Context, Decimal
from typing import NamedTuple

from models.currencies import USD
from models.money import ZERO
from models.plans import PlanVersion, Term, amount_for

_EXACT = Context(prec=60)
"""Digits enough for a price after many discounts."""
_HUNDRED = Decimal(100)


class IntervalPrice(NamedTuple):
    """Of one interval of a term."""

    amount: Decimal
    """After discounts, in whole units of `currency`, not rounded; 0 in a trial."""
    currency: str
    gross: Decimal
    """Before discounts, also in a trial."""
    trial: bool


def interval_price(term: Term, version: PlanVersion | None, moment: datetime) -> IntervalPrice | None:
    """What a term costs at a moment: its own price, else that of its plan version (USD; up to the end of a period that
    was promised otherwise, for as long as that is), without the discounts that
    hold then, in their order, each of what the ones before it left, and never below 0. None where no price is known.
    """
    if term.price is not None:
        gross, currency = term.price.amount, term.price.currency
    elif version is not None and version.price is not None:
        gross, currency = amount_for(version.price, term.interval, of=version.interval), USD
    else:
        return None
    if term.trial_until is not None and moment < term.trial_until:
        return IntervalPrice(ZERO, currency, gross, trial=True)
    amount = gross
    for discount in term.discounts:
        if discount.holds(moment):
            off = discount.amount
            if off is None:
                off = _EXACT.multiply(amount, (discount.percent or ZERO) / _HUNDRED)
            amount = max(_EXACT.subtract(amount, off), ZERO)
    return IntervalPrice(amount, currency, gross, trial=False)
