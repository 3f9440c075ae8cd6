"""Newer token prices than the installed package's, kept in the database: every process follows which one is in use."""

import gzip
import zlib
from datetime import UTC, date, datetime
from typing import NamedTuple

from bson import Binary

from app.database import Database, Session
from app.pricing.changes import PRICES, change_prices
from app.pricing.price_data import (
    PriceDataError,
    hash_of,
    models_of,
    newest_price,
    read_providers,
    table_of,
    version_of,
)
from app.pricing.token_prices import TokenPrices
from models.documents import Document

TABLES = "price_tables"
KEPT = 3
"""Tables that stay in the database, the one in use among them."""
MAX_STORED = 15_000_000
"""Bytes of one, compressed; a document of MongoDB has room for 16 MB. That of 2026-11 takes 0.1 MB."""


class StoredTable(NamedTuple):
    """What there is to say of a table without reading it."""

    id: str
    """SHA-256 of the file."""
    version: str
    newest_price: date | None
    loaded_at: datetime
    models: int


class PriceTables:
    """The tables of one deployment."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tables = database.writes[TABLES]
        self._versions = database.writes["versions"]

    async def in_use(self) -> StoredTable | None:
        """None where the packaged table is. Raises PyMongoError."""
        state = await self._versions.find_one({"_id": PRICES}, {"table": 1})
        found = (
            await self._tables.find_one({"_id": state["table"]}, {"data": 0}) if state and "table" in state else None
        )
        return None if found is None else _stored(found)

    async def all(self) -> list[StoredTable]:
        """Those that are kept, the latest first. Raises PyMongoError."""
        return [_stored(each) async for each in self._tables.find({}, {"data": 0}).sort("loadedAt", -1)]

    async def read(self, table: str) -> tuple[bytes, str]:
        """The file of one, and its version. Raises PriceDataError for one that is gone or damaged, and PyMongoError."""
        found = await self._tables.find_one({"_id": table})
        if found is None:
            raise PriceDataError(f"the price table {table[:8]} is not in the database")
        try:
            return gzip.decompress(bytes(found["data"])), found["version"]
        except (OSError, EOFError, zlib.error) as error:
            raise PriceDataError(f"the price table {found['version']} is damaged: {error}") from error

    async def use(self, data: bytes, loaded_at: datetime) -> StoredTable:
        """Store this data file, which was checked, and price by it from now on.

        Raises PriceDataError and DatabaseUnavailableError.
        """
        providers, loaded = read_providers(data), loaded_at.date()
        packed = gzip.compress(data, mtime=0)
        if len(packed) > MAX_STORED:
            raise PriceDataError(f"takes {len(packed):,} bytes compressed, and there is room for {MAX_STORED:,}")
        newest = newest_price(providers, loaded)
        key = {"_id": hash_of(data)}
        document: Document = {
            "version": version_of(data, loaded),
            "newestPrice": None if newest is None else newest.isoformat(),
            "loadedAt": loaded_at,
            "models": models_of(providers),
            "data": Binary(packed),
        }

        async def store(session: Session | None) -> None:
            # loaded again, it keeps the name that entries have it by
            await self._tables.update_one(key, {"$setOnInsert": document}, upsert=True, session=session)
            await self._versions.update_one({"_id": PRICES}, {"$set": {"table": key["_id"]}}, session=session)
            older = self._tables.find({"_id": {"$ne": key["_id"]}}, {"_id": 1}, session=session)
            gone = [each["_id"] async for each in older.sort("loadedAt", -1).skip(KEPT - 1)]
            await self._tables.delete_many({"_id": {"$in": gone}}, session=session)

        await change_prices(self._database, store)
        return next(each for each in await self.all() if each.id == key["_id"])

    async def revert(self) -> None:
        """Price by the packaged table from now on. Raises DatabaseUnavailableError."""

        async def drop(session: Session | None) -> None:
            await self._versions.update_one({"_id": PRICES}, {"$unset": {"table": ""}}, session=session)

        await change_prices(self._database, drop)


def load(data: bytes, version: str) -> TokenPrices:
    """The prices of a stored table; takes a tenth of a second. Raises PriceDataError."""
    return table_of(read_providers(data), version)


def _stored(document: Document) -> StoredTable:
    newest = document["newestPrice"]
    loaded: datetime = document["loadedAt"]
    return StoredTable(
        document["_id"],
        document["version"],
        None if newest is None else date.fromisoformat(newest),
        loaded if loaded.tzinfo else loaded.replace(tzinfo=UTC),
        document["models"],
    )
