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

from app.auth.refused import Reason, RefusedError
from app.errors import KeyServerUnavailableError
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

RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
"""Of which an RSA key names one; the first where it names none, as Entra's do."""
OTHER_ALGORITHMS = {
    ("EC", "P-256"): "ES256",
    ("EC", "P-384"): "ES384",
    ("EC", "P-521"): "ES512",
    ("OKP", "Ed25519"): "EdDSA",
    ("OKP", "Ed448"): "EdDSA",
}
"""By type and curve. A key is used with one algorithm alone: it never depends on what a token says."""

log = Log(__name__)


class KeySet:
    """The keys of a provider. Known ones stay valid while its server is away."""

    def __init__(self, url: str, client: httpx.AsyncClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._client = client
        self._clock = clock
        self._keys: list[PyJWK] = []
        self._one_at_a_time = asyncio.Lock()
        self._asked: float | None = None
        self._answered = True

    async def key(self, key_id: str | None, algorithm: str) -> PyJWK:
        """The key with this id for this algorithm; without an id, the only one for it. Raises RefusedError for one that
        the provider does not have, and KeyServerUnavailableError where the provider cannot be reached.
        """
        if not (named := self._named(key_id, algorithm)):
            await self._refresh_unless_just_done()
            named = self._named(key_id, algorithm)
        if not named and not self._answered:
            raise KeyServerUnavailableError("the identity provider's keys cannot be read now; try again shortly")
        if not named:
            raise RefusedError(Reason.KEY, "the token is signed with a key that the identity provider does not have")
        fitting = [key for key in named if key.algorithm_name == algorithm]
        if not fitting:
            others = ", ".join(sorted({key.algorithm_name for key in named}))
            raise RefusedError(Reason.ALGORITHM, f"algorithm {algorithm} is not that of the provider's key: {others}")
        if len(fitting) > 1:
            message = (
                f"the token does not say which key it is of (kid): the provider has {len(fitting)} for {algorithm}"
            )
            raise RefusedError(Reason.KEY, message)
        return fitting[0]

    def _named(self, key_id: str | None, algorithm: str) -> list[PyJWK]:
        """Keys with this id, whatever they are for; without an id all for this algorithm."""
        if key_id is None:
            return [key for key in self._keys if key.algorithm_name == algorithm]
        return [key for key in self._keys if key.key_id == key_id]

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


def usable_keys(document: Any) -> list[PyJWK]:
    """The public signing keys of a set that we accept. Raises ValueError where it is not a set of keys."""
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("not a set of keys")  # noqa: TRY004 - what a server sends is not an argument
    return [key for each in document["keys"] if isinstance(each, dict) and (key := _usable(each)) is not None]


def _usable(jwk: dict[str, Any]) -> PyJWK | None:
    algorithm = _algorithm_of(jwk)
    # a key whose private part is published proves nothing
    if algorithm is None or "d" in jwk or not isinstance(jwk.get("kid", ""), str) or jwk.get("use", "sig") != "sig":
        return None
    try:
        key = PyJWK(jwk, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return key if jwk["kty"] != "RSA" or key.key.key_size >= LEAST_RSA_BITS else None


def _algorithm_of(jwk: dict[str, Any]) -> str | None:
    """The only one that a key may be used with; None where we accept none."""
    if jwk.get("kty") == "RSA":
        named = jwk.get("alg", RSA_ALGORITHMS[0])
        return named if named in RSA_ALGORITHMS else None
    kind = (jwk.get("kty"), jwk.get("crv"))
    algorithm = next((name for each, name in OTHER_ALGORITHMS.items() if each == kind), None)
    return algorithm if jwk.get("alg", algorithm) == algorithm else None


@asynccontextmanager
async def open_key_set(url: str) -> AsyncIterator[KeySet]:
    """The keys at an address, kept fresh for the length of the block. It does not wait for the first answer."""
    async with httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False) as client:
        keys = KeySet(url, client)
        async with background(keys.keep_fresh(), "twinmeter-jwks"):
            yield keys
