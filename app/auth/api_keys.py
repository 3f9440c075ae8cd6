"""API keys: created once, known in every process, revoked everywhere within five seconds."""

import contextlib
import hmac
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo
from beanie import PydanticObjectId
from bson import ObjectId
from cachetools import TTLCache
from pydantic import ValidationError
from pymongo import UpdateOne
from pymongo.errors import PyMongoError

from app.auth.api_key_text import hashed, id_of, new_key
from app.auth.key_lookup import KeyLookup
from app.auth.principals import Principal, Scope
from app.auth.refused import Reason, RefusedError
from app.database import Database
from app.database.following import follow
from app.database.outages import answering
from app.database.updates import latest
from app.errors import NotFoundError
from app.observability.logs import Log
from app.process import background
from models import ApiKey
from models.documents import Document

REFRESH_SECONDS = 1.5
QUERY_SECONDS = 1.0
"""With the above: a revocation is seen within five seconds, one failed look included."""
CHANGE_SECONDS = 5.0
UNKNOWN_SECONDS = 1.0
"""How long a key that does not exist is not looked up again."""
USE_EVERY = timedelta(minutes=1)
"""The precision of the last use, and so how often it is written."""
MOST_KNOWN = 2_000
MOST_UNKNOWN = 10_000

log = Log(__name__)


class _SeenKey:
    """What a request with a key is checked by. A document of its collection takes a microsecond for each attribute."""

    __slots__ = ("expires_at", "hash", "key_id", "last_used_at", "principal", "revoked_at")

    def __init__(self, key: ApiKey) -> None:
        self.key_id, self.hash = key.key_id, key.hash
        self.revoked_at = key.revoked_at
        self.expires_at = key.expires_at
        self.last_used_at = key.last_used_at
        # a scope that this version does not know grants nothing
        granted = frozenset(scope for scope in Scope if scope in key.scopes)
        expires = None if key.expires_at is None else key.expires_at.timestamp()
        self.principal = Principal(f"key:{key.key_id}", granted, key.client_id, None, expires)


