"""What tests of reservations share."""

from collections.abc import AsyncIterator
from zoneinfo import ZoneInfo

import pytest

from app.database import Database
from app.limits import Limits, open_limits


@pytest.fixture
async def limits(database: Database) -> AsyncIterator[Limits]:
    async with open_limits(database, ZoneInfo("UTC")) as limits:
        yield limits
