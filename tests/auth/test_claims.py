"""What claims mean: roles, subjects, and what settings say of them."""

from typing import Any

import pytest
import structlog
from pydantic import ValidationError

from app.auth.claims import TokenRules, bearer_of
from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.observability.logs import configure_logging
from app.settings import Settings
from tests.auth.test_tokens import SECRET, signed

WAY_OUT = "TWINMETER_JWT_ROLES says what a provider's roles mean"
ROLES = TokenRules(roles={"Admin": Role.ADMIN, "backend": Role.SERVICE, "staff": Role.USER})


@pytest.mark.parametrize(
    ("ours", "said", "role"),
    [
        (False, ["offline_access", "Admin"], Role.ADMIN),
        (False, ["backend", "Admin", "staff"], Role.ADMIN),
        (False, ["staff", "backend"], Role.SERVICE),
        (False, "backend", Role.SERVICE),
        (False, "Admin", Role.ADMIN),
        # once the provider's roles are mapped, only they count in its tokens, and not whatever it may call admin
        (False, "admin", Role.USER),
        (False, ["admin", "staff"], Role.USER),
        # but our own tokens say what they always said
        (True, "admin", Role.ADMIN),
        (True, "service", Role.SERVICE),
    ],
)
def test_of_several_roles_the_highest_that_is_mapped_counts(said: Any, role: Role, *, ours: bool) -> None:
    assert bearer_of({"sub": "u1", "role": said}, ROLES, ours=ours).role is role


@pytest.mark.parametrize(
    ("claims", "note"),
    [
        ({"role": "user"}, None),
        ({"role": ["user", "Admin"]}, None),
        ({}, "its token has no claim role, so it is a user's"),
        (
            {"role": ["Admin", "a\nb", *(f"r{n}" for n in range(9))]},
            f"its claim role has no role that is known here (Admin, a?b, r0, r1, r2 and 6 more); {WAY_OUT}",
        ),
        (
            {"role": {"admin": True}},
            f"its claim role has no role that is known here (no text); {WAY_OUT}",
        ),
    ],
)
async def test_who_is_a_mere_user_because_no_role_is_known_is_told_so(claims: dict[str, Any], note: str | None) -> None:
    assert (await Tokens(SECRET).principal(signed(**claims))).note == note


async def test_a_role_that_is_not_known_is_in_the_log_once() -> None:
    tokens = Tokens(SECRET)
    configure_logging("info")
    with structlog.testing.capture_logs() as lines:
        for user in ("u1", "u2"):
            await tokens.principal(signed(sub=user, role="Admin"))
    configure_logging("error")

    assert [line["event"] for line in lines] == ["token.role_unknown"]
    assert "(Admin)" in lines[0]["note"]


@pytest.mark.parametrize(("said", "user"), [(5, "5"), (0, "0"), (-7, "-7"), (2**70, str(2**70))])
async def test_a_subject_that_is_an_integer_is_its_digits(said: int, user: str) -> None:
    assert (await Tokens(SECRET).principal(signed(sub=said))).user == user


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", {}),
        ("Admin=admin", {"Admin": "admin"}),
        (" urn:shop=ops = admin , backend=service", {"urn:shop=ops": "admin", "backend": "service"}),
    ],
)
def test_roles_are_mapped_by_a_setting(said: str, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINMETER_JWT_ROLES", said)
    monkeypatch.setenv("TWINMETER_JWT_AUDIENCE", "shop, panel")

    settings = Settings(_env_file=None)
    assert (settings.jwt_roles, settings.jwt_audience) == (expected, ("shop", "panel"))


@pytest.mark.parametrize("said", ["Admin", "=admin", "Admin=root", "Admin=admin,,x"])
def test_a_map_of_roles_that_cannot_be_read_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINMETER_JWT_ROLES", said)

    with pytest.raises(ValidationError, match="jwt_roles"):
        Settings(_env_file=None)
