"""API keys: created once, known in every process, revoked everywhere within five seconds."""

import contextlib
import hmac
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo
from beanie import PydanticObjectId
from bson import ObjectId
from cachetools import TTLCache
from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import PyMongoError

from app import audit
from app.auth.api_key_text import hashed, id_of, new_key
from app.auth.key_lookup import KeyLookup
from app.auth.principals import Principal, Scope
from app.auth.refused import Reason, RefusedError
from app.auth.seen_key import SeenKey, read
from app.database import Database, Session
from app.database.following import follow
from app.database.outages import answering
from app.database.transactions import transact
from app.database.updates import latest
from app.errors import ConflictError, NotFoundError
from app.observability.logs import Log
from app.process import background
from models import ApiKey
from models.audit import Target
from models.base import camel
from models.documents import Document
from models.key_policy import KeyPolicy
from models.shape import stored_value

REFRESH_SECONDS = 1.0
QUERY_SECONDS = 1.0
"""With the above: a change is seen within two seconds, and within five with one failed look."""
CHANGE_SECONDS = 5.0
UNKNOWN_SECONDS = 1.0
"""How long a key that does not exist is not looked up again."""
USE_EVERY = timedelta(minutes=1)
"""The precision of the last use, and so how often it is written."""
MOST_KNOWN = 2_000
MOST_UNKNOWN = 10_000

UNCHECKED = "the API key cannot be checked now: MongoDB does not answer; try again shortly"

Store = Callable[[Session | None], Awaitable[None]]
"""Writes one document, in a transaction or by itself. Raises PyMongoError."""
Together = Callable[[ApiKey, Store], Awaitable[None]]
"""Has a new key stored."""

log = Log(__name__)


