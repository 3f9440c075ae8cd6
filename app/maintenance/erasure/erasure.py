"""Erasure: one user under a pseudonym everywhere, with every total as it was.

It runs beside writers, the compactor and reports, in transactions of a thousand calls. Each moves what it renames from
the user to the pseudonym in ledger, events and rollups alike, so that their sums agree at every moment. The last one
moves all that is kept by user; until then, the user counts twice among distinct users. An interrupted run resumes with
the same pseudonym.
"""

import asyncio
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Self
from zoneinfo import ZoneInfo

from bson import Binary
from pymongo import ReturnDocument

from app.database import Database, Session
from app.database.transactions import transact
from app.maintenance.answers import forget_answers
from app.maintenance.erasure.audit import ErasedAudit
from app.maintenance.erasure.calls import ErasedCalls, conversations_of, entries_of, events_of
from app.maintenance.erasure.cells import ErasedCells
from app.maintenance.erasure.conversations import ErasedConversations, conditions_of
from app.maintenance.erasure.limits import ErasedLimits
from app.maintenance.erasure.months import ErasedMonths
from app.maintenance.erasure.pseudonyms import Rename
from app.maintenance.erasure.revenue import ErasedRevenue
from app.maintenance.erasure.spooled import erased_in_spool, spooled_of
from app.maintenance.erasure.stripe import ErasedStripe
from app.maintenance.erasure.views import erase_in_views
from app.observability.logs import Log
from app.rollups.merging import merging
from app.rollups.state import RollupState
from app.spool.journal import Spool
from models.documents import Document
from models.rollups import CONVERSATIONS, ERASURES, TRAILING, USER_MONTHS, USERS, VARIANTS

log = Log(__name__)


