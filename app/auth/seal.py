"""Texts that only this deployment can read or make, for cookies: AES-256-GCM under a key for one purpose."""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
NONCE_BYTES = 12


class Seal:
    """Seals texts, and opens them again. Key and text are bound to the purpose: one of another purpose opens none."""

    def __init__(self, secret: str, purpose: bytes) -> None:
        self._purpose = purpose
        self._cipher = AESGCM(HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose).derive(secret.encode()))

    def sealed(self, text: bytes) -> str:
        """The text as letters of URLs."""
        nonce = os.urandom(NONCE_BYTES)
        return _encoded(nonce + self._cipher.encrypt(nonce, text, self._purpose))

    def opened(self, value: str, most: int) -> bytes:
        """What was sealed. Raises ValueError for anything else, and for more than `most` letters."""
        if len(value) > most:
            raise ValueError("longer than any of ours")
        sealed = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
        # the last character has unused bits: one text, one seal
        if _encoded(sealed) != value:
            raise ValueError("not as we write it")
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], self._purpose)
        except InvalidTag:
            raise ValueError("not sealed here") from None


def _encoded(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
