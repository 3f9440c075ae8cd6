"""Signing in to the pages, and out of them."""

import asyncio
from functools import partial
from typing import Annotated, Any, Literal, Self

from litestar import Controller, Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.params import JSONBody
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app import __version__
from app.auth.middleware import PUBLIC, checked, principal_of
from app.auth.ownership import visible_client
from app.auth.principals import Principal, Scope
from app.auth.same_origin import came_by_https, own_page_only
from app.auth.sessions import Sessions, cleared, session_in
from app.errors import AppError, NotAllowedError
from app.http.serialization import ExactResponse
from app.reports.query import Synthetic
from app.reports.reports import Reports
from app.reports.rows import Row
from routes.dependencies import ClientFilter


class SignIn(BaseModel):
    """What a person pastes. No error ever shows it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    token: Annotated[SecretStr, Field(min_length=1, max_length=16_384)]
    """A token or an API key."""


Shows = Literal["real", "demo"]
LOOK_SECONDS = 2.0
"""A page without figures comes sooner than one that waits for a database which does not answer."""


class Features(Row):
    """What this deployment can do."""

    live: bool
    """Whether pages can be notified of commits: a standalone server has no change streams."""


class Who(Row):
    """Who signed in, and what the pages have to know before they request figures."""

    subject: str
    client: str | None
    """The only client that they see; null for all."""
    scopes: list[Scope]
    timezone: str
    show_synthetic: bool
    """Whether reports of this deployment include demo data by default."""
    shows: Shows
    """What a page shows that was asked for no particular data."""
    is_new: bool
    """Whether nothing was ever reported: then it shows how to begin."""
    version: str
    features: Features

    @classmethod
    async def of(cls, principal: Principal, state: State, client: str | None) -> Self:
        """`client` is the one that the page is about. Raises NotAllowedError where that is not theirs."""
        shows, is_new = await _shown(state.reports, visible_client(principal, client))
        return cls(
            subject=principal.subject,
            client=principal.client,
            scopes=sorted(principal.scopes),
            timezone=state.settings.timezone,
            show_synthetic=state.settings.show_synthetic,
            shows=shows,
            is_new=is_new,
            version=__version__,
            features=Features(live=state.database.transactional),
        )


async def _shown(reports: Reports, client: str | None) -> tuple[Shows, bool]:
    """Real calls, as soon as there is one: none is lost among demo data; and whether there is nothing at all."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            if await reports.any_calls(Synthetic.EXCLUDE, client):
                return "real", False
            demo = await reports.any_calls(Synthetic.ONLY, client)
            return ("demo" if demo else "real"), not demo
    except (TimeoutError, AppError):
        return "real", False  # the figures' own requests say what is wrong


async def told(request: Request[Any, Any, State]) -> Who | None:
    """Who has the session that this request sends along; None where there is none, or that cannot be told at once.

    A page says it, so that its figures are asked for without a question before.
    """
    cookie = session_in(request.headers.get("cookie", ""))
    if cookie is None:
        return None
    state = request.app.state
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            principal = await principal_of(state.sessions.opened(cookie), state)
            return await Who.of(principal, state, request.query_params.get("clientId"))
    except (TimeoutError, AppError):
        return None


class SessionController(Controller):
    """The session of a browser. Programs need none: they send their key with each request."""

    path = "/admin/session"
    include_in_schema = False

    @post("/", status_code=200, opt=PUBLIC, guards=(own_page_only,))
    async def sign_in(
        self, data: JSONBody[SignIn], state: State, request: Request[None, Any, State], client: ClientFilter = None
    ) -> ExactResponse[Who]:
        """For any valid credential, even one without the scope that the pages' figures need."""
        credential = data.token.get_secret_value().strip()
        principal = await checked(partial(principal_of, credential, state), request)
        if principal.sees_a_panel_only:
            raise NotAllowedError(f"nobody signs in with this: {principal.note}")
        sessions: Sessions = state.sessions
        secure = came_by_https(request.scope["scheme"], request.headers)
        root_path = request.scope["root_path"]
        cookie = sessions.cookie(credential, principal.expires, secure=secure, root_path=root_path)
        return ExactResponse(await Who.of(principal, state, client), cookies=[cookie])

    @get("/")
    async def who(self, state: State, request: Request[Principal, Any, State], client: ClientFilter = None) -> Who:
        return await Who.of(request.user, state, client)

    @delete("/", opt=PUBLIC, guards=(own_page_only,))
    async def sign_out(self, request: Request[None, Any, State]) -> Response[None]:
        """Also when the session has ended already."""
        return Response(None, status_code=204, cookies=[cleared(request.scope["root_path"])])
