"""Who changed what, and when."""

from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Self

from litestar import Controller, Request, get
from litestar.datastructures import State
from litestar.params import QueryParameter

from app.audit.trail import Trail, Wanted
from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.errors import invalid
from app.reports.rows import Row
from models.audit import AuditEntry, How
from routes.administration.paging import PageSize, after_of, page_of
from routes.dependencies import ClientFilter, Cursor, NameFilter


class ActorBody(Row):
    """Who changed something."""

    subject: str
    client_id: str | None
    """The only client that it administers; null for all."""
    how: How
    key_id: str | None


class TargetBody(Row):
    """What was changed."""

    kind: str
    id: str
    client_id: str | None
    """The only client that it is for; null where it reaches beyond."""
    name: str | None


class AuditBody(Row):
    """One change."""

    id: str
    at: datetime
    actor: ActorBody
    action: str
    """The kind of what was changed and what was done to it, such as `key.revoked`."""
    target: TargetBody
    before: dict[str, Any] | None
    """The fields that are others now; null where it was made. Secrets are not told."""
    after: dict[str, Any] | None
    """The same fields as they are since; all of them where it was made."""

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls(
            id=entry.id,
            at=entry.at,
            actor=ActorBody(**entry.actor.model_dump()),
            action=entry.action,
            target=TargetBody(**entry.target.model_dump()),
            before=entry.before,
            after=entry.after,
        )


class AuditList(Row):
    """A page of changes, the newest first."""

    entries: list[AuditBody]
    next_cursor: str | None


class AuditController(Controller):
    """One client's administrator sees what was changed for that client alone. Nothing changes or deletes an entry."""

    path = "/api/admin/audit"
    tags = ("audit",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="List changes by administrators and commands, the newest first")
    async def list_changes(
        self,
        state: State,
        request: Request[Principal, Any, Any],
        *,
        kind: NameFilter = None,
        target: Annotated[str | None, QueryParameter(min_length=1, max_length=1_000)] = None,
        action: NameFilter = None,
        subject: NameFilter = None,
        start: Annotated[datetime | None, QueryParameter(name="from", description="Inclusive.")] = None,
        end: Annotated[datetime | None, QueryParameter(name="to", description="Exclusive.")] = None,
        client_id: ClientFilter = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> AuditList:
        """`kind` and `target` say what was changed, `subject` by whom."""
        for field, moment in (("from", start), ("to", end)):
            if moment is not None and moment.tzinfo is None:
                raise invalid(field, "must have a time zone, such as 2026-11-01T00:00:00Z")
        wanted = Wanted(own_client(request.user, client_id), kind, target, action, subject, start, end)
        found = await Trail(state.database).page(wanted, after=after_of(cursor), size=limit + 1)
        page, following = page_of(found, limit, attrgetter("at"))
        return AuditList(entries=[AuditBody.of(one) for one in page], next_cursor=following)
