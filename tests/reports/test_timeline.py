"""The timeline says at every step what a plain recount of the ledger says."""

import asyncio
import random
from bisect import bisect_right
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.database import Database
from app.errors import InvalidRequestError
from app.observability.metrics import Counters
from app.reports import timeline
from app.reports.parts.buckets import Step, buckets_of
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.reports import Reports
from app.reports.timeline import TimelineBy, TimelineReport
from app.reports.windows import TimeWindow
from app.rollups.compactor import Compactor
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.rollups import STATE
from tests.patience import PATIENT_MS
from tests.twins import entries

Rows = list[dict[str, Any]]
MODELS = [("openai", "gpt-4o"), ("azure", "gpt-4o"), ("google", "gemini-2.0-flash"), ("acme", "unheard-of")]
STORED = {"model": "aiModel"}
NAMES = {"feature": "feature", "provider": "provider", "model": "aiModel", "user_id": "userId", "client_id": "clientId"}


async def track_some(tracker: Tracker, rng: random.Random, count: int, begin: datetime, end: datetime) -> None:
    def call() -> dict[str, Any]:
        provider, model = rng.choice(MODELS)
        # in quarters often, so that buckets are met at their edges
        moment = begin + (end - begin) * rng.random()
        if rng.random() < 0.5:
            moment = moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)
        return {
            "user_id": f"u{rng.randint(1, 5)}",
            "client_id": rng.choice("ab"),
            "content_type": rng.choice(["chat", "summary", "haiku"]),
            "model": model,
            "provider": provider,
            "input_tokens": rng.randint(0, 5_000),
            "output_tokens": rng.randint(0, 900),
            "cached": rng.random() < 0.2,
            "status": rng.choice(["success", "success", "error"]),
            "created_at": moment,
            "synthetic": rng.random() < 0.2,
        }

    receipts = await asyncio.gather(*(tracker.track(**call()) for _ in range(count)))
    assert {receipt.status for receipt in receipts} == {"committed"}


def recounted(rows: Rows) -> dict[str, Any]:
    return {
        "requests": len(rows),
        "successes": sum(row["success"] for row in rows),
        "input_tokens": sum(row["inputTokens"] for row in rows),
        "output_tokens": sum(row["outputTokens"] for row in rows),
        "cost": sum((row["cost"].to_decimal() for row in rows if row["cost"]), Decimal(0)),
    }


def chosen(rows: Rows, query: ReportQuery) -> Rows:
    wanted = {NAMES[name]: value for name, value in vars(query.filters).items() if value and name in NAMES}
    modes = {Synthetic.EXCLUDE: [False], Synthetic.ONLY: [True], Synthetic.INCLUDE: [False, True]}[query.synthetic]
    return [
        row
        for row in rows
        if query.window.start <= row["createdAt"] < query.window.end
        and row["synthetic"] in modes
        and all(row[name] == value for name, value in wanted.items())
    ]


def check(report: TimelineReport, query: ReportQuery, rows: Rows, by: TimelineBy | None) -> None:
    starts = list(buckets_of(query.window, report.step).starts)
    assert [point.at for point in report.points] == starts
    placed: dict[int, Rows] = {}
    for row in rows:
        placed.setdefault(bisect_right(starts, row["createdAt"]) - 1, []).append(row)
    for place, point in enumerate(report.points):
        of_bucket = placed.get(place, [])
        unpriced = sum(row["costSource"] == "unpriced" for row in of_bucket)
        assert point.model_dump(exclude={"at"}) == {**recounted(of_bucket), "unpriced": unpriced}
    if by is None:
        assert report.series is None
        return
    assert report.series is not None
    names = {row[STORED.get(by, by)] for row in rows}
    assert {series.name for series in report.series} == names
    for series in report.series:
        assert [point.at for point in series.points] == starts
        of_name = [row for row in rows if row[STORED.get(by, by)] == series.name]
        for figure, expected in recounted(of_name).items():
            assert sum(getattr(point, figure) for point in series.points) == expected
        for place, of_series in enumerate(series.points):
            in_bucket = [row for row in placed.get(place, []) if row[STORED.get(by, by)] == series.name]
            assert of_series.model_dump(exclude={"at"}) == recounted(in_bucket)


