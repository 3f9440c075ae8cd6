"""Tokens in the shapes in which identity providers issue them, with the settings that the docs give for each.

The claims are those of the providers' own documentation.
"""

import time
from typing import Any, NamedTuple

from app.auth.principals import Principal, Scope
from tests.auth.test_jwks import EC, EC_384, ED, RSA, PrivateKey

USER = frozenset({Scope.INGEST, Scope.READ})
NOW = int(time.time())
TIMES = {"iat": NOW - 30, "exp": NOW + 7_200}
UUID = "f0f1a1c2-5a1e-4a5b-9c3d-2f6b8f0a7e11"


class Provider(NamedTuple):
    """One provider: its settings here, its key as it publishes it, and a token of an administrator or a user."""

    settings: dict[str, str]
    key: PrivateKey
    published: dict[str, Any]
    header: dict[str, Any]
    claims: dict[str, Any]
    principal: Principal


def admin(subject: str) -> Principal:
    return Principal(subject, frozenset(Scope), None, None)


def person(subject: str, client: str = "default") -> Principal:
    return Principal(subject, USER, client, subject)


KEYCLOAK = {
    **TIMES,
    "jti": "onrtac:6b1f",
    "iss": "https://id.example/realms/shop",
    "aud": ["twinmeter", "account"],
    "sub": UUID,
    "typ": "Bearer",
    "azp": "shop-web",
    "sid": "7f1d",
    "acr": "1",
    "allowed-origins": ["https://shop.example"],
    "realm_access": {"roles": ["default-roles-shop", "offline_access", "uma_authorization", "shop-admins"]},
    "resource_access": {
        "https://api.shop.example": {"roles": ["admin"]},
        "account": {"roles": ["manage-account", "view-profile"]},
    },
    "scope": "profile email",
    "email_verified": True,
    "preferred_username": "ann",
}
CLERK = {
    **TIMES,
    "azp": "https://shop.example",
    "fva": [0, -1],
    "iss": "https://clerk.shop.example",
    "nbf": NOW - 40,
    "o": {"id": "org_2abc", "rol": "admin", "slg": "acme"},
    "sid": "sess_1",
    "sts": "active",
    "sub": "user_2xyz",
    "v": 2,
}
PROVIDERS = {
    "Keycloak, roles of the realm": Provider(
        {
            "jwt_issuer": "https://id.example/realms/shop",
            "jwt_audience": "twinmeter",
            "jwt_role_claim": "realm_access.roles",
            "jwt_roles": "shop-admins=admin",
        },
        RSA,
        {"kid": "K1", "alg": "RS256", "x5c": ["MIIC"], "x5t": "a"},
        {"typ": "JWT", "kid": "K1"},
        KEYCLOAK,
        admin(UUID),
    ),
    "Keycloak, roles of a client that is named by its address": Provider(
        {
            "jwt_issuer": "https://id.example/realms/shop",
            "jwt_audience": "account",
            "jwt_role_claim": "resource_access.https://api.shop.example.roles",
        },
        RSA,
        {"kid": "K1", "alg": "PS256"},
        {"typ": "JWT", "kid": "K1"},
        KEYCLOAK,
        admin(UUID),
    ),
    "Entra, whose keys say no algorithm": Provider(
        {
            "jwt_issuer": "https://login.microsoftonline.com/T/v2.0",
            "jwt_audience": "api://twinmeter, 00000000-0000-4000-8000-000000000001",
            "jwt_role_claim": "roles",
            "jwt_roles": "Twinmeter.Admin=admin, Twinmeter.Service=service",
            "jwt_user_claim": "oid",
            "jwt_client_claim": "tid",
        },
        RSA,
        {"kid": "E1", "x5t": "E1", "x5c": ["MIIC"], "issuer": "https://login.microsoftonline.com/T/v2.0"},
        {"typ": "JWT", "kid": "E1"},
        {
            **TIMES,
            "nbf": NOW - 30,
            "aud": "00000000-0000-4000-8000-000000000001",
            "iss": "https://login.microsoftonline.com/T/v2.0",
            "aio": "AXQ",
            "azp": "00000000-0000-4000-8000-000000000002",
            "azpacr": "1",
            "oid": UUID,
            "roles": ["Twinmeter.Service", "Other.Read"],
            "sub": "pairwise",
            "tid": "T",
            "uti": "u",
            "ver": "2.0",
        },
        Principal(UUID, USER, "T", None),
    ),
    "Auth0 with RBAC": Provider(
        {
            "jwt_issuer": "https://t.auth0.com/",
            "jwt_audience": "https://api.shop.example",
            "jwt_role_claim": "https://shop.example/roles",
            "jwt_roles": "Admin=admin",
            "jwt_client_claim": "org_id",
        },
        RSA,
        {"kid": "A1", "alg": "RS256", "x5t": "a", "x5c": ["MIIC"]},
        {"typ": "JWT", "kid": "A1"},
        {
            **TIMES,
            "https://shop.example/roles": ["Admin"],
            "iss": "https://t.auth0.com/",
            "sub": "auth0|65f0",
            "aud": ["https://api.shop.example", "https://t.auth0.com/userinfo"],
            "scope": "openid profile",
            "azp": "web",
            "org_id": "org_9",
            "permissions": ["read:reports"],
        },
        admin("auth0|65f0"),
    ),
    "Clerk, whose session tokens name no audience": Provider(
        {
            "jwt_issuer": "https://clerk.shop.example",
            "jwt_audience": "twinmeter",
            "jwt_authorized_parties": "https://shop.example, https://www.shop.example",
            "jwt_client_claim": "o.id",
        },
        RSA,
        {"kid": "ins_1", "alg": "RS256"},
        {"typ": "JWT", "cat": "cl_B7d4PD111AAA", "kid": "ins_1"},
        CLERK,
        person("user_2xyz", "org_2abc"),
    ),
    "Supabase": Provider(
        {
            "jwt_issuer": "https://ref.supabase.co/auth/v1",
            "jwt_audience": "authenticated",
            "jwt_role_claim": "app_metadata.twinmeter_role",
        },
        EC,
        {"kid": UUID, "alg": "ES256", "ext": True, "key_ops": ["verify"]},
        {"typ": "JWT", "kid": UUID},
        {
            **TIMES,
            "iss": "https://ref.supabase.co/auth/v1",
            "sub": UUID,
            "aud": "authenticated",
            "email": "ann@shop.example",
            "app_metadata": {"provider": "email", "providers": ["email"], "twinmeter_role": "admin"},
            "user_metadata": {"role": "user"},
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": NOW}],
            "session_id": UUID,
            "is_anonymous": False,
        },
        admin(UUID),
    ),
    "Better Auth": Provider(
        {"jwt_issuer": "https://shop.example", "jwt_audience": "https://shop.example"},
        ED,
        {"kid": "c5c7995d", "alg": "EdDSA"},
        {"kid": "c5c7995d"},
        {
            **TIMES,
            "name": "Ann",
            "email": "ann@shop.example",
            "emailVerified": True,
            "role": "admin",
            "id": "u7",
            "sub": "u7",
            "iss": "https://shop.example",
            "aud": "https://shop.example",
        },
        admin("u7"),
    ),
    "Cognito, an access token": Provider(
        {
            "jwt_issuer": "https://cognito-idp.eu-west-1.amazonaws.com/P",
            "jwt_authorized_parties": "3n4b5urk1ft4fl3mg5e62d9ado",
            "jwt_role_claim": "cognito:groups",
            "jwt_roles": "admins=admin",
        },
        RSA,
        {"kid": "C1=", "alg": "RS256"},
        {"kid": "C1="},
        {
            **TIMES,
            "sub": UUID,
            "cognito:groups": ["eu-west-1_P_Google", "admins"],
            "iss": "https://cognito-idp.eu-west-1.amazonaws.com/P",
            "version": 2,
            "client_id": "3n4b5urk1ft4fl3mg5e62d9ado",
            "token_use": "access",
            "scope": "openid",
            "auth_time": NOW - 30,
            "jti": UUID,
            "username": "ann",
        },
        admin(UUID),
    ),
    "Google": Provider(
        {"jwt_issuer": "https://accounts.google.com", "jwt_audience": "web.apps.googleusercontent.com"},
        RSA,
        {"kid": "g1", "alg": "RS256"},
        {"typ": "JWT", "kid": "g1"},
        {
            **TIMES,
            "iss": "https://accounts.google.com",
            "azp": "web.apps.googleusercontent.com",
            "aud": "web.apps.googleusercontent.com",
            "sub": "110169484474386276334",
            "hd": "shop.example",
            "email": "ann@shop.example",
            "email_verified": True,
            "at_hash": "HK6E",
        },
        person("110169484474386276334"),
    ),
    "Okta": Provider(
        {
            "jwt_issuer": "https://shop.okta.com/oauth2/default",
            "jwt_audience": "api://default",
            "jwt_role_claim": "groups",
            "jwt_roles": "twinmeter-admins=admin",
        },
        RSA,
        {"kid": "O1", "alg": "RS256"},
        {"kid": "O1"},
        {
            **TIMES,
            "ver": 1,
            "jti": "AT.0mP4",
            "iss": "https://shop.okta.com/oauth2/default",
            "aud": "api://default",
            "cid": "0oa",
            "uid": "00u",
            "scp": ["openid"],
            "auth_time": NOW - 30,
            "sub": "ann@shop.example",
            "groups": ["Everyone", "twinmeter-admins"],
        },
        admin("ann@shop.example"),
    ),
    "one of one's own, with a single key and numbered users": Provider(
        {"jwt_issuer": "https://shop.example", "jwt_user_claim": "user_id"},
        EC_384,
        {},
        {"typ": "JWT"},
        {**TIMES, "iss": "https://shop.example", "user_id": 7, "exp": TIMES["exp"] + 0.5},
        person("7"),
    ),
}
