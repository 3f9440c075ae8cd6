"""The year of `tests.finance.a_year` as it is stored."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from models.limits import Interval, LimitScope
from models.money import quantize_usd
from models.plans import Discount, Price, Status, Subscription, Term
from models.revenue import CurrencyRate, Revenue, RevenueKind, RevenueSource
from tests.finance import a_year
from tests.finance.a_year import ENTRIES, RATES, STEPS, Changed, Ended, Entry, Off, Started, client_of

UTC = ZoneInfo("UTC")


def user_of(customer: str) -> str | None:
    """None for the one that is a client."""
    return None if customer == client_of(customer) else customer


def revenue(entry: Entry, sequence: int, refunds: int | None = None) -> Revenue:
    """An entry as it is booked. `refunds`: the sequence of what it takes back."""
    rate = rate_of(entry.currency, entry.at)
    return Revenue.model_validate(
        {
            "_id": f"manual:{sequence}",
            "client_id": client_of(entry.customer),
            "user_id": user_of(entry.customer),
            "plan": entry.plan,
            "kind": RevenueKind(entry.kind),
            "amount": entry.amount,
            "currency": entry.currency,
            "rate": rate,
            "usd": quantize_usd(entry.amount * rate),
            "start": entry.start,
            "end": entry.end,
            "recognised_from": entry.start,
            "at": entry.at,
            "source": RevenueSource.MANUAL,
            "source_id": str(sequence),
            "refunds": None if refunds is None else f"manual:{refunds}",
            "sequence": sequence,
            "created_at": entry.at,
            "created_by": "test",
        }
    )


def rate_of(currency: str, at: datetime) -> Decimal:
    """The newest one on or before a day."""
    known = [(day, rate) for (of, day), rate in RATES.items() if of == currency and day <= at.date()]
    return max(known)[1] if known else Decimal(1)


def entries() -> list[Revenue]:
    """All of them, in order of time."""
    ordered = sorted(ENTRIES, key=lambda entry: entry.at)
    numbers = {(entry.customer, entry.at): number for number, entry in enumerate(ordered, 1)}
    return [
        revenue(entry, number, None if entry.refunds is None else numbers[entry.customer, entry.refunds])
        for number, entry in enumerate(ordered, 1)
    ]


def stored_entries() -> list[dict[str, Any]]:
    return [entry.stored() for entry in entries()]


def subscriptions() -> list[Subscription]:
    """As the steps leave them at the end of the year."""
    found: dict[str, Subscription] = {}
    for step in STEPS:
        match step:
            case Started():
                found[step.customer + str(step.at.month)] = _started(step)
            case Changed():
                key, before = _last(found, step.customer)
                term = before.terms[-1]
                price = Price(amount=step.amount, currency=term.price.currency if term.price else "USD")
                later = term.model_copy(update={"since": step.at, "plan": step.plan, "price": price})
                found[key] = before.model_copy(update={"terms": (*before.terms, later)})
            case Ended():
                key, before = _last(found, step.customer)
                found[key] = before.model_copy(update={"ended_at": step.at, "status": Status.ENDED})
    return list(found.values())


def rates() -> list[CurrencyRate]:
    """Of the year."""
    made = {"created_at": a_year.at(1), "created_by": "test"}
    return [CurrencyRate(currency=of, day=day, usd=rate, **made) for (of, day), rate in RATES.items()]


def _last(found: dict[str, Subscription], customer: str) -> tuple[str, Subscription]:
    return next(pair for pair in reversed(found.items()) if pair[0].startswith(customer))


def _started(step: Started) -> Subscription:
    term = Term(
        since=step.at,
        plan=step.plan,
        version=1,
        anchor=step.anchor,
        interval=Interval(step.interval),
        timezone="UTC",
        price=Price(amount=step.amount, currency=step.currency),
        discounts=() if step.off is None else (_discount(step.off),),
        trial_until=step.trial_until,
    )
    return Subscription.model_validate(
        {
            "_id": f"{step.customer}-{step.at:%m}",
            "scope": LimitScope(user_id=user_of(step.customer), client_id=client_of(step.customer)),
            "terms": (term,),
            "created_at": step.at,
            "created_by": "test",
        }
    )


def _discount(off: Off) -> Discount:
    return Discount(percent=off.percent, amount=off.amount, until=off.until)


def months() -> list[tuple[datetime, datetime, a_year.Month]]:
    """Each month's first moment, the one after it, and what it comes to."""
    starts = [a_year.at(month) for month in range(1, 13)] + [a_year.at(1, 1, a_year.YEAR + 1)]
    return list(zip(starts, starts[1:], a_year.MONTHS, strict=False))
