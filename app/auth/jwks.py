"""The public keys of an identity provider (RFC 7517), fetched from its address and kept."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jwt
from jwt import PyJWK

from app.errors import KeyServerUnavailableError, NotAuthenticatedError
from app.observability.logs import Log
from app.process import background

REFRESH_SECONDS = 600.0
"""How long a key that the provider has withdrawn stays valid, at most, while its server answers."""
RETRY_SECONDS = 10.0
"""The minimum time between two fetches for unknown keys: anyone can name one."""
FETCH_SECONDS = 3.0
MAX_BYTES = 262_144
LEAST_RSA_BITS = 2_048
"""RFC 7518, 3.3."""

ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256"}
"""The only algorithm that a key may be used with, by its type and curve: it never depends on what a token says."""

log = Log(__name__)


class KeySet:
    """The keys by id. Known keys stay valid while the server is away."""

    def __init__(self, url: str, client: httpx.AsyncClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._client = client
        self._clock = clock
        self._keys: dict[str, PyJWK] = {}
        self._one_at_a_time = asyncio.Lock()
        self._asked: float | None = None
        self._answered = True

    async def key(self, key_id: str) -> PyJWK:
        """The key with this id. Raises NotAuthenticatedError for one that the provider does not have, and
        KeyServerUnavailableError where the provider cannot be reached.
        """
        if key_id not in self._keys:
            await self._refresh_unless_just_done()
        if (key := self._keys.get(key_id)) is not None:
            return key
        if not self._answered:
            raise KeyServerUnavailableError("the identity provider's keys cannot be read now; try again shortly")
        raise NotAuthenticatedError("the token is signed with a key that the identity provider does not have")

    async def keep_fresh(self) -> None:
        """Fetch the keys at intervals, until cancelled."""
        while True:
            async with self._one_at_a_time:
                await self.refresh()
            await asyncio.sleep(REFRESH_SECONDS)

    async def refresh(self) -> None:
        """Refetch the keys. Where that fails, those that are known stay."""
        try:
            keys = usable_keys(await self._fetched())
        except (httpx.HTTPError, TimeoutError, ValueError, RecursionError) as error:
            if self._answered:
                log.warning("jwks.unavailable", error=type(error).__name__)
            self._answered = False
        else:
            if not keys:
                log.warning("jwks.no_usable_key")
            self._keys, self._answered = keys, True
        self._asked = self._clock()

    async def _refresh_unless_just_done(self) -> None:
        async with self._one_at_a_time:
            # those who waited here find what the first one fetched
            if self._asked is None or self._clock() - self._asked >= RETRY_SECONDS:
                await self.refresh()

    async def _fetched(self) -> Any:
        """The document at the address. Its size is counted as it comes, so it must not come compressed."""
        body = bytearray()
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with asyncio.timeout(FETCH_SECONDS), self._client.stream("GET", self._url, headers=headers) as response:
            if response.status_code != httpx.codes.OK or "content-encoding" in response.headers:
                raise ValueError("no keys at this address")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError("too large for a set of keys")
        return json.loads(body)


def usable_keys(document: Any) -> dict[str, PyJWK]:
    """The public signing keys of a set that we accept, by id. Raises ValueError where it is not a set of keys."""
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("not a set of keys")  # noqa: TRY004 - what a server sends is not an argument
    found = [key for each in document["keys"] if isinstance(each, dict) and (key := _usable(each)) is not None]
    return {str(key.key_id): key for key in found}


def _usable(jwk: dict[str, Any]) -> PyJWK | None:
    curve = jwk.get("crv") if jwk.get("kty") == "EC" else None
    algorithm = next((name for kind, name in ALGORITHMS.items() if kind == (jwk.get("kty"), curve)), None)
    # a key whose private part is published proves nothing
    if algorithm is None or "d" in jwk or not isinstance(jwk.get("kid"), str):
        return None
    if jwk.get("alg", algorithm) != algorithm or jwk.get("use", "sig") != "sig":
        return None
    try:
        key = PyJWK(jwk, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return key if algorithm != "RS256" or key.key.key_size >= LEAST_RSA_BITS else None


@asynccontextmanager
async def open_key_set(url: str) -> AsyncIterator[KeySet]:
    """The keys at an address, kept fresh for the length of the block. It does not wait for the first answer."""
    async with httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False) as client:
        keys = KeySet(url, client)
        async with background(keys.keep_fresh(), "twinmeter-jwks"):
            yield keys
