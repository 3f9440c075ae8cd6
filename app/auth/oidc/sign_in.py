"""One sign-in at an identity provider, from the page that somebody wants to see and back to it.

What must be known again when the browser comes back is in a cookie of its own, sealed: nothing is kept here, and what
was begun in one browser ends in no other.
"""

import hmac
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from litestar.datastructures import Cookie

from app.auth.oidc.administrators import Administrator, Administrators
from app.auth.refused import Reason, RefusedError
from app.auth.seal import Seal
from app.setting_words import secret_given
from app.settings import Settings

if TYPE_CHECKING:
    from app.auth.oidc.provider import Provider

PATH = "/admin/sign-in"
CALLBACK = f"{PATH}/callback"
COOKIE = "twinmeter_sign_in"
PURPOSE = b"twinmeter: sign-in cookie, version 1"
MINUTES = 10
"""How long somebody may take at the provider: passwords are looked up, and second factors fetched."""
MOST_BYTES = 3_800
MOST_TARGET = 1_000
TARGET = re.compile(r"/admin(?:[/?#][!-~]*)?")
"""A page of the dashboard: it begins after our own prefix, so that no target leads to another host."""


class Pending(NamedTuple):
    """A sign-in that was begun."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    target: str
    until: int


class Ended(NamedTuple):
    """One that succeeded: who, and the page that they wanted to see."""

    who: Administrator
    target: str


class SignIns:
    """The sign-ins of a deployment."""

    def __init__(
        self, secret: str, provider: "Provider", administrators: Administrators, clock: Callable[[], float] = time.time
    ) -> None:
        self.provider = provider
        self._administrators = administrators
        self._seal = Seal(secret, PURPOSE)
        self._clock = clock

    async def begun(self, target: str, base: str, root_path: str) -> tuple[str, Cookie]:
        """The provider's address for a browser that wants to see `target`, and the cookie to send along. `base` is
        where this deployment is for that browser. Raises KeyServerUnavailableError.
        """
        pending = Pending(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            redirect_uri=base + CALLBACK,
            target=page_of(target, root_path),
            until=int(self._clock()) + MINUTES * 60,
        )
        url = await self.provider.sign_in_url(
            redirect_uri=pending.redirect_uri, state=pending.state, nonce=pending.nonce, verifier=pending.verifier
        )
        sealed = self._seal.sealed(json.dumps(pending).encode())
        return url, cookie(sealed, MINUTES * 60, root_path, secure=base.startswith("https://"))

    async def ended(self, sealed: str | None, answered: dict[str, str]) -> Ended:
        """Who came back with the provider's answer. Raises RefusedError, and KeyServerUnavailableError."""
        pending = self._pending(sealed, answered.get("state", ""))
        registration = self.provider.registration
        if answered.get("iss", registration.issuer) != registration.issuer:  # RFC 9207
            raise RefusedError(Reason.ISSUER, "another identity provider answered; sign in again")
        if "error" in answered or not answered.get("code"):
            raise RefusedError(Reason.PROVIDER, "the identity provider did not let you in; sign in again")
        claims = await self.provider.identified(
            answered["code"], redirect_uri=pending.redirect_uri, verifier=pending.verifier, nonce=pending.nonce
        )
        return Ended(self._administrators.admitted(claims), pending.target)

    def _pending(self, sealed: str | None, state: str) -> Pending:
        stranger = "this sign-in was not begun in this browser, or has ended already; sign in again"
        try:
            pending = Pending(*json.loads(self._seal.opened(sealed or "", MOST_BYTES)))
        except ValueError:
            raise RefusedError(Reason.SIGN_IN, stranger) from None
        if not hmac.compare_digest(pending.state.encode(), state.encode()):
            raise RefusedError(Reason.SIGN_IN, stranger)
        if pending.until <= self._clock():
            raise RefusedError(Reason.SIGN_IN, f"this sign-in took more than {MINUTES} minutes; sign in again")
        return pending


def page_of(target: str, root_path: str) -> str:
    """The page to show after a sign-in: `target` where it is one of the dashboard's, else the main page."""
    inner = target.removeprefix(root_path)
    ours = target.startswith(root_path) and len(target) <= MOST_TARGET and TARGET.fullmatch(inner) is not None
    return target if ours and not inner.startswith(PATH) else f"{root_path}/admin"


def cookie(value: str, seconds: int, root_path: str, *, secure: bool) -> Cookie:
    """The cookie of a sign-in. Lax: the browser comes back from another site."""
    path = root_path + PATH
    return Cookie(COOKIE, value=value, max_age=seconds, path=path, httponly=True, samesite="lax", secure=secure)


@asynccontextmanager
async def open_sign_ins(settings: Settings) -> AsyncIterator[SignIns | None]:
    """Those of a deployment; None where it has no identity provider. Raises ConfigurationError."""
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        yield None
        return
    # imported here: it adds two tenths of a second to every start, and few deployments need it
    from app.auth.oidc.provider import Registration, open_provider  # noqa: PLC0415

    secret = secret_given(settings.oidc_client_secret, settings.oidc_client_secret_file, "TWINMETER_OIDC_CLIENT_SECRET")
    registration = Registration(settings.oidc_issuer, settings.oidc_client_id, secret, settings.oidc_scopes)
    async with open_provider(registration) as provider:
        yield SignIns(settings.signing_secret, provider, Administrators.of(settings))
