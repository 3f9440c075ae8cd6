"""Reports over real rows, next to a plain recount in Python."""

import asyncio
import math
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo.errors import AutoReconnect

from app.database import Database
from app.errors import DatabaseUnavailableError
from app.observability.metrics import Counters
from app.reports.analytics import AnalyticsType
from app.reports.call_lists import CallFilters
from app.reports.downloads import Table
from app.reports.parts.series import SeriesBy
from app.reports.periods import Compare
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.reader import reading
from app.reports.reports import Reports
from app.reports.windows import TimeWindow
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models import ServiceType
from tests.twins import entries

NOW = datetime(2024, 5, 15, 14, 20, tzinfo=UTC)
MODELS = [("openai", "gpt-4o"), ("openai", "gpt-4o-mini"), ("google", "gemini-2.0-flash"), ("acme", "unheard-of")]


def reports(database: Database, zone: str = "UTC", now: datetime = NOW) -> Reports:
    return Reports(database, ZoneInfo(zone), clock=lambda: now)


async def track_some(
    tracker: Tracker,
    count: int,
    *,
    first: datetime,
    last: datetime,
    seed: int = 1,
    synthetic: float = 0.1,
    talks: int = 0,
) -> None:
    """Calls at random; with `talks`, of as many conversations for each of two clients."""
    rng = random.Random(seed)

    def call() -> dict[str, Any]:
        provider, model = rng.choice(MODELS)
        return {
            "user_id": f"u{rng.randint(1, 40)}",
            "content_type": rng.choice(["chat", "summary", "keywords", "haiku"]),
            "model": model,
            "provider": provider,
            "input_tokens": rng.randint(0, 5_000),
            "output_tokens": rng.randint(0, 900),
            "cached": rng.random() < 0.2,
            "status": rng.choice(["success", "success", "success", "error", "timeout"]),
            "request_duration": rng.choice([None, rng.randint(1, 9_000)]),
            "created_at": first + (last - first) * rng.random(),
            "synthetic": rng.random() < synthetic,
            **({"client_id": rng.choice("ab"), "conversation_id": f"talk-{rng.randrange(talks)}"} if talks else {}),
        }

    receipts = await asyncio.gather(*(tracker.track(**call()) for _ in range(count)))
    assert {receipt.status for receipt in receipts} == {"committed"}


