"""Events for open pages: figures have changed, so request them again."""

from typing import Annotated, Any

from litestar import Controller, Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter

from app.auth.middleware import requires
from app.auth.principals import Principal, Recheck, Scope
from app.errors import AppError, NotAuthenticatedError
from app.http.middleware import OPEN_ENDED
from app.live import MEDIA_TYPE, EventStream

EVENTS = """
`hello` comes first, with `version` and whether the caller is `behind`: null unless it sent a Last-Event-ID. Figures
requested after receiving a version include every commit up to it; versions are strings that sort in commit order.
`committed` says that figures have changed, at most once per second: `version`, `committedAt`, and whether those of
`real` and of `synthetic` calls did. `down` says that commits cannot be observed for now, and the next `hello` that
they can again. A comment is sent at least every 15 seconds.
"""
LastEventId = Annotated[
    str | None,
    HeaderParameter(name="Last-Event-ID", max_length=64, description="Sent by a browser when it reconnects."),
]


class LiveController(Controller):
    """What is committed while a page is open. An administrator of one client is notified of that one only."""

    path = "/api/admin/ai/live"
    tags = ("admin",)
    guards = (requires(Scope.ADMIN),)
    opt = OPEN_ENDED

    @get(
        summary="Change notifications as server-sent events",
        description=EVENTS,
        media_type=MEDIA_TYPE,
        responses={200: ResponseSpec(str, description="Events", media_type=MEDIA_TYPE, generate_examples=False)},
    )
    async def live(
        self,
        request: Request[Principal, Recheck, Any],
        state: State,
        scoped_client: NamedDependency[str | None],
        last_event_id: LastEventId = None,
    ) -> EventStream:
        return EventStream(state.live, scoped_client, last_event_id, lambda: _is_welcome(request))


async def _is_welcome(request: Request[Principal, Recheck, Any]) -> bool:
    """Whether the caller is still who it was. While that cannot be checked, it is: as for requests with a known key."""
    try:
        return await request.auth() == request.user
    except NotAuthenticatedError:
        return False
    except AppError:
        return True
