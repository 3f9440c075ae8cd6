"""Sessions of browsers: a cookie that holds the credential itself, encrypted, so that nothing is kept here."""

import base64
import os
import time
from collections.abc import Callable
from datetime import timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from litestar.datastructures import Cookie

from app.auth.refused import Reason, RefusedError
from app.errors import invalid

COOKIE = "twinmeter_session"
MAX_COOKIE_BYTES = 3_800
"""Name and value. Browsers silently drop a cookie over 4,096 bytes, attributes included."""
PURPOSE = b"twinmeter: session cookie, version 1"
"""Binds key and text to what they are for: nothing else that is encrypted under the same secret opens a session."""
KEY_BYTES = 32
NONCE_BYTES = 12
TIME_BYTES = 8
TOP = "/"


class Sessions:
    """Seals a credential into a cookie, and opens it again for as long as it is valid (AES-256-GCM)."""

    def __init__(self, secret: str, lifetime: timedelta, clock: Callable[[], float] = time.time) -> None:
        derived = HKDF(SHA256(), KEY_BYTES, salt=None, info=PURPOSE).derive(secret.encode())
        self._cipher = AESGCM(derived)
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
        value = self._sealed(until.to_bytes(TIME_BYTES) + credential.encode())
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
            text = self._unsealed(value)
        except (ValueError, InvalidTag):
            raise RefusedError(Reason.SESSION, "the session is not valid here; sign in again") from None
        if int.from_bytes(text[:TIME_BYTES]) <= self._clock():
            raise RefusedError(Reason.SESSION, "the session has ended; sign in again")
        return text[TIME_BYTES:].decode()

    def _sealed(self, text: bytes) -> str:
        nonce = os.urandom(NONCE_BYTES)
        return _encoded(nonce + self._cipher.encrypt(nonce, text, PURPOSE))

    def _unsealed(self, value: str) -> bytes:
        if len(value) > MAX_COOKIE_BYTES:
            raise ValueError("longer than any of ours")
        sealed = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
        # the last character has unused bits: one session, one text
        if _encoded(sealed) != value:
            raise ValueError("not as we write it")
        return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], PURPOSE)


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


def _encoded(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