class KeyRing:
    """The stored keys, and those that this process has seen.

    A key that was seen is answered from memory, even while MongoDB is away. The least recently used one is evicted.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._keys = database.writes[ApiKey.Settings.name]
        self._clock = clock
        # not a library's cache: there a look-up counts as a use, and `refresh` looks every key up
        self._known: OrderedDict[str, _SeenKey] = OrderedDict()
        self._unknown: TTLCache[str, bool] = TTLCache(MOST_UNKNOWN, UNKNOWN_SECONDS)
        self._uses: dict[str, datetime] = {}
        self._lookup = KeyLookup(self._stored)

    async def principal(self, text: str) -> Principal:
        """The bearer of the key with this text. Raises RefusedError, and DatabaseUnavailableError where a key that was
        not seen yet cannot be looked up.
        """
        key_id = id_of(text)
        return self._bearer(None if key_id is None else await self._found(key_id), text)

    def known(self, text: str) -> Principal | None:
        """The bearer of a key that this process has seen; None where it must be looked up, or is refused."""
        key_id = id_of(text)
        if key_id is None or (key := self._seen(key_id)) is None:
            return None
        try:
            return self._bearer(key, text)
        except RefusedError:
            return None

    def _bearer(self, key: _SeenKey | None, text: str) -> Principal:
        if key is None or not hmac.compare_digest(key.hash, hashed(text)):
            raise RefusedError(Reason.API_KEY, "the API key is not valid here")
        now = self._clock()
        if key.revoked_at is not None:
            raise RefusedError(Reason.REVOKED, "the API key has been revoked")
        if key.expires_at is not None and key.expires_at <= now:
            raise RefusedError(Reason.EXPIRED, "the API key has expired; ask for a new one")
        # a use ahead of now was noted while a clock was wrong
        if key.last_used_at is None or abs(now - key.last_used_at) >= USE_EVERY:
            key.last_used_at = self._uses[key.key_id] = now
        return key.principal

    async def create(
        self, *, client: str, scopes: Collection[Scope], name: str, expires_at: datetime | None, created_by: str
    ) -> tuple[ApiKey, str]:
        """A new key, and its text, which cannot be retrieved again."""
        key_id, text = new_key()
        key = ApiKey(
            id=PydanticObjectId(),
            key_id=key_id,
            hash=hashed(text),
            client_id=client,
            scopes=sorted(scope.value for scope in scopes),
            name=name,
            created_at=self._clock(),
            created_by=created_by,
            expires_at=expires_at,
        )
        stored = {**key.model_dump(by_alias=True, exclude={"revision_id"}), "_id": ObjectId(key.id)}
        with answering(CHANGE_SECONDS):
            await self._keys.insert_one(stored)
        log.info("api_key.created", key=key_id, client=client, scopes=key.scopes, by=created_by)
        return key, text

    async def all(self, client: str | None) -> list[ApiKey]:
        """The keys of a client, or of all, including revoked ones, in order of creation."""
        with answering(CHANGE_SECONDS):
            cursor = self._keys.find(_of(client)).sort([("clientId", 1), ("createdAt", 1)])
            return [key async for stored in cursor if (key := _read(stored)) is not None]

    async def revoke(self, key_id: str, client: str | None) -> ApiKey:
        """Revoke a key of a client, or of any, permanently. Repeating it changes nothing. Raises NotFoundError."""
        chosen = {"keyId": {"$eq": key_id}, **_of(client)}
        with answering(CHANGE_SECONDS):
            await self._keys.update_one({**chosen, "revokedAt": None}, {"$set": {"revokedAt": self._clock()}})
            stored = await self._keys.find_one(chosen)
        if stored is None:
            raise NotFoundError(f"there is no key {key_id}")
        key: ApiKey = ApiKey.model_validate(stored)
        if key_id in self._known:
            self._known[key_id] = _SeenKey(key)
        log.info("api_key.revoked", key=key_id, client=key.client_id)
        return key

    async def refresh(self) -> None:
        """Record which keys were used, and reread those that this process has seen. Raises PyMongoError."""
        with pymongo.timeout(QUERY_SECONDS):
            await self._write_uses()
            seen = list(self._known)
            cursor = self._keys.find({"keyId": {"$in": seen}}) if seen else None
            found = {} if cursor is None else {stored["keyId"]: _read(stored) async for stored in cursor}
        for key_id in seen:
            self._renew(key_id, found.get(key_id))

    async def keep_fresh(self) -> None:
        """Follow changes until cancelled. While MongoDB is away, known keys stay valid as they were last read."""
        await follow(self.refresh, what="api_keys", every=REFRESH_SECONDS)

    async def close(self) -> None:
        """Record the last uses, if possible."""
        with contextlib.suppress(PyMongoError), pymongo.timeout(QUERY_SECONDS):
            await self._write_uses()

    async def _stored(self, key_ids: Sequence[str]) -> dict[str, Document]:
        with answering(QUERY_SECONDS, "the API key cannot be checked now: MongoDB does not answer; try again shortly"):
            return {stored["keyId"]: stored async for stored in self._keys.find({"keyId": {"$in": list(key_ids)}})}

    def _seen(self, key_id: str) -> _SeenKey | None:
        if (key := self._known.get(key_id)) is not None:
            self._known.move_to_end(key_id)
        return key

    async def _found(self, key_id: str) -> _SeenKey | None:
        if (key := self._seen(key_id)) is not None:
            return key
        if key_id in self._unknown:
            return None
        stored = await self._lookup.find(key_id)
        key = None if stored is None else _read(stored)
        if key is None:
            self._unknown[key_id] = True
            return None
        return self._remember(key)

    def _remember(self, key: ApiKey) -> _SeenKey:
        seen = self._known[key.key_id] = _SeenKey(key)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return seen

    def _renew(self, key_id: str, key: ApiKey | None) -> None:
        held = self._known.get(key_id)
        if key is None:
            self._known.pop(key_id, None)
        # what was read before a revocation here does not undo it
        elif held is not None and held.revoked_at is None:
            self._known[key_id] = _SeenKey(key)

    async def _write_uses(self) -> None:
        uses, self._uses = self._uses, {}
        try:
            if uses:
                await self._keys.bulk_write(
                    [
                        UpdateOne({"keyId": key_id}, [{"$set": {"lastUsedAt": latest("lastUsedAt", at)}}])
                        for key_id, at in uses.items()
                    ],
                    ordered=False,
                )
        except PyMongoError:
            self._uses = uses | self._uses
            raise


def _read(stored: dict[str, Any]) -> ApiKey | None:
    """A stored key. One that was broken by manual edits is ignored: it grants nothing, and does not affect others."""
    try:
        key: ApiKey = ApiKey.model_validate(stored)
    except ValidationError:
        log.exception("api_key.unreadable", key=stored.get("keyId"))
        return None
    return key


def _of(client: str | None) -> dict[str, Any]:
    return {} if client is None else {"clientId": {"$eq": client}}


@asynccontextmanager
async def open_key_ring(database: Database) -> AsyncIterator[KeyRing]:
    """The keys of a deployment for the length of a block."""
    ring = KeyRing(database)
    try:
        async with background(ring.keep_fresh(), "twinmeter-api-keys"):
            yield ring
    finally:
        await ring.close()