def recount(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The additive figures of some entries, counted one by one."""
    successes = sum(row["success"] for row in rows)
    durations = [row["requestDuration"] for row in rows if "requestDuration" in row]
    return {
        "requests": len(rows),
        "cost": sum((row["cost"].to_decimal() for row in rows if row["cost"]), Decimal(0)),
        "saved_cost": sum((row["savedCost"].to_decimal() for row in rows), Decimal(0)),
        "tokens": {
            "input": sum(row["inputTokens"] for row in rows),
            "output": sum(row["outputTokens"] for row in rows),
            "total": sum(row["tokensUsed"] for row in rows),
        },
        "successes": successes,
        "errors": len(rows) - successes,
        "cached": sum(row["cached"] for row in rows),
        "unpriced": sum(row["costSource"] == "unpriced" for row in rows),
        "estimated": 0,
        "success_rate": round(Decimal(100 * successes) / len(rows), 2) if rows else None,
        "cache_hit_rate": round(Decimal(100 * sum(row["cached"] for row in rows)) / len(rows), 2) if rows else None,
        "average_duration": round(Decimal(sum(durations)) / len(durations), 2) if durations else None,
    }


def grouped(rows: list[dict[str, Any]], key: Callable[[dict[str, Any]], Any]) -> dict[Any, dict[str, Any]]:
    return {value: recount([row for row in rows if key(row) == value]) for value in {key(row) for row in rows}}


def nearest_rank(values: list[int], percent: int) -> int:
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/Los_Angeles", "Pacific/Chatham"])
async def test_usage_equals_a_plain_recount(settings: Settings, database: Database, zone: str) -> None:
    async with open_tracker(settings.model_copy(update={"timezone": zone}), database, Counters()) as tracker:
        await check_usage(tracker, database, zone)


async def check_usage(tracker: Tracker, database: Database, zone: str) -> None:
    # both daylight-saving days of these zones in 2024 that fall into a month lie in the two windows
    for first, last in [(date(2024, 3, 5), date(2024, 3, 14)), (date(2024, 9, 25), date(2024, 10, 2))]:
        window = TimeWindow(first, last, ZoneInfo(zone))
        hours = timedelta(hours=30)
        await track_some(tracker, 400, first=window.start - hours, last=window.end + hours)

        report = await reports(database, zone).usage(ReportQuery(window))

        rows = [
            r for r in await entries(database) if not r["synthetic"] and window.start <= r["createdAt"] < window.end
        ]
        local = [{**row, "local": row["createdAt"].astimezone(window.zone)} for row in rows]
        assert report.totals.model_dump() == recount(rows)
        assert [day.day for day in report.daily] == window.days
        days = grouped(local, lambda row: row["local"].date())
        more = {"day", "active_users", "statuses", "p95"}
        assert {d.day: d.model_dump(exclude=more) for d in report.daily if d.requests} == days
        assert sum(day.requests for day in report.daily) == report.totals.requests
        hours_found = grouped(local, lambda row: row["local"].hour)
        assert {h.hour: (h.requests, h.cost) for h in report.by_hour if h.requests} == {
            hour: (figures["requests"], figures["cost"]) for hour, figures in hours_found.items()
        }
        week = grouped(local, lambda row: (row["local"].isoweekday(), row["local"].hour))
        assert {(h.weekday, h.hour): (h.requests, h.cost) for h in report.by_weekday_hour if h.requests} == {
            hour: (figures["requests"], figures["cost"]) for hour, figures in week.items()
        }
        assert len(report.by_weekday_hour) == 168
        assert [hour.hour for hour in report.by_hour] == list(range(24))
        features = grouped(rows, lambda row: row["feature"])
        assert {f.feature: f.model_dump(exclude={"feature", "earlier"}) for f in report.by_feature} == features
        models = grouped(rows, lambda row: (row["provider"], row["aiModel"]))
        found = {(m.provider, m.model): m.model_dump(exclude={"provider", "model", "earlier"}) for m in report.by_model}
        assert found == models
        users = sorted(grouped(rows, lambda row: row["userId"]).items(), key=lambda u: (-u[1]["requests"], u[0]))[:20]
        assert [(u.user_id, u.requests, u.cost) for u in report.top_users] == [
            (user, figures["requests"], figures["cost"]) for user, figures in users
        ]


async def test_filters_narrow_every_part(tracker: Tracker, database: Database) -> None:
    window = TimeWindow(date(2024, 5, 1), date(2024, 5, 3), ZoneInfo("UTC"))
    await track_some(tracker, 300, first=window.start, last=window.end)
    rows = [row for row in await entries(database) if not row["synthetic"]]

    for filters, key, value in [
        (Filters(client_id="default"), "clientId", "default"),
        (Filters(client_id="nobody"), "clientId", "nobody"),
        (Filters(feature="chat"), "feature", "chat"),
        (Filters(provider="openai"), "provider", "openai"),
        (Filters(model="gpt-4o"), "aiModel", "gpt-4o"),
        (Filters(user_id="u7"), "userId", "u7"),
    ]:
        report = await reports(database).usage(ReportQuery(window, filters))
        assert report.totals.model_dump() == recount([row for row in rows if row[key] == value])


async def test_demo_data_counts_only_when_asked_for(tracker: Tracker, database: Database) -> None:
    window = TimeWindow(date(2024, 5, 1), date(2024, 5, 3), ZoneInfo("UTC"))
    await track_some(tracker, 200, first=window.start, last=window.end)
    demo = sum(row["synthetic"] for row in await entries(database))

    counts = {
        synthetic: (await reports(database).usage(ReportQuery(window, synthetic=synthetic))).totals.requests
        for synthetic in Synthetic
    }

    assert 0 < demo < 200
    assert counts == {Synthetic.EXCLUDE: 200 - demo, Synthetic.INCLUDE: 200, Synthetic.ONLY: demo}


async def test_overview_equals_a_plain_recount(tracker: Tracker, database: Database) -> None:
    await track_some(tracker, 1_500, first=datetime(2024, 4, 1, tzinfo=UTC), last=NOW)

    report = await reports(database).overview(Synthetic.EXCLUDE)

    rows = [row for row in await entries(database) if not row["synthetic"]]
    month = [row for row in rows if row["createdAt"] >= datetime(2024, 5, 1, tzinfo=UTC)]
    today = [row for row in rows if row["createdAt"] >= datetime(2024, 5, 15, tzinfo=UTC)]
    durations = [row["requestDuration"] for row in month if "requestDuration" in row]
    assert report.month.model_dump(exclude={"active_users", "p95_duration"}) == recount(month)
    assert report.today.model_dump(exclude={"active_users", "p95_duration"}) == recount(today)
    assert report.month.active_users == len({row["userId"] for row in month})
    assert report.today.active_users == len({row["userId"] for row in today})
    assert report.quality.p50 == pytest.approx(nearest_rank(durations, 50), rel=0.01)
    assert report.month.p95_duration == report.quality.p95 == pytest.approx(nearest_rank(durations, 95), rel=0.01)
    assert report.quality.p99 == pytest.approx(nearest_rank(durations, 99), rel=0.01)
    statuses = {row["status"] for row in month}
    assert report.quality.statuses == {s: sum(row["status"] == s for row in month) for s in statuses}


async def test_a_trend_is_that_of_its_own_figure_up_to_this_minute(tracker: Tracker, database: Database) -> None:
    await calls_at(tracker, 3, datetime(2024, 5, 15, 13, 59, tzinfo=UTC))
    await calls_at(tracker, 5, datetime(2024, 5, 15, 14, 1, tzinfo=UTC))  # of the running hour
    await calls_at(tracker, 2, datetime(2024, 5, 14, 13, 59, tzinfo=UTC))
    await calls_at(tracker, 2, datetime(2024, 5, 14, 14, 0, tzinfo=UTC))
    await calls_at(tracker, 9, datetime(2024, 5, 14, 14, 20, tzinfo=UTC))  # yesterday went on
    await calls_at(tracker, 4, datetime(2024, 4, 15, 14, 19, tzinfo=UTC))
    await calls_at(tracker, 7, datetime(2024, 4, 15, 14, 20, tzinfo=UTC))  # and so did the month before

    found = await reports(database).overview(Synthetic.EXCLUDE)

    trends = found.trends
    assert (found.today.requests, trends.today.requests, trends.today.cost) == (8, Decimal("100.00"), Decimal("100.00"))
    assert trends.today.compared == "2024-05-15 against 2024-05-14, to 14:20"
    assert (found.month.requests, trends.month.requests) == (21, Decimal("425.00"))
    assert trends.month.compared == "2024-05-01 to 2024-05-15 against 2024-04-01 to 2024-04-15, to 14:20"


async def calls_at(tracker: Tracker, count: int, at: datetime, **more: Any) -> None:
    fields = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "input_tokens": 1_000, **more}
    for _ in range(count):
        await tracker.track(**fields, created_at=at)


def days(first: int, last: int, month: int = 5) -> ReportQuery:
    return ReportQuery(TimeWindow(date(2024, month, first), date(2024, month, last), ZoneInfo("UTC")))


async def test_a_window_up_to_today_is_compared_to_the_minute(tracker: Tracker, database: Database) -> None:
    await calls_at(tracker, 6, datetime(2024, 5, 14, 23, 59, tzinfo=UTC), request_duration=80)
    await calls_at(tracker, 50, datetime(2024, 5, 15, 9, tzinfo=UTC), user_id="late")
    await calls_at(tracker, 4, datetime(2024, 5, 6, 12, tzinfo=UTC), request_duration=40)
    await calls_at(tracker, 10, datetime(2024, 5, 8, 14, 19, tzinfo=UTC), user_id="other", content_type="summary")
    await calls_at(tracker, 30, datetime(2024, 5, 8, 14, 20, tzinfo=UTC), user_id="u")

    report = await reports(database).usage(days(9, 15), compare=Compare.PREVIOUS)

    previous = report.previous
    assert previous is not None
    assert (report.totals.requests, previous.totals.requests, previous.until) == (56, 14, "14:20")
    assert previous.compared == "2024-05-09 to 2024-05-15 against 2024-05-02 to 2024-05-08, to 14:20"
    assert [day.requests for day in previous.daily] == [0, 0, 0, 0, 4, 0, 40]
    changes, complete = previous.changes, previous.complete_days
    assert (changes.requests, changes.cost, changes.success_rate) == (Decimal(300), Decimal(300), Decimal(0))
    # users and percentiles are not kept by the hour
    assert complete is not None
    assert complete.compared == "2024-05-09 to 2024-05-14 against 2024-05-02 to 2024-05-07"
    assert (complete.now.active_users, complete.earlier.active_users, changes.active_users) == (1, 1, Decimal(0))
    assert (complete.now.latency.p95, complete.earlier.latency.p95, changes.p95) == (80, 40, Decimal(100))
    assert changes.saved_cost is None
    chat, users = report.by_feature[0].earlier, {each.user_id: each.earlier for each in report.top_users}
    assert chat is not None
    assert (len(report.by_feature), chat.requests, chat.errors) == (1, 4, 0)
    assert users["late"] is None
    assert users["u"] is not None
    assert users["u"].requests == 4


async def test_today_alone_is_compared_to_the_minute(tracker: Tracker, database: Database) -> None:
    await calls_at(tracker, 3, datetime(2024, 5, 15, 13, 59, tzinfo=UTC))
    await calls_at(tracker, 5, datetime(2024, 5, 15, 14, 1, tzinfo=UTC))
    await calls_at(tracker, 4, datetime(2024, 5, 14, 13, 59, tzinfo=UTC))
    await calls_at(tracker, 9, datetime(2024, 5, 14, 14, 20, tzinfo=UTC))

    previous = (await reports(database).usage(days(15, 15), compare=Compare.PREVIOUS)).previous

    assert previous is not None
    assert (previous.totals.requests, previous.until, previous.complete_days) == (4, "14:20", None)
    assert previous.compared == "2024-05-15 against 2024-05-14, to 14:20"
    assert (previous.changes.requests, previous.changes.cost) == (Decimal(100), Decimal(100))
    assert (previous.changes.active_users, previous.changes.p95, previous.totals.saved_cost) == (None, None, None)
    assert [day.requests for day in previous.daily] == [13]


async def test_a_window_that_is_over_compares_all_its_days(tracker: Tracker, database: Database) -> None:
    await calls_at(tracker, 1, datetime(2024, 3, 31, 23, 59, tzinfo=UTC))
    await calls_at(tracker, 3, datetime(2024, 4, 10, 23, 59, tzinfo=UTC))

    previous = (await reports(database).usage(days(1, 10, month=4), compare=Compare.PREVIOUS)).previous

    assert previous is not None
    assert previous.compared == "2024-04-01 to 2024-04-10 against 2024-03-22 to 2024-03-31"
    assert (previous.totals.requests, previous.until, previous.complete_days) == (1, None, None)
    assert (previous.changes.requests, previous.changes.active_users) == (Decimal(200), Decimal(0))


async def test_a_series_has_the_ten_most_costly_and_exactly_the_rest(tracker: Tracker, database: Database) -> None:
    day = datetime(2024, 5, 2, 12, tzinfo=UTC)
    for number in range(1, 13):
        await calls_at(tracker, 1, day, content_type=f"kind-{number}", cost=Decimal(number))
    await calls_at(tracker, 1, day, content_type="other", cost=Decimal(1000))

    found = (await reports(database).usage(days(1, 2), series_by=SeriesBy.FEATURE)).series

    assert found is not None
    assert [point.name for point in found[::2]] == [*(f"kind-{number}" for number in range(12, 2, -1)), "other"]
    assert [(point.day.day, point.requests, point.cost) for point in found[-4:]] == [
        (1, 0, Decimal(0)), (2, 1, Decimal(3)), (1, 0, Decimal(0)), (2, 3, Decimal(1_003)),
    ]  # fmt: skip


async def test_a_long_table_is_of_the_moment_at_which_it_was_asked_for(tracker: Tracker, database: Database) -> None:
    noon = datetime(2024, 5, 2, 12, tzinfo=UTC)
    for number in range(4):
        await calls_at(tracker, 1, noon, user_id=f"u{number}")

    table = await reports(database).download(Table.CALLS, days(1, 31), CallFilters())
    await calls_at(tracker, 1, noon, user_id="late")

    rows = [row for batch in [batch async for batch in table.batches] for row in batch]
    await table.close()
    assert len(await entries(database)) == 5
    assert sorted(row[1] for row in rows) == ["u0", "u1", "u2", "u3"]


async def test_there_is_no_trend_without_a_base(tracker: Tracker, database: Database) -> None:  # noqa: ARG001 - makes the rollups
    first_of_month = reports(database, now=datetime(2024, 5, 1, 0, 30, tzinfo=UTC))

    trends = (await first_of_month.overview(Synthetic.EXCLUDE)).trends

    assert (trends.today.requests, trends.today.cost) == (None, None)
    assert trends.month.compared == "2024-05-01 against 2024-04-01, to 00:30"


async def test_a_long_month_is_compared_with_all_of_a_short_one(tracker: Tracker, database: Database) -> None:  # noqa: ARG001 - makes the rollups
    trends = (await reports(database, now=datetime(2024, 3, 31, 12, tzinfo=UTC)).overview(Synthetic.EXCLUDE)).trends

    assert trends.month.compared == "2024-03-01 to 2024-03-31 against 2024-02-01 to 2024-02-29"


async def test_an_empty_window_is_zeros_and_no_rates(tracker: Tracker, database: Database) -> None:  # noqa: ARG001 - makes the rollups
    window = TimeWindow(date(2024, 5, 1), date(2024, 5, 2), ZoneInfo("UTC"))

    report = await reports(database).usage(ReportQuery(window))

    assert report.totals.model_dump() == recount([])
    assert [(day.day, day.requests, day.cost) for day in report.daily] == [
        (date(2024, 5, 1), 0, Decimal(0)),
        (date(2024, 5, 2), 0, Decimal(0)),
    ]
    assert (report.by_feature, report.top_users) == ([], [])


async def test_stats_count_ai_events_alone(tracker: Tracker, database: Database) -> None:
    await track_some(tracker, 300, first=datetime(2024, 4, 20, tzinfo=UTC), last=NOW)
    await database.events.insert_one({"event": "page_view", "createdAt": NOW, "userId": "u1", "synthetic": False})
    rows = [row for row in await entries(database) if not row["synthetic"]]
    month = [row for row in rows if row["createdAt"] >= datetime(2024, 5, 1, tzinfo=UTC)]
    today = [row for row in rows if row["createdAt"] >= datetime(2024, 5, 15, tzinfo=UTC)]

    stats = await reports(database).stats(Synthetic.EXCLUDE)

    assert (stats.ai_requests_today, stats.ai_requests_this_month) == (len(today), len(month))
    assert stats.ai_cost_today == recount(today)["cost"]
    assert stats.ai_cost_this_month == recount(month)["cost"]
    assert stats.unique_users_today == len({row["userId"] for row in today})
    newest = sorted(rows, key=lambda row: (row["createdAt"], row["_id"]), reverse=True)[:10]
    assert [activity.id for activity in stats.recent_activity] == [str(row["_id"]) for row in newest]


async def test_a_database_that_is_away_is_said(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.reports.reader.QUERY_SECONDS", 0.000001)

    with pytest.raises(
        DatabaseUnavailableError, match=r"MongoDB did not answer within 1e-06 s; request a shorter window"
    ):
        await reports(database).stats(Synthetic.EXCLUDE)


async def test_who_finds_no_database_at_all_is_not_told_to_ask_for_less(database: Database) -> None:
    with pytest.raises(DatabaseUnavailableError, match=r"^MongoDB does not answer; try again shortly$"):
        async with reading(database):
            raise AutoReconnect("connection closed")


async def test_as_many_calls_are_listed_behind_an_hour_a_duration_and_a_conversation_as_reports_count(
    database: Database, settings: Settings
) -> None:
    zone = "America/New_York"
    # summer time begins on 2024-03-10: the same hour of UTC is another one of the clock
    first, last, now = (datetime(2024, 3, day, 12, tzinfo=UTC) for day in (8, 13, 14))
    async with open_tracker(settings.model_copy(update={"timezone": zone}), database, Counters()) as tracker:
        await track_some(tracker, 149, first=first, last=last, synthetic=0, talks=3)
        await calls_at(tracker, 1, first, provider="google", client_id="a", conversation_id="talk-0")  # sells no gpt-4o
    asked = reports(database, zone, now)
    query = ReportQuery(TimeWindow(date(2024, 3, 7), date(2024, 3, 14), ZoneInfo(zone)))
    usage, latency = await asked.usage(query), await asked.latency(query)
    talks = (await asked.analytics(query, AnalyticsType.CONVERSATION)).by_conversation

    async def behind(**wanted: Any) -> int:
        narrowed = {name: wanted.pop(name) for name in ("client_id", "provider", "model") if name in wanted}
        of_these = replace(query, filters=Filters(**narrowed))
        return len((await asked.calls(of_these, CallFilters(**wanted), limit=200, cursor=None)).calls)

    assert [row.requests for row in usage.by_hour] == [await behind(hour=hour) for hour in range(24)]
    cells = usage.by_weekday_hour
    assert [row.requests for row in cells] == [await behind(weekday=row.weekday, hour=row.hour) for row in cells]
    providers = (await asked.providers(query)).providers
    services = [(row.provider, of.service_type, of.requests) for row in providers for of in row.services]
    for provider, service, requests in services:
        assert requests == await behind(provider=provider, service_type=ServiceType(service))
    pairs = (await asked.data_quality(query)).impossible_pairs
    assert [pair.requests for pair in pairs] == [
        await behind(reported_provider=pair.reported_provider, provider=pair.provider, model=pair.model)
        for pair in pairs
    ]
    assert latency.buckets
    for bar in latency.buckets:
        assert bar.count == await behind(min_duration=bar.first, max_duration=bar.last)
    assert talks
    assert len(talks) == 6
    for talk in talks:
        assert talk.requests == await behind(client_id=talk.client_id, conversation_id=talk.conversation_id)
    assert sum(talk.requests for talk in talks) == 150