@dataclass(frozen=True, slots=True)
class ErasureCounts:
    """How many documents of the user there were."""

    entries: int = 0
    events: int = 0
    """Twins and others."""
    cells: int = 0
    spooled: int = 0
    limits: int = 0
    """What limits and alerts keep."""
    months: int = 0
    """Closed months that name the user."""
    stripe: int = 0
    """Objects of Stripe's."""
    revenue: int = 0
    """What came due."""
    audit: int = 0
    """Entries of the audit trail that name the user."""

    def __add__(self, other: Self) -> Self:
        return type(self)(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


class Erasure:
    """The erasure of one user, of one client or of all."""

    def __init__(
        self,
        database: Database,
        zone: ZoneInfo,
        user: str,
        client: str | None,
        spool: Spool,
    ) -> None:
        self._database = database
        self._zone = zone
        self._erasures = database.writes[ERASURES]
        self._fresh = Rename.fresh(user, client)
        self._user = user
        self._key = {"user": user, "client": client}
        self._spool = spool

    async def count(self) -> ErasureCounts:
        """What a run would change. Writes nothing. Raises PyMongoError."""
        rename, reads = self._fresh, self._database.reads
        client = {} if rename.client is None else {"_id.client": rename.client}
        scope = {} if rename.client is None else {"_id.scope": rename.client}
        cells = sum(
            [
                await reads[USERS].count_documents({"_id.user": rename.user, **client}),
                await reads[USER_MONTHS].count_documents({"_id.user": rename.user, **client}),
                await reads[VARIANTS].count_documents({"_id.user": rename.user, **client}),
                await reads[TRAILING].count_documents({"_id.user": rename.user, **scope}),
                await self._conversation_cells(),
            ]
        )
        entries = await reads[self._database.ledger.name].count_documents(entries_of(rename))
        events = await reads[self._database.events.name].count_documents(events_of(rename))
        spooled = await asyncio.to_thread(spooled_of, self._spool, rename)
        limits = await ErasedLimits(self._database, rename).count()
        months = await ErasedMonths(self._database, rename).count()
        stripe = await ErasedStripe(self._database, rename).count()
        revenue = await ErasedRevenue(self._database, rename).count()
        audit = await ErasedAudit(self._database, rename).count()
        return ErasureCounts(entries, events, cells, spooled, limits, months, stripe, revenue, audit)

    async def unfinished(self) -> bool:
        """Whether a run for this user was interrupted, which the next one finishes."""
        return await self._erasures.find_one({"_id.user": self._user}) is not None

    async def run(self, advance: Callable[[int], None]) -> tuple[str, ErasureCounts]:
        """Erase the user, reporting entries to `advance`. Returns the pseudonym and the counts. Raises PyMongoError.

        Calls of the user that are reported while it runs are found; those after its last transaction are not. An
        interrupted run of another scope is finished first, with its own pseudonym: it has renamed some of the calls.
        """
        total, others = ErasureCounts(), {"_id.user": self._user, "_id": {"$ne": self._key}}
        for notes in await self._erasures.find(others).to_list(None):
            client = notes["_id"]["client"]
            earlier = Erasure(self._database, self._zone, self._user, client, self._spool)
            total += await earlier.carry_out(notes, advance)
            log.warning("erasure.earlier_run_finished", client=client, pseudonym=notes["pseudonym"])
        notes = await self._begin()
        return notes["pseudonym"], total + await self.carry_out(notes, advance)

    async def _begin(self) -> Document:
        """The notes of this run, or of an interrupted one."""
        fresh = {
            "pseudonym": self._fresh.pseudonym,
            "secret": Binary(self._fresh.secret),
            "startedAt": datetime.now(UTC),
        }
        notes = await self._erasures.find_one_and_update(
            {"_id": self._key}, {"$setOnInsert": fresh}, upsert=True, return_document=ReturnDocument.AFTER
        )
        assert notes is not None  # noqa: S101 - the upsert has just made them
        return notes

    async def carry_out(self, notes: Document, advance: Callable[[int], None]) -> ErasureCounts:
        """Do what these notes say, or what is left of it. Raises PyMongoError."""
        rename = replace(self._fresh, pseudonym=notes["pseudonym"], secret=bytes(notes["secret"]))
        zone = (await RollupState.open(self._database, self._zone)).zone
        _, shared = await conversations_of(self._database, rename)
        rename = replace(rename, shared=frozenset(shared))
        spooled = await asyncio.to_thread(erased_in_spool, self._spool, rename)
        calls = ErasedCalls(self._database, zone, rename)
        entries = await calls.entries(advance)
        events = await calls.events()
        async with merging(self._database) as compactor:
            await compactor.merge_all()
            while (closed := await transact(self._database, partial(self._close, calls, rename))) is None:
                entries += await calls.entries(advance)
            await compactor.merge_all()
            conversations = await ErasedConversations(self._database, zone, rename).move()
        limits = await ErasedLimits(self._database, rename).erase()
        months = await ErasedMonths(self._database, rename).erase()
        stripe = await ErasedStripe(self._database, rename).erase()
        revenue = await ErasedRevenue(self._database, rename).erase()
        audit = await ErasedAudit(self._database, rename).erase()
        await erase_in_views(self._database, rename)
        await forget_answers(self._database)
        # only the notes know whom the pseudonym stands for
        await self._erasures.delete_many({"$or": [{"_id": self._key}, {"of": self._key}]})
        return closed + ErasureCounts(
            entries, entries + events, conversations, spooled, limits, months, stripe, revenue, audit
        )

    async def _close(self, calls: ErasedCalls, rename: Rename, session: Session | None) -> ErasureCounts | None:
        """In one transaction, the calls since the last page and all cells: here ledger and cells agree again."""
        rest = await calls.rest(session)
        return (
            None if rest is None else ErasureCounts(rest, rest, await ErasedCells(self._database, rename).move(session))
        )

    async def _conversation_cells(self) -> int:
        named, shared = await conversations_of(self._database, self._fresh)
        mine, cells = named - shared, 0
        for condition in conditions_of(mine):
            found = self._database.reads[CONVERSATIONS].find(condition, {"_id": 1})
            cells += len([1 async for cell in found if (cell["_id"]["client"], cell["_id"]["conversation"]) in mine])
        return cells
