"""Where administrators' prices are kept: dated, never overlapping, and the same in every process within seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pymongo
from beanie import PydanticObjectId
from bson import Decimal128, ObjectId
from pydantic import ValidationError

from app import audit
from app.database import Database, Session
from app.database.following import follow
from app.database.outages import answering
from app.errors import ConflictError, NotFoundError
from app.observability.logs import Log
from app.pricing.changes import PRICES, QUERY_SECONDS, change_prices
from app.pricing.overrides import OverrideTable
from app.pricing.price_data import PriceDataError
from app.pricing.price_tables import PriceTables, load
from app.pricing.token_prices import TokenPrices
from models import PriceOverride, UnitPrices
from models.audit import Target
from models.base import camel
from models.faults import fields_at_fault

log = Log(__name__)

REFRESH_SECONDS = 2.0
"""How often a process polls, so that a change applies everywhere within five seconds, one missed poll included."""
READ_SECONDS = 20.0
"""How long reading what has changed may take, which is everything at start: what was read last applies meanwhile."""


class PriceBook:
    """The stored overrides and the token prices in use, and this process's table of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._prices = database.writes[PriceOverride.Settings.name]
        self._versions = database.writes["versions"]
        self._tables = PriceTables(database)
        self._seen: int | None = None
        self._table: str | None = None
        self._tokens: TokenPrices | None = None
        self.table = OverrideTable([])

    async def refresh(self) -> None:
        """Reread overrides and token prices, if they changed. Raises PyMongoError."""
        with pymongo.timeout(QUERY_SECONDS if self._seen is not None else READ_SECONDS):
            found = await self._versions.find_one({"_id": PRICES})
        version = found.get("version") if found else 0
        if version != self._seen:
            with pymongo.timeout(READ_SECONDS):
                await self._read_tokens(found.get("table") if found else None)
                self.table = OverrideTable(await self._all(), self._tokens)
            self._seen = version

    async def keep_fresh(self) -> None:
        """Follow changes until cancelled. While MongoDB is away the last known prices apply."""
        await follow(self.refresh, what="prices", every=REFRESH_SECONDS)

    async def all(self) -> list[PriceOverride]:
        """Every override, including ended ones, by model and date. Raises DatabaseUnavailableError."""
        with answering(QUERY_SECONDS):
            return await self._all()

    async def _all(self) -> list[PriceOverride]:
        cursor = self._prices.find().sort([("model", 1), ("effectiveFrom", 1)])
        return [override async for stored in cursor if (override := _read(stored)) is not None]

    async def add(
        self,
        *,
        model: str,
        prices: UnitPrices,
        effective_from: datetime,
        effective_to: datetime | None,
        client_id: str | None,
        provider: str | None,
        created_by: str,
    ) -> PriceOverride:
        """Store an override. Raises ConflictError where another one for the same calls overlaps it."""
        override = PriceOverride(
            id=PydanticObjectId(),
            client_id=client_id,
            provider=provider,
            model=model.lower(),
            prices=prices,
            effective_from=effective_from,
            effective_to=effective_to,
            created_at=datetime.now(UTC),
            created_by=created_by,
        )

        async def insert(session: Session | None) -> None:
            if other := await self._prices.find_one(_overlapping(override), session=session):
                raise ConflictError(
                    f"effectiveFrom: override {other['_id']} applies to the same calls in that period; end it first",
                    errors=[{"field": "effectiveFrom", "message": f"overlaps override {other['_id']}"}],
                )
            await self._prices.insert_one(_stored(override), session=session)
            await audit.record(self._database, session, "price.created", _target(override), after=_stored(override))

        await self._change(insert)
        return override

    async def end(self, override_id: str, effective_to: datetime) -> PriceOverride:
        """End an override at `effective_to`. Raises NotFoundError and ConflictError."""
        key = {"_id": ObjectId(override_id) if ObjectId.is_valid(override_id) else override_id}
        ended: list[PriceOverride] = []

        async def update(session: Session | None) -> None:
            stored = await self._prices.find_one(key, session=session)
            if stored is None:
                raise NotFoundError(f"there is no override {override_id}")
            if _read(stored) is None:
                raise ConflictError(f"override {override_id} is damaged, and applies to nothing; the doctor names it")
            if stored["effectiveTo"] is not None and stored["effectiveTo"] <= effective_to:
                raise ConflictError(f"override {override_id} has ended already, at {stored['effectiveTo']:%Y-%m-%d}")
            if effective_to < stored["effectiveFrom"]:
                raise ConflictError(f"effectiveTo must not be before effectiveFrom ({stored['effectiveFrom']})")
            await self._prices.update_one(key, {"$set": {"effectiveTo": effective_to}}, session=session)
            after = {**stored, "effectiveTo": effective_to}
            ended[:] = [PriceOverride.model_validate(after)]
            await audit.record(self._database, session, "price.ended", _target(ended[0]), before=stored, after=after)

        await self._change(update)
        return ended[0]

    async def _change(self, work: Callable[[Session | None], Awaitable[None]]) -> None:
        await change_prices(self._database, work)
        with answering(QUERY_SECONDS, "the price was changed, and could not be read again: MongoDB does not answer"):
            await self.refresh()

    async def _read_tokens(self, table: str | None) -> None:
        """The token prices in use, where they are others than before. One that cannot be read leaves what is there."""
        if table == self._table:
            return
        try:
            self._tokens = None if table is None else await asyncio.to_thread(load, *await self._tables.read(table))
        except PriceDataError as error:  # stored by another version, or damaged
            log.warning("prices.table_not_usable", table=table, error=str(error)[:200])
        self._table = table


def _read(stored: dict[str, Any]) -> PriceOverride | None:
    """A stored override. One that was damaged by hand applies to nothing: the log and the doctor say so."""
    try:
        override: PriceOverride = PriceOverride.model_validate(stored)
    except ValidationError as error:
        log.warning("prices.override_unreadable", override=str(stored.get("_id")), fields=fields_at_fault(error))
        return None
    return override


def _target(override: PriceOverride) -> Target:
    return Target(kind="price", id=str(override.id), client_id=override.client_id, name=override.model)


def _overlapping(override: PriceOverride) -> dict[str, Any]:
    """Overrides for the same calls that share a moment with this one."""
    before_end = {} if override.effective_to is None else {"effectiveFrom": {"$lt": override.effective_to}}
    return {
        "model": {"$eq": override.model},
        "clientId": {"$eq": override.client_id},
        "provider": {"$eq": override.provider},
        "$or": [{"effectiveTo": None}, {"effectiveTo": {"$gt": override.effective_from}}],
        **before_end,
    }


def _stored(override: PriceOverride) -> dict[str, Any]:
    document: dict[str, Any] = override.model_dump(by_alias=True, exclude={"prices", "revision_id"})
    document["_id"] = ObjectId(override.id)
    document["prices"] = {camel(unit): Decimal128(price) for unit, price in override.prices.given().items()}
    return document
