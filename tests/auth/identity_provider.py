"""An identity provider of OpenID Connect on this machine, which can be told to do wrong."""

import asyncio
import base64
import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.auth.test_jwks import RSA, PrivateKey, public
from tests.patience import patience

CLIENT_ID, CLIENT_SECRET = "twinmeter-pages", "a-secret-of-the-client-of-some-length"
ANN = {"sub": "248289761001", "email": "ann@shop.example", "email_verified": True, "groups": ["staff", "ai-admins"]}


class IdentityProvider:
    """Keeps to the protocol, but for what a test changes; each code is for one use."""

    def __init__(self) -> None:
        self.issuer = ""
        self.reset()

    def reset(self) -> None:
        """Do right again."""
        self.claims: dict[str, Any] = {}
        """Of the next ID tokens, beside those that are right; None leaves one out."""
        self.key: PrivateKey | str | None = RSA
        self.algorithm = "RS256"
        self.published: dict[str, Any] = {}
        self.down = False
        self.asked: dict[str, str] = {}
        """What the last browser was sent with."""
        self._codes: dict[str, dict[str, str]] = {}

    def let_in(self, url: str) -> str:
        """Where a browser is sent back to, once somebody has signed in at this address."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        code = f"code-{len(self._codes)}"
        self._codes[code] = self.asked = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer})}"

    async def discovery(self, _: web.Request) -> web.Response:
        addresses = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "end_session_endpoint": f"{self.issuer}/logout",
        }
        return web.json_response({**addresses, **self.published}, status=503 if self.down else 200)

    async def keys(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": [public("k1", RSA)]})

    async def token(self, request: web.Request) -> web.Response:
        if self.down:
            return web.Response(status=503)
        form = await request.post()
        begun = self._codes.pop(str(form.get("code")), None)
        credentials = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        challenge = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        right = (
            begun is not None
            and begun["code_challenge_method"] == "S256"
            and begun["code_challenge"] == base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
            and begun["redirect_uri"] == form.get("redirect_uri")
            and request.headers["Authorization"] == f"Basic {credentials}"
        )
        if begun is None or not right:
            return web.json_response({"error": "invalid_grant", "error_description": "no such code"}, status=400)
        answer = {"access_token": "opaque", "token_type": "Bearer", "id_token": self.id_token(begun["nonce"])}
        return web.json_response(answer)

    def id_token(self, nonce: str) -> str:
        """What is signed about whoever signed in."""
        now = int(time.time())
        half = hashlib.sha256(b"opaque").digest()[:16]
        right = {
            **ANN,
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "nonce": nonce,
            "iat": now,
            "exp": now + 300,
            "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
        }
        claims = {name: value for name, value in {**right, **self.claims}.items() if value is not None}
        return jwt.encode(claims, self.key, self.algorithm, headers={"kid": "k1"})  # type: ignore[arg-type]


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    """One that answers, for the length of the block; in a thread, since a test's client holds the loop of its test."""
    provider, ready, over = IdentityProvider(), threading.Event(), threading.Event()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.discovery)
    app.router.add_get("/jwks", provider.keys)
    app.router.add_post("/token", provider.token)

    async def serve() -> None:
        async with TestServer(app) as server:
            provider.issuer = str(server.make_url("")).rstrip("/")
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(patience(10))
        yield provider
    finally:
        over.set()
        thread.join()
