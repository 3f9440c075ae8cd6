"""Tokens: who they stand for, and what is refused."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from pydantic import ValidationError

from app.auth.claims import TokenRules
from app.auth.principals import Principal, Role, Scope
from app.auth.tokens import Tokens
from app.errors import NotAuthenticatedError
from app.settings import Settings

SECRET = "0123456789abcdef0123456789abcdef"
HOUR = timedelta(hours=1)
SOON = 4_000_000_000
BOTH = frozenset({Scope.INGEST, Scope.READ})


def signed(secret: str = SECRET, **claims: Any) -> str:
    """A token with any claims but None, those included that PyJWT itself would not sign."""
    said = {"sub": "u1", "exp": SOON, **claims}
    payload = {name: value for name, value in said.items() if value is not None}
    return jwt.PyJWS().encode(json.dumps(payload, default=datetime.timestamp).encode(), secret, "HS256")


def raw(header: Any, payload: Any = None, signature: str = "") -> str:
    parts = (header, {"sub": "u1", "role": "admin", "exp": SOON} if payload is None else payload)
    texts = [part if isinstance(part, str) else json.dumps(part) for part in parts]
    return ".".join([base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode() for text in texts] + [signature])


@pytest.mark.parametrize(
    ("role", "principal"),
    [
        (Role.ADMIN, Principal("me", frozenset(Scope), None, None)),
        (Role.SERVICE, Principal("me", BOTH, "acme", None)),
        (Role.USER, Principal("me", BOTH, "acme", "me")),
        (Role.PANEL, Principal("me", frozenset(), "acme", "me")),
    ],
)
async def test_a_token_stands_for_what_its_role_says(role: Role, principal: Principal) -> None:
    tokens = Tokens(SECRET)

    assert await tokens.principal(tokens.issue("me", role, HOUR, "acme")) == principal


@pytest.mark.parametrize("role", [None, "authenticated", "Admin", "", 1, ["Admin", 1], [["admin"]], {"admin": True}])
async def test_who_has_no_role_that_we_know_is_a_user(role: Any) -> None:
    claims = {} if role is None else {"role": role}

    assert await Tokens(SECRET).principal(signed(**claims)) == Principal("u1", BOTH, "default", "u1")


@pytest.mark.parametrize(
    ("rules", "claims", "principal"),
    [
        (
            TokenRules(role_claim="https://acme.example/role", client_claim="https://acme.example/client"),
            {"https://acme.example/role": "service", "https://acme.example/client": "acme"},
            Principal("u1", BOTH, "acme", None),
        ),
        (
            TokenRules(role_claim="app_metadata.twinmeter.role", client_claim="o.id"),
            {"app_metadata": {"twinmeter": {"role": "service"}}, "o": {"id": "org_1"}, "role": "admin"},
            Principal("u1", BOTH, "org_1", None),
        ),
        (
            # an exact name comes before a path
            TokenRules(role_claim="a.b"),
            {"a.b": "user", "a": {"b": "admin"}},
            Principal("u1", BOTH, "default", "u1"),
        ),
        (
            TokenRules(role_claim="role.name", user_claim="email"),
            {"role": "admin", "email": "a@b.example"},
            Principal("a@b.example", BOTH, "default", "a@b.example"),
        ),
    ],
)
async def test_claims_are_read_where_the_settings_say(
    rules: TokenRules, claims: dict[str, Any], principal: Principal
) -> None:
    assert await Tokens(SECRET, rules).principal(signed(**claims)) == principal


async def test_a_token_of_ours_says_what_the_settings_ask_for() -> None:
    rules = TokenRules("https://us.example", ("twinmeter", "others"), "app.role", "uid", "app.client")
    tokens = Tokens(SECRET, rules)

    token = tokens.issue("me", Role.SERVICE, HOUR, "acme")

    assert await tokens.principal(token) == Principal("me", BOTH, "acme", None)


@pytest.mark.parametrize(
    ("claims", "good"),
    [
        ({"iss": "https://us.example", "aud": "twinmeter"}, True),
        ({"iss": "https://us.example", "aud": ["others", "twinmeter"]}, True),
        ({"iss": "https://us.example"}, False),
        ({"aud": "twinmeter"}, False),
        ({"iss": "https://us.example.evil", "aud": "twinmeter"}, False),
        ({"iss": ["https://us.example"], "aud": "twinmeter"}, False),
        ({"iss": "https://us.example", "aud": "twinmeter2"}, False),
    ],
)
async def test_issuer_and_audience_must_be_those_that_are_set(claims: dict[str, Any], *, good: bool) -> None:
    tokens = Tokens(SECRET, TokenRules("https://us.example", ("more", "twinmeter")))

    if good:
        assert (await tokens.principal(signed(**claims))).user == "u1"
    else:
        with pytest.raises(NotAuthenticatedError):
            await tokens.principal(signed(**claims))


async def test_a_token_for_some_audience_is_not_for_us_when_none_is_set() -> None:
    with pytest.raises(NotAuthenticatedError, match="for another audience"):
        await Tokens(SECRET).principal(signed(aud="others"))


BAD = {
    "expired": signed(exp=datetime.now(UTC) - timedelta(minutes=1)),
    "not yet": signed(nbf=datetime.now(UTC) + HOUR),
    "without an end": signed(exp=None, role="admin"),
    "signed by another": signed("another secret of at least 32 bytes"),
    "signed with another hash": jwt.encode({"sub": "u1", "exp": SOON}, SECRET * 2, "HS512"),
    "unsigned": raw({"alg": "none"}),
    "unsigned, as a list": raw({"alg": ["none"]}),
    "unsigned, in capitals": raw({"alg": "NONE"}),
    "no algorithm": raw({"typ": "JWT"}),
    "a public-key token without a provider": raw({"alg": "RS256", "kid": "k"}, signature="AAAA"),
    "a header that is no object": raw([]),
    "a header that is nested deeply": raw("[" * 20_000),
    "a header that is no JSON": raw("{"),
    "three dots": "...",
    "not ASCII": "é.ü.ö",
    "no subject": signed(sub=None),
    "an empty subject": signed(sub=""),
    "a subject that is a fraction": signed(sub=5.0),
    "a subject that is a truth": signed(sub=True),
    "a subject that is a list": signed(sub=["u1"]),
    "a subject of too many digits": signed(sub=10**300),
    "a subject that is too long": signed(sub="u" * 257),
    "a subject with a line break": signed(sub="u\n1"),
    "a subject that is no Unicode": signed(sub="\ud800"),
    "a client that stands for all": signed(role="service", client="*"),
    "a client that is a list": signed(role="service", client=["acme"]),
    "a client with a zero byte": signed(client="a\0"),
    "an end that is a list": signed(exp=[SOON]),
    "an end beyond numbers": signed(exp=float("inf")),
}


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
async def test_what_is_no_token_of_ours_is_refused_without_a_word_of_it(token: str) -> None:
    with pytest.raises(NotAuthenticatedError) as refused:
        await Tokens(SECRET).principal(token)

    error = refused.value
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    assert not any(part in error.detail for part in token.split(".") if part)


async def test_a_verified_token_ends_when_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    passed = [0.0]
    tokens = Tokens(SECRET, clock=lambda: now.timestamp() + passed[-1])
    token = signed(exp=now + timedelta(seconds=2))
    await tokens.principal(token)
    decoded = 0

    def decode(*_: Any, **__: Any) -> dict[str, Any]:
        nonlocal decoded
        decoded += 1
        raise jwt.ExpiredSignatureError

    monkeypatch.setattr("app.auth.tokens.jwt.decode", decode)
    for seconds, times in [(0.0, 0), (4.0, 0), (6.0, 1)]:
        passed.append(seconds)
        if times:
            with pytest.raises(NotAuthenticatedError, match="has expired"):
                await tokens.principal(token)
        else:
            await tokens.principal(token)
        assert decoded == times


async def test_of_a_verified_token_only_a_digest_is_held() -> None:
    tokens = Tokens(SECRET)
    token = signed()
    await tokens.principal(token)

    assert token not in repr(list(tokens._verified.items()))


@pytest.mark.parametrize("url", ["https://id.example/jwks.json", "http://127.0.0.1:1/k", "http://localhost/k"])
def test_keys_come_on_a_private_way(url: str) -> None:
    assert Settings(_env_file=None, jwks_url=url).jwks_url == url


@pytest.mark.parametrize(
    "url", ["http://id.example/jwks.json", "https://", "ftp://id.example", "/jwks.json", "https://me:pw@id.example/k"]
)
def test_an_address_that_anyone_on_its_way_can_change_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="jwks_url"):
        Settings(_env_file=None, jwks_url=url)
