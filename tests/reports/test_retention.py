"""Retention by feature, next to a plain recount of the ledger, wherever its figures come from."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.database import Database
from app.observability.metrics import Counters
from app.reports.parts.feature_days import FeatureDays
from app.reports.query import Synthetic
from app.reports.reports import Reports
from app.reports.retention import query_of, retention_report
from app.rollups import user_sheets
from app.rollups.compactor import Compactor
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.rollups import USER_SHEETS
from tests.twins import entries

NOW = datetime(2024, 5, 15, 14, 20, tzinfo=UTC)  # a Wednesday
LAST_MONDAY = date(2024, 5, 6)
ZONE = ZoneInfo("UTC")
DAY = timedelta(days=1)
Rows = list[dict[str, Any]]
Found = dict[str, list[tuple[date, int, list[int]]]]


@pytest.fixture
async def tracker(settings: Settings, database: Database) -> AsyncIterator[Tracker]:
    async with open_tracker(settings, database, Counters(), compacting=False) as tracker:
        yield tracker


async def track(tracker: Tracker, calls: Iterable[dict[str, Any]]) -> None:
    receipts = await asyncio.gather(*(tracker.track(model="gpt-4o", **call) for call in calls))
    assert {receipt.status for receipt in receipts} == {"committed"}


def some_calls(rng: random.Random, count: int, days: int = 80) -> list[dict[str, Any]]:
    return [
        {
            "user_id": f"u{rng.randrange(25)}",
            "client_id": rng.choice("ab"),
            "content_type": rng.choice(["chat", "summary"]),
            "created_at": NOW - rng.random() * days * DAY,
            "synthetic": rng.random() < 0.1,
        }
        for _ in range(count)
    ]


def recounted(rows: Rows, weeks: int) -> Found:
    """By feature: the cohort of each week and how many came back in each later one, call by call."""
    found: Found = {}
    mondays = [LAST_MONDAY - (weeks - 1 - number) * 7 * DAY for number in range(weeks)]
    for feature in {row["feature"] for row in rows if row["createdAt"].date() >= mondays[0]}:
        used: dict[str, set[date]] = {}
        for row in rows:
            day = row["createdAt"].date()
            if row["feature"] == feature and day < LAST_MONDAY + 7 * DAY:
                used.setdefault(row["userId"], set()).add(day - day.weekday() * DAY)
        found[feature] = [
            (
                monday,
                len(cohort := [weeks_of for weeks_of in used.values() if min(weeks_of) == monday]),
                [sum(later in weeks_of for weeks_of in cohort) for later in mondays[number + 1 :]],
            )
            for number, monday in enumerate(mondays)
        ]
    return found


async def answered(reports: Reports, weeks: int, client: str | None = None) -> Found:
    report = await reports.retention(weeks, Synthetic.EXCLUDE, client)
    return {
        row.feature: [(cohort.week, cohort.users, [back.users for back in cohort.returned]) for cohort in row.cohorts]
        for row in report.features
    }


@asynccontextmanager
async def compacting(database: Database) -> AsyncIterator[Compactor]:
    async with database.committer_session() as session:
        yield Compactor(database, session, clock=lambda: NOW)


@pytest.mark.parametrize("kept", [400, 30], ids=["all days have sheets", "earlier days are in the months alone"])
async def test_retention_equals_a_recount_wherever_its_figures_come_from(
    tracker: Tracker, database: Database, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr(user_sheets, "KEPT_DAYS", kept)
    rng, reports = random.Random(11), Reports(database, ZONE, clock=lambda: NOW)

    async def check() -> None:
        rows = [row for row in await entries(database) if not row["synthetic"]]
        of_a = [row for row in rows if row["clientId"] == "a"]
        for weeks in (4, 10):
            assert await answered(reports, weeks) == recounted(rows, weeks)
            assert await answered(reports, weeks, "a") == recounted(of_a, weeks)

    await track(tracker, some_calls(rng, 150))
    await check()  # all wait
    async with compacting(database) as compactor:
        await compactor.merge_figures()
        await check()
        await compactor.merge_all()
        await check()  # merged, without sheets
        await compactor.trailing.keep_up()
        await compactor.sheets.make_all()
        made = await database.writes[USER_SHEETS].count_documents({"_id.scope": ""})
        assert 0 < made <= kept
        await check()
        await track(tracker, some_calls(rng, 60))
        await check()  # late calls beside sheets
        await compactor.merge_all()
        await check()
        await compactor.sheets.make_all()
        await check()


async def test_a_week_that_is_not_over_is_in_nothing(tracker: Tracker, database: Database) -> None:
    this_week, last_week = NOW, NOW - 4 * DAY
    call = {"user_id": "u", "content_type": "chat"}
    await track(tracker, [{**call, "created_at": last_week}, {**call, "created_at": this_week}])

    report = await Reports(database, ZONE, clock=lambda: NOW).retention(2, Synthetic.EXCLUDE)

    assert (report.first_week, report.last_week) == (date(2024, 4, 29), LAST_MONDAY)
    (chat,) = report.features
    assert [(cohort.users, cohort.returned) for cohort in chat.cohorts][1] == (1, [])


def test_few_users_are_marked_so() -> None:
    """24 new users in the first week, of whom 6 come back, and 3 in the second."""
    query = query_of(2, NOW, ZONE, Synthetic.EXCLUDE, None)
    first = query.window.first
    first_week, second_week = (1 << 24) - 1, 0b111111 | 0b111 << 24
    found = FeatureDays({first: {"chat": first_week}, first + 8 * DAY: {"chat": second_week}}, {"chat": 1 << 40}, {})

    (chat,) = retention_report(query, found, None, NOW).features

    assert [(cohort.users, cohort.small) for cohort in chat.cohorts] == [(24, False), (3, True)]
    assert (chat.users, chat.users_before) == (27, 1)
    (kept,) = chat.kept
    assert (kept.week, kept.of, kept.users, kept.percent, kept.small) == (1, 24, 6, Decimal("25.00"), False)
    (back,) = chat.cohorts[0].returned
    assert (back.week, back.users, back.percent) == (1, 6, Decimal("25.00"))
