"""Invented calls look like real ones, are the same every time, and are never taken for real ones."""

import asyncio
import json
import math
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from statistics import fmean, median, pstdev
from typing import Any

import pytest

from app.database import Database
from app.maintenance.retention import Retention
from app.reports.query import ReportQuery, Synthetic
from app.reports.reports import Reports
from app.reports.windows import TimeWindow
from app.settings import Settings
from app.tracking import AICall
from scripts import seed_demo
from scripts.seed_demo import SeedDemo
from scripts.toolkit.call_store import Store, storing
from scripts.toolkit.demo_calls import Plan
from scripts.toolkit.demo_models import MODELS
from scripts.toolkit.job import CHECKPOINTS, Summary, run_job
from tests.scripts.conftest import Command
from tests.scripts.ledgers import dump
from tests.twins import assert_twins, entries

MONDAY = date(2026, 3, 2)
PLAN = Plan(MONDAY, datetime(2026, 3, 15, 23, 59, 59, tzinfo=UTC), 3_000)

SMALL = PLAN._replace(calls=700)


def calls_of(plan: Plan) -> list[dict[str, Any]]:
    return [call for day, count in plan.days() for call in plan.calls_of(day, range(count))]


async def seeded(database: Database, settings: Settings, plan: Plan, *, execute: bool = True) -> Summary:
    async with storing(database, settings, execute=execute) as store:
        return await run_job(SeedDemo(store, plan), database, execute=execute)


async def without_times(database: Database) -> list[dict[str, Any]]:
    return [{key: value for key, value in entry.items() if key != "recordedAt"} for entry in await entries(database)]


def test_calls_are_the_same_every_time_valid_and_all_synthetic() -> None:
    calls = calls_of(PLAN)

    assert calls == calls_of(PLAN)
    assert len({call["request_id"] for call in calls}) == len(calls) == 3_000
    assert all(AICall(**call).synthetic for call in calls)
    earlier = PLAN.until - timedelta(days=1, hours=5)
    assert calls_of(PLAN._replace(seed=2)) != calls
    # an earlier moment of the same day leaves out what is yet to come, and changes nothing else
    cut = PLAN._replace(until=PLAN.until - timedelta(hours=5))
    assert calls_of(cut) == [call for call in calls if call["created_at"] <= cut.until]
    assert earlier < cut.until


def test_more_calls_of_a_seed_hold_those_of_fewer() -> None:
    few = {call["request_id"]: call for call in calls_of(PLAN)}
    many = {call["request_id"]: call for call in calls_of(PLAN._replace(calls=4_500))}

    assert len(many) == 4_500
    assert few.items() <= many.items()


