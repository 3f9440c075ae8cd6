"""Revenue and subscriptions put into MongoDB as whoever books and defines them does."""

from collections.abc import Iterable, Sequence
from typing import Any

from app.database import Database, Session
from app.database.connection import VERSIONS
from app.limits.defining.changes import change_definitions
from models.plans import SUBSCRIPTIONS, Subscription
from models.revenue import RATES, REVENUE, STATE, CurrencyRate, Revenue


async def store_revenue(database: Database, entries: Sequence[Revenue]) -> None:
    """Entries that have their sequence."""
    await database.writes[REVENUE].insert_many([entry.stored() for entry in entries])
    newest = {"$set": {"sequence": entries[-1].sequence}}
    await database.writes[VERSIONS].update_one(STATE, newest, upsert=True)


async def store_rates(database: Database, rates: Iterable[CurrencyRate]) -> None:
    await database.writes[RATES].insert_many([rate.stored() for rate in rates])
    await database.writes[VERSIONS].update_one(STATE, {"$inc": {"rates": 1}}, upsert=True)


async def store_subscriptions(database: Database, subscriptions: Sequence[Subscription]) -> None:
    """New ones, or others in the place of those with the same id."""

    async def change(session: Session | None, version: int) -> None:
        for one in subscriptions:
            stored: dict[str, Any] = {**one.stored(), "changed": version}
            await database.writes[SUBSCRIPTIONS].replace_one({"_id": one.id}, stored, upsert=True, session=session)

    await change_definitions(database, change)
