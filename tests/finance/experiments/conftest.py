"""Calls and events of users in an experiment, in a database."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128, ObjectId

from app.database import Database
from app.finance.experiments.analyst import Analyst, open_analyst
from app.tracking import Tracker
from models.money import quantize_usd

BEGINS = date(2026, 5, 4)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
NOW = datetime(2026, 5, 20, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TWO = [{"name": "a", "weight": Decimal("0.5")}, {"name": "b", "weight": Decimal("0.5")}]
DEFINED: Mapping[str, Any] = {
    "name": "tone",
    "variants": TWO,
    "control": "a",
    "begins": BEGINS,
    "conversion_event": "purchase",
    "minimum_conversions": 1,
}


class House:
    """What is reported of users."""

    def __init__(self, database: Database, tracker: Tracker) -> None:
        self.database = database
        self.tracker = tracker

    async def call(
        self, user: str, variant: str | None, cost: str | None = "0.01", at: datetime = NOON, **more: Any
    ) -> None:
        """A call of the experiment; without a variant, any other one."""
        tags = {} if variant is None else {"experiment": "tone", "variant": variant}
        receipt = await self.tracker.track(
            user_id=user,
            content_type="chat",
            model="gpt-4o" if cost is not None else "nobody-s",
            input_tokens=10,
            output_tokens=5,
            cost=None if cost is None else Decimal(cost),
            created_at=at,
            **tags,
            **more,
        )
        assert receipt.status == "committed", receipt

    async def event(self, user: str, name: str = "purchase", at: datetime = NOON, **more: Any) -> None:
        value = more.pop("value", None)
        named = {} if value is None else {"value": Decimal128(quantize_usd(Decimal(value)))}
        of = {"userId": user, "clientId": "default", "event": name, "properties": {}, "synthetic": False}
        await self.database.events.insert_one({"_id": ObjectId(), **of, "createdAt": at, **named, **more})


@pytest.fixture(scope="session")
async def analyst() -> AsyncIterator[Analyst]:
    """One for all tests: it takes a second to start."""
    async with open_analyst() as analyst:
        yield analyst


@pytest.fixture
async def house(database: Database, tracker: Tracker) -> House:
    return House(database, tracker)
