from zoneinfo import ZoneInfo

import pytest

from app.database import Database
from app.finance.revenue.book import RevenueBook
from app.finance.revenue.rates import Rates

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def book(database: Database) -> RevenueBook:
    return RevenueBook(database, BERLIN)


@pytest.fixture
def rates(database: Database) -> Rates:
    return Rates(database)
