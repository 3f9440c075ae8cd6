"""Sessions of browsers: a cookie that holds the credential itself, encrypted, so that nothing is kept here."""

import time
from collections.abc import Callable
from datetime import timedelta

from litestar.datastructures import Cookie

from app.auth.refused import Reason, RefusedError
from app.auth.seal import Seal
from app.errors import invalid

COOKIE = "twinmeter_session"
MAX_COOKIE_BYTES = 3_800
"""Name and value. Browsers silently drop a cookie over 4,096 bytes, attributes included."""
PURPOSE = b"twinmeter: session cookie, version 1"
"""Nothing else that is encrypted under the same secret opens a session."""
TIME_BYTES = 8
TOP = "/"


class Sessions:
    """Seals a credential into a cookie, and opens it again for as long as it is valid."""

    def __init__(self, secret: str, lifetime: timedelta, clock: Callable[[], float] = time.time) -> None:
        self._seal = Seal(secret, PURPOSE)
        self._lifetime = lifetime.total_seconds()
        self._clock = clock

    def cookie(self, credential: str, expires: float | None, *, secure: bool, root_path: str = "") -> Cookie:
        """A session that ends after its lifetime, or with the credential at `expires` (Unix seconds; None: never).

        Browsers send it below `root_path` only: another deployment of the host has its own.

        Raises RefusedError where that has passed, and InvalidRequestError where no browser would keep it.
        """
        now = int(self._clock())
        until = int(now + self._lifetime if expires is None else min(now + self._lifetime, expires))
        if until <= now:
            raise RefusedError(Reason.EXPIRED, "the token has expired; ask for a new one")
        value = self._seal.sealed(until.to_bytes(TIME_BYTES) + credential.encode())
        if (size := len(COOKIE) + 1 + len(value)) > MAX_COOKIE_BYTES:
            message = (
                f"is too long for a session: its cookie would have {size:,} bytes, and browsers keep "
                f"{MAX_COOKIE_BYTES:,}; sign in with an API key, or with a token with fewer claims"
            )
            raise invalid("token", message)
        return _cookie(value, until - now, root_path, secure=secure)

    def opened(self, value: str) -> str:
        """The credential in a cookie. Raises RefusedError for anything but a valid session of ours."""
        try:
            text = self._seal.opened(value, MAX_COOKIE_BYTES)
        except ValueError:
            raise RefusedError(Reason.SESSION, "the session is not valid here; sign in again") from None
        if int.from_bytes(text[:TIME_BYTES]) <= self._clock():
            raise RefusedError(Reason.SESSION, "the session has ended; sign in again")
        return text[TIME_BYTES:].decode()


def cleared(root_path: str) -> Cookie:
    """The cookie that ends the session in the browser that has it."""
    return _cookie("", 0, root_path, secure=False)


def session_in(cookies: str) -> str | None:
    """The session in a `Cookie` header: the first, which is that of the longest path (RFC 6265, 5.4)."""
    pairs = (cookie.strip().partition("=") for cookie in cookies.split(";"))
    return next((value for name, _, value in pairs if name == COOKIE), None)


def _cookie(value: str, seconds: int, root_path: str, *, secure: bool) -> Cookie:
    return Cookie(
        COOKIE, value=value, max_age=seconds, path=root_path or TOP, httponly=True, samesite="strict", secure=secure
    )
