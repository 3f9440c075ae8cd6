"""What an event hints at, fetched: the object as it is now, and what it refers to that nobody told of yet."""

from app.finance.stripe.api import PATHS, Api, Fetched
from app.finance.stripe.events import fetched
from app.finance.stripe.facts import CreditNote, Discount, Facts, Invoice, Payment, SubscriptionState
from app.finance.stripe.settling import Received
from app.finance.stripe.store import Objects

MOST = 200
"""Objects that one event may lead to."""


class Fetching:
    """Reads only; nothing is kept by it."""

    def __init__(self, api: Api, objects: Objects) -> None:
        self._api, self._objects = api, objects

    async def newest(self, kind: str, id_: str) -> list[Received]:
        """An object as it is now, with all that is needed for it. Raises StripeUnavailableError, and PyMongoError."""
        return await self._follow([(kind, id_)], {})

    async def around(self, found: Fetched) -> list[Received]:
        """An object of a list, with all that is needed for it. Raises as `newest` does."""
        first = fetched(found.object, found.at)
        wanted, got = await self._wanted(first), {first.facts[0].id: first}
        beside = await self._beside(first, got, wanted)
        return [first, *beside, *await self._follow(wanted, got)]

    async def _follow(self, wanted: list[tuple[str, str]], got: dict[str, Received]) -> list[Received]:
        received: list[Received] = []
        while wanted and len(received) < MOST:
            kind, id_ = wanted.pop(0)
            if id_ in got or kind not in PATHS:
                continue
            found = await self._api.one(kind, id_)
            if found is None:
                continue
            got[id_] = one = fetched(found.object, found.at)
            wanted += await self._wanted(one)
            received += [one, *await self._beside(one, got, wanted)]
        return received

    async def _beside(self, one: Received, got: dict[str, Received], wanted: list[tuple[str, str]]) -> list[Received]:
        """What is listed by the object, instead of named by it."""
        facts = one.facts[0]
        if facts.kind in {"refund", "dispute"}:
            return await self._payments(facts, got, wanted)
        return await self._refunds(facts.id, got, wanted) if facts.kind == "charge" else []

    async def _payments(self, facts: Facts, got: dict[str, Received], wanted: list[tuple[str, str]]) -> list[Received]:
        """Which invoice a refund's payment paid."""
        received = []
        for intent in (key for key in facts.keys if key.startswith("pi_")):
            chosen = {"payment": {"type": "payment_intent", "payment_intent": intent}}
            async for page in self._api.pages("/v1/invoice_payments", None, **chosen):
                for row in page.rows:
                    one = got[row["id"]] = fetched(row, page.at)
                    received.append(one)
                    wanted += await self._wanted(one)
        return received

    async def _refunds(self, charge: str, got: dict[str, Received], wanted: list[tuple[str, str]]) -> list[Received]:
        received = []
        async for page in self._api.pages("/v1/refunds", None, charge=charge):
            for row in page.rows:
                one = got[row["id"]] = fetched(row, page.at)
                received += [one, *await self._payments(one.facts[0], got, wanted)]
        return received

    async def _wanted(self, one: Received) -> list[tuple[str, str]]:
        """What one refers to and nobody told of yet."""
        facts, known = one.facts[0], {each.id for each in one.facts}
        named: list[tuple[str, str | None]] = []
        match facts:
            case SubscriptionState():
                named = [] if facts.whose else [("customer", facts.customer)]
                named += [("coupon", each.coupon) for each in one.facts if isinstance(each, Discount)]
            case Invoice():
                named = [("subscription", facts.subscription), *(("price", line.price) for line in facts.lines)]
                if not facts.whose and not facts.subscription:
                    named.append(("customer", facts.customer))
            case CreditNote() | Payment():
                named = [("invoice", facts.invoice)]
        wanted = [(kind, id_) for kind, id_ in named if id_ is not None and id_ not in known]
        return [(kind, id_) for kind, id_ in wanted if await self._is_new(kind, id_)]

    async def _is_new(self, kind: str, id_: str) -> bool:
        """Whether nobody told of it yet; of a customer, whose it is."""
        there = await self._objects.one(id_, None)
        return there is None or (kind == "customer" and there.whose is None)
