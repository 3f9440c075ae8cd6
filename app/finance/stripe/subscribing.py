"""Subscriptions here that follow those at Stripe: their terms, and which of several gives a plan."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from app.database import Database, Session
from app.finance.stripe.facts import Whose
from app.finance.stripe.terms import NO_PLAN, Stretch
from app.limits.defining.changes import next_version
from app.limits.stored_definitions import read
from models.limits import LimitScope
from models.plans import PLANS, SUBSCRIPTIONS, PlanVersion, Status, Subscription

MADE_BY = "stripe"


class Versions:
    """Every version of every plan."""

    def __init__(self, versions: Iterable[PlanVersion]) -> None:
        self._by_plan: dict[str, list[PlanVersion]] = {}
        for version in sorted(versions, key=lambda each: each.version):
            self._by_plan.setdefault(version.plan, []).append(version)

    def __contains__(self, plan: str) -> bool:
        return plan in self._by_plan

    def at(self, plan: str, moment: datetime) -> int:
        """The newest version of a plan at a moment; its first one before there was any."""
        there = [each.version for each in self._by_plan.get(plan, []) if each.created_at <= moment]
        return there[-1] if there else 1


class Theirs(NamedTuple):
    """A subscription at Stripe."""

    subscription: str
    customer: str
    scope: LimitScope
    stretches: Sequence[Stretch]


async def versions(database: Database, session: Session | None) -> Versions:
    """Raises PyMongoError."""
    found = [read(PlanVersion, stored) async for stored in database.writes[PLANS].find(session=session)]
    return Versions(one for one in found if one is not None)


class Subscribing:
    """The stored subscriptions of Stripe. All of these raise PyMongoError."""

    def __init__(self, database: Database) -> None:
        self._database, self._stored = database, database.writes[SUBSCRIPTIONS]

    async def adopted(self, subscription: str, customer: str, session: Session | None) -> Whose | None:
        """Whose a subscription is that was made here by hand with Stripe's ids."""
        for name, id_ in (("stripeSubscriptionId", subscription), ("stripeCustomerId", customer)):
            stored = await self._stored.find_one({name: id_}, sort=[("createdAt", -1)], session=session)
            found = None if stored is None else read(Subscription, stored)
            if found is not None:
                return Whose(user_id=found.scope.user_id, client_id=found.scope.client_id)
        return None

    async def follow(self, theirs: Theirs, plans: Versions, now: datetime, session: Session | None) -> bool:
        """Have it here as it is there; whether anything changed."""
        of_subject = await self._of({"subject": theirs.scope.subject}, session)
        ours = await self.of(theirs.subscription, session)
        wanted = _wanted(theirs, ours, now)
        others = [one for one in of_subject if one.id not in {each.id for each in (*wanted, *ours)}]
        states = _stated([*others, *wanted], plans, now)
        before = {one.id: one for one in (*of_subject, *ours)}
        changed = [one for one in states if before.get(one.id) != one]
        gone = [one.id for one in ours if one.id not in {each.id for each in wanted}]
        if changed or gone:
            await self._write(changed, gone, session)
        return bool(changed or gone)

    async def of(self, subscription: str, session: Session | None) -> list[Subscription]:
        """What there is here of one of Stripe's, in order."""
        return sorted(
            await self._of({"stripeSubscriptionId": subscription}, session), key=lambda one: one.terms[0].since
        )

    async def _of(self, chosen: dict[str, Any], session: Session | None) -> list[Subscription]:
        found = self._stored.find(chosen, session=session)
        return [one async for stored in found if (one := read(Subscription, stored)) is not None]

    async def _write(self, changed: Sequence[Subscription], gone: Sequence[str], session: Session | None) -> None:
        version = await next_version(self._database, session)
        for id_ in gone:  # of a break that proved to be none
            await self._stored.delete_one({"_id": id_}, session=session)
        # first who gives the plan no longer: a subject has one that does
        for one in sorted(changed, key=lambda each: each.status is Status.ACTIVE):
            found_by = {"changed": version, "subject": one.scope.subject}
            if one.scope.client_id is not None:
                found_by["client"] = one.scope.client_id
            await self._stored.replace_one({"_id": one.id}, one.stored() | found_by, upsert=True, session=session)


def _wanted(theirs: Theirs, ours: Sequence[Subscription], now: datetime) -> list[Subscription]:
    """One for each stretch. One that was made by hand goes on as the first of them, with what it was before."""
    by_id = {one.id: one for one in ours}
    first = next((one.id for one in ours if one.created_by != MADE_BY), theirs.subscription)
    wanted: list[Subscription] = []
    for number, stretch in enumerate(theirs.stretches, 1):
        id_ = first if number == 1 else f"{theirs.subscription}#{number}"
        there = by_id.get(id_)
        earlier = [term for term in there.terms if term.since < stretch.terms[0].since] if there and number == 1 else []
        if there and there.created_by == MADE_BY:
            earlier = []
        fields = {
            "id": id_,
            "scope": there.scope if there else theirs.scope,
            "terms": (*earlier, *stretch.terms),
            "stripe_customer_id": theirs.customer,
            "stripe_subscription_id": theirs.subscription,
            "usage_alerts_enabled": there.usage_alerts_enabled if there else True,
            "created_at": there.created_at if there else now,
            "created_by": there.created_by if there else MADE_BY,
            "ended_at": stretch.ends,
        }
        wanted.append(Subscription.model_validate(fields))
    return wanted


def _stated(all_: Sequence[Subscription], plans: Versions, now: datetime) -> list[Subscription]:
    """All of a subject, each with its status: the one of Stripe's that began last gives the plan, and one that was made
    by hand ends where that begins.
    """

    def gives(one: Subscription) -> bool:
        plan = one.term_at(now).plan
        by_hand = one.stripe_subscription_id is None
        return not one.is_over(now) and (by_hand or (plan != NO_PLAN and plan in plans))

    paid = [one for one in all_ if one.stripe_subscription_id is not None and gives(one)]
    chosen = max(paid, key=lambda one: (one.terms[0].since, one.id), default=None)
    stated = []
    for one in all_:
        status, ended = Status.ENDED, one.ended_at
        by_hand = one.stripe_subscription_id is None
        if by_hand and chosen is not None and not _is_over_at(one, chosen.terms[0].since):
            ended = max(chosen.terms[0].since, one.terms[0].since)
        elif by_hand:
            status = one.status
        elif ended is None or ended > now:
            status = Status.ACTIVE if one is chosen else Status.BESIDE
        stated.append(one.model_copy(update={"status": status, "ended_at": ended}))
    return stated


def _is_over_at(one: Subscription, moment: datetime) -> bool:
    return one.status is Status.ENDED or (one.ended_at is not None and one.ended_at <= moment)
