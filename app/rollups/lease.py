"""Leases: which process compacts, and which looks at spending. They save work; correctness does not need them."""

import uuid
from typing import Any

from pymongo import ReturnDocument

from app.database import Database, Session
from app.observability.logs import Log
from models.rollups import STATE

log = Log(__name__)

LEASE_SECONDS = 5


class Lease:
    """A named lease in the state collection, kept by the server's clock."""

    def __init__(
        self,
        database: Database,
        session: Session | None,
        *,
        name: str = "compactor",
        seconds: int = LEASE_SECONDS,
    ) -> None:
        self._name = name
        self._seconds = seconds
        self._states = database.writes[STATE]
        self._admin = database.writes.client.admin
        self._holder = uuid.uuid4().hex
        # the driver's stub takes the property for a method
        lsid: Any = None if session is None else session.session_id
        self._session: Any = None if lsid is None else lsid["id"]
        self._previous: Any = None
        """The session of whoever had the lease before."""

    async def acquire(self, *, by_force: bool = False) -> bool:
        """Take the lease, or renew it. `by_force` takes it even from a live holder, which then stops merging.

        Raises PyMongoError.
        """
        mine = {"$eq": ["$holder", self._holder]}
        until = _ahead(self._seconds)
        # where there is no lease yet, `until` is missing, which sorts before every date; one that lasts longer than any
        # was taken while the server's clock was ahead, by a holder that may have died since
        ended = [{"$lt": ["$until", "$$NOW"]}, {"$gt": ["$until", _ahead(2 * self._seconds)]}]
        taken = {"$or": [by_force, mine, *ended]}
        change = {
            "holder": {"$cond": [taken, self._holder, "$holder"]},
            "until": {"$cond": [taken, until, "$until"]},
            "session": {"$cond": [taken, {"$literal": self._session}, "$session"]},
            "previous": {"$cond": [mine, None, {"$ifNull": ["$session", None]}]},
        }
        lease = await self._states.find_one_and_update(
            {"_id": self._name}, [{"$set": change}], upsert=True, return_document=ReturnDocument.AFTER
        )
        if lease is None or lease["holder"] != self._holder:
            return False
        if lease["previous"] is not None:
            self._previous = lease["previous"]
            log.info("lease.taken_over", lease=self._name)
        await self._end_previous()
        return True

    async def release(self) -> None:
        """Let another process compact at once."""
        await self._states.delete_one({"_id": self._name, "holder": self._holder})

    async def _end_previous(self) -> None:
        """End what the previous holder left open: a killed process's transaction blocks its cells for a minute.

        Each time, for MongoDB may read the transaction's start only now; it takes less than a millisecond.
        """
        if self._previous is not None:
            await self._admin.command("killSessions", [{"id": self._previous}])


def _ahead(seconds: int) -> dict[str, Any]:
    return {"$dateAdd": {"startDate": "$$NOW", "unit": "second", "amount": seconds}}
