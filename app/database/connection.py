"""The connection to MongoDB: clients, indexes, and what the server can do."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import pymongo
from beanie import init_beanie
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorClientSession,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo import IndexModel
from pymongo.database import Database as BlockingDatabase
from pymongo.errors import ConfigurationError as PyMongoConfigurationError
from pymongo.errors import DuplicateKeyError, InvalidURI, OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern

from app.database import formats
from app.database.address import APP_NAME, SETTING, Address, checked
from app.database.driver import OwnClient
from app.database.start_failures import failure_of
from app.errors import ConfigurationError
from app.observability.logs import Log
from models import (
    AIUsage,
    Analytics,
    ApiKey,
    PriceOverride,
    alerts,
    annotations,
    audit,
    campaigns,
    counters,
    experiments,
    limits,
    months,
    plans,
    refusals,
    revenue,
    stripe,
)
from models.moments import moment_now
from models.rollups import INDEXES, RETIRED_INDEXES, ROLLUPS

log = Log(__name__)

Client = AsyncIOMotorClient[dict[str, Any]]
Collection = AsyncIOMotorCollection[dict[str, Any]]
Session = AsyncIOMotorClientSession

DURABLE = WriteConcern(w="majority", j=True)
"""What `committed` means: on the journals of a majority."""
DOCUMENTS = [AIUsage, Analytics, PriceOverride, ApiKey]
STARTUP_SECONDS = 10
PING_SECONDS = 1
GOODBYE_SECONDS = 1
STREAMING: dict[str, Any] = {
    "readConcernLevel": "majority",  # change streams know no other
    # listeners must learn soon that the stream is down; an idle server still answers every second
    "serverSelectionTimeoutMS": 2_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 5_000,
}
VERSIONS = "versions"
"""What changes for all processes: the prices, and the format of the database."""
NAMESPACE_EXISTS = 48
MANY_DOCUMENTS = 200_000
"""From here on the start says that it makes an index, which takes seconds."""
STANDALONE_ADVICE = (
    "this server has no transactions: start mongod with --replSet NAME and run rs.initiate() once; one member is enough"
)


@dataclass(frozen=True)
class Database:
    """One deployment's database, with a client for each use, so that slow reads never delay the ledger."""

    writes: AsyncIOMotorDatabase[dict[str, Any]]
    reads: AsyncIOMotorDatabase[dict[str, Any]]
    streams: AsyncIOMotorDatabase[dict[str, Any]]
    """For change streams, which mostly wait."""
    transactional: bool
    """Whether the server has transactions. A standalone server does not; it is for development."""

    @classmethod
    async def connect(cls, uri: str, name: str) -> Self:
        """Connect, learn what the server can do, and make the indexes.

        Raises ConfigurationError for an address that cannot be used and for a database of a later release, and
        DatabaseUnavailableError when no server answers within ten seconds.
        """
        address = checked(uri)
        if address.without:
            log.info("mongodb.options_without_effect", options=address.without)
        writer, reader, streamer = _client(address), _client(address), _client(address, **STREAMING)
        try:
            with pymongo.timeout(STARTUP_SECONDS):
                hello = await writer.admin.command("hello")
                _check_member(hello)
                database = cls(
                    writes=writer.get_database(name),
                    reads=reader.get_database(name),
                    streams=streamer.get_database(name),
                    transactional=_transactional(hello),
                )
                await database.require_known_format()
            # without a limit: on a large ledger a new index takes minutes
            await database.tell_of_new_indexes()
            await init_beanie(database.reads, document_models=DOCUMENTS)
            await database.prepare_rollups()
            await database.prepare_limits()
            await database.prepare_finance()
            await database.drop_retired_indexes()
            await database.raise_format()
        except ConfigurationError:
            _close(writer, reader, streamer)
            raise
        except PyMongoError as error:
            _close(writer, reader, streamer)
            raise failure_of(error, name) from error
        return database

    async def later_format(self) -> str | None:
        """What is wrong where a later release has written what this one may misread or damage. Raises PyMongoError."""
        return formats.later_format(await self.reads[VERSIONS].find_one(formats.KEY), self.reads.name)

    async def require_known_format(self) -> None:
        """Raises ConfigurationError where this release must not write."""
        if later := await self.later_format():
            raise ConfigurationError(f"{later}: {formats.WAY_OUT}")

    async def raise_format(self) -> None:
        """Note that this release has been here, so that an earlier one that would misread its data does not start."""
        with contextlib.suppress(DuplicateKeyError):  # another process was first, or has a later format
            await self.writes[VERSIONS].update_one(formats.EARLIER, formats.RAISED, upsert=True)

    async def tell_of_new_indexes(self) -> None:
        """Say so before indexes are made that take long: the start waits for them, and MongoDB goes on meanwhile."""
        of_documents = {document.Settings.name: document.Settings.indexes for document in (AIUsage, Analytics)}
        for name, indexes in (of_documents | INDEXES).items():
            collection = self.writes[name]
            documents = await collection.estimated_document_count()
            if documents < MANY_DOCUMENTS:
                continue
            made = await collection.index_information()
            wanted = [index.document["name"] for index in indexes]
            if missing := [name for name in wanted if name not in made]:
                about = "the start goes on once they are made, about 10 s for each index and million documents"
                log.warning(
                    "indexes.being_made", collection=collection.name, indexes=missing, documents=documents, note=about
                )

    async def drop_retired_indexes(self) -> None:
        """Drop unused indexes of earlier versions. Indexes of others stay."""
        of_documents = {document.Settings.name: document.Settings.retired_indexes for document in (AIUsage, Analytics)}
        for collection_name, retired in (of_documents | RETIRED_INDEXES).items():
            collection = self.writes[collection_name]
            made = await collection.index_information()
            for name in made.keys() & set(retired):
                log.info("index.dropped", collection=collection.name, index=name)
                with contextlib.suppress(OperationFailure):  # another process was first
                    await collection.drop_index(name)

    async def prepare_rollups(self) -> None:
        """Create the collections of the rollups, which a transaction cannot do, their indexes and those of refusals."""
        existing = set(await self.writes.list_collection_names())
        for name in ROLLUPS:
            if name not in existing:
                await self._create(name)
            if name in INDEXES:
                await self.writes[name].create_indexes(INDEXES[name])
        for name in (refusals.REFUSALS, refusals.LATE):
            await self.writes[name].create_indexes(refusals.INDEXES)

    async def prepare_limits(self) -> None:
        """Create the collections of limits, alerts, notes, views and of what was changed, and their indexes."""
        kept = audit.INDEXES | annotations.INDEXES
        await self._prepare(kept | limits.INDEXES | plans.INDEXES | counters.INDEXES | alerts.INDEXES)

    async def prepare_finance(self) -> None:
        """Create those of money that came in, and their indexes. Subscriptions' prices come due from the first time
        on.
        """
        await self._prepare(revenue.INDEXES | months.INDEXES | experiments.INDEXES | campaigns.INDEXES | stripe.INDEXES)
        first = {"sequence": 0, "rewritten": 0, "rates": 0, "dueSince": moment_now()}
        with contextlib.suppress(DuplicateKeyError):  # another process was first
            await self.writes[VERSIONS].update_one(revenue.STATE, {"$setOnInsert": first}, upsert=True)

    async def _prepare(self, collections: Mapping[str, list[IndexModel]]) -> None:
        existing = set(await self.writes.list_collection_names())
        for name, indexes in collections.items():
            if name not in existing:
                await self._create(name)
            if indexes:
                await self.writes[name].create_indexes(indexes)

    async def _create(self, name: str) -> None:
        try:
            await self.writes.create_collection(name, check_exists=False)
        except OperationFailure as error:
            if error.code != NAMESPACE_EXISTS:  # else another process was first
                raise

    @property
    def blocking(self) -> BlockingDatabase[dict[str, Any]]:
        """`writes` without Motor, for work that is done as a whole in a thread."""
        blocking: BlockingDatabase[dict[str, Any]] = self.writes.delegate
        return blocking

    @property
    def ledger(self) -> Collection:
        """`aiusages`, for writing."""
        return self.writes[AIUsage.Settings.name]

    @property
    def events(self) -> Collection:
        """`analytics`, for writing."""
        return self.writes[Analytics.Settings.name]

    @asynccontextmanager
    async def committer_session(self) -> AsyncIterator[Session | None]:
        """A session for one committer; None where the server has no transactions."""
        if not self.transactional:
            yield None
            return
        session = await self.writes.client.start_session()
        try:
            yield session
        finally:
            with pymongo.timeout(GOODBYE_SECONDS):
                await session.end_session()

    @asynccontextmanager
    async def snapshot(self, client: Client | None = None) -> AsyncIterator[Session | None]:
        """A snapshot session, in which all reads are as of one moment; None where the server has none.

        It is for collections of `writes`, or of the `client` that is given.
        """
        if not self.transactional:
            yield None
            return
        async with await (client or self.writes.client).start_session(snapshot=True) as session:
            yield session

    async def answers(self) -> bool:
        """Whether a server that can take writes answers within a second."""
        try:
            with pymongo.timeout(PING_SECONDS):
                await self.writes.command("ping")
        except PyMongoError:
            return False
        return True

    def close(self) -> None:
        _close(self.writes.client, self.reads.client, self.streams.client)


