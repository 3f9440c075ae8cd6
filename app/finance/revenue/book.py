"""The book of revenue: entries are added to it, each once, and never changed."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app import audit
from app.database import Database, Session
from app.database.connection import VERSIONS
from app.database.listing import After
from app.database.outages import answering
from app.database.transactions import transact
from app.errors import InvalidRequestError
from app.finance.revenue.background import AT_ONCE, Background, background_of
from app.finance.revenue.checks import Asker, differing, entry_of, id_of, owned
from app.finance.revenue.listing import Wanted, batches, page
from app.process import in_turns
from models.audit import Target
from models.faults import Fault
from models.moments import moment_now
from models.revenue import REVENUE, STATE, NewRevenue, Revenue

SECONDS = 5.0
NOT_BOOKED = "it may not have been booked: MongoDB does not answer; send it again, it counts once"

MOST = 1_000
"""Entries that are booked together at most."""
NAMED = 20
"""Of those booked together, in the audit trail."""


class BookedStatus(StrEnum):
    """What became of an entry that was sent."""

    BOOKED = "booked"
    THERE = "there"
    """It was before, with the same id: nothing was counted twice."""
    REFUSED = "refused"


class Booked(NamedTuple):
    """The receipt of one entry."""

    status: BookedStatus
    entry: Revenue | None
    """As it is stored; None where it was refused."""
    message: str | None = None
    """Why it was refused, or what it differs in from the one that is there."""
    errors: Sequence[Fault] = ()
    """The same by field, as it is sent."""

    @property
    def field(self) -> str | None:
        """What was wrong first."""
        return self.errors[0].field if self.errors else None


class RevenueBook:
    """The stored entries."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        """`zone`: the deployment's, by which a rate's day is told."""
        self._database, self._zone = database, zone

    async def book(
        self,
        entries: Sequence[NewRevenue],
        *,
        client: str | None,
        by: str,
        session: Session | None = None,
        execute: bool = True,
    ) -> list[Booked]:
        """Book entries in one transaction (that of `session`, where it is given), in their order; a receipt for each.

        `client`: the only client whose entries the caller may book; None for all. Without `execute`, only look.
        What is refused does not keep others from being booked. Raises DatabaseUnavailableError; within a `session`,
        PyMongoError instead.
        """
        receipts: list[Booked] = []

        async def work(session: Session | None) -> None:
            asker = Asker(client, by, moment_now(), self._zone)
            receipts[:] = await self._book(entries, asker, session, execute=execute)

        if session is not None:
            await work(session)
            return receipts
        with answering(SECONDS, NOT_BOOKED):
            await transact(self._database, work)
        return receipts

    async def page(self, wanted: Wanted, *, after: After | None, size: int) -> list[Revenue]:
        """Entries, the newest first, behind the one that `after` names. Raises DatabaseUnavailableError."""
        return await page(self._database, wanted, after=after, size=size)

    async def batches(self, wanted: Wanted) -> AsyncGenerator[list[Revenue], None]:
        """All of them, some at a time, up to `listing.MAX_ROWS` and one. Raises DatabaseUnavailableError."""
        return await batches(self._database, wanted)

    async def close(self, until: datetime, session: Session | None) -> None:
        """No entry is recognised before `until` any more that is not booked yet. Part of the transaction that keeps a
        closed month's figures: a booking at the same time is before it or after it. Raises PyMongoError.
        """
        closed = {"$max": {"closedUntil": until}, "$inc": {"closings": 1}}
        await self._database.writes[VERSIONS].update_one(STATE, closed, upsert=True, session=session)

    async def _book(
        self, entries: Sequence[NewRevenue], asker: Asker, session: Session | None, *, execute: bool
    ) -> list[Booked]:
        sent = {id_of(entry, asker.client): entry for entry in entries}
        known = await background_of(self._database, sent, session)
        receipts = [_receipt(entry, known, asker) async for entry in in_turns(entries)]
        booked = [one.entry for one in receipts if one.status is BookedStatus.BOOKED and one.entry is not None]
        new = [one.stored() async for one in in_turns(booked)]
        if new and execute:
            # first the document that every booking, closing and rate changes: of two at once, one waits for the other
            raised = {"$inc": {"sequence": len(new)}}
            await self._database.writes[VERSIONS].update_one(STATE, raised, upsert=True, session=session)
            for start in range(0, len(new), AT_ONCE):
                await self._database.writes[REVENUE].insert_many(new[start : start + AT_ONCE], session=session)
            target = Target(kind="revenue", id=booked[0].id, client_id=asker.client)
            said = {"entries": len(new), "ids": [one.id for one in booked[:NAMED]]}
            await audit.record(self._database, session, "revenue.booked", target, after=said)
        return receipts


def _receipt(sent: NewRevenue, known: Background, asker: Asker) -> Booked:
    """What becomes of one; where it is booked, those behind it know it."""
    try:
        entry = owned(sent, asker.client)
        if (there := known.entries.get(id_of(entry, asker.client))) is not None:
            return Booked(BookedStatus.THERE, there, differing(entry, there))
        made = entry_of(entry, known, asker)
    except InvalidRequestError as error:
        faults = [Fault(each["field"], each["message"]) for each in error.errors]
        return Booked(BookedStatus.REFUSED, None, error.detail, faults)
    known.add(made)
    return Booked(BookedStatus.BOOKED, made)