@pytest.fixture
async def writer(settings: Settings, database: Database) -> AsyncIterator[Tracker]:
    patient = settings.model_copy(update={"track_deadline_ms": PATIENT_MS})
    async with open_tracker(patient, database, Counters(), compacting=False) as tracker:
        yield tracker


@pytest.mark.parametrize(
    ("zone", "changing"),
    [
        ("America/New_York", date(2024, 11, 3)),
        ("America/New_York", date(2024, 3, 10)),
        ("Pacific/Chatham", date(2024, 4, 7)),
        ("Asia/Kolkata", date(2024, 5, 1)),
    ],
)
async def test_every_step_is_a_plain_recount(settings: Settings, database: Database, zone: str, changing: date) -> None:
    rng, here = random.Random(7), ZoneInfo(zone)
    configured = settings.model_copy(update={"timezone": zone, "track_deadline_ms": PATIENT_MS})
    days = TimeWindow(changing - timedelta(days=1), changing + timedelta(days=1), here)
    day = TimeWindow(changing, changing, here)
    begin = day.start + timedelta(hours=1, minutes=7, seconds=3)
    instants = TimeWindow(changing, changing, here, begin, begin + timedelta(hours=9, minutes=11))
    now = days.end + timedelta(hours=1)
    queries = [
        (ReportQuery(days), Step.DAY, None),
        (ReportQuery(days, Filters(client_id="a")), Step.DAY, TimelineBy.PROVIDER),
        (ReportQuery(days, Filters(user_id="u1"), Synthetic.INCLUDE), Step.DAY, TimelineBy.MODEL),
        (ReportQuery(days, synthetic=Synthetic.INCLUDE), Step.HOUR, TimelineBy.MODEL),
        (ReportQuery(days, Filters(provider="openai", client_id="b")), Step.HOUR, TimelineBy.FEATURE),
        (ReportQuery(days, Filters(user_id="u2")), Step.HOUR, TimelineBy.SERVICE_TYPE),
        (ReportQuery(instants), Step.HOUR, TimelineBy.MODEL),
        (ReportQuery(instants, synthetic=Synthetic.ONLY), Step.DAY, None),
        (ReportQuery(day), Step.MINUTE, TimelineBy.PROVIDER),
        (ReportQuery(instants, Filters(model="gpt-4o", client_id="a")), Step.MINUTE, None),
    ]
    async with (
        open_tracker(configured, database, Counters(), compacting=False) as tracker,
        database.committer_session() as session,
    ):
        compactor, reports = Compactor(database, session, clock=lambda: now), Reports(database, here, lambda: now)
        await track_some(tracker, rng, 150, days.start - timedelta(hours=3), days.end + timedelta(hours=3))
        await compactor.merge_all()
        # calls that came meanwhile wait in deltas
        await track_some(tracker, rng, 150, days.start - timedelta(hours=3), days.end + timedelta(hours=3))
        ledger = await entries(database)
        for query, step, by in queries:
            rows = chosen(ledger, query)
            assert rows
            check(await reports.timeline(query, step, by), query, rows, by)


async def test_calls_that_arrive_meanwhile_are_in_the_next_answer(writer: Tracker, database: Database) -> None:
    day = date(2024, 5, 1)
    window = TimeWindow(day, day, ZoneInfo("UTC"))
    reports = Reports(database, window.zone, lambda: window.start + timedelta(hours=20))

    query = ReportQuery(window, synthetic=Synthetic.INCLUDE)
    written = 0

    async def write() -> None:
        nonlocal written
        for number in range(30):
            await track_some(writer, random.Random(number), 3, window.start, window.end)
            written += 3

    async def watch() -> None:
        for _ in range(10):
            before = written  # the ledger outside a snapshot may be ahead of what a snapshot has
            found = [await reports.timeline(query, step, None) for step in Step]
            after = await database.ledger.count_documents({})
            assert all(before <= sum(point.requests for point in report.points) <= after for report in found)

    await asyncio.gather(write(), watch())