def _transactional(hello: dict[str, Any]) -> bool:
    return "setName" in hello or hello.get("msg") == "isdbgrid"


def _check_member(hello: dict[str, Any]) -> None:
    """Only a direct connection ever finds a member that is not the primary."""
    if not hello.get("isWritablePrimary"):
        raise ConfigurationError(
            f"{SETTING} has directConnection=true, and names a member that is not the primary: "
            "leave that option out, and name all members and their replicaSet"
        )


def _client(address: Address, **options: Any) -> Client:
    return _opened(SETTING, address.uri, address.options | options)


def _close(*clients: Client) -> None:
    """Within a second: a client says goodbye to MongoDB, and would wait half a minute for one that is away."""
    with pymongo.timeout(GOODBYE_SECONDS):
        for client in clients:
            client.close()


def _opened(what: str, uri: str, options: dict[str, Any]) -> Client:
    try:
        return OwnClient(uri, **options)
    except (InvalidURI, PyMongoConfigurationError, ValueError, OSError) as error:
        raise ConfigurationError(f"{what} cannot be used: {error}") from error


@asynccontextmanager
async def foreign_collection(uri: str, name: str) -> AsyncIterator[Collection]:
    """A collection of a foreign database, which `uri` names, to read from for the length of a block.

    All options of the address count: we guarantee nothing there, and a secondary may well be the place to read from.
    """
    client = _opened("the source's address", uri, {"tz_aware": True, "appName": APP_NAME})
    try:
        yield client.get_default_database()[name]
    except PyMongoConfigurationError as error:
        raise ConfigurationError(f"the source's address names no database: {error}") from error
    finally:
        _close(client)


@asynccontextmanager
async def connected(uri: str, name: str) -> AsyncIterator[Database]:
    """A database for the length of a block."""
    database = await Database.connect(uri, name)
    try:
        yield database
    finally:
        database.close()


@asynccontextmanager
async def looking(uri: str, name: str) -> AsyncIterator[Database]:
    """A database for the length of a block, for reading only: nothing is created.

    Raises ConfigurationError for an address that cannot be used, and PyMongoError when no server answers.
    """
    client = _client(checked(uri))
    try:
        database, hello = client[name], await client.admin.command("hello")
        _check_member(hello)
        await init_beanie(database, document_models=DOCUMENTS, skip_indexes=True)
        yield Database(database, database, database, _transactional(hello))
    finally:
        _close(client)
