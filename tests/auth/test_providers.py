"""Tokens of identity providers, whose keys are fetched over HTTP: who they stand for, and what is refused."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest

from app.auth.refused import RefusedError
from app.auth.tokens import Tokens, open_tokens
from app.settings import Settings
from tests.auth.key_server import key_server
from tests.auth.provider_tokens import NOW, PROVIDERS, TIMES, Provider
from tests.auth.test_jwks import RSA, RSA_TWO, PrivateKey, public
from tests.auth.test_tokens import SECRET

PARTIES = "https://shop.example, https://www.shop.example"
OTHER_PARTY = f"the token was issued to another party; expected azp to be one of {PARTIES}"


@asynccontextmanager
async def served(keys: list[dict[str, Any]], **settings: str) -> AsyncIterator[Tokens]:
    """The tokens of a deployment whose provider has these keys."""
    async with key_server(keys) as url:
        own: dict[str, Any] = {"jwks_url": url, "jwt_secret": SECRET, **settings}
        async with open_tokens(Settings(_env_file=None, **own)) as tokens:
            yield tokens


def of(provider: Provider, key: PrivateKey | None = None, **claims: Any) -> str:
    """A token of a provider, with other claims (None: without) or of another key."""
    said = {name: value for name, value in {**provider.claims, **claims}.items() if value is not None}
    algorithm = provider.published.get("alg") or ("RS256" if provider.key is RSA else "ES384")
    return jwt.PyJWS().encode(json.dumps(said).encode(), key or provider.key, algorithm, provider.header)


@pytest.mark.parametrize("name", PROVIDERS)
async def test_the_tokens_of_a_provider_stand_for_whom_they_say(name: str) -> None:
    provider = PROVIDERS[name]
    published = {**public(None, provider.key), **provider.published}
    for_encryption = {**public("enc", RSA_TWO), "use": "enc", "alg": "RSA-OAEP"}
    async with served([published, for_encryption], **provider.settings) as tokens:
        assert await tokens.principal(of(provider)) == provider.principal

        changes: list[tuple[dict[str, Any], str]] = [
            ({"iss": "https://evil.example"}, "issuer"),
            ({"exp": NOW - 60}, "expired"),
            ({"aud": "another"}, "audience"),
            ({provider.settings.get("jwt_user_claim", "sub"): None}, "claims"),
        ]
        for change, reason in changes:
            with pytest.raises(RefusedError) as refused:
                await tokens.principal(of(provider, **change))
            assert refused.value.reason == reason
        if provider.key is RSA:
            with pytest.raises(RefusedError, match="signature"):
                await tokens.principal(of(provider, RSA_TWO))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"azp": "https://evil.example"},
            OTHER_PARTY,
        ),
        (
            {"azp": "https://evil.example", "aud": "twinmeter"},
            OTHER_PARTY,
        ),
        ({"azp": None}, "the token names no audience; expected aud twinmeter"),
        ({"azp": ["https://shop.example"]}, "the token was issued to another party"),
        ({"aud": "shop"}, "the token is for another audience; expected aud twinmeter"),
    ],
)
async def test_without_an_audience_a_token_must_be_of_an_authorized_party(change: dict[str, Any], told: str) -> None:
    provider = PROVIDERS["Clerk, whose session tokens name no audience"]
    async with served([{**public(None, RSA), **provider.published}], **provider.settings) as tokens:
        assert (await tokens.principal(of(provider, aud="twinmeter"))).user == "user_2xyz"
        assert (await tokens.principal(of(provider, azp=None, aud="twinmeter"))).user == "user_2xyz"
        # tokens of ours name no party
        ours = jwt.encode({**TIMES, "sub": "me", "iss": provider.claims["iss"], "aud": "twinmeter"}, SECRET, "HS256")
        assert (await tokens.principal(ours)).user == "me"

        with pytest.raises(RefusedError) as refused:
            await tokens.principal(of(provider, **change))
        assert refused.value.detail.startswith(told)


async def test_where_only_parties_are_set_a_token_must_name_one() -> None:
    provider = PROVIDERS["Cognito, an access token"]
    async with served([{**public(None, RSA), **provider.published}], **provider.settings) as tokens:
        with pytest.raises(RefusedError, match="the token names no party; expected azp 3n4b") as refused:
            await tokens.principal(of(provider, client_id=None))
        assert refused.value.reason == "authorized_party"
