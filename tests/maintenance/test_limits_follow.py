"""Counters follow what maintenance does to the ledger, to the digit, and no others are made for it."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from bson import Decimal128

from app.database import Database, Session
from app.database.transactions import transact
from app.maintenance.uncounted import tell_limits
from models.counters import COUNTERS, UNCOUNTED
from models.limits import LimitScope, Unit, Window
from tests.limits.counting.test_counters import COST, record
from tests.limits.counting.test_folding import limits_of
from tests.limits.defined import allowance, define, limit, plan
from tests.twins import entries

NOW = datetime.now(UTC)


async def test_a_repricing_is_followed_and_what_it_crosses_is_told(database: Database) -> None:
    budget = limit(str(10 * COST), Window.LIFETIME, Unit.USD, id="l1", scope=LimitScope(user_id="u1"))
    await define(database, budget)
    async with limits_of(database) as (limits, told):
        await record(database, *[{"created_at": NOW}] * 4)
        await limits.fold.now()
        assert told == []
        before = await entries(database)
        await record(database, {"created_at": NOW})  # waits to be counted meanwhile
        after = [{**entry, "cost": Decimal128(2 * COST)} for entry in before]

        await transact(database, partial(_changed, database, before, after))
        await limits.fold.now()

        (counter,) = await database.writes[COUNTERS].find().to_list(None)
        assert counter["used"].to_decimal() == 9 * COST
        assert told == [("l1", 80, 9 * COST), ("l1", 90, 9 * COST)]


async def test_old_calls_make_no_counters_of_periods_that_are_over(database: Database) -> None:
    allowances = [allowance(1_000, window) for window in (Window.DAY, Window.MONTH, Window.LIFETIME)]
    await define(database, plan("all", *allowances, default=True))
    old = [{"user_id": f"u{n}", "created_at": NOW - timedelta(days=40 + n)} for n in range(20)]
    async with limits_of(database) as (limits, _):
        await record(database, *old, {"user_id": "u1", "created_at": NOW})
        await limits.fold.now()

        counters = await database.writes[COUNTERS].find().to_list(None)
        ends = {(each["window"], each["end"] > NOW) for each in counters}
        assert ends == {("day", True), ("month", True), ("lifetime", True)}
        assert {each["subject"]: each["used"] for each in counters if each["window"] == "lifetime"} == {
            f"user:u{n}": 1 + (n == 1) for n in range(20)
        }
        assert sum(each["used"] for each in counters if each["window"] != "lifetime") == 2
        assert await database.writes[UNCOUNTED].count_documents({}) == 0


async def _changed(
    database: Database, before: list[dict[str, Any]], after: list[dict[str, Any]], session: Session | None
) -> None:
    for entry in after:
        await database.ledger.replace_one({"_id": entry["_id"]}, entry, session=session)
    await tell_limits(database, before, after, session)
