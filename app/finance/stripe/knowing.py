"""What Stripe's objects refer to: prices, discounts, plans, and whose something is."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from app.database import Database, Session
from app.finance.stripe.facts import Coupon, Discount, Price, Whose
from app.finance.stripe.store import Kept, Objects
from app.finance.stripe.subscribing import Subscribing, Versions, versions
from app.finance.stripe.terms import Known, Moment


class Knowing:
    """All of these raise PyMongoError."""

    def __init__(self, database: Database, objects: Objects, zone: ZoneInfo, plans: dict[str, str]) -> None:
        self._database, self._objects, self._zone, self._plans = database, objects, zone, plans
        self._subscribing = Subscribing(database)

    def plan_of(self, price: Price) -> str | None:
        """The plan that a price pays for: its metadata's, else its lookup key, else what its product is set to be."""
        return price.plan or price.lookup_key or self._plans.get(price.product or "")

    def plan_of_product(self, product: str | None) -> str | None:
        """What a product is set to be."""
        return self._plans.get(product or "")

    async def versions(self, session: Session | None) -> Versions:
        return await versions(self._database, session)

    async def of(self, history: Sequence[Moment], plans: Versions, session: Session | None) -> Known:
        """What the states of a subscription refer to."""
        states = [moment.state for moment in history]
        items = [item for state in states for item in state.items]
        named = {id_ for state in states for id_ in state.discounts} | {id_ for item in items for id_ in item.discounts}
        discounts = await self._objects.named(named, Discount, session)
        coupons = await self._objects.named({one.coupon or "" for one in discounts.values()}, Coupon, session)
        prices = await self._objects.named({item.price for item in items}, Price, session)
        return Known(prices, discounts, coupons, self.plan_of, plans.at, self._zone)

    async def owner(
        self, kept: Kept, subscription: str | None, customer: str | None, session: Session | None
    ) -> Whose | None:
        """Whose something is: as it was settled before, else as its own metadata say, its subscription's, its
        customer's, the checkout's that began it, or a subscription that was made here with Stripe's ids.
        """
        if kept.owner is not None:
            return kept.owner
        named = [await self._objects.one(id_, session) for id_ in (subscription, customer) if id_ != kept.facts.id]
        others = [other for other in named if other is not None]
        settled = [other.owner for other in others if other.facts.kind == "subscription"]
        for known in (*settled, kept.whose, *(other.whose for other in others)):
            if known is not None:
                return known
        for session_ in await self._objects.by_keys(
            ["checkout.session"], [id_ for id_ in (subscription, customer) if id_], session
        ):
            if session_.whose is not None:
                return session_.whose
        if subscription is None and customer is None:
            return None
        return await self._subscribing.adopted(subscription or "", customer or "", session)
