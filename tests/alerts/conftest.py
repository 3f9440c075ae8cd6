"""Alerts on a database, with nothing that sends by itself."""

from collections.abc import AsyncIterator

import pytest

from app.alerts.alerts import Alerts, made
from app.alerts.measures import Measures
from app.database import Database
from app.observability.metrics import Counters
from app.observability.troubles import Troubles
from app.settings import Settings
from tests.alerts.scene import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def troubles() -> Troubles:
    return Troubles()


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def measures(database: Database, counters: Counters, troubles: Troubles) -> Measures:
    return Measures(database, counters, troubles)


@pytest.fixture
async def alerts(settings: Settings, database: Database, measures: Measures, clock: Clock) -> AsyncIterator[Alerts]:
    own = settings.model_copy(update={"webhooks_to_private_addresses": ("127.0.0.1",)})
    async with made(own, database, measures, clock=clock) as alerts:
        yield alerts
