"""What of Stripe waits for a rate, a plan or a price, looked at again; and told as long as it waits."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pymongo
from pymongo.errors import PyMongoError

from app.database import Database
from app.database.following import follow
from app.finance.stripe.invoicing import PATIENCE
from app.finance.stripe.settlements import State
from app.finance.stripe.settling import Settling
from app.observability.troubles import Code, Troubles
from app.rollups.lease import Lease
from models.moments import moment_now
from models.stripe import OBJECTS

EVERY_SECONDS = 10.0
LOOK_SECONDS = 60.0
LEASE_SECONDS = 60
MOST = 200
"""Objects in one look."""
TROUBLES = (State.NO_RATE, State.NO_PLAN, State.REFUSED)
"""What only a person can end."""


class Waiting:
    """One process's. Only the one with the lease looks."""

    def __init__(
        self, database: Database, settling: Settling, troubles: Troubles, refresh: Callable[[], Awaitable[None]]
    ) -> None:
        self._stored = database.writes[OBJECTS]
        self._settling, self._troubles, self._refresh = settling, troubles, refresh
        self._lease = Lease(database, None, name="stripe", seconds=LEASE_SECONDS)

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            await follow(self.look, what="stripe", every=EVERY_SECONDS)
        finally:
            with suppress(PyMongoError), pymongo.timeout(1):
                await self._lease.release()

    async def look(self) -> None:
        """Look once, if no other process does. Raises PyMongoError."""
        with pymongo.timeout(LOOK_SECONDS):
            if not await self._lease.acquire():
                return
            patient = {"state": State.WAITING, "kind": "invoice", "since": {"$lt": moment_now() - PATIENCE}}
            chosen = {"$or": [{"state": {"$in": [State.NO_RATE, State.NO_PLAN]}}, patient]}
            if ids := [one["_id"] async for one in self._stored.find(chosen, {"_id": 1}).sort("_id").limit(MOST)]:
                await self._settling.again(ids)
                await self._refresh()
            count = await self._stored.count_documents({"state": {"$in": list(TROUBLES)}})
        self._troubles.show(Code.STRIPE, count, "subscriptions or invoices of Stripe cannot be settled")
