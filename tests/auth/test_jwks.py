"""Tokens of an identity provider: its keys are fetched, kept, rotated, and never mixed up."""

import asyncio
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from app.auth.claims import TokenRules
from app.auth.jwks import MAX_BYTES, RETRY_SECONDS, KeySet, usable_keys
from app.auth.principals import Scope
from app.auth.refused import RefusedError
from app.auth.tokens import Tokens, open_tokens
from app.errors import KeyServerUnavailableError, NotAuthenticatedError
from app.settings import Settings
from tests.auth.key_server import key_server
from tests.patience import until

URL = "https://id.example/.well-known/jwks.json"
RULES = TokenRules("https://id.example/", ("twinmeter",))
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey

RSA = rsa.generate_private_key(65_537, 2_048)
RSA_TWO = rsa.generate_private_key(65_537, 2_048)
EC = ec.generate_private_key(ec.SECP256R1())
EC_384, EC_521 = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP521R1())
ED, ED_448 = ed25519.Ed25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate()
ALGORITHMS: list[tuple[PrivateKey, str]] = [
    *((RSA, name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    *((EC, "ES256"), (EC_384, "ES384"), (EC_521, "ES512"), (ED, "EdDSA"), (ED_448, "EdDSA")),
]
"""Every algorithm that a provider's key may be for, and a key for it."""


def public(kid: str | None, key: PrivateKey, **more: Any) -> dict[str, Any]:
    kinds: dict[type, Any] = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    algorithm: Any = next((found for kind, found in kinds.items() if isinstance(key, kind)), OKPAlgorithm)
    named = {} if kid is None else {"kid": kid}
    return {**json.loads(algorithm.to_jwk(key.public_key())), **named, "use": "sig", **more}


def signed(kid: str | None, key: Any, algorithm: str, **claims: Any) -> str:
    standard = {"sub": "u1", "iss": RULES.issuer, "aud": "twinmeter", "exp": datetime.now(UTC) + timedelta(hours=1)}
    return jwt.encode({**standard, **claims}, key, algorithm, headers={} if kid is None else {"kid": kid})


class Provider:
    """An identity provider's key server, and the clock by which it is asked."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [public("r", RSA), public("e", EC)]
        self.answer: httpx.Response | None = None
        self.asked = 0
        self.down = False
        self.now = 1_000.0
        client = httpx.AsyncClient(transport=httpx.MockTransport(self._handle))
        self.key_set = KeySet(URL, client, lambda: self.now)
        self.tokens = Tokens("0123456789abcdef0123456789abcdef", RULES, self.key_set)

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url) == URL
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise httpx.ConnectError("refused", request=request)
        return self.answer or httpx.Response(200, json={"keys": self.keys})


@pytest.fixture
def provider() -> Provider:
    return Provider()


async def test_tokens_of_both_kinds_of_keys_hold(provider: Provider) -> None:
    for token in (signed("r", RSA, "RS256"), signed("e", EC, "ES256")):
        principal = await provider.tokens.principal(token)
        assert (principal.user, principal.client) == ("u1", "default")
        assert principal.scopes == {Scope.INGEST, Scope.READ}
    assert provider.asked == 1


async def test_our_own_tokens_hold_beside_them(provider: Provider) -> None:
    own = provider.tokens._secret

    assert (await provider.tokens.principal(signed(None, own, "HS256"))).user == "u1"
    assert provider.asked == 0


async def test_a_new_key_is_found_and_one_that_is_gone_holds_no_longer(provider: Provider) -> None:
    old, new = signed("r", RSA, "RS256"), signed("r2", RSA_TWO, "RS256")
    await provider.tokens.principal(old)

    provider.keys = [public("r2", RSA_TWO)]
    provider.now += RETRY_SECONDS
    assert (await provider.tokens.principal(new)).user == "u1"

    with pytest.raises(NotAuthenticatedError):
        await provider.tokens.principal(signed("r", RSA, "RS256", jti="another"))


async def test_a_key_replaced_under_its_old_name_is_replaced(provider: Provider) -> None:
    await provider.key_set.refresh()
    provider.keys = [public("r", RSA_TWO)]
    await provider.key_set.refresh()

    assert (await provider.tokens.principal(signed("r", RSA_TWO, "RS256"))).user == "u1"
    with pytest.raises(NotAuthenticatedError):
        await provider.tokens.principal(signed("r", RSA, "RS256"))


async def test_with_the_server_down_known_keys_hold_and_unknown_ones_cannot_be_told(provider: Provider) -> None:
    await provider.tokens.principal(signed("r", RSA, "RS256"))
    provider.down = True
    provider.now += RETRY_SECONDS

    with pytest.raises(KeyServerUnavailableError) as unavailable:
        await provider.tokens.principal(signed("r2", RSA_TWO, "RS256"))
    assert unavailable.value.status == 503
    assert (await provider.tokens.principal(signed("r", RSA, "RS256", jti="another"))).user == "u1"

    provider.down = False
    provider.keys.append(public("r2", RSA_TWO))
    provider.now += RETRY_SECONDS
    assert (await provider.tokens.principal(signed("r2", RSA_TWO, "RS256"))).user == "u1"


async def test_a_server_that_never_answered_is_not_taken_for_one_without_keys(provider: Provider) -> None:
    provider.down = True

    for _ in range(2):
        with pytest.raises(KeyServerUnavailableError):
            await provider.tokens.principal(signed("r", RSA, "RS256"))
    assert provider.asked == 1


async def test_made_up_keys_do_not_make_requests(provider: Provider) -> None:
    async def refused(kid: str) -> None:
        with pytest.raises(NotAuthenticatedError):
            await provider.tokens.principal(signed(kid, RSA, "RS256"))

    await asyncio.gather(*(refused(f"made up {n}") for n in range(20)))
    assert provider.asked == 1

    provider.now += RETRY_SECONDS - 0.1
    await refused("made up again")
    provider.now += 0.1
    await refused("made up again")
    assert provider.asked == 2


def pem(key: PrivateKey) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def forged(header: dict[str, Any], secret: bytes) -> str:
    """A token signed with HMAC and any secret: PyJWT itself refuses to make one of a public key."""
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    body = base64(json.dumps(header).encode()) + b"." + base64(json.dumps({"sub": "u1", "exp": 4e9}).encode())
    return (body + b"." + base64(algorithm.sign(body, secret))).decode()


def base64(data: bytes) -> bytes:
    return jwt.utils.base64url_encode(data)


FORGED = {
    "HS256 with a public key as its secret": forged({"alg": "HS256", "kid": "r"}, pem(RSA)),
    "RS256 by its header, HMAC with the public key": forged({"alg": "RS256", "kid": "r"}, pem(RSA)),
    "RS256 naming an EC key": signed("e", RSA, "RS256"),
    "ES256 naming an RSA key": signed("r", EC, "ES256"),
    "RS512 with a key for RS256": signed("r", RSA, "RS512"),
    "PS256 with a key for RS256": signed("r", RSA, "PS256"),
    "signed with another key": signed("r", RSA_TWO, "RS256"),
    "none": forged({"alg": "none", "kid": "r"}, b"").rpartition(".")[0] + ".",
    "PS512 with a key for RS256": signed("r", RSA, "PS512"),
    "ES384 with a key of another curve": signed("e", EC_384, "ES384"),
    "EdDSA naming an RSA key": signed("r", ED, "EdDSA"),
    "without a key id, of another key": signed(None, RSA_TWO, "RS256"),
    "HS512 with a public key as its secret": forged({"alg": "HS512", "kid": "r"}, pem(RSA)),
    "expired": signed("r", RSA, "RS256", exp=datetime.now(UTC) - timedelta(minutes=1)),
    "of another issuer": signed("r", RSA, "RS256", iss="https://id.example"),
    "for another audience": signed("r", RSA, "RS256", aud="another"),
    "for no audience": signed("r", RSA, "RS256", aud=None),
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
async def test_forged_and_foreign_tokens_are_refused(provider: Provider, token: str) -> None:
    await provider.key_set.refresh()

    with pytest.raises(NotAuthenticatedError):
        await provider.tokens.principal(token)


@pytest.mark.parametrize(
    "jwk",
    [
        {**public("k", RSA), "alg": "RSA-OAEP"},
        {**public("k", RSA), "alg": "HS256"},
        {**public("k", RSA), "alg": None},
        {**public("k", RSA), "alg": ["RS256"]},
        {**public("k", EC), "alg": "ES384"},
        {**public("k", EC), "crv": "P-384"},
        {**public("k", ED), "alg": "ES256"},
        {**public("k", RSA), "use": "enc"},
        {**public("k", RSA), "kid": 5},
        {**public("k", RSA), "n": "!"},
        {**public("k", rsa.generate_private_key(65_537, 1_024))},
        {**public("k", rsa.generate_private_key(65_537, 1_024)), "alg": "PS512"},
        {**public("k", ec.generate_private_key(ec.SECP256K1()))},
        {**json.loads(RSAAlgorithm.to_jwk(RSA)), "kid": "k"},
        {"kty": "oct", "kid": "k", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "alg": "HS256"},
        {"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "AAAA"},
        {"kty": ["RSA"], "kid": "k"},
        "text",
    ],
)
def test_a_key_that_we_do_not_take_is_left_out_alone(jwk: Any) -> None:
    assert [key.key_id for key in usable_keys({"keys": [jwk, public("e", EC)]})] == ["e"]


@pytest.mark.parametrize(("key", "algorithm"), ALGORITHMS)
async def test_a_token_holds_with_the_algorithm_of_its_key_alone(
    provider: Provider, key: PrivateKey, algorithm: str
) -> None:
    provider.keys = [public("k", key, alg=algorithm)]
    assert (await provider.tokens.principal(signed("k", key, algorithm))).user == "u1"

    for other, name in ALGORITHMS:
        if name != algorithm:
            with pytest.raises(RefusedError, match=f"algorithm {name} is not that of the provider's key") as refused:
                await provider.tokens.principal(signed("k", other, name))
            assert refused.value.reason == "algorithm"


async def test_a_token_that_names_no_key_is_of_the_only_one_that_fits(provider: Provider) -> None:
    provider.keys = [public("r", RSA), public(None, EC)]
    assert (await provider.tokens.principal(signed(None, RSA, "RS256"))).user == "u1"
    assert (await provider.tokens.principal(signed(None, EC, "ES256"))).user == "u1"
    with pytest.raises(RefusedError, match="does not have"):
        await provider.tokens.principal(signed("e", EC, "ES256"))

    provider.keys = [public("r", RSA), public("r2", RSA_TWO)]
    await provider.key_set.refresh()
    with pytest.raises(RefusedError, match="does not say which key it is of"):
        await provider.tokens.principal(signed(None, RSA, "RS256", jti="another"))


async def test_two_keys_of_one_name_are_told_apart_by_their_algorithm(provider: Provider) -> None:
    provider.keys = [public("k", RSA), public("k", EC)]

    for key, algorithm in ((RSA, "RS256"), (EC, "ES256")):
        assert (await provider.tokens.principal(signed("k", key, algorithm))).user == "u1"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(302, headers={"Location": "https://elsewhere.example/"}),
        httpx.Response(200, content=b"{"),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"keys": {}}),
        httpx.Response(200, content=b" " * (MAX_BYTES + 1)),
        httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(b'{"keys": []}')),
    ],
    ids=["error", "redirect", "no JSON", "deep", "no set", "no list", "too large", "compressed"],
)
async def test_what_is_no_set_of_keys_changes_nothing(provider: Provider, answer: httpx.Response) -> None:
    await provider.key_set.refresh()
    provider.answer = answer
    await provider.key_set.refresh()

    assert (await provider.tokens.principal(signed("r", RSA, "RS256"))).user == "u1"
    with pytest.raises(KeyServerUnavailableError):
        await provider.key_set.key("unknown", "RS256")
    assert provider.asked == 2


async def test_a_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.auth.jwks.FETCH_SECONDS", 0.01)

    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    client = httpx.AsyncClient(transport=httpx.MockTransport(hang))
    with pytest.raises(KeyServerUnavailableError):
        await KeySet(URL, client).key("r", "RS256")


async def test_a_deployment_follows_its_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.auth.jwks.REFRESH_SECONDS", 0.01)
    keys = [public("r", RSA)]

    async with key_server(keys) as url:
        settings = Settings(
            _env_file=None,
            jwks_url=url,
            jwt_secret="0123456789abcdef0123456789abcdef",
            jwt_issuer=RULES.issuer,
            jwt_audience=RULES.audiences,
        )
        async with open_tokens(settings) as tokens:
            assert (await tokens.principal(signed("r", RSA, "RS256"))).user == "u1"
            keys[:] = [public("e", EC)]
            assert isinstance(tokens._keys, KeySet)
            known = tokens._keys
            await until(lambda: [key.key_id for key in known._keys] == ["e"])
            assert (await tokens.principal(signed("e", EC, "ES256"))).user == "u1"
            with pytest.raises(NotAuthenticatedError):
                await tokens.principal(signed("r", RSA, "RS256", jti="another"))
