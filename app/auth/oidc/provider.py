"""An identity provider: what it publishes about itself, and the codes that it changes for tokens."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

import httpx
import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from app.auth.jwks import KeySet
from app.auth.oidc.id_token import checked
from app.auth.refused import Reason, RefusedError
from app.errors import KeyServerUnavailableError
from app.observability.logs import Log
from app.setting_kinds import private_on_its_way

WELL_KNOWN = "/.well-known/openid-configuration"
PUBLISHED_SECONDS = 3_600.0
"""How long what it publishes is not read again: its addresses, and keys that it has withdrawn."""
ANSWER_SECONDS = 10.0
AWAY = "the identity provider does not answer now; try again shortly, or sign in with a token"

Given = TypeVar("Given")

log = Log(__name__)


class Published(NamedTuple):
    """What a provider says about itself (OpenID Connect Discovery 1.0)."""

    authorization: str
    token: str
    keys: KeySet
    end_session: str | None
    secret_in_body: bool
    """Whether it takes a client's secret only as a field."""


@dataclass(frozen=True)
class Registration:
    """Under what this deployment is known to it."""

    issuer: str
    client_id: str
    client_secret: str | None
    scopes: str


class Provider:
    """It is asked when somebody signs in, so that no start waits for it."""

    def __init__(
        self, registration: Registration, of_keys: httpx.AsyncClient, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`of_keys` fetches its keys."""
        self.registration = registration
        self._of_keys = of_keys
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._known: tuple[float, Published] | None = None

    async def published(self) -> Published:
        """What it publishes. Raises KeyServerUnavailableError."""
        async with self._one_at_a_time:
            now = self._clock()
            if self._known is None or now - self._known[0] > PUBLISHED_SECONDS:
                self._known = now, await self._answered(self._read)
            return self._known[1]

    async def sign_in_url(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where a browser asks it who somebody is. Raises KeyServerUnavailableError."""
        published = await self.published()
        async with self._client(published, redirect_uri) as client:
            url, _ = client.create_authorization_url(
                published.authorization, state=state, nonce=nonce, code_verifier=verifier
            )
        return str(url)

    async def sign_out_url(self, back: str) -> str | None:
        """Where a browser ends its session at the provider, which then leads `back`; None where it offers none.

        Raises KeyServerUnavailableError.
        """
        end = (await self.published()).end_session
        query = urlencode({"client_id": self.registration.client_id, "post_logout_redirect_uri": back})
        return None if end is None else f"{end}{'&' if '?' in end else '?'}{query}"

    async def identified(self, code: str, *, redirect_uri: str, verifier: str, nonce: str) -> Mapping[str, Any]:
        """The verified claims of whom it gave this code. Raises RefusedError, and KeyServerUnavailableError."""
        published = await self.published()

        async def asked() -> Any:
            async with self._client(published, redirect_uri) as client:
                return await client.fetch_token(
                    published.token, grant_type="authorization_code", code=code, code_verifier=verifier
                )

        try:
            given = await self._answered(asked)
        except AuthlibBaseError as error:
            message = f"the identity provider does not accept this sign-in ({_word(error.error)}); sign in again"
            raise RefusedError(Reason.PROVIDER, message) from None
        id_token, access_token = given.get("id_token"), given.get("access_token")
        if not isinstance(id_token, str):
            raise RefusedError(
                Reason.PROVIDER, "the identity provider's answer has no ID token; is openid in its scopes?"
            )
        return await checked(
            id_token,
            access_token if isinstance(access_token, str) else None,
            issuer=self.registration.issuer,
            client_id=self.registration.client_id,
            nonce=nonce,
            keys=published.keys,
        )

    def _client(self, published: Published, redirect_uri: str) -> AsyncOAuth2Client:
        known = self.registration
        way = "client_secret_post" if published.secret_in_body else "client_secret_basic"
        return AsyncOAuth2Client(
            known.client_id,
            known.client_secret,
            token_endpoint_auth_method=way if known.client_secret else "none",
            scope=known.scopes,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            timeout=ANSWER_SECONDS,
            follow_redirects=False,
        )

    async def _answered(self, ask: Callable[[], Awaitable[Given]]) -> Given:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await ask()
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            log.warning("identity_provider.unavailable", error=type(error).__name__)
            raise KeyServerUnavailableError(AWAY) from None

    async def _read(self) -> Published:
        async with httpx2.AsyncClient(timeout=ANSWER_SECONDS, follow_redirects=False) as client:
            response = await client.get(self.registration.issuer.rstrip("/") + WELL_KNOWN)
            response.raise_for_status()
            return _published(response.json(), self.registration.issuer, self._of_keys)


def _published(document: Any, issuer: str, of_keys: httpx.AsyncClient) -> Published:
    """Raises ValueError where it is not of this issuer, or has an address that anyone on its way could change."""
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        log.warning("identity_provider.other_issuer", expected=issuer)
        raise ValueError("what is published there is not of this issuer")
    ways = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    end = document.get("end_session_endpoint")
    return Published(
        authorization=_address(document, "authorization_endpoint"),
        token=_address(document, "token_endpoint"),
        keys=KeySet(_address(document, "jwks_uri"), of_keys),
        end_session=None if end is None else _address(document, "end_session_endpoint"),
        secret_in_body="client_secret_basic" not in ways and "client_secret_post" in ways,
    )


def _address(document: dict[str, Any], name: str) -> str:
    if not isinstance(found := document.get(name), str):
        raise ValueError(f"it publishes no {name}")  # noqa: TRY004 - what a server sends is not an argument
    return private_on_its_way(found)


def _word(error: object) -> str:
    """An error's name as the protocol has it, and nothing else."""
    text = str(error)
    return text if text.isascii() and text.replace("_", "").isalnum() and len(text) <= 40 else "an error"  # noqa: PLR2004


@asynccontextmanager
async def open_provider(registration: Registration) -> AsyncIterator[Provider]:
    """The provider, for the length of the block."""
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS, follow_redirects=False) as of_keys:
        yield Provider(registration, of_keys)
