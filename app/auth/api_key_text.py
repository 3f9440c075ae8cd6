"""The text of an API key: `tm_`, a public part by which it is found, and a secret."""

import hashlib
import re
import secrets
import string
from typing import NamedTuple

ALPHABET = string.ascii_letters + string.digits
ID_LENGTH = 12
SECRET_BYTES = 32

_TEXT = re.compile(r"tm_([A-Za-z0-9]{12})_[A-Za-z0-9_-]{43}")


class NewKey(NamedTuple):
    """A new key."""

    key_id: str
    text: str


def new_key() -> NewKey:
    """A random key."""
    key_id = "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))
    return NewKey(key_id, f"tm_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}")


def id_of(text: str) -> str | None:
    """The public part of a key's text; None where it cannot be a key."""
    found = _TEXT.fullmatch(text)
    return None if found is None else found[1]


def hashed(text: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(text.encode()).hexdigest()
