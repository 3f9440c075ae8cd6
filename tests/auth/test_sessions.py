"""The cookie of a session: what it holds, for how long, and what is no session of ours."""

import base64
from datetime import timedelta

import pytest

from app.auth.sessions import COOKIE, MAX_COOKIE_BYTES, Sessions
from app.errors import InvalidRequestError, NotAuthenticatedError

SECRET = "0123456789abcdef0123456789abcdef"
KEY = "tm_abcdefghijkl_0123456789012345678901234567890123456789012"
NOW = 1_800_000_000.0
TWELVE_HOURS = timedelta(hours=12)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(SECRET, TWELVE_HOURS, clock)


def sealed(sessions: Sessions, credential: str = KEY) -> str:
    return sessions.cookie(credential, None, secure=True).value or ""


def test_a_session_gives_back_its_credential_and_shows_nothing_of_it(sessions: Sessions) -> None:
    value = sealed(sessions)

    assert sessions.opened(value) == KEY
    assert sealed(sessions) != value
    assert KEY[:15].encode() not in base64.urlsafe_b64decode(value + "==")


@pytest.mark.parametrize(
    ("expires", "seconds"), [(None, 43_200), (NOW + 90_000, 43_200), (NOW + 60.9, 60), (NOW + 1, 1)]
)
def test_a_session_ends_with_its_credential_and_after_twelve_hours_at_most(
    sessions: Sessions, clock: Clock, expires: float | None, seconds: int
) -> None:
    cookie = sessions.cookie(KEY, expires, secure=True)

    assert cookie.max_age == seconds
    clock.now += seconds - 0.5
    assert sessions.opened(cookie.value or "") == KEY
    clock.now += 0.5
    with pytest.raises(NotAuthenticatedError, match="the session has ended"):
        sessions.opened(cookie.value or "")


@pytest.mark.parametrize("expires", [NOW, NOW - 5])
def test_a_credential_that_just_ended_begins_no_session(sessions: Sessions, expires: float) -> None:
    with pytest.raises(NotAuthenticatedError, match="has expired"):
        sessions.cookie(KEY, expires, secure=True)


def test_scripts_and_other_sites_do_not_get_the_cookie(sessions: Sessions) -> None:
    for secure in (True, False):
        name_and_value, *attributes = sessions.cookie(KEY, None, secure=secure).to_header(header="").split("; ")
        assert name_and_value.startswith(f"{COOKIE}=")
        assert set(attributes) == {"HttpOnly", "Max-Age=43200", "Path=/", "SameSite=strict"} | (
            {"Secure"} if secure else set()
        )


def test_every_change_of_a_cookie_is_seen(sessions: Sessions) -> None:
    value = sealed(sessions)
    changed = [value[:at] + ("B" if value[at] == "A" else "A") + value[at + 1 :] for at in range(len(value))]
    cut = [value[:length] for length in range(len(value))]

    for each in [*changed, *cut, value + "A", value + "=", value + "=="]:
        with pytest.raises(NotAuthenticatedError, match="is not valid here"):
            sessions.opened(each)


@pytest.mark.parametrize(
    "value", ["", "a", "é", "\ud800", "%00", " ", "=", "A" * 16, "A" * 3_801, "A" * 1_000_000, KEY], ids=ascii
)
def test_what_is_no_session_is_refused_without_a_word_of_it(sessions: Sessions, value: str) -> None:
    with pytest.raises(NotAuthenticatedError) as refused:
        sessions.opened(value)

    assert refused.value.detail == "the session is not valid here; sign in again"
    assert refused.value.__suppress_context__


def test_a_session_of_another_deployment_opens_nothing(sessions: Sessions, clock: Clock) -> None:
    foreign = sealed(Sessions("another secret of at least 32 bytes", TWELVE_HOURS, clock))

    with pytest.raises(NotAuthenticatedError):
        sessions.opened(foreign)


def test_the_longest_cookie_is_one_that_browsers_keep(sessions: Sessions) -> None:
    longest = max(length for length in range(2_700, 2_900) if _fits(sessions, "t" * length))

    assert len(f"{COOKIE}={sealed(sessions, 't' * longest)}") in {MAX_COOKIE_BYTES - 1, MAX_COOKIE_BYTES}
    with pytest.raises(InvalidRequestError, match="too long for a session") as refused:
        sealed(sessions, "t" * (longest + 1))
    assert "ttt" not in refused.value.detail
    assert refused.value.errors[0]["field"] == "token"


def _fits(sessions: Sessions, credential: str) -> bool:
    try:
        sealed(sessions, credential)
    except InvalidRequestError:
        return False
    return True
