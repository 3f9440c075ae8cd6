"""A subscription of Stripe's, settled: it is here as it is there, and limits follow."""

from pydantic import ValidationError

from app.database import Database, Session
from app.finance.stripe.facts import SubscriptionState
from app.finance.stripe.knowing import Knowing
from app.finance.stripe.settlements import Settlement, State
from app.finance.stripe.store import Kept, Objects, history
from app.finance.stripe.subscribing import Subscribing, Theirs
from app.finance.stripe.terms import NO_PLAN, stretches
from models.faults import fields_at_fault
from models.moments import moment_now
from models.plans import Subscription


class Subscriptions:
    """All of these raise PyMongoError."""

    def __init__(self, database: Database, objects: Objects, knowing: Knowing) -> None:
        self._objects, self._knowing = objects, knowing
        self._subscribing = Subscribing(database)

    async def settle(self, kept: Kept, session: Session | None) -> Settlement | None:
        """None for what is no subscription, nor whose subscriptions wait for it."""
        state = kept.facts
        if not isinstance(state, SubscriptionState):
            return None
        if kept.document.get("erased"):
            await self._objects.settled(state.id, State.SETTLED, session)
            return Settlement(state.id, state.kind, State.SETTLED, frees=True)
        owner = await self._knowing.owner(kept, state.id, state.customer, session)
        if owner is None:
            reason = f"neither it nor customer {state.customer} has userId or clientId in its metadata"
            await self._objects.settled(
                state.id, State.UNMATCHED, session, reason=reason, waits=(state.id, state.customer)
            )
            return Settlement(state.id, state.kind, State.UNMATCHED, reason)
        states, plans = history(kept.document), await self._knowing.versions(session)
        known = await self._knowing.of(states, plans, session)
        try:
            found = stretches(states, known)
        except ValidationError as error:
            reason = f"it is not as subscriptions here can be: {', '.join(fields_at_fault(error))}"
            await self._objects.settled(state.id, State.REFUSED, session, reason=reason, owner=owner)
            return Settlement(state.id, state.kind, State.REFUSED, reason, frees=True)
        theirs = Theirs(state.id, state.customer, owner.scope, found)
        await self._subscribing.follow(theirs, plans, moment_now(), session)
        named = {term.plan for stretch in found for term in stretch.terms} - {NO_PLAN}
        unknown = sorted(plan for plan in named if plan not in plans)
        missing = sorted({each for moment in states for each in known.missing(moment.state)})
        waits = [*missing, *(f"plan:{plan}" for plan in unknown)]
        end = State.SETTLED
        why: str | None = None
        if unknown:
            end, why = State.NO_PLAN, f"there is no plan {', '.join(unknown)} here"
        elif missing:
            end, why = State.WAITING, f"for {', '.join(missing)}: its price is before that discount"
        await self._objects.settled(state.id, end, session, reason=why, waits=waits, owner=owner)
        return Settlement(state.id, state.kind, end, why, frees=True)

    async def kept(self, subscription: str | None, session: Session | None) -> list[Subscription]:
        """What there is here of a subscription, in order; several where it was broken off and resumed."""
        return [] if subscription is None else await self._subscribing.of(subscription, session)
