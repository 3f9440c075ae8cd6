"""Providers and models that fail more, or answer slower, than usual."""

import asyncio
from datetime import date, timedelta
from typing import Any

from app.alerts.alerts import Alerts
from app.alerts.spending.failing import Calls, judged
from app.alerts.spending.ranges import Range
from app.alerts.spending.slow import Latency, Slow
from app.alerts.spending.slow import judged as judged_slow
from app.database import Database
from app.settings import Settings
from app.tracking import Tracker
from tests.alerts.spending.scene import CALL, NOW, told, watch

DAY = timedelta(days=1)
GPT, MINI = ("openai", "gpt-4o"), ("openai", "gpt-4o-mini")
BEFORE = [Calls(100, 2)] * 14


def test_failures_are_beyond_their_usual_share_and_beyond_chance() -> None:
    # up to 2 + 10 %
    assert judged(GPT, Calls(100, 12), BEFORE) is None
    found = judged(GPT, Calls(100, 13), BEFORE)
    assert found is not None
    assert (found.share, found.usual, found.upper) == (1_300, 200, 1_200)
    assert judged(GPT, Calls(19, 19), BEFORE) is None  # too few calls
    assert judged(GPT, Calls(20, 9), BEFORE) is None  # too few failures
    assert judged(GPT, Calls(100, 100), BEFORE[:2]) is None  # too few days before
    assert judged(GPT, Calls(100, 100), [Calls(0, 0)] * 14) is None
    # half fail anyway: up to three quarters, and 20 calls must be beyond 4 * sqrt(20 / 4) = 8.9 failures more
    assert judged(GPT, Calls(20, 18), [Calls(10, 5)] * 14) is None
    assert judged(GPT, Calls(20, 19), [Calls(10, 5)] * 14) is not None


def test_an_outage_among_the_days_before_changes_nothing() -> None:
    assert judged(GPT, Calls(100, 13), [Calls(100, 2)] * 10 + [Calls(100, 90)] * 4) is not None


def test_latency_is_compared_with_the_days_before() -> None:
    before = [Latency(1_000, 500)] * 5
    name = ("openai", "chat")
    assert judged_slow(name, Latency(1_500, 60), before) is None
    assert judged_slow(name, Latency(1_501, 60), before) == Slow(name, 1_501, 60, Range(1_000, 1_500, 5))
    assert judged_slow(name, Latency(9_000, 60), before[:3]) is None


async def _calls(tracker: Tracker, count: int, day: date, **more: Any) -> None:
    at = NOW - (NOW.date() - day)
    receipts = await asyncio.gather(*(tracker.track(**{**CALL, "created_at": at, **more}) for _ in range(count)))
    assert {receipt.status for receipt in receipts} == {"committed"}


async def test_a_model_that_fails_is_told_once_a_day(
    tracker: Tracker, database: Database, settings: Settings, alerts: Alerts
) -> None:
    today = NOW.date()
    for back in range(1, 5):
        await _calls(tracker, 40, today - back * DAY, model="gpt-4o-mini")
        await _calls(tracker, 5, today - back * DAY)
    await _calls(tracker, 200, today, model="gpt-4o-mini")
    await _calls(tracker, 15, today)
    await _calls(tracker, 10, today, status="error")
    await _calls(tracker, 10, today, status="error", synthetic=True)
    looking = watch(database, settings, alerts)
    await looking.look()
    await looking.look()
    (alert,) = await told(database)
    assert alert["kind"] == "spending.errors"
    assert alert["text"] == (
        "40.0 % of the calls of gpt-4o of openai since 10:00 on 2026-06-15 (UTC) failed. "
        "Usual is 0.0 %, and up to 10.0 %."
    )
    assert alert["lines"] == ["Failed: 10 of 25 calls"]


async def test_where_a_whole_provider_fails_its_models_are_not_told_apart(
    tracker: Tracker, database: Database, settings: Settings, alerts: Alerts
) -> None:
    today = NOW.date()
    for back in range(1, 5):
        await _calls(tracker, 5, today - back * DAY)
        await _calls(tracker, 5, today - back * DAY, model="gpt-4o-mini")
    await _calls(tracker, 20, today, status="error")
    await _calls(tracker, 25, today, status="error", model="gpt-4o-mini")
    await watch(database, settings, alerts).look()
    (alert,) = await told(database)
    assert alert["text"].startswith("100.0 % of the calls of openai since 10:00")
    assert alert["lines"] == ["Failed: 45 of 45 calls", "Most of them: gpt-4o-mini, 25 of 25"]


async def test_a_slow_provider_is_told_once_a_day(
    tracker: Tracker, database: Database, settings: Settings, alerts: Alerts
) -> None:
    today = NOW.date()
    for back in range(1, 5):
        await _calls(tracker, 50, today - back * DAY, request_duration=90)
    await _calls(tracker, 40, today, request_duration=90)
    await _calls(tracker, 10, today, request_duration=700)
    looking = watch(database, settings, alerts)
    await looking.look()
    await looking.look()
    (alert,) = await told(database)
    assert alert["kind"] == "spending.slow"
    assert alert["text"].startswith("Calls of openai (chat) take up to 70")
    assert alert["text"].endswith("Usual is 90 ms, and up to 590 ms.")
