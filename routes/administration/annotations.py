"""What people keep of the pages: notes on the time line, and views to come back to."""

from datetime import datetime
from typing import Any, Self

from litestar import Controller, Request, delete, get, patch, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody
from pydantic import BaseModel, ConfigDict

from app.annotations import Notes, SavedViews
from app.annotations.views import Viewer
from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.reports.rows import Row
from models.annotations import Note, NoteText, SavedView, ViewAddress, ViewName
from models.base import camel
from models.fields import Moment, Name
from routes.dependencies import ClientFilter

Asking = Request[Principal, Any, Any]
_BODY = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid")


class NewNote(BaseModel):
    """What happened, and when."""

    model_config = _BODY

    at: Moment
    text: NoteText
    client_id: Name | None = None


class NoteChange(BaseModel):
    """What is given is set."""

    model_config = _BODY

    at: Moment | None = None
    text: NoteText | None = None


class NoteBody(Row):
    """A note."""

    id: str
    at: datetime
    text: str
    client_id: str | None
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, note: Note) -> Self:
        return cls(**{name: getattr(note, name) for name in cls.model_fields})


class NoteList(Row):
    """The newest first, at most 1,000."""

    notes: list[NoteBody]


class NoteController(Controller):
    """One client's administrator sees and writes notes of that client."""

    path = "/api/admin/notes"
    tags = ("notes and views",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="List notes on the time line")
    async def list_notes(self, request: Asking, state: State, client_id: ClientFilter = None) -> NoteList:
        found = await Notes(state.database).all(own_client(request.user, client_id))
        return NoteList(notes=[NoteBody.of(each) for each in found])

    @post("/", summary="Write a note at a time")
    async def write(self, data: JSONBody[NewNote], request: Asking, state: State) -> NoteBody:
        """Charts over that time show it."""
        client = own_client(request.user, data.client_id)
        return NoteBody.of(await Notes(state.database).add(data.at, data.text, client=client, by=request.user.subject))

    @patch("/{note_id:str}", summary="Change a note")
    async def change(
        self, note_id: FromPath[str], data: JSONBody[NoteChange], request: Asking, state: State
    ) -> NoteBody:
        own = own_client(request.user, None)
        return NoteBody.of(await Notes(state.database).change(note_id, own, data.model_dump(exclude_none=True)))

    @delete("/{note_id:str}", summary="Delete a note", status_code=200)
    async def delete_note(self, note_id: FromPath[str], request: Asking, state: State) -> NoteBody:
        return NoteBody.of(await Notes(state.database).delete(note_id, own_client(request.user, None)))


class NewView(BaseModel):
    """A page, and what to call it."""

    model_config = _BODY

    name: ViewName
    address: ViewAddress
    shared: bool = False


class ViewChange(BaseModel):
    """What is given is set."""

    model_config = _BODY

    name: ViewName | None = None
    address: ViewAddress | None = None
    shared: bool | None = None


class ViewBody(Row):
    """A view."""

    id: str
    name: str
    address: str
    shared: bool
    own: bool
    """Whether who asks made it, and may change it."""

    @classmethod
    def of(cls, view: SavedView, viewer: Viewer) -> Self:
        own = view.created_by == viewer.subject
        return cls(id=view.id, name=view.name, address=view.address, shared=view.shared, own=own)


class ViewList(Row):
    """One's own and those that are shared, by name."""

    views: list[ViewBody]


class ViewController(Controller):
    """Each sees their own views, and what others with the same reach share."""

    path = "/api/admin/views"
    tags = ("notes and views",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="List saved views")
    async def list_views(self, request: Asking, state: State) -> ViewList:
        viewer = _viewer(request)
        return ViewList(views=[ViewBody.of(each, viewer) for each in await SavedViews(state.database).all(viewer)])

    @post("/", summary="Save a view")
    async def save(self, data: JSONBody[NewView], request: Asking, state: State) -> ViewBody:
        viewer = _viewer(request)
        made = await SavedViews(state.database).add(viewer, name=data.name, address=data.address, shared=data.shared)
        return ViewBody.of(made, viewer)

    @patch("/{view_id:str}", summary="Rename, share or move a view")
    async def change(
        self, view_id: FromPath[str], data: JSONBody[ViewChange], request: Asking, state: State
    ) -> ViewBody:
        viewer = _viewer(request)
        changed = await SavedViews(state.database).change(view_id, viewer, data.model_dump(exclude_none=True))
        return ViewBody.of(changed, viewer)

    @delete("/{view_id:str}", summary="Delete a view", status_code=200)
    async def delete_view(self, view_id: FromPath[str], request: Asking, state: State) -> ViewBody:
        viewer = _viewer(request)
        return ViewBody.of(await SavedViews(state.database).delete(view_id, viewer), viewer)


def _viewer(request: Asking) -> Viewer:
    return Viewer(request.user.subject, own_client(request.user, None))
