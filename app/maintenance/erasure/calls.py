"""Erasure in the ledger and the events."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from bson import ObjectId

from app.database import Database, Session
from app.database.transactions import transact
from app.database.updates import apply_updates
from app.maintenance.erasure.pseudonyms import Conversation, Rename, erased_entry, erased_event
from app.maintenance.uncounted import tell_limits
from app.rollups.corrections import correction
from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from models.documents import Document
from models.rollups import DELTAS, ERASURES

PAGE = 1_000
"""Calls per transaction, and events per round."""
CONVERSATIONS_AT_ONCE = 10_000
"""How many are searched for in one scan of the ledger."""


class ErasedCalls:
    """The calls and events of one user."""

    def __init__(self, database: Database, zone: ZoneInfo, rename: Rename) -> None:
        self._database = database
        self._names = rename
        self._local_time = LocalTime(zone)
        self._caps = NameCaps(database)
        self._newest: datetime | None = None
        """The upper bound of what is left: the pages go back in time."""

    async def entries(self, advance: Callable[[int], None]) -> int:
        """Rename the entries and their twins, page by page. Returns how many. Raises PyMongoError."""
        renamed, self._newest = 0, None
        while page := await transact(self._database, self._page):
            self._newest = page[-1]["createdAt"]
            renamed += len(page)
            advance(len(page))
        return renamed

    async def events(self) -> int:
        """Rename the remaining events, which are not twins. There is no index by user: this reads all events once."""
        renamed, found = 0, self._database.events.find(events_of(self._names), {"_id": 1}).batch_size(PAGE)
        while page := await found.to_list(PAGE):
            ids = [event["_id"] for event in page]
            renamed += await transact(self._database, partial(self._rename_events, ids))
        return renamed

    async def rest(self, session: Session | None) -> int | None:
        """Rename what was reported since the last page, together with the cells. Returns None where that is too much.

        Users' figures are not corrected: the caller moves all that the same transaction sees of them.
        """
        entries = await self._find(session)
        if len(entries) == PAGE:
            return None
        if entries:
            erased = await self._rename_calls(entries, session)
            await self._correct([{**entry, "userId": self._names.pseudonym} for entry in entries], erased, session)
        return len(entries)

    async def _page(self, session: Session | None) -> list[Document]:
        entries = await self._find(session)
        if entries:
            await self._correct(entries, await self._rename_calls(entries, session), session)
        return entries

    async def _find(self, session: Session | None) -> list[Document]:
        condition = entries_of(self._names)
        if self._newest is not None:
            condition["createdAt"] = {"$lte": self._newest}
        order = [("createdAt", -1), ("_id", -1)]
        return await self._database.ledger.find(condition, session=session).sort(order).limit(PAGE).to_list(None)

    async def _rename_calls(self, entries: list[Document], session: Session | None) -> list[Document]:
        """Rename entries and twins. Returns the entries as they now stand."""
        erased = [erased_entry(entry, self._names) for entry in entries]
        await self._replace(self._database.ledger.name, erased, session)
        await self._rename_events([entry["_id"] for entry in entries], session)
        await self._note_conversations(entries, session)
        if self._names.client is not None:  # else the user's counters go, and no other one changes
            await tell_limits(self._database, entries, erased, session)
        return erased

    async def _correct(self, before: list[Document], after: list[Document], session: Session | None) -> None:
        delta = await correction(before, after, self._local_time, self._caps)
        await self._database.writes[DELTAS].insert_one(delta, session=session)

    async def _rename_events(self, ids: list[ObjectId], session: Session | None) -> int:
        events = await self._database.events.find({"_id": {"$in": ids}}, session=session).to_list(None)
        await self._replace(self._database.events.name, [erased_event(event, self._names) for event in events], session)
        return len(events)

    async def _replace(self, collection: str, documents: list[Document], session: Session | None) -> None:
        statements = [{"q": {"_id": document["_id"]}, "u": document} for document in documents]
        await apply_updates(self._database, collection, statements, session)

    async def _note_conversations(self, entries: list[Document], session: Session | None) -> None:
        """For a run that resumes after a kill: the ledger then no longer says which conversations there were."""
        named = {(entry["clientId"], entry["conversationId"]) for entry in entries if "conversationId" in entry}
        if renamed := sorted(named - self._names.shared):
            of = {"user": self._names.user, "client": self._names.client}
            noted = {"of": of, "conversations": [list(conversation) for conversation in renamed]}
            await self._database.writes[ERASURES].insert_one(noted, session=session)


def entries_of(rename: Rename) -> Document:
    """The condition for a user's entries."""
    return {"userId": rename.user, **({} if rename.client is None else {"clientId": rename.client})}


def events_of(rename: Rename) -> Document:
    """Likewise for events, by either id."""
    either = {"$or": [{"userId": rename.user}, {"clerkUserId": rename.user}]}
    return {**either, **({} if rename.client is None else {"clientId": rename.client})}


async def conversations_of(database: Database, rename: Rename) -> tuple[set[Conversation], set[Conversation]]:
    """The conversations in a user's entries: all of them, and those that others take part in too."""
    named = await _conversations(database, {**entries_of(rename), "conversationId": {"$exists": True}})
    ids, shared = sorted({conversation for _, conversation in named}), set()
    others = {"userId": {"$nin": [rename.user, rename.pseudonym]}}
    for first in range(0, len(ids), CONVERSATIONS_AT_ONCE):
        some = {"conversationId": {"$in": ids[first : first + CONVERSATIONS_AT_ONCE]}}
        shared |= await _conversations(database, {**some, **others})
    return named, shared & named


async def _conversations(database: Database, condition: Document) -> set[Conversation]:
    key = {"client": "$clientId", "conversation": "$conversationId"}
    found = database.ledger.aggregate([{"$match": condition}, {"$group": {"_id": key}}], allowDiskUse=True)
    return {(row["_id"]["client"], row["_id"]["conversation"]) async for row in found}
