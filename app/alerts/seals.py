"""What must be known again to be used, and to nobody else: stored encrypted, under a key made of the signing secret."""

import base64
import secrets

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import ConflictError

PURPOSE = b"twinmeter: endpoints of alerts"
SECRET_BYTES = 32


class BrokenSealError(ConflictError):
    """It was encrypted under another signing secret."""

    def __init__(self) -> None:
        super().__init__(
            "what is stored of this endpoint was encrypted under another signing secret (TWINMETER_JWT_SECRET): "
            "end it, and make a new one"
        )


class Seals:
    """Encrypts and decrypts. Whoever has a copy of the database alone can read and sign nothing."""

    def __init__(self, signing_secret: str) -> None:
        key = HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(signing_secret.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def sealed(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def opened(self, sealed: str) -> str:
        """Raises BrokenSealError."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise BrokenSealError from error


def new_secret() -> str:
    """A secret with which webhooks are signed, as Standard Webhooks writes it."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"
