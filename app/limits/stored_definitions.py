"""Plans, subscriptions, limits and grants as they are stored."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from app.database import Database, Session
from app.observability.logs import Log
from models.counters import COUNTERS, DEFINITIONS, STATE
from models.documents import Document
from models.faults import fields_at_fault
from models.limits import LIMITS, Limit
from models.plans import GRANTS, PLANS, SUBSCRIPTIONS, Grant, PlanVersion, Status, Subscription
from models.shape import Shape

log = Log(__name__)

OF_USERS = {"$gte": "user:", "$lt": "user;"}
"""Matches the subjects that are users, of whom there may be millions."""
OF_OTHERS = {"$lt": "user:"}
"""Matches all others: their definitions are few enough to be kept in every process."""
NOT_ENDED = {"$eq": None}

Some = TypeVar("Some", bound=Shape)


class OfSubject(NamedTuple):
    """What is defined for one subject."""

    limits: list[Limit]
    subscriptions: list[Subscription]
    grants: list[Grant]


class Changed(NamedTuple):
    """What has changed since a version."""

    subjects: set[str]
    plans: bool


class StoredDefinitions:
    """The collections that operators fill."""

    def __init__(self, database: Database) -> None:
        self._collections = {name: database.writes[name] for name in (PLANS, SUBSCRIPTIONS, LIMITS, GRANTS)}
        self._transactional = database.transactional
        self._state, self._counters = database.writes[STATE], database.writes[COUNTERS]

    async def version(self) -> int:
        """The version of the definitions. Raises PyMongoError, as all of these do."""
        found = await self._state.find_one({"_id": DEFINITIONS})
        return 0 if found is None else int(found["version"])

    async def since(self) -> datetime | None:
        """When anything was defined for the first time; None where nothing ever was, or nobody noted it."""
        found = await self._state.find_one({"_id": DEFINITIONS})
        since: datetime | None = None if found is None else found.get("since")
        return since

    async def plans(self) -> dict[tuple[str, int], PlanVersion]:
        """Every version of every plan."""
        versions = [read(PlanVersion, stored) async for stored in self._collections[PLANS].find()]
        return {(one.plan, one.version): one for one in versions if one is not None}

    async def of(self, subjects: Mapping[str, Any] | Iterable[str]) -> dict[str, OfSubject]:
        """What is defined for subjects, by subject: those that a condition matches, or these."""
        matched = dict(subjects) if isinstance(subjects, Mapping) else {"$in": list(subjects)}
        found: dict[str, OfSubject] = {}

        def of(stored: Document) -> OfSubject:
            return found.setdefault(stored["subject"], OfSubject([], [], []))

        for stored in await self._collections[LIMITS].find({"subject": matched, "endedAt": NOT_ENDED}).to_list(None):
            if (limit := read(Limit, stored)) is not None:
                of(stored).limits.append(limit)
        active = {"subject": matched, "status": Status.ACTIVE.value}
        for stored in await self._collections[SUBSCRIPTIONS].find(active).to_list(None):
            if (subscription := read(Subscription, stored)) is not None:
                of(stored).subscriptions.append(subscription)
        for stored in await self._collections[GRANTS].find({"subject": matched, "endedAt": NOT_ENDED}).to_list(None):
            if (grant := read(Grant, stored)) is not None:
                of(stored).grants.append(grant)
        return found

    async def users(self) -> bool:
        """Whether anything is defined for users."""
        for name in (SUBSCRIPTIONS, LIMITS, GRANTS):
            if await self._collections[name].find_one({"subject": OF_USERS}, {"_id": 1}) is not None:
                return True
        return False

    async def changed(self, version: int, most: int) -> Changed | None:
        """What has changed since this version; None where it is more than so many documents, or any was removed."""
        state = await self._state.find_one({"_id": DEFINITIONS}) or {}
        if state.get("removed", -1) > version:
            return None
        # without transactions, of two changes that overlap the later one may have the number of the earlier
        since = {"changed": {"$gt" if self._transactional else "$gte": version}}
        subjects: set[str] = set()
        for name in (SUBSCRIPTIONS, LIMITS, GRANTS):
            found = await self._collections[name].find(since, {"subject": 1}).limit(most + 1).to_list(None)
            if len(found) > most:
                return None
            subjects.update(one["subject"] for one in found)
        plans = await self._collections[PLANS].find_one(since, {"_id": 1})
        return Changed(subjects, plans is not None)

    async def counters(self, subject: str, after: datetime, session: Session | None = None) -> list[Document]:
        """The counters of a subject in periods that end after a moment."""
        return await self._counters.find({"subject": subject, "end": {"$gt": after}}, session=session).to_list(None)

    async def grants(self, ids: Iterable[str], session: Session | None) -> list[Grant]:
        """These grants, as they are now."""
        cursor = self._collections[GRANTS].find({"_id": {"$in": list(ids)}}, session=session)
        return [grant async for stored in cursor if (grant := read(Grant, stored)) is not None]

    async def keep_settled(self, grant: Grant, session: Session | None) -> None:
        """Note what a grant has given. It is no change of the definitions: whoever needs it reads it when it is due."""
        stored = grant.stored()
        settled = {"settled": stored["settled"], "settledTo": stored["settledTo"]}
        await self._collections[GRANTS].update_one({"_id": grant.id}, {"$set": settled}, session=session)


def read(shape: type[Some], stored: Document) -> Some | None:
    """One as stored. One that was damaged by hand applies to nothing: the log says so."""
    try:
        return shape.read(stored)
    except ValidationError as error:
        log.warning("limits.unreadable", shape=shape.__name__, id=str(stored.get("_id")), fields=fields_at_fault(error))
        return None
