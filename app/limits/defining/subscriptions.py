"""Who has which plan. A subject has one active subscription at most."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from app.audit import acting_as
from app.database import Database, Session
from app.errors import ConflictError, invalid
from app.limits.defining.owners import own_scope
from app.limits.defining.plans import PlanBook
from app.limits.defining.storage import Owner, Storage, changed, made, new_id, told
from app.limits.defining.terms import NOTHING, Effective, changed_terms, current_period, first_term, is_downgrade
from app.limits.definitions import Definitions
from app.limits.stored_definitions import read
from models.limits import LimitScope
from models.moments import moment_now
from models.plans import SUBSCRIPTIONS, PlanVersion, Status, Subscription


class SubscriptionBook(Storage[Subscription]):
    """The stored subscriptions."""

    shape, collection, what = Subscription, SUBSCRIPTIONS, "subscription"

    def __init__(self, database: Database, definitions: Definitions) -> None:
        super().__init__(database, definitions)
        self._plans = PlanBook(database, definitions)

    async def add(
        self,
        scope: LimitScope,
        *,
        plan: str,
        number: int | None = None,
        anchor: date | None = None,
        timezone: str | None = None,
        own: Mapping[str, Any] = NOTHING,
        more: Mapping[str, Any],
        client: str | None,
        by: str,
    ) -> Subscription:
        """Subscribe a user or a client to a plan; `number` is a version of it, by default the newest. `own`: its
        `price`, `discounts` and `trial_until`, where it has any.

        Raises NotFoundError where there is no such plan, ConflictError where it has ended or the subject has one
        already, InvalidRequestError and NotAllowedError.
        """
        scope = own_scope(scope, client)
        if scope.user_id is None and scope.client_id is None:
            raise invalid("scope", "must name a userId, a clientId or both: others have no plan")
        after: list[Subscription] = []

        async def insert(session: Session | None, version: int) -> None:
            offered = await self._plans.offered(plan, number, session)
            now = moment_now()
            _check_trial(own, now)
            zone = timezone or self._definitions.zone.key
            term = first_term(offered, anchor=anchor, timezone=zone, now=now, own=own)
            told_by = {"id": new_id(), "scope": scope, "terms": (term,), "created_at": now, "created_by": by}
            subscription = made(Subscription, {**more, **told_by})
            if (active := await self._active(scope, session)) is not None:
                if not active.is_over(now):
                    message = f"{told(scope)} has subscription {active.id}: change that one, or end it first"
                    raise ConflictError(message, errors=[{"field": "scope", "message": message}])
                await self._note_end(active, version, session)
            await self._insert(subscription, Owner(scope.subject or "", scope.client_id), version, session)
            after[:] = [subscription]

        await self._change(insert)
        return after[0]

    async def change(
        self,
        id_: str,
        *,
        plan: str | None = None,
        number: int | None = None,
        timezone: str | None = None,
        effective: Effective | None = None,
        own: Mapping[str, Any] = NOTHING,
        more: Mapping[str, Any],
        client: str | None,
    ) -> Subscription:
        """Another plan, another version of it, another zone, another price of its own, or what else is known of it.

        A plan of which anything gets less holds from the next period on, and so does another price alone, any other
        plan at once, unless `effective` says when. Used and held stay. Raises as `add` does.
        """
        after: list[Subscription] = []

        async def update(session: Session | None, version: int) -> None:
            before, now = await self.one(id_, client, session), moment_now()
            _require_active(before)
            _check_trial(own, now)
            term = before.next_after(now) or before.term_at(now)
            offered: PlanVersion | None = None
            if plan is not None or number is not None:
                offered = await self._plans.offered(plan or term.plan, number, session)
            when = effective or await self._effective(before, offered, session)
            if effective is None and offered is None and "price" in own:
                when = Effective.RENEWAL
            terms = changed_terms(before, now, version=offered, timezone=timezone, effective=when, own=own)
            subscription = changed(before, {**more, "terms": terms})
            await self._replace(subscription, version, session)
            after[:] = [subscription]

        await self._change(update)
        return after[0]

    async def end(self, id_: str, *, effective: Effective, client: str | None) -> Subscription:
        """End it now, or when its period does; then the default plan holds. Raises NotFoundError, and ConflictError
        where it has ended.
        """
        after: list[Subscription] = []

        async def update(session: Session | None, version: int) -> None:
            before, now = await self.one(id_, client, session), moment_now()
            _require_active(before)
            at = now if effective is Effective.NOW else current_period(before, now).end
            status = Status.ENDED if effective is Effective.NOW else Status.ACTIVE
            subscription = before.model_copy(update={"ended_at": at, "status": status})
            await self._replace(subscription, version, session)
            after[:] = [subscription]

        await self._change(update)
        return after[0]

    async def of(self, scope: LimitScope) -> Subscription | None:
        """The one in force of a subject."""
        active = await self._active(scope, None)
        return None if active is None or active.is_over(moment_now()) else active

    async def add_new(self, wanted: Sequence[Subscription], *, execute: bool = True) -> dict[str, Subscription]:
        """Add all whose subject has none, at once; without `execute`, only look. Returns those that were there already,
        by subject. Raises DatabaseUnavailableError.
        """
        there: dict[str, Subscription] = {}

        async def look(session: Session | None) -> list[Subscription]:
            """Returns those that are over."""
            active, now = await self._all_active(wanted, session), moment_now()
            there.clear()
            there.update({subject: one for subject, one in active.items() if not one.is_over(now)})
            return [one for one in active.values() if one.is_over(now)]

        async def insert(session: Session | None, version: int) -> None:
            for over in await look(session):
                await self._note_end(over, version, session)
            new = [one for one in wanted if one.scope.subject not in there]
            for one in new:
                await self._insert(one, Owner(one.scope.subject or "", one.scope.client_id), version, session)

        if execute:
            await self._change(insert)
        else:
            await look(None)
        return there

    async def _note_end(self, over: Subscription, version: int, session: Session | None) -> None:
        """So that its subject may have another one: it was over before, and nobody ends it now."""
        with acting_as(None):
            await self._replace(over.model_copy(update={"status": Status.ENDED}), version, session)

    async def _all_active(self, wanted: Sequence[Subscription], session: Session | None) -> dict[str, Subscription]:
        subjects = {"$in": [one.scope.subject for one in wanted]}
        found = self._stored.find({"subject": subjects, "status": Status.ACTIVE.value}, session=session)
        active = [one async for stored in found if (one := read(Subscription, stored)) is not None]
        return {one.scope.subject or "": one for one in active}

    async def _active(self, scope: LimitScope, session: Session | None) -> Subscription | None:
        chosen = {"subject": {"$eq": scope.subject}, "status": Status.ACTIVE.value}
        stored = await self._stored.find_one(chosen, session=session)
        return None if stored is None else read(Subscription, stored)

    async def _effective(self, before: Subscription, offered: PlanVersion | None, session: Session | None) -> Effective:
        if offered is None:
            return Effective.NOW
        term = before.term_at(moment_now())
        old = await self._plans.version(term.plan, term.version, session)
        return Effective.RENEWAL if is_downgrade(old, offered) else Effective.NOW


def _check_trial(own: Mapping[str, Any], now: datetime) -> None:
    until = own.get("trial_until")
    if until is not None and until <= now:
        raise invalid("trialUntil", "must be in the future: a trial ends then, and null ends it now")


def _require_active(subscription: Subscription) -> None:
    if subscription.is_over(moment_now()):
        raise ConflictError(f"subscription {subscription.id} has ended: make another one")
