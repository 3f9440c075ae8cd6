"""Forecasts of real calls, next to a plain recount."""

import asyncio
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from app.database import Database
from app.finance.forecast.answers import By
from app.finance.forecast.forecasts import Forecasts
from app.reports.query import Filters, Synthetic
from app.rollups.compactor import Compactor
from app.tracking import Tracker
from tests.twins import entries

NOW = datetime(2024, 5, 15, 14, 20, tzinfo=UTC)
DAY = timedelta(days=1)


def forecasts(database: Database, now: datetime = NOW) -> Forecasts:
    return Forecasts(database, ZoneInfo("UTC"), clock=lambda: now)


async def track(tracker: Tracker, *calls: dict[str, Any]) -> None:
    fields = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "provider": "openai"}
    receipts = await asyncio.gather(*(tracker.track(**(fields | call)) for call in calls))
    assert {receipt.status for receipt in receipts} == {"committed"}


def some_calls(days: int, missing: int) -> list[dict[str, Any]]:
    """Some calls on each of the last days and today, of two clients; none on the day that many days ago."""
    rng = random.Random(3)
    return [
        {
            "created_at": NOW - ago * DAY - rng.randint(0, 14) * timedelta(hours=1),
            "client_id": rng.choice("ab"),
            "model": rng.choice(["gpt-4o", "gpt-4o-mini"]),
            "content_type": rng.choice(["chat", "summary"]),
            "cost": Decimal(rng.randint(1, 10**9)).scaleb(-9),
            "synthetic": rng.random() < 0.1,
        }
        for ago in range(days + 1)
        for _ in range(4)
        if ago != missing
    ]


async def test_parts_are_those_of_the_whole_and_money_is_exact(tracker: Tracker, database: Database) -> None:
    await track(tracker, *some_calls(days=40, missing=9))
    rows = [row for row in await entries(database) if not row["synthetic"]]
    month = [row for row in rows if row["createdAt"] >= datetime(2024, 5, 1, tzinfo=UTC)]

    def spent(**narrowed: str) -> Decimal:
        found = [row for row in month if all(row[name] == value for name, value in narrowed.items())]
        return sum((row["cost"].to_decimal() for row in found), Decimal(0))

    for by, stored in ((None, ""), (By.CLIENT, "clientId"), (By.MODEL, "aiModel"), (By.FEATURE, "feature")):
        report = await forecasts(database).report(Filters(), Synthetic.EXCLUDE, by)

        assert report.whole.month_to_date == spent()
        assert report.whole.missing_days == [date(2024, 5, 6)]
        assert {part.name: part.month_to_date for part in report.parts} == {
            name: spent(**{stored: name}) for name in {row[stored] for row in rows if stored}
        }
        assert report.parts == sorted(report.parts, key=lambda part: -_recent(rows, stored, part.name))

    narrowed = await forecasts(database).report(Filters(client_id="a", model="gpt-4o"), Synthetic.EXCLUDE, By.CLIENT)
    assert narrowed.whole.month_to_date == spent(clientId="a", aiModel="gpt-4o")
    assert [part.name for part in narrowed.parts] == ["a"]


def _recent(rows: list[dict[str, Any]], stored: str, name: str | None) -> Decimal:
    return sum((row["cost"].to_decimal() for row in rows if row[stored] == name), Decimal(0))


async def test_a_merge_of_deltas_changes_no_forecast(tracker: Tracker, database: Database) -> None:
    await track(tracker, *some_calls(days=20, missing=99))
    before = await forecasts(database).report(Filters(), Synthetic.EXCLUDE, By.CLIENT)

    async with database.committer_session() as session:
        await Compactor(database, session).merge_all()

    assert await forecasts(database).report(Filters(), Synthetic.EXCLUDE, By.CLIENT) == before
    assert before.whole.month_end is not None
    assert before.whole.month_end.low >= before.whole.month_to_date


async def test_a_late_call_is_in_the_next_forecast(tracker: Tracker, database: Database) -> None:
    await track(tracker, *({"created_at": NOW - ago * DAY, "cost": Decimal(2)} for ago in range(1, 21)))
    asked = forecasts(database)
    before = (await asked.report(Filters(), Synthetic.EXCLUDE)).whole
    assert before.month_end is not None
    assert before.month_end.cost == 62  # 14 days of May have been, 17 are to come

    await track(tracker, {"created_at": NOW - 2 * DAY, "cost": Decimal(7)})

    after = (await asked.report(Filters(), Synthetic.EXCLUDE)).whole
    assert after.month_end is not None
    assert after.month_to_date == 35
    assert after.month_end.cost > before.month_end.cost


async def test_a_series_with_silent_days_has_zeros_where_others_called(tracker: Tracker, database: Database) -> None:
    both = [{"created_at": NOW - ago * DAY, "cost": Decimal(3), "client_id": "a"} for ago in range(1, 31)]
    one = [{"created_at": NOW - ago * DAY, "cost": Decimal(1), "client_id": "b"} for ago in range(1, 31) if ago % 2]
    await track(tracker, *both, *one, {"created_at": NOW - DAY, "client_id": "b", "model": "unheard-of"})

    found = (await forecasts(database).report(Filters(client_id="b"), Synthetic.EXCLUDE)).whole

    assert (found.full_days, found.missing_days, found.unpriced) == (29, [], 1)
    assert found.next_30_days is not None
    assert 10 < found.next_30_days.cost < 20
