"""A user's own panel: what was used, held and spent, and the tokens with which a browser may look at it."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter, JSONBody, QueryParameter
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from app.addresses import origin_of
from app.auth.middleware import PANEL
from app.auth.ownership import own_client, visible_client, visible_user
from app.auth.principals import Principal, Role, Scope
from app.auth.tokens import Tokens
from app.database import Session
from app.errors import NotAllowedError, invalid
from app.http.middleware import RATE_OF_ITS_OWN
from app.http.openapi import exemplified
from app.http.serialization import encode
from app.limits import Limits
from app.limits.answers import LimitState
from app.limits.definitions import Definitions
from app.limits.meters import Caller
from app.reports.query import Filters, Synthetic
from app.reports.reports import Reports
from app.settings import Settings
from models.base import camel
from models.call import DEFAULT_CLIENT
from models.fields import Name
from routes.dependencies import ClientFilter
from routes.panel_rows import PanelPlan, UsagePanel

MOST_MINUTES = 60
USUAL_MINUTES = 15
MOST_ORIGINS = 20
READERS = frozenset({Scope.READ, Scope.ADMIN})
"""Of these one is needed to see what calls cost."""
ABOUT = """
For a user's token and for a panel token: that user. An application's key or token and an administrator name one with
`userId`; without it, the answer is about the caller's key and client, with costs and calls only where it may read.
`asOf` is the moment of one snapshot, in which all figures are exact to the last recorded call. Reading counts against
no limit. Send the `ETag` back as `If-None-Match`: 304 says that nothing but the time has changed.
"""


class NewPanelToken(BaseModel):
    """Whose panel a browser may look at, for how long, and on pages of which origins."""

    model_config = ConfigDict(
        alias_generator=camel, populate_by_name=True, extra="forbid", frozen=True, **exemplified({"userId": "u1"})
    )

    user_id: Name
    client_id: Name | None = None
    """The caller's own client by default."""
    minutes: Annotated[int, Field(ge=1, le=MOST_MINUTES)] = USUAL_MINUTES
    origins: Annotated[tuple[str, ...], Field(max_length=MOST_ORIGINS)] = ()
    """Of those that the deployment lets show panels; all of them by default."""

    @field_validator("origins")
    @classmethod
    def _origins(cls, named: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(origin_of(each) for each in named)
        except ValueError as error:
            raise PydanticCustomError("origin", "{reason}", {"reason": str(error)}) from None


class PanelToken(BaseModel):
    """A token that shows one user's panel."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, frozen=True)

    token: str
    expires_at: datetime
    user_id: str
    client_id: str


class PanelController(Controller):
    """What a user may always ask about itself, and a key about its own."""

    path = "/api"
    tags = ("panel",)

    @get(
        "/me/usage",
        name="panel",
        opt=PANEL | RATE_OF_ITS_OWN,
        summary="One's own limits, costs and latest calls",
        description=ABOUT,
        responses={
            200: ResponseSpec(UsagePanel, description="As of one moment"),
            304: ResponseSpec(None, description="Nothing but the time has changed", generate_examples=False),
        },
    )
    async def usage(
        self,
        request: Request[Principal, Any, Any],
        state: State,
        reports: NamedDependency[Reports],
        synthetic_mode: NamedDependency[Synthetic],
        *,
        user_id: Annotated[str | None, QueryParameter(name="userId", min_length=1, max_length=256)] = None,
        client_id: ClientFilter = None,
        if_none_match: Annotated[str | None, HeaderParameter(name="If-None-Match", max_length=256)] = None,
    ) -> Response[bytes]:
        whose = _whose(request.user, user_id, client_id)
        limits: Limits = state.limits
        caller = Caller(whose.user_id or "", whose.client_id or DEFAULT_CLIENT, request.user.key_id)

        async def beside(session: Session | None) -> Sequence[LimitState]:
            await limits.definitions.learn([caller])
            return await limits.state(caller, session=session)

        figures, states = await reports.panel(whose, synthetic_mode, beside)
        panel = UsagePanel.of(
            figures,
            states,
            _plan(limits.definitions, caller, figures.as_of),
            whose=whose,
            viewer=request.user,
            may_read=_may_read(request.user),
            synthetic=synthetic_mode,
        )
        body = encode(panel)
        etag = _tag(body)
        if if_none_match is not None and etag in if_none_match:
            return Response(b"", status_code=304, headers={"ETag": etag})
        return Response(body, media_type="application/json", headers={"ETag": etag})

    @post("/panel-tokens", summary="A token with which a browser may look at one user's panel")
    async def mint(
        self, data: JSONBody[NewPanelToken], state: State, request: Request[Principal, Any, Any]
    ) -> PanelToken:
        """For the application's backend, which knows who its user is. The token is good for minutes, reads the panel of
        this user at this client, and nothing else; it makes no other tokens. Never give it to another user.
        """
        client = own_client(request.user, data.client_id) or DEFAULT_CLIENT
        settings: Settings = state.settings
        allowed = {*settings.embed_origins, *settings.cors_origins}
        if strange := [origin for origin in data.origins if origin not in allowed]:
            raise invalid("origins", f"has {strange[0]}, which is not in TWINMETER_EMBED_ORIGINS")
        tokens: Tokens = state.tokens
        lifetime = timedelta(minutes=data.minutes)
        expires_at = datetime.now(UTC).replace(microsecond=0) + lifetime
        token = tokens.issue(data.user_id, Role.PANEL, lifetime, client, data.origins)
        return PanelToken(token=token, expires_at=expires_at, user_id=data.user_id, client_id=client)


def _plan(definitions: Definitions, caller: Caller, at: datetime) -> PanelPlan | None:
    plan, subscription = definitions.plan_of(caller, at)
    if subscription is None and not caller.user_id:
        return None
    return PanelPlan.of(plan, definitions.plan_after(caller, at))


def _whose(principal: Principal, user_id: str | None, client_id: str | None) -> Filters:
    """Whose panel is asked for. Raises NotAllowedError where it is another's."""
    user, client = visible_user(principal, user_id), visible_client(principal, client_id)
    if principal.user is None and user is not None and not _may_read(principal):
        way_out = "leave userId out for this key's own limits"
        raise NotAllowedError(f"a user's panel needs the scope {Scope.READ}; {way_out}")
    return Filters(user_id=user, client_id=client)


def _may_read(principal: Principal) -> bool:
    return principal.user is not None or not READERS.isdisjoint(principal.scopes)


def _tag(body: bytes) -> str:
    """Of all but the moment, which is the first field."""
    return f'"{hashlib.blake2b(body[body.index(b",") :], digest_size=12).hexdigest()}"'
