"""Signing in to the pages, and out of them."""

from functools import partial
from typing import Annotated, Any, Self

from litestar import Controller, Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.params import JSONBody
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app import __version__
from app.auth.middleware import PUBLIC, checked, principal_of
from app.auth.principals import Principal, Scope
from app.auth.same_origin import came_by_https, own_page_only
from app.auth.sessions import Sessions, cleared
from app.errors import NotAllowedError
from app.http.serialization import ExactResponse
from app.reports.rows import Row


class SignIn(BaseModel):
    """What a person pastes. No error ever shows it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    token: Annotated[SecretStr, Field(min_length=1, max_length=16_384)]
    """A token or an API key."""


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
    version: str
    features: Features

    @classmethod
    def of(cls, principal: Principal, state: State) -> Self:
        return cls(
            subject=principal.subject,
            client=principal.client,
            scopes=sorted(principal.scopes),
            timezone=state.settings.timezone,
            show_synthetic=state.settings.show_synthetic,
            version=__version__,
            features=Features(live=state.database.transactional),
        )


class SessionController(Controller):
    """The session of a browser. Programs need none: they send their key with each request."""

    path = "/admin/session"
    include_in_schema = False

    @post("/", status_code=200, opt=PUBLIC, guards=(own_page_only,))
    async def sign_in(
        self, data: JSONBody[SignIn], state: State, request: Request[None, Any, State]
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
        return ExactResponse(Who.of(principal, state), cookies=[cookie])

    @get("/")
    async def who(self, state: State, request: Request[Principal, Any, State]) -> Who:
        return Who.of(request.user, state)

    @delete("/", opt=PUBLIC, guards=(own_page_only,))
    async def sign_out(self, request: Request[None, Any, State]) -> Response[None]:
        """Also when the session has ended already."""
        return Response(None, status_code=204, cookies=[cleared(request.scope["root_path"])])
