"""Each refusal says its own reason, and nothing of the token."""

from typing import Any

import pytest

from app.auth.claims import TokenRules
from app.auth.refused import RefusedError
from app.auth.tokens import Tokens
from tests.auth.test_tokens import SECRET, SOON, raw
from tests.auth.test_tokens import signed as signed_with

ISSUER = "https://id.example"
RULES = TokenRules(ISSUER, ("shop", "panel"))
ANOTHER = "another secret of at least 32 bytes"
OURS = "tokens are signed with our own secret, and HS256"
NOT_YET = "the token is not valid yet (nbf, iat); clocks may differ by 10 seconds"
OTHER_ISSUER = f"the token is from another issuer; expected iss {ISSUER}"
EXPECTED = "expected aud to be one of shop, panel"
NAME = "a name has 1 to 256 characters, none of them a control character"


def signed(secret: str = SECRET, **claims: Any) -> str:
    """A token that holds, but for `claims`."""
    return signed_with(secret, **{"iss": ISSUER, "aud": "shop", **claims})


REFUSED = {
    "eyJ.no.token": ("malformed", "this is not a JSON Web Token, or one with a header or claim that is wrong"),
    raw({"alg": "none"}): ("algorithm", f"algorithm none is not accepted: {OURS}"),
    raw({"alg": "HS512"}): ("algorithm", f"algorithm HS512 is not accepted: {OURS}"),
    raw({"alg": "x" * 99}): ("algorithm", f"its algorithm is not accepted: {OURS}"),
    raw({"alg": "ES256", "kid": "k"}, signature="AAAA"): (
        "algorithm",
        "algorithm ES256 is not accepted: no identity provider is set (TWINMETER_JWKS_URL)",
    ),
    signed(ANOTHER): ("signature", "the token's signature is not that of the key it should be of"),
    signed(exp=1): ("expired", "the token has expired; ask for a new one"),
    signed(nbf=SOON): ("not_yet_valid", NOT_YET),
    signed(iat=SOON): ("not_yet_valid", NOT_YET),
    signed(exp=None): ("claims", "the token has no claim exp"),
    signed(iss=None): ("issuer", OTHER_ISSUER),
    signed(iss="https://evil.example"): ("issuer", OTHER_ISSUER),
    signed(aud=None): ("audience", f"the token names no audience; {EXPECTED}"),
    signed(aud=["secret-app"]): ("audience", f"the token is for another audience; {EXPECTED}"),
    signed(aud={"shop": 1}): ("audience", "the token's audience (aud) is neither a text nor a list of texts"),
    signed(sub=None): ("claims", "the token has no claim sub, which names the user"),
    signed(sub="secret\n"): ("claims", f"the token's claim sub cannot name a user: {NAME}"),
    signed(sub=True): ("claims", f"the token's claim sub cannot name a user: {NAME}"),
    signed(client="*"): (
        "claims",
        "the token's claim client cannot name a client: * stands for all clients and cannot be a client's name",
    ),
}


@pytest.mark.parametrize(("token", "told"), REFUSED.items(), ids=[detail for _, detail in REFUSED.values()])
async def test_each_refusal_says_its_own_reason(token: str, told: tuple[str, str]) -> None:
    with pytest.raises(RefusedError) as refused:
        await Tokens(SECRET, RULES).principal(token)

    assert (refused.value.reason, refused.value.detail) == told
