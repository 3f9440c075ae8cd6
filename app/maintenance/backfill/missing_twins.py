"""The two backfills: entries for events that have none, and events for entries that have none."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from app.database import Database, Session
from app.database.blocking import ClientSession
from app.ledger.inserts import insert
from app.ledger.twins import event_of
from app.maintenance.backfill.legacy_events import FIELDS, LegacyEvents, LegacyTwin
from app.maintenance.backfill.legacy_values import UnusableError, moment_of, name_of
from app.maintenance.backfill.twinning import NOTHING, Alike, Prepared, Twinning
from app.rollups.deltas import Increments
from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from models import AI_GENERATION
from models.counters import UNCOUNTED
from models.documents import Document
from models.rollups import DELTAS


class Span(NamedTuple):
    """From `start` until before `end`, UTC."""

    start: datetime
    end: datetime

    def holds(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def condition(self) -> Document:
        """Documents of this span, and those whose date is not a date: they are distinguished when they are read."""
        inside = {"createdAt": {"$gte": self.start, "$lt": self.end}}
        return {"$or": [inside, {"createdAt": {"$not": {"$type": "date"}}}]}


class MissingEntries(Twinning):
    """Makes the entries of events."""

    fields: Sequence[str] = FIELDS

    def __init__(
        self,
        database: Database,
        session: Session | None,
        legacy: LegacyEvents,
        local_time: LocalTime,
        span: Span | None,
    ) -> None:
        super().__init__(database, database.events, database.ledger, session)
        self._legacy = legacy
        self._local_time = local_time
        self._span = span
        self._caps = NameCaps(database)

    async def known(self, ids: list[ObjectId]) -> set[ObjectId]:
        found = self._target.find({"_id": {"$in": ids}}, {"_id": 1}, batch_size=len(ids) + 1)
        return {entry["_id"] for entry in await found.to_list(None)}

    def add(self, page: Prepared, document: Document, now: datetime) -> bool:
        twin = self._legacy.twin(document, now)
        if self._span is not None and not self._span.holds(twin.own.moment):
            return False
        page.ids.append(twin.own.id)
        page.twins.append(RawBSONDocument(twin.packed))
        page.lacks.setdefault(twin.lacks, []).append(twin.own.id)
        self._count(page, twin)
        return True

    def _count(self, page: Prepared, twin: LegacyTwin) -> None:
        """Grouped as the rollups distinguish them: there are far fewer groups than entries, apart from users."""
        own = twin.own
        day, hour = self._local_time(own.moment)
        key = id(twin.kind), own.client, own.synthetic, day
        alike = page.alike.get(key)
        if alike is None:
            alike = page.alike[key] = Alike(twin.kind, twin.entry, {}, {})
        page.tally.add_entry({**alike.entry, "userId": own.user, "createdAt": own.moment})
        alike.users[own.user] = alike.users.get(own.user, 0) + 1
        alike.hours[hour] = alike.hours.get(hour, 0) + 1

    def insert(self, page: Prepared, session: ClientSession) -> None:
        """With one delta, and what limits count."""
        insert(self._blocking[self._target.name], page.twins, session)
        self._blocking[DELTAS].insert_one(self._delta(page), session=session)
        if (uncounted := page.tally.document()) is not None:
            self._blocking[UNCOUNTED].insert_one(uncounted, session=session)

    def _delta(self, page: Prepared) -> Document:
        # of its own: the next page is being prepared meanwhile
        increments = Increments(LocalTime(self._local_time.zone), self._caps)
        for alike in page.alike.values():
            if "conversationId" in alike.entry:
                increments.add(alike.entry)
            else:
                increments.add_alike(alike.entry, alike.users, alike.hours)
        return increments.delta(len(page.twins))


NAMES = ("userId", "clientId", "contentType", "aiModel", "provider", "feature")


class MissingEvents(Twinning):
    """Makes the events of entries."""

    fields: Sequence[str] = (*NAMES, "cached", "cost", "success", "synthetic", "createdAt")

    def __init__(self, database: Database, session: Session | None, span: Span | None) -> None:
        super().__init__(database, database.ledger, database.events, session)
        self._span = span

    async def known(self, ids: list[ObjectId]) -> set[ObjectId]:
        known = {"_id": {"$in": ids}, "event": AI_GENERATION}
        found = self._target.find(known, {"_id": 1}, batch_size=len(ids) + 1)
        return {event["_id"] for event in await found.to_list(None)}

    def add(self, page: Prepared, document: Document, now: datetime) -> bool:
        if not isinstance(document.get("_id"), ObjectId):
            raise UnusableError("_id", "is not an ObjectId")
        for name in self.fields:
            if name not in document:
                raise UnusableError(name, "is missing")
        for name in NAMES:
            if name_of(document[name], name) is None:
                raise UnusableError(name, "is missing")
        if self._span is not None and not self._span.holds(moment_of(document["createdAt"], now)):
            return False
        page.ids.append(document["_id"])
        page.twins.append(event_of(document))
        page.lacks.setdefault(NOTHING, []).append(document["_id"])
        return True

    def insert(self, page: Prepared, session: ClientSession) -> None:
        insert(self._blocking[self._target.name], page.twins, session)
