"""What came due of a user who is erased, and of a demonstration that is over."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import json_util

from app.database import Database
from app.database.connection import VERSIONS
from app.finance.revenue.book import RevenueBook
from app.maintenance.erasure.erasure import Erasure
from app.maintenance.purge import Purge
from app.settings import Settings
from app.spool.journal import Spool
from models.plans import SUBSCRIPTIONS
from models.revenue import REVENUE, STATE
from tests.finance.revenue.entries import booked, new, receipts_of, utc
from tests.limits.defined import define, subscription, term
from tests.scripts.jobs import dump


@pytest.fixture
def book(database: Database, settings: Settings) -> RevenueBook:
    return RevenueBook(database, settings.zone)


async def rewritten(database: Database) -> int:
    return int((await database.writes[VERSIONS].find_one(STATE) or {})["rewritten"])


async def sums(database: Database) -> list[Any]:
    total = {"$group": {"_id": None, "usd": {"$sum": "$usd"}, "amount": {"$sum": "$amount"}, "count": {"$sum": 1}}}
    return await database.writes[REVENUE].aggregate([total]).to_list(None)


@pytest.mark.parametrize("client", [None, "shop"])
@pytest.mark.usefixtures("tracker")
async def test_amounts_stay_under_the_pseudonym(
    database: Database, settings: Settings, book: RevenueBook, client: str | None
) -> None:
    anna, bea = new("20", user_id="anna", note="anna paid late"), new("30", user_id="bea")
    await booked(book, anna, bea, new("5", user_id="anna", client_id="cafe"))
    before = await sums(database)
    spool = Spool.of(settings.data_dir, settings.database, settings.spool_max_bytes)
    erasure = Erasure(database, settings.zone, "anna", client, spool)

    assert (await erasure.count()).revenue == (2 if client is None else 1)
    pseudonym, counts = await erasure.run(lambda _: None)

    assert counts.revenue == (2 if client is None else 1)
    found = [one async for one in database.writes[REVENUE].find().sort("sequence", 1)]
    assert [one["userId"] for one in found] == [pseudonym, "bea", pseudonym if client is None else "anna"]
    assert [one.get("note") for one in found] == [None] * 3
    assert await sums(database) == before
    assert await rewritten(database) == 1
    if client is None:
        assert "anna" not in json_util.dumps(await dump(database))
    # what is sent again does not bring the name back
    (again,) = await receipts_of(book, anna)
    assert (again.status, again.message) == ("there", "it was booked before with another userId, and stays so")


async def test_what_was_made_up_is_purged_and_nothing_else(database: Database, book: RevenueBook) -> None:
    await booked(book, new("20"), new("30", synthetic=True), new("5", synthetic=True, user_id="bea"))
    made_up = subscription(term("pro", utc(1)), scope={"user_id": "demo"}, synthetic=True)
    await define(database, subscription(term("pro", utc(1))), made_up)
    purge = Purge(database, ZoneInfo("UTC"))

    assert await purge.count_money() == 3
    assert await purge.money() == 3

    assert [one["amount"].to_decimal() async for one in database.writes[REVENUE].find()] == [20]
    assert await database.writes[SUBSCRIPTIONS].distinct("scope.userId") == ["anna"]
    assert await rewritten(database) == 1
    assert await purge.money() == 0
