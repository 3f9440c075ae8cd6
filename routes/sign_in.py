"""Signing in to the pages at an identity provider."""

from datetime import timedelta
from urllib.parse import urlsplit

from litestar import Controller, Request, get
from litestar.datastructures import Cookie, State
from litestar.params import FromQuery
from litestar.response import Redirect, Template

from app.auth.attempts import RefusedCredentials
from app.auth.middleware import PUBLIC
from app.auth.oidc.sign_in import COOKIE, PATH, Ended, SignIns, cookie
from app.auth.principals import Role
from app.auth.refused import RefusedError
from app.auth.sessions import Sessions
from app.auth.tokens import Tokens
from app.errors import AppError, NotFoundError
from app.settings import Settings
from app.web import pages

AnyRequest = Request[None, None, State]


class SignInController(Controller):
    """There and back. Every error is a page in words, for a person reads it."""

    path = PATH
    opt = PUBLIC
    include_in_schema = False

    @get("/")
    async def begin(self, request: AnyRequest, target: FromQuery[str] = "") -> Redirect | Template:
        """To the identity provider."""
        root_path = request.scope["root_path"]
        try:
            url, begun = await _sign_ins(request).begun(target, _base(request), root_path)
        except AppError as error:
            return _refused(request, error)
        return Redirect(url, status_code=303, cookies=[begun])

    @get("/callback")
    async def callback(self, request: AnyRequest) -> Redirect | Template:
        """And back: the session begins, and the page that somebody wanted to see is shown."""
        try:
            ended = await _sign_ins(request).ended(request.cookies.get(COOKIE), dict(request.query_params))
            session = _session(request, ended)
        except RefusedError as error:
            answers: RefusedCredentials = request.app.state.refused_credentials
            return _refused(request, answers.answer(error, request.client.host if request.client else None))
        except AppError as error:
            return _refused(request, error)
        return Redirect(ended.target, status_code=303, cookies=[session, _used(request)])

    @get("/out")
    async def out(self, request: AnyRequest) -> Redirect | Template:
        """To the end of the session at the provider, where it offers that; this browser's has ended before."""
        home = f"{_base(request)}{pages.PATH}"
        try:
            return Redirect(await _sign_ins(request).provider.sign_out_url(home) or home, status_code=303)
        except AppError as error:
            return _refused(request, error)


def _sign_ins(request: AnyRequest) -> SignIns:
    found: SignIns | None = request.app.state.sign_ins
    if found is None:
        raise NotFoundError("no identity provider is set up here; sign in with a token or an API key")
    return found


def _session(request: AnyRequest, ended: Ended) -> Cookie:
    """A session as any other, of a token of our own: the provider's are not kept, and may end within minutes."""
    tokens: Tokens = request.app.state.tokens
    sessions: Sessions = request.app.state.sessions
    settings: Settings = request.app.state.settings
    lasts: timedelta = settings.session_lifetime
    token = tokens.issue(ended.who.subject, Role.ADMIN, lasts, only_client=ended.who.client)
    secure = _base(request).startswith("https://")
    return sessions.cookie(token, None, secure=secure, root_path=request.scope["root_path"])


def _base(request: AnyRequest) -> str:
    """Where this deployment is for this browser: as the setting says it, where it names the host that was asked."""
    public: str | None = request.app.state.settings.public_url
    host = request.headers.get("host", "")
    if public is not None and urlsplit(public).netloc.lower() == host.lower():
        return public
    return f"{request.scope['scheme']}://{host}{request.scope['root_path']}"


def _used(request: AnyRequest) -> Cookie:
    return cookie("", 0, request.scope["root_path"], secure=False)


def _refused(request: AnyRequest, error: AppError) -> Template:
    state, root_path = request.app.state, request.scope["root_path"]
    words = pages.SignInWords.of(state.settings)
    page = pages.refused_sign_in(state.assets, root_path, words, error.detail, error.status)
    page.cookies = [_used(request)]
    page.headers |= error.headers
    return page