def test_days_hours_users_and_models_have_the_shape_of_an_application() -> None:
    calls = calls_of(PLAN._replace(calls=12_000))

    days = Counter(call["created_at"].date() for call in calls)
    assert len(days) == 14
    assert (
        max(days[day] for day in days if day.weekday() >= 5) < min(days[day] for day in days if day.weekday() < 5) / 2
    )
    hours = Counter(call["created_at"].hour for call in calls)
    assert hours[10] > 8 * hours[3]
    users = [count for _, count in Counter(call["user_id"] for call in calls).most_common()]
    assert sum(users[: len(users) // 5]) > 0.6 * len(calls)
    assert {(call["provider"], call["model"]) for call in calls} == {(model.provider, model.name) for model in MODELS}
    for model in MODELS[:4]:
        logs = [
            math.log(call["request_duration"]) for call in calls if call["model"] == model.name and not call["cached"]
        ]
        assert abs(fmean(logs) - math.log(model.median_ms)) < 0.05
        assert abs(pstdev(logs) - model.spread) < 0.05
        assert abs(median(logs) - math.log(model.median_ms)) < 0.05
    shares = Counter(call["status"] for call in calls)
    assert 0.95 < shares["success"] / len(calls) < 0.99
    assert 0.1 < fmean(call["cached"] for call in calls) < 0.14


async def test_the_same_seed_twice_gives_the_same_figures_and_no_call_twice(
    database: Database, settings: Settings
) -> None:
    first = await seeded(database, settings, SMALL)
    before = await without_times(database)
    again = await seeded(database, settings, SMALL)

    assert (dict(first.counts), dict(again.counts)) == (
        {"new": 700, "known": 0, "left out": 0, "refused": 0},
        {"new": 0, "known": 700, "left out": 0, "refused": 0},
    )
    assert len(await assert_twins(database)) == 700
    assert await without_times(database) == before
    assert {entry["costSource"] for entry in before} <= {"priced", "cached"}
    assert not [entry for entry in before if "reportedProvider" in entry or "unmapped" in entry]


async def test_demo_calls_are_in_no_figure_that_does_not_ask_for_them(database: Database, settings: Settings) -> None:
    await seeded(database, settings, SMALL)
    reports, window = Reports(database, settings.zone), TimeWindow(MONDAY, SMALL.until.date(), settings.zone)

    figures = [(await reports.usage(ReportQuery(window, synthetic=each))).totals for each in Synthetic]

    assert {each: totals.requests for each, totals in zip(Synthetic, figures, strict=True)} == {
        Synthetic.EXCLUDE: 0,
        Synthetic.INCLUDE: 700,
        Synthetic.ONLY: 700,
    }
    costs = sum(entry["cost"].to_decimal() for entry in await entries(database))
    assert {totals.cost for totals in figures} == {0, costs}


async def test_a_dry_run_writes_nothing(database: Database, settings: Settings) -> None:
    before = await dump(database)

    summary = await seeded(database, settings, SMALL, execute=False)

    assert (summary.executed, summary.counts["new"]) == (False, 700)
    assert await dump(database) == before


async def test_an_interrupted_run_goes_on_to_what_one_clean_run_gives(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed_demo, "PAGE", 150)
    plan, commits, commit = SMALL, [], Store.commit

    async def failing(store: Store, pairs: Any) -> Any:
        commits.append(len(pairs))
        outcomes = await commit(store, pairs)
        if len(commits) == 3:
            raise ConnectionError
        return outcomes

    monkeypatch.setattr(Store, "commit", failing)
    with pytest.raises(ConnectionError):
        await seeded(database, settings, plan)
    summary = await seeded(database, settings, plan)

    assert (summary.resumed, summary.counts["new"], summary.counts["known"]) == (True, 700 - commits[2], commits[2])
    assert sum(commits) == 700 + commits[2]
    assert len(await assert_twins(database)) == 700
    assert await database.writes[CHECKPOINTS].count_documents({}) == 0
    interrupted = await without_times(database)
    await database.ledger.delete_many({})
    await database.events.delete_many({})
    await seeded(database, settings, plan)
    assert await without_times(database) == interrupted


async def test_what_retention_has_deleted_is_not_counted_again(database: Database, settings: Settings) -> None:
    await seeded(database, settings, SMALL)
    week = MONDAY + timedelta(days=7)
    midnight = datetime.combine(week, time(), settings.zone)
    kept = await database.ledger.count_documents({"createdAt": {"$gte": midnight}})
    await Retention(database).begin(settings.zone, week)
    for collection in (database.ledger, database.events):
        await collection.delete_many({"createdAt": {"$lt": midnight}})

    summary = await seeded(database, settings, SMALL)

    assert dict(summary.counts) == {"new": 0, "known": kept, "left out": 700 - kept, "refused": 0}
    assert len(await assert_twins(database)) == kept


async def test_the_command_seeds_the_last_days(command: Command, database: Database) -> None:
    arguments = ["scripts.seed_demo", "--days", "3", "--calls", "900", "--json", "--execute"]

    done = await asyncio.to_thread(command, *arguments)

    written = json.loads(done.stdout)
    assert done.returncode == 0
    assert 0 < written["new"] == len(await assert_twins(database)) <= 900
    assert await database.ledger.count_documents({"synthetic": {"$ne": True}}) == 0
