"""Erasure in the cells of conversations, which do not name their users.

The corrections of the ledger's pages have moved what the ledger still holds. What is left under an old id is an empty
cell, or what was counted before retention deleted the entries.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from functools import partial
from zoneinfo import ZoneInfo

from app.database import Database, Session
from app.database.transactions import transact
from app.database.updates import apply_updates
from app.maintenance.erasure.pseudonyms import Conversation, Rename
from app.rollups.cell_updates import figures_of
from app.rollups.filled_days import DAY
from app.rollups.state import touch
from models.documents import Document
from models.rollups import CONVERSATION_TOTALS, CONVERSATIONS, ERASURES

AT_ONCE = 10_000
_NO_FIGURES = {name: {"$in": [0, None]} for name in CONVERSATION_TOTALS}


class ErasedConversations:
    """The conversations of one user that have been renamed in the ledger, by this run or an interrupted one."""

    def __init__(self, database: Database, zone: ZoneInfo, rename: Rename) -> None:
        self._database = database
        self._zone = zone
        self._rename = rename
        self._cells = database.writes[CONVERSATIONS]

    async def move(self) -> int:
        """Move what is left, when all corrections are merged. Returns how many cells. Raises PyMongoError."""
        moved = 0
        noted = self._database.writes[ERASURES].find({"of": {"user": self._rename.user, "client": self._rename.client}})
        names = {(client, name) async for note in noted for client, name in note["conversations"]}
        for condition in conditions_of(names):
            found = self._cells.find(condition, {"_id": 1})
            ids = [cell["_id"] async for cell in found if (cell["_id"]["client"], cell["_id"]["conversation"]) in names]
            for first in range(0, len(ids), AT_ONCE):
                some = {"_id": {"$in": ids[first : first + AT_ONCE]}}
                moved += (await self._cells.delete_many({**some, **_NO_FIGURES})).deleted_count
                left = await self._cells.find(some, {"_id": 1}).to_list(None)
                for cell in left:
                    moved += await transact(self._database, partial(self._move_cell, cell["_id"]))
        return moved

    async def _move_cell(self, key: Document, session: Session | None) -> int:
        """A cell of calls that the ledger no longer holds. Where it does, they are somebody else's, or new."""
        await touch(self._database, session)
        cell = await self._cells.find_one({"_id": key}, session=session)
        if cell is None or await self._database.ledger.find_one(self._entries_of(key), {"_id": 1}, session=session):
            return 0
        renamed = {**key, "conversation": self._rename.conversation(key["client"], key["conversation"])}
        update = {"q": {"_id": renamed}, "u": {"$inc": figures_of(cell)}, "upsert": True}
        await apply_updates(self._database, CONVERSATIONS, [update], session)
        await self._cells.delete_one({"_id": key}, session=session)
        return 1

    def _entries_of(self, key: Document) -> Document:
        day = date.fromisoformat(key["day"])
        start, end = (datetime.combine(each, time(), self._zone).astimezone(UTC) for each in (day, day + DAY))
        return {
            "createdAt": {"$gte": start, "$lt": end},
            "clientId": key["client"],
            "conversationId": key["conversation"],
            "synthetic": key["synthetic"],
        }


def conditions_of(names: set[Conversation]) -> Iterator[Document]:
    """Conditions for the cells of these conversations, and maybe of those with the same ids of other clients."""
    ids = sorted({name for _, name in names})
    for first in range(0, len(ids), AT_ONCE):
        yield {"_id.conversation": {"$in": ids[first : first + AT_ONCE]}}
