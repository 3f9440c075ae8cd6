"""Notes on the time line."""

from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument

from app import audit
from app.database import Database, Session
from app.database.outages import answering
from app.database.transactions import transact
from app.errors import ConflictError, NotFoundError
from models.annotations import NOTES, Note
from models.audit import Target
from models.documents import Document
from models.moments import moment_now

CHANGE_SECONDS = 5.0
MOST = 1_000
"""Of each client, and of the whole deployment: more would be no marks on a chart but a wall."""


class Notes:
    """Those of a deployment. `client` is the only one whose notes are seen and changed; None for all."""

    def __init__(self, database: Database) -> None:
        self._database, self._notes = database, database.writes[NOTES]

    async def all(self, client: str | None) -> list[Note]:
        """The newest first. Raises DatabaseUnavailableError."""
        with answering(CHANGE_SECONDS):
            found = self._notes.find(_of(client)).sort([("at", -1), ("_id", -1)])
            return [Note.read(each) async for each in found.limit(MOST)]

    async def add(self, at: datetime, text: str, *, client: str | None, by: str) -> Note:
        """Raises ConflictError where there are too many, and DatabaseUnavailableError."""
        note = Note(id=str(ObjectId()), at=at, text=text, client_id=client, created_at=moment_now(), created_by=by)

        async def insert(session: Session | None) -> None:
            own = {"clientId": {"$eq": client}}
            if await self._notes.count_documents(own, limit=MOST, session=session) >= MOST:
                raise ConflictError(f"there are {MOST:,} notes already: delete some")
            await self._notes.insert_one(note.stored(), session=session)
            await audit.record(self._database, session, "note.created", _target(note), after=note)

        with answering(CHANGE_SECONDS):
            await transact(self._database, insert)
        return note

    async def change(self, note_id: str, client: str | None, fields: dict[str, Any]) -> Note:
        """Set some of `at` and `text`. Raises NotFoundError and DatabaseUnavailableError."""

        async def update(session: Session | None) -> Note:
            old = await self._notes.find_one(_one(note_id, client), session=session)
            new = fields and await self._notes.find_one_and_update(
                _one(note_id, client), {"$set": fields}, session=session, return_document=ReturnDocument.AFTER
            )
            if old is None:
                raise _unknown(note_id)
            before, note = Note.read(old), Note.read(new or old)
            await audit.record(self._database, session, "note.changed", _target(note), before=before, after=note)
            return note

        with answering(CHANGE_SECONDS):
            return await transact(self._database, update)

    async def delete(self, note_id: str, client: str | None) -> Note:
        """Raises NotFoundError and DatabaseUnavailableError."""

        async def remove(session: Session | None) -> Note:
            stored = await self._notes.find_one_and_delete(_one(note_id, client), session=session)
            if stored is None:
                raise _unknown(note_id)
            note = Note.read(stored)
            await audit.record(self._database, session, "note.deleted", _target(note), before=note)
            return note

        with answering(CHANGE_SECONDS):
            return await transact(self._database, remove)


def _target(note: Note) -> Target:
    return Target(kind="note", id=note.id, client_id=note.client_id, name=note.text)


def _unknown(note_id: str) -> NotFoundError:
    return NotFoundError(f"there is no note {note_id}")


def _of(client: str | None) -> Document:
    return {} if client is None else {"clientId": {"$eq": client}}


def _one(note_id: str, client: str | None) -> Document:
    return {"_id": {"$eq": note_id}, **_of(client)}
