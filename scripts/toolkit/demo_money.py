"""Money of the demo: who subscribes to which plan, what came due of it, and what users did. All of it is synthetic.

It follows from a seed and the days of the demo's calls, as these do: made again, nothing counts twice.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from hashlib import blake2b

from app.database import Database
from app.errors import ConflictError
from app.events.recording import EventRecorder
from app.finance.revenue.book import MOST, RevenueBook
from app.finance.revenue.charges import charges
from app.limits.defining.plans import PlanBook
from app.limits.defining.subscriptions import SubscriptionBook
from app.limits.definitions import Definitions
from app.limits.stored_definitions import read
from app.observability.metrics import Counters
from app.settings import Settings
from models.limits import Interval, LimitScope
from models.moments import moment_now
from models.plans import SUBSCRIPTIONS, Discount, Price, Status, Subscription, Term
from models.product_event import ProductEvent
from models.revenue import NewRevenue, RevenueKind, RevenueSource, revenue_id
from scripts.toolkit.demo_calls import CLIENT, EXPERIMENT, USERS, Plan, variant_of

BY = "scripts.seed_demo"
PLANS = (
    ("demo-starter", "Starter", Interval.MONTH, Decimal(5)),
    ("demo-pro", "Pro", Interval.MONTH, Decimal(12)),
    ("demo-team", "Team", Interval.YEAR, Decimal(180)),
)
PAYING = 30
"""In percent: the users who subscribe."""
BEFORE_DAYS = 120
"""The first of them have subscribed so long before the demo's calls begin."""
CONVERSION = "purchase"
RATES = {"plain": 0.18, "warm": 0.33}
"""How many users of a variant buy something."""


async def add_money(database: Database, settings: Settings, calls: Plan) -> None:
    """Plans, subscriptions, what came due of them until now, and purchases. Raises DatabaseUnavailableError."""
    definitions = Definitions(database, settings.zone)
    plans = PlanBook(database, definitions)
    for plan, name, interval, price in PLANS:
        with suppress(ConflictError):  # it is there from an earlier demo
            await plans.add({"plan": plan, "name": name, "interval": interval, "price": price}, by=BY)
    wanted = list(subscriptions(calls))
    # an earlier demo was of other days: what it has made stays as it is
    stored = database.writes[SUBSCRIPTIONS].find({"_id": {"$in": [one.id for one in wanted]}})
    there = {one.id: one async for each in stored if (one := read(Subscription, each)) is not None}
    await SubscriptionBook(database, definitions).add_new([one for one in wanted if one.id not in there])
    versions = {plan: await plans.offered(plan, 1, None) for plan, *_ in PLANS}
    book, now = RevenueBook(database, settings.zone), moment_now()
    entries = [
        entry
        for one in (there.get(new.id, new) for new in wanted)
        for entry in charges(one, lambda plan, _: versions.get(plan), since=one.terms[0].since, until=now)
    ]
    entries += [*_refunds(entries, now), *_once(calls)]
    for first in range(0, len(entries), MOST):
        await book.book(entries[first : first + MOST], client=None, by=BY)
    await EventRecorder(database, Counters()).record(list(purchases(calls)), by_user=False)


def subscriptions(calls: Plan) -> Iterator[Subscription]:
    """Those of the demo's users: trials, upgrades, discounts, and some that have ended. The busiest user has the
    cheapest plan, and costs more than it.
    """
    later = max(24, (calls.until.date() - calls.first).days - 5)
    for user in range(USERS):
        rng = random.Random(f"{calls.seed}:money:{user}")
        if user and not _happens(rng, PAYING):
            continue
        days_before = rng.randint(1, BEFORE_DAYS) if _happens(rng, 70) else -rng.randint(0, later)
        since = calls.first - timedelta(days=days_before)
        if _midnight(since) > calls.until:
            continue
        plan = "demo-starter" if user == 0 else rng.choices([plan for plan, *_ in PLANS], [60, 34, 6])[0]
        terms = _terms(rng, since, plan, calls.until.date())[: 1 if user == 0 else None]
        ends = terms[-1].since + timedelta(days=rng.randint(20, 150))
        ended = ends if user and _happens(rng, 30) and ends < calls.until else None
        yield Subscription(
            id=blake2b(f"demo:{calls.seed}:{user}".encode(), digest_size=12).hexdigest(),
            scope=LimitScope(user_id=f"user-{user:04}", client_id=CLIENT),
            terms=terms,
            status=Status.ACTIVE if ended is None else Status.ENDED,
            synthetic=True,
            created_at=terms[0].since,
            created_by=BY,
            ended_at=ended,
        )


