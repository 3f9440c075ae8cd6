"""Keys with which applications report and read: only their hashes are kept."""

from datetime import datetime
from typing import ClassVar

from pymongo import ASCENDING, IndexModel

from models.base import StoredDocument
from models.key_policy import KeyPolicy


class ApiKey(StoredDocument):
    """One key, of one client."""

    key_id: str
    """The public part of the key's text, by which it is found."""
    hash: str
    """SHA-256 of the whole text, in hex. A slow hash is for what people choose; the secret is 256 random bits."""
    client_id: str
    scopes: list[str]
    name: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    """None for never."""
    last_used_at: datetime | None = None
    """Within a minute."""
    revoked_at: datetime | None = None
    """Set once, never cleared."""
    policy: KeyPolicy | None = None
    """Of keys with the scope `gateway`."""

    class Settings:
        """Stored name, and the indexes by which keys are found and listed."""

        name = "api_keys"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([("keyId", ASCENDING)], name="key", unique=True),
            IndexModel([("clientId", ASCENDING), ("createdAt", ASCENDING)], name="client"),
        ]