async def test_a_report_between_two_instants_is_of_their_calls_alone(writer: Tracker, database: Database) -> None:
    day = datetime(2024, 5, 1, tzinfo=UTC)
    await track_some(writer, random.Random(3), 200, day, day + timedelta(days=1))
    window = TimeWindow(
        day.date(), day.date(), ZoneInfo("UTC"), day + timedelta(hours=9, minutes=7), day.replace(hour=17)
    )
    query = ReportQuery(window)

    found = await Reports(database, window.zone, lambda: day).usage(query)

    rows = chosen(await entries(database), query)
    sums = recounted(rows)
    assert 0 < len(rows) < 200
    assert (found.totals.requests, found.totals.cost) == (sums["requests"], sums["cost"])
    assert [day.requests for day in found.daily] == [len(rows)]


async def test_a_bucket_that_has_not_begun_is_none(writer: Tracker, database: Database) -> None:
    window = TimeWindow(date(2024, 5, 1), date(2024, 5, 1), ZoneInfo("UTC"))
    reports = Reports(database, window.zone, lambda: window.start + timedelta(hours=3, minutes=30))

    empty = await reports.timeline(ReportQuery(window), Step.HOUR, None)
    fields = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "input_tokens": 1_000}
    await writer.track(**fields, created_at=window.start + timedelta(hours=5, minutes=1))
    ahead = await reports.timeline(ReportQuery(window), Step.HOUR, None)

    assert [point.at.hour for point in empty.points] == [0, 1, 2, 3]
    assert [point.requests for point in ahead.points] == [0, 0, 0, 0, 0, 1]


async def test_what_is_not_known_by_hour_is_null(
    writer: Tracker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = TimeWindow(date(2024, 5, 1), date(2024, 5, 2), ZoneInfo("UTC"))
    reports = Reports(database, window.zone, lambda: datetime(2024, 5, 3, tzinfo=UTC))
    fields = {"user_id": "u", "content_type": "chat", "input_tokens": 1_000}
    for hour in (3, 5):
        await writer.track(**fields, model="unheard-of", created_at=window.start + timedelta(hours=hour))
    await writer.track(**fields, model="gpt-4o", created_at=window.start + timedelta(hours=30))

    async def unpriced(step: Step) -> list[int | None]:
        return [point.unpriced for point in (await reports.timeline(ReportQuery(window), step, None)).points]

    assert [hour for hour, count in enumerate(await unpriced(Step.HOUR)) if count] == [3, 5]
    monkeypatch.setattr(timeline, "MOST_UNPRICED", 1)
    assert await unpriced(Step.HOUR) == [None] * 24 + [0] * 24
    assert await unpriced(Step.DAY) == [2, 0]


async def test_single_calls_that_retention_has_deleted_are_no_zeros(writer: Tracker, database: Database) -> None:
    window = TimeWindow(date(2024, 5, 1), date(2024, 5, 1), ZoneInfo("UTC"))
    reports = Reports(database, window.zone, lambda: datetime(2024, 5, 3, tzinfo=UTC))
    await track_some(writer, random.Random(1), 40, window.start, window.end)
    count = len(chosen(await entries(database), ReportQuery(window)))
    await database.writes[STATE].update_one({"_id": "rollups"}, {"$set": {"wholeFrom": "2024-05-02"}})
    await database.ledger.delete_many({})

    with pytest.raises(InvalidRequestError, match="retention"):
        await reports.timeline(ReportQuery(window), Step.MINUTE, None)
    hours = await reports.timeline(ReportQuery(window), Step.HOUR, None)
    assert sum(point.requests for point in hours.points) == count
    assert {point.unpriced for point in hours.points} == {None}
