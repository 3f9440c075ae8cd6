"""Three years of subscriptions and of what they paid, for `scripts.bench finance`. None of them is real."""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from bson import Decimal128

from app.database import Database, Session
from app.database.connection import VERSIONS
from app.limits.defining.changes import change_definitions, remove_definitions
from models.limits import Interval, LimitScope
from models.money import quantize_usd, stored_usd
from models.plans import SUBSCRIPTIONS, Discount, Price, Status, Subscription, Term
from models.revenue import RATES, REVENUE, STATE, CurrencyRate, RevenueKind, RevenueSource
from scripts.bench.load import CLIENTS
from scripts.toolkit.command import Advance

BY = "bench"
MONTHS = 36
BATCH = 1_000
EUR = Decimal("1.1")
_MONTH = timedelta(days=30)


class Plan(NamedTuple):
    """What is sold."""

    name: str
    amount: Decimal
    interval: Interval
    months: int


PLANS = (
    Plan("basic", Decimal(10), Interval.MONTH, 1),
    Plan("pro", Decimal(30), Interval.MONTH, 1),
    Plan("team", Decimal(240), Interval.QUARTER, 3),
    Plan("annual", Decimal(300), Interval.YEAR, 12),
)
WEIGHTS = (50, 35, 10, 5)


@asynccontextmanager
async def subscribed(
    database: Database, count: int, now: datetime, advance: Advance
) -> AsyncIterator[dict[str, float]]:
    """So many subscriptions, one of each user, and their entries, for the length of a block; how many there are."""
    await _remove(database)
    entries = 0
    try:
        rate = CurrencyRate(currency="EUR", day=date(2020, 1, 1), usd=EUR, created_at=now, created_by=BY)
        await database.writes[RATES].insert_one(rate.stored())
        for first in range(0, count, BATCH):
            made = [_subscription(number, now) for number in range(first, min(first + BATCH, count))]
            await _store(database, made)
            documents = [entry for one in made for entry in _entries(one, now)]
            for number, document in enumerate(documents, entries + 1):
                document["sequence"] = number
            entries += len(documents)
            await database.writes[REVENUE].insert_many(documents, ordered=False)
            advance(len(made))
        state = {"$set": {"sequence": entries}, "$inc": {"rates": 1, "rewritten": 1}}
        await database.writes[VERSIONS].update_one(STATE, state, upsert=True)
        yield {"subscriptions": count, "entries": entries}
    finally:
        await _remove(database)


async def _store(database: Database, made: list[Subscription]) -> None:
    async def change(session: Session | None, version: int) -> None:
        stored = [{**one.stored(), "changed": version} for one in made]
        await database.writes[SUBSCRIPTIONS].insert_many(stored, ordered=False, session=session)

    await change_definitions(database, change, seconds=120)


async def _remove(database: Database) -> None:
    """What an earlier measurement left, too."""

    async def nothing(_: Session | None) -> None:
        """All of it is gone already: so many do not fit into one transaction."""

    await database.writes[SUBSCRIPTIONS].delete_many({"createdBy": BY})
    await remove_definitions(database, nothing)
    await database.writes[REVENUE].delete_many({})
    await database.writes[RATES].delete_many({"createdBy": BY})
    await database.writes[VERSIONS].update_one(STATE, {"$set": {"sequence": 0}, "$inc": {"rewritten": 1}}, upsert=True)


def _subscription(number: int, now: datetime) -> Subscription:
    """Of one user; every twentieth pays in euros, every tenth has a discount, changed, or ended."""
    rng = random.Random(number)
    (plan,) = rng.choices(PLANS, WEIGHTS)
    since = now - timedelta(seconds=rng.randrange(MONTHS * 30 * 86_400))
    price = Price(amount=plan.amount, currency="EUR" if number % 20 == 0 else "USD")
    off = (Discount(percent=Decimal(20), until=since + rng.randint(1, 12) * _MONTH),) if rng.random() < 0.1 else ()  # noqa: PLR2004
    first = Term(
        since=since.replace(microsecond=0),
        plan=plan.name,
        version=1,
        anchor=since.date(),
        interval=plan.interval,
        timezone="UTC",
        price=price,
        discounts=off,
    )
    terms = [first]
    if rng.random() < 0.2:  # noqa: PLR2004 - one of five changed its plan
        later = first.since + (now - first.since) * rng.random()
        terms.append(first.model_copy(update={"since": later.replace(microsecond=0), "plan": "pro", "discounts": ()}))
    ended = None
    if rng.random() < 0.15:  # noqa: PLR2004 - and these have left
        ended = (terms[-1].since + (now - terms[-1].since) * rng.random()).replace(microsecond=0)
    return Subscription.model_validate(
        {
            "_id": f"{BY}-{number:05}",
            "scope": LimitScope(user_id=f"user-{number:05}", client_id=f"client-{number % CLIENTS}"),
            "terms": tuple(terms),
            "status": Status.ACTIVE if ended is None else Status.ENDED,
            # those of Stripe come due there
            "stripe_subscription_id": f"sub_{number:05}",
            "created_at": first.since,
            "created_by": BY,
            "ended_at": ended,
        }
    )


def _entries(one: Subscription, now: datetime) -> Iterator[dict[str, Any]]:
    """What it paid, interval by interval of thirty days a month; one of a hundred is refunded in part."""
    rng = random.Random(one.id)
    over = min(one.ended_at or now, now)
    start, number = one.terms[0].since, 0
    while start < over:
        term = one.term_at(start)
        months = next(plan.months for plan in PLANS if plan.interval is term.interval)
        end = start + months * _MONTH
        yield _entry(one, term, (start, end), f"{one.id}/{number}")
        if rng.random() < 0.01:  # noqa: PLR2004
            at = start + (end - start) / 2
            yield _entry(one, term, (at, end), f"{one.id}/{number}/back", times=Decimal("-0.5"))
        start, number = end, number + 1


def _entry(
    one: Subscription, term: Term, span: tuple[datetime, datetime], name: str, *, times: Decimal = Decimal(1)
) -> dict[str, Any]:
    price, (start, end) = term.price or Price(amount=Decimal(1)), span
    amount = price.amount * times
    rate = EUR if price.currency == "EUR" else Decimal(1)
    kind = RevenueKind.SUBSCRIPTION if amount > 0 else RevenueKind.CREDIT
    # as `Revenue` is stored: 300,000 of them take a minute by the model
    return {
        "_id": f"stripe:{name}",
        "clientId": one.scope.client_id,
        "userId": one.scope.user_id,
        "subscriptionId": one.id,
        "plan": term.plan,
        "planVersion": 1,
        "kind": kind.value,
        "amount": Decimal128(amount),
        "currency": price.currency,
        "rate": Decimal128(rate),
        "usd": stored_usd(quantize_usd(amount * rate)),
        "start": start,
        "end": end,
        "recognisedFrom": start,
        "at": start,
        "source": RevenueSource.STRIPE.value,
        "sourceId": name,
        "synthetic": False,
        "createdAt": start,
        "createdBy": BY,
    }
