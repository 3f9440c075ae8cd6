"""Views that people come back to."""

from typing import Any, NamedTuple

from bson import ObjectId
from pymongo import ReturnDocument

from app import audit
from app.database import Database, Session
from app.database.outages import answering
from app.database.transactions import transact
from app.errors import ConflictError, NotFoundError
from models.annotations import VIEWS, SavedView
from models.audit import Target
from models.documents import Document
from models.moments import moment_now

CHANGE_SECONDS = 5.0
MOST = 200
"""Of each person."""


class Viewer(NamedTuple):
    """Who asks."""

    subject: str
    client: str | None
    """The only client that they administer; None for all."""


class SavedViews:
    """Those of a deployment: each has its own, and what others of the same client share."""

    def __init__(self, database: Database) -> None:
        self._database, self._views = database, database.writes[VIEWS]

    async def all(self, viewer: Viewer) -> list[SavedView]:
        """By name. Raises DatabaseUnavailableError."""
        own = {"createdBy": {"$eq": viewer.subject}}
        with answering(CHANGE_SECONDS):
            found = self._views.find({**_of(viewer), "$or": [own, {"shared": True}]})
            views = [SavedView.read(each) async for each in found]
        return sorted(views, key=lambda view: (view.name.casefold(), view.id))

    async def add(self, viewer: Viewer, *, name: str, address: str, shared: bool) -> SavedView:
        """Raises ConflictError where there are too many, and DatabaseUnavailableError."""
        view = SavedView(
            id=str(ObjectId()),
            name=name,
            address=address,
            shared=shared,
            client_id=viewer.client,
            created_at=moment_now(),
            created_by=viewer.subject,
        )

        async def insert(session: Session | None) -> None:
            own = {"createdBy": {"$eq": viewer.subject}, **_of(viewer)}
            if await self._views.count_documents(own, limit=MOST, session=session) >= MOST:
                raise ConflictError(f"you have {MOST} views already: delete some")
            await self._views.insert_one(view.stored(), session=session)
            await audit.record(self._database, session, "view.created", _target(view), after=view)

        with answering(CHANGE_SECONDS):
            await transact(self._database, insert)
        return view

    async def change(self, view_id: str, viewer: Viewer, fields: dict[str, Any]) -> SavedView:
        """Set some of its `name`, `address` and `shared`. Raises NotFoundError and DatabaseUnavailableError."""

        async def update(session: Session | None) -> SavedView:
            old = await self._views.find_one(_own(view_id, viewer), session=session)
            new = fields and await self._views.find_one_and_update(
                _own(view_id, viewer), {"$set": fields}, session=session, return_document=ReturnDocument.AFTER
            )
            if old is None:
                raise _unknown(view_id)
            before, view = SavedView.read(old), SavedView.read(new or old)
            await audit.record(self._database, session, "view.changed", _target(view), before=before, after=view)
            return view

        with answering(CHANGE_SECONDS):
            return await transact(self._database, update)

    async def delete(self, view_id: str, viewer: Viewer) -> SavedView:
        """One of one's own. Raises NotFoundError and DatabaseUnavailableError."""

        async def remove(session: Session | None) -> SavedView:
            stored = await self._views.find_one_and_delete(_own(view_id, viewer), session=session)
            if stored is None:
                raise _unknown(view_id)
            view = SavedView.read(stored)
            await audit.record(self._database, session, "view.deleted", _target(view), before=view)
            return view

        with answering(CHANGE_SECONDS):
            return await transact(self._database, remove)


def _target(view: SavedView) -> Target:
    return Target(kind="view", id=view.id, client_id=view.client_id, name=view.name)


def _unknown(view_id: str) -> NotFoundError:
    return NotFoundError(f"you have no view {view_id}")


def _of(viewer: Viewer) -> Document:
    return {"clientId": {"$eq": viewer.client}}


def _own(view_id: str, viewer: Viewer) -> Document:
    return {"_id": {"$eq": view_id}, "createdBy": {"$eq": viewer.subject}, **_of(viewer)}
