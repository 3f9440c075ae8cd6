"""Erasure of what limits and alerts keep of a user, once the calls are those of the pseudonym.

Counters, reservations, limits and grants of the user go, as do alerts about the user and their deliveries. Which plan
there was stays, under the pseudonym: the subscription ends, and the ids of Stripe are removed. Where other alerts name
the user, the pseudonym takes its place.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from app.database import Database, Session
from app.database.updates import apply_updates
from app.limits.defining.changes import remove_definitions
from app.limits.holding import removal
from app.maintenance.erasure.pseudonyms import Rename
from models.alerts import ALERTS, DELIVERIES
from models.counters import COUNTERS, LEASES, RESERVATIONS, UNCOUNTED
from models.documents import Document
from models.limits import LIMITS, LimitScope
from models.plans import GRANTS, SUBSCRIPTIONS, Status
from models.subjects import user_subject

_COUNTED = timedelta(hours=1)
"""In far less a call is counted, and what was held for it is taken out."""
_DEFINITIONS = (LIMITS, GRANTS, SUBSCRIPTIONS)
_STRIPE = {"stripeCustomerId": "", "stripeSubscriptionId": ""}


class ErasedLimits:
    """What there is of one user, of one client or of all."""

    def __init__(self, database: Database, rename: Rename) -> None:
        self._database = database
        self._rename = rename
        user, client = rename.user, rename.client
        own = user_subject(user)
        self._subjects: Document | str = (
            {"$regex": f"^{re.escape(own)}(@|$)"} if client is None else user_subject(user, client)
        )
        """Those of the user alone; of one client, not what is counted over all."""
        self._calls: Document = {"userId": user} | ({} if client is None else {"clientId": client})
        scope = {"scope.userId": user}
        self._defined: Document = scope if client is None else scope | {"scope.clientId": client}
        # an alert that is no client's may be about any
        self._alerts: Document = {} if client is None else {"clientId": {"$in": [client, None]}}

    async def count(self) -> int:
        """How many documents there are. Raises PyMongoError."""
        reads = self._database.reads
        removed = [*self._removed(), *((name, self._defined) for name in _DEFINITIONS)]
        found = [await reads[name].count_documents(condition) for name, condition in removed]
        return sum(found) + len([each async for each in self._naming()])

    async def erase(self) -> int:
        """Remove or rename all of it. Returns how many documents. Repeated, it does the rest. Raises PyMongoError."""
        writes, erased = self._database.writes, 0
        # first: whoever knows a limit makes its counter again
        erased += await self._erase_definitions()
        await self._take_out_holds()
        for name, condition in self._removed():
            erased += (await writes[name].delete_many(condition)).deleted_count
        if self._rename.client is None:  # else its counters are still needed, and what they are to count
            await self._rename_in_uncounted()
        await writes[LEASES].update_many({}, {"$pull": {"counters": {"$regex": self._pattern_of_counters()}}})
        async for alert in self._naming():
            change = {"$set": {name: self._rename.without(value) for name, value in alert.items() if name != "_id"}}
            await writes[ALERTS].update_one({"_id": alert["_id"]}, change)
            erased += 1
        return erased

    async def _take_out_holds(self) -> None:
        """Of reservations that are open still, or whose calls may not have been counted yet: nobody would know of whom
        they are.
        """
        holds: dict[str, list[str]] = {}
        held = [{"state": "open"}, {"endedAt": {"$gt": datetime.now(UTC) - _COUNTED}}]
        async for each in self._database.writes[RESERVATIONS].find({**self._calls, "$or": held}, {"holds": 1}):
            for hold in each["holds"]:
                holds.setdefault(hold["counter"], []).append(each["_id"])
        updates = [removal(counter, reservations) for counter, reservations in holds.items()]
        await apply_updates(self._database, COUNTERS, updates, None)

    def _removed(self) -> list[tuple[str, Document]]:
        """Collections, and what of them is the user's."""
        return [
            (COUNTERS, {"subject": self._subjects}),
            (RESERVATIONS, self._calls),
            # first the messages, which are found by their user as alerts are
            (DELIVERIES, {"userId": self._rename.user, **self._alerts}),
            (ALERTS, {"userId": self._rename.user, **self._alerts}),
        ]

    async def _erase_definitions(self) -> int:
        """With what tells every process, or not at all: who is killed in between leaves none with what is gone."""
        writes = self._database.writes
        if not [1 for name in _DEFINITIONS if await writes[name].find_one(self._defined, {"_id": 1})]:
            return 0
        erased = 0

        async def remove(session: Session | None) -> None:
            nonlocal erased
            erased = await self._rename_subscriptions(session)
            for name in (LIMITS, GRANTS):
                erased += (await writes[name].delete_many(self._defined, session=session)).deleted_count

        await remove_definitions(self._database, remove)
        return erased

    async def _rename_subscriptions(self, session: Session | None) -> int:
        subscriptions, now = self._database.writes[SUBSCRIPTIONS], datetime.now(UTC)
        found = await subscriptions.find(self._defined, {"scope": 1, "status": 1}, session=session).to_list(None)
        for each in found:
            scope = LimitScope.model_validate(each["scope"] | {"userId": self._rename.pseudonym})
            renamed: Document = {"scope": scope.stored(), "subject": scope.subject}
            if each["status"] != Status.ENDED:
                renamed |= {"status": Status.ENDED.value, "endedAt": now}
            change = {"$set": renamed, "$unset": _STRIPE}
            await subscriptions.update_one({"_id": each["_id"]}, change, session=session)
        return len(found)

    async def _rename_in_uncounted(self) -> None:
        """Where no process counts just now, it may wait for long."""
        user = self._rename.user
        await self._database.writes[UNCOUNTED].update_many(
            {"groups.users": user},
            {"$set": {"groups.$[].users.$[user]": self._rename.pseudonym}},
            array_filters=[{"user": user}],
        )

    def _pattern_of_counters(self) -> str:
        subjects = self._subjects
        return (
            f"{subjects['$regex'].removesuffix('(@|$)')}[@|]"
            if isinstance(subjects, dict)
            else f"^{re.escape(subjects)}[|]"
        )

    async def _naming(self) -> Any:
        """Alerts about others in which the user is named, with the fields that name it."""
        async for alert in self._database.reads[ALERTS].find({**self._alerts, "userId": {"$ne": self._rename.user}}):
            naming = {name: value for name, value in alert.items() if self._rename.without(value) != value}
            if naming:
                yield {"_id": alert["_id"], **naming}