class KeyRing:
    """The stored keys, and those that this process has seen.

    A key that was seen is answered from memory, even while MongoDB is away. The least recently used one is evicted.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._keys = database.writes[ApiKey.Settings.name]
        self._clock = clock
        # not a library's cache: there a look-up counts as a use, and `refresh` looks every key up
        self._known: OrderedDict[str, SeenKey] = OrderedDict()
        self._unknown: TTLCache[str, bool] = TTLCache(MOST_UNKNOWN, UNKNOWN_SECONDS)
        self._uses: dict[str, datetime] = {}
        self._changed: set[str] = set()
        """Keys that were changed here since the stored ones were last asked for: what is read then may be older."""
        self._lookup = KeyLookup(self._stored)
        self.on_met: Callable[[], Awaitable[None]] = _nothing
        """Done before this process lets a key pass that it has not seen: what was stored with it is then known, too.

        Raises PyMongoError.
        """
        self.on_revoked: Callable[[str], None] = lambda _: None
        """Told the ids of keys that this process has seen, and that hold no longer."""

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

    def _bearer(self, key: SeenKey | None, text: str) -> Principal:
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
        self,
        *,
        client: str,
        scopes: Collection[Scope],
        name: str,
        expires_at: datetime | None,
        created_by: str,
        policy: KeyPolicy | None = None,
        together: Together | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key, and its text, which cannot be retrieved again. `together`, if given, stores it with what else is
        new.

        Raises DatabaseUnavailableError, and what `together` raises.
        """
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
            policy=(policy or KeyPolicy()) if Scope.GATEWAY in scopes else None,
        )
        stored = {**key.model_dump(by_alias=True, exclude={"revision_id", "policy"}), "_id": ObjectId(key.id)}
        if key.policy is not None:
            stored["policy"] = key.policy.stored()

        async def store(session: Session | None) -> None:
            await self._keys.insert_one(stored, session=session)
            await audit.record(self._database, session, "key.created", _target(key), after=stored)

        if together is None:
            with answering(CHANGE_SECONDS):
                await transact(self._database, store)
        else:
            await together(key, store)
        log.info("api_key.created", key=key_id, client=client, scopes=key.scopes, by=created_by)
        return key, text

    async def all(self, client: str | None) -> list[ApiKey]:
        """The keys of a client, or of all, including revoked ones, in order of creation."""
        with answering(CHANGE_SECONDS):
            cursor = self._keys.find(_of(client)).sort([("clientId", 1), ("createdAt", 1)])
            return [key async for stored in cursor if (key := read(stored)) is not None]

    async def revoke(self, key_id: str, client: str | None) -> ApiKey:
        """Revoke a key of a client, or of any, permanently. Repeating it changes nothing. Raises NotFoundError."""
        chosen = {"keyId": {"$eq": key_id}, **_of(client)}

        async def work(session: Session | None) -> ApiKey:
            before = await self._keys.find_one(chosen, session=session)
            if before is None:
                raise NotFoundError(f"there is no key {key_id}")
            if before.get("revokedAt") is not None:
                there: ApiKey = ApiKey.model_validate(before)
                return there
            revoked = {"revokedAt": self._clock()}
            await self._keys.update_one({"_id": before["_id"]}, {"$set": revoked}, session=session)
            after = before | revoked
            key: ApiKey = ApiKey.model_validate(after)
            await audit.record(self._database, session, "key.revoked", _target(key), before=before, after=after)
            return key

        with answering(CHANGE_SECONDS):
            key = await transact(self._database, work)
        self._renew_here(key)
        log.info("api_key.revoked", key=key_id, client=key.client_id)
        return key

    async def change(self, key_id: str, changes: Mapping[str, Any], client: str | None) -> ApiKey:
        """Change fields of the policy of a key of a client, or of any; the others stay.

        Raises NotFoundError, and ConflictError for a key that has none, or is revoked.
        """
        chosen = {"keyId": {"$eq": key_id}, **_of(client)}
        told = {camel(name): stored_value(value) for name, value in changes.items()}

        async def work(session: Session | None) -> ApiKey:
            before = await self._keys.find_one(chosen, session=session)
            if before is None:
                raise NotFoundError(f"there is no key {key_id}")
            revoked = before.get("revokedAt") is not None
            if revoked or Scope.GATEWAY.value not in before["scopes"]:
                why = "is revoked" if revoked else f"has not the scope {Scope.GATEWAY}, of which its policy would be"
                raise ConflictError(f"key {key_id} {why}: make another one")
            after = await self._keys.find_one_and_update(
                {"_id": before["_id"]},
                [{"$set": {"policy": {"$mergeObjects": ["$policy", {"$literal": told}]}}}],
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            key: ApiKey = ApiKey.model_validate(after)
            await audit.record(self._database, session, "key.changed", _target(key), before=before, after=after)
            return key

        with answering(CHANGE_SECONDS):
            key = await transact(self._database, work)
        self._renew_here(key)
        log.info("api_key.changed", key=key_id, client=key.client_id, fields=sorted(told))
        return key

    async def refresh(self) -> None:
        """Record which keys were used, and reread those that this process has seen. Raises PyMongoError."""
        with pymongo.timeout(QUERY_SECONDS):
            await self._write_uses()
            self._changed.clear()
            seen = list(self._known)
            cursor = self._keys.find({"keyId": {"$in": seen}}) if seen else None
            found = {} if cursor is None else {stored["keyId"]: read(stored) async for stored in cursor}
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
        with answering(QUERY_SECONDS, UNCHECKED):
            return {stored["keyId"]: stored async for stored in self._keys.find({"keyId": {"$in": list(key_ids)}})}

    def _seen(self, key_id: str) -> SeenKey | None:
        if (key := self._known.get(key_id)) is not None:
            self._known.move_to_end(key_id)
        return key

    async def _found(self, key_id: str) -> SeenKey | None:
        if (key := self._seen(key_id)) is not None:
            return key
        if key_id in self._unknown:
            return None
        stored = await self._lookup.find(key_id)
        key = None if stored is None else read(stored)
        if key is None:
            self._unknown[key_id] = True
            return None
        with answering(QUERY_SECONDS, UNCHECKED):
            await self.on_met()
        return self._remember(key)

    def _remember(self, key: ApiKey) -> SeenKey:
        seen = self._known[key.key_id] = SeenKey(key)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return seen

    def _renew(self, key_id: str, key: ApiKey | None) -> None:
        if key_id in self._changed or key_id not in self._known:
            return
        if key is not None:
            self._known[key_id] = SeenKey(key)
        else:
            del self._known[key_id]
        if key is None or key.revoked_at is not None:
            self.on_revoked(key_id)

    def _renew_here(self, key: ApiKey) -> None:
        """As this process itself has changed it."""
        self._changed.add(key.key_id)
        if key.key_id in self._known:
            self._known[key.key_id] = SeenKey(key)
        if key.revoked_at is not None:
            self.on_revoked(key.key_id)

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


async def _nothing() -> None:
    pass


def _target(key: ApiKey) -> Target:
    return Target(kind="key", id=key.key_id, client_id=key.client_id, name=key.name)


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
