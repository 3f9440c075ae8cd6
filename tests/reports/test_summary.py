"""The overview at a glance is a plain recount of the ledger, to the minute."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from app.database import Database
from app.reports.query import Synthetic
from app.reports.reader import Reader
from app.reports.reports import Reports
from app.reports.summary import SummaryFigures
from app.tracking import Tracker

NOW = datetime(2024, 5, 15, 14, 20, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


async def calls_at(tracker: Tracker, count: int, at: datetime, usd: str = "1", **more: Any) -> None:
    fields = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "provider": "openai", **more}
    for _ in range(count):
        await tracker.track(**fields, cost=Decimal(usd), created_at=at)


async def figures(database: Database) -> SummaryFigures:
    async def nothing(_: Reader) -> None: ...

    found, _ = await Reports(database, ZoneInfo("UTC"), clock=lambda: NOW).summary(Synthetic.EXCLUDE, None, nothing)
    return found


async def test_the_month_and_the_lists_are_compared_to_the_minute(tracker: Tracker, database: Database) -> None:
    await calls_at(tracker, 3, NOW - MINUTE, "2")
    await calls_at(tracker, 2, datetime(2024, 5, 3, tzinfo=UTC), "5", user_id="v", content_type="summary")
    await calls_at(tracker, 4, datetime(2024, 4, 15, 14, 20, 29, tzinfo=UTC))
    await calls_at(tracker, 9, datetime(2024, 4, 15, 14, 20, 31, tzinfo=UTC))  # the month before went on

    found = await figures(database)

    assert (found.today.totals.cost, found.month.totals.cost) == (Decimal(6), Decimal(16))
    assert found.month.earlier is not None
    assert (found.month.earlier.requests, found.month.earlier.cost, found.month.change) == (4, Decimal(4), Decimal(300))
    assert found.month.compared == "2024-05-01 to 2024-05-15 against 2024-04-01 to 2024-04-15, to 14:20"
    assert (found.today.earlier, found.today.change) == (None, None)
    # thirty days, against the thirty before: 16 March to 15 April, to 14:20:30
    assert found.compared == "2024-04-16 to 2024-05-15 against 2024-03-17 to 2024-04-15, to 14:20"
    listed = {each.feature: (each.cost, each.earlier and each.earlier.cost) for each in found.features}
    assert listed == {"content-gen": (Decimal(10), None), "chat": (Decimal(6), Decimal(4))}
    assert [(each.user_id, each.cost) for each in found.users] == [("v", Decimal(10)), ("u", Decimal(6))]
    assert found.users[1].earlier is not None
    assert found.users[1].earlier.cost == 4
    assert sum(point.cost for point in found.series) == found.cost == 16
    assert {point.day for point in found.series} == {date(2024, 4, 16) + timedelta(days=n) for n in range(30)}


async def test_what_changed_names_the_largest_parts_and_sums_to_the_change(
    tracker: Tracker, database: Database
) -> None:
    await calls_at(tracker, 4, datetime(2024, 5, 14, 9, tzinfo=UTC), "3")
    await calls_at(tracker, 2, datetime(2024, 5, 6, 9, tzinfo=UTC), "3")
    await calls_at(tracker, 1, datetime(2024, 5, 6, 9, tzinfo=UTC), "1", content_type="summary")

    changed = (await figures(database)).changed

    assert changed is not None
    assert changed.compared == "2024-05-08 to 2024-05-14 against 2024-05-01 to 2024-05-07"
    assert [(part.name, part.change, part.status) for part in changed.parts] == [
        ("gpt-4o in chat", Decimal(6), "both"),
        ("gpt-4o in content-gen", Decimal(-1), "gone"),
    ]
    assert (changed.change, changed.rest, changed.earlier_cost) == (Decimal(5), Decimal(0), Decimal(7))


async def test_a_provider_that_fails_more_than_usual_is_told_with_the_latest_failures(
    tracker: Tracker, database: Database
) -> None:
    await calls_at(tracker, 40, datetime(2024, 5, 10, tzinfo=UTC))
    await calls_at(tracker, 1, datetime(2024, 5, 10, tzinfo=UTC), status="error")
    await calls_at(tracker, 15, NOW - 2 * MINUTE)
    await calls_at(tracker, 5, NOW - MINUTE, status="timeout")
    await calls_at(tracker, 1, NOW, status="rate_limited", user_id="last")

    found = await figures(database)

    (failing,) = found.failing
    assert (failing.provider, failing.requests, failing.errors) == ("openai", 21, 6)
    assert (failing.error_rate, failing.usual_rate) == (Decimal("28.57"), Decimal("2.44"))
    assert [(each.user_id, each.status) for each in found.failures[:2]] == [("last", "rate_limited"), ("u", "timeout")]
    assert len(found.failures) == 5


async def test_an_empty_deployment_says_nothing_changed(tracker: Tracker, database: Database) -> None:  # noqa: ARG001 - makes the rollups
    found = await figures(database)

    assert (found.month.totals.cost, found.month.change, found.changed) == (Decimal(0), None, None)
    assert (found.features, found.models, found.users, found.series, found.failing) == ([], [], [], [], [])
