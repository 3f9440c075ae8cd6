"""Alerts about unusual spending that are not wanted for a while."""

from datetime import datetime
from typing import Any, Self

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from pydantic import BaseModel, ConfigDict

from app.alerts.alerts import Alerts
from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.reports.rows import Row
from models.alerts import AlertKind, Mute
from models.base import camel
from models.fields import Moment, Name
from routes.dependencies import ClientFilter

Asking = Request[Principal, Any, Any]


class NewMute(BaseModel):
    """What is not wanted. Without a client, provider or model: all of that kind."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid")

    kind: AlertKind
    """Of unusual spending: `spending.cost`, `spending.errors`, `spending.unpriced` or `spending.slow`."""
    until: Moment
    """At most 366 days ahead."""
    client_id: Name | None = None
    provider: Name | None = None
    model: Name | None = None


class MuteBody(Row):
    """What is not raised until a time."""

    id: str
    kind: AlertKind
    client_id: str | None
    provider: str | None
    model: str | None
    until: datetime
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, mute: Mute) -> Self:
        return cls(**{name: getattr(mute, name) for name in cls.model_fields})


class MuteList(Row):
    """Those that hold, the one that ends first before others."""

    mutes: list[MuteBody]


class MuteController(Controller):
    """One client's administrator mutes alerts about that client."""

    path = "/api/admin/alerts/mutes"
    tags = ("alerts",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="List what is muted")
    async def list_mutes(
        self, request: Asking, alerts: NamedDependency[Alerts], client_id: ClientFilter = None
    ) -> MuteList:
        found = await alerts.mutes.all(own_client(request.user, client_id))
        return MuteList(mutes=[MuteBody.of(each) for each in found])

    @post("/", summary="Mute alerts about unusual spending")
    async def mute(self, data: JSONBody[NewMute], request: Asking, alerts: NamedDependency[Alerts]) -> MuteBody:
        """They are not recorded. What is unusual still when the time has come is told then."""
        made = await alerts.mutes.add(
            data.kind,
            data.until,
            client=own_client(request.user, data.client_id),
            provider=data.provider,
            model=data.model,
            by=request.user.subject,
        )
        return MuteBody.of(made)

    @post("/{mute_id:str}/end", summary="End a mute", status_code=200)
    async def end_mute(self, mute_id: FromPath[str], request: Asking, alerts: NamedDependency[Alerts]) -> MuteBody:
        """Before its time. 404 where it has ended."""
        return MuteBody.of(await alerts.mutes.end(mute_id, own_client(request.user, None)))
