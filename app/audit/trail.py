"""The entries, as they are read."""

from datetime import datetime
from typing import NamedTuple

from app.database import Database, Session
from app.database.listing import After, following, newest_first
from app.database.outages import answering
from models.audit import AUDIT, AuditEntry
from models.documents import Document

READ_SECONDS = 5.0


class Wanted(NamedTuple):
    """Which entries."""

    client: str | None = None
    """The only client whose entries are seen; None for all."""
    kind: str | None = None
    target: str | None = None
    """The id of what was changed."""
    action: str | None = None
    subject: str | None = None
    """Of the actor."""
    start: datetime | None = None
    end: datetime | None = None
    """Exclusive."""


class Trail:
    """The stored entries."""

    def __init__(self, database: Database) -> None:
        self._entries = database.reads[AUDIT]

    async def page(self, wanted: Wanted, *, after: After | None, size: int) -> list[AuditEntry]:
        """The newest first, behind the one that `after` names. Raises DatabaseUnavailableError."""
        with answering(READ_SECONDS):
            found = self._entries.find(_condition(wanted) | following("at", after)).sort(newest_first("at"))
            return [AuditEntry.read(each) async for each in found.limit(size)]


async def last_change(database: Database, kind: str, id_: str, session: Session | None) -> AuditEntry | None:
    """The newest entry of a target, as a transaction sees it. Raises PyMongoError."""
    of = {"target.kind": kind, "target.id": id_}
    found = await database.writes[AUDIT].find_one(of, sort=newest_first("at"), session=session)
    return None if found is None else AuditEntry.read(found)


def _condition(wanted: Wanted) -> Document:
    named = {
        "target.clientId": wanted.client,
        "target.kind": wanted.kind,
        "target.id": wanted.target,
        "action": wanted.action,
        "actor.subject": wanted.subject,
    }
    span = {"$gte": wanted.start, "$lt": wanted.end}
    within = {operator: moment for operator, moment in span.items() if moment is not None}
    return {name: {"$eq": value} for name, value in named.items() if value is not None} | (
        {"at": within} if within else {}
    )