def _terms(rng: random.Random, since: date, plan: str, today: date) -> tuple[Term, ...]:
    intervals = {name: interval for name, _, interval, _ in PLANS}
    more: dict[str, object] = {}
    if _happens(rng, 15):
        more["trial_until"] = _midnight(since + timedelta(days=14))
    if _happens(rng, 10):
        more["discounts"] = (Discount(percent=Decimal(20), until=_midnight(since + timedelta(days=90))),)
    if plan == "demo-pro" and _happens(rng, 10):
        more["price"] = Price(amount=Decimal(9))
    first = _term(since, plan, intervals[plan], since, **more)
    later = since + timedelta(days=rng.randint(20, 90))
    if plan == "demo-team" or not _happens(rng, 25) or later > today:
        return (first,)
    other = {"demo-starter": "demo-pro", "demo-pro": "demo-starter"}[plan]
    return first, _term(later, other, intervals[other], since)


def _term(since: date, plan: str, interval: Interval, anchor: date, **more: object) -> Term:
    named = {"since": _midnight(since), "plan": plan, "version": 1, "interval": interval, "anchor": anchor}
    return Term.model_validate({**named, "timezone": "UTC", **more})


def _refunds(entries: Sequence[NewRevenue], now: datetime) -> Iterator[NewRevenue]:
    """A few of them are paid back three days later."""
    paid = [entry for entry in entries if entry.kind is RevenueKind.SUBSCRIPTION and entry.amount > 0]
    for entry in paid[11::37]:
        at = entry.at + timedelta(days=3)
        if at < min(now, entry.end):
            yield NewRevenue.model_validate(
                {
                    **entry.model_dump(),
                    "kind": RevenueKind.REFUND,
                    "source": RevenueSource.MANUAL,
                    "source_id": f"demo-refund-{entry.source_id}",
                    "refunds": revenue_id(entry.source, entry.source_id),
                    "amount": -entry.amount,
                    **dict.fromkeys(("at", "start", "end"), at),
                }
            )


def _once(calls: Plan) -> Iterator[NewRevenue]:
    """What the client itself paid for being set up."""
    at = _midnight(calls.first + timedelta(days=3))
    yield NewRevenue(
        client_id=CLIENT,
        kind=RevenueKind.ONE_TIME,
        amount=Decimal(49),
        currency="USD",
        at=at,
        start=at,
        end=at,
        source=RevenueSource.MANUAL,
        source_id=f"demo-setup-{calls.seed}",
        synthetic=True,
    )


def purchases(calls: Plan) -> Iterator[ProductEvent]:
    """What users of the experiment bought, in the last third of the demo's days, or of its last month."""
    begin, end = max(_midnight(calls.first), calls.until - timedelta(days=30)), calls.until
    for user in range(USERS):
        rng = random.Random(f"{calls.seed}:purchase:{user}")
        variant = variant_of(user)
        if rng.random() < RATES[variant]:
            yield ProductEvent(
                user_id=f"user-{user:04}",
                client_id=CLIENT,
                event=CONVERSION,
                request_id=f"demo:{calls.seed}:purchase:{user}",
                experiment=EXPERIMENT,
                variant=variant,
                value=Decimal(rng.choice(["4.99", "9.99", "19.99"])),
                created_at=begin + (end - begin) * rng.uniform(0.66, 1),
                synthetic=True,
            )


def _happens(rng: random.Random, percent: int) -> bool:
    return rng.randrange(100) < percent


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
