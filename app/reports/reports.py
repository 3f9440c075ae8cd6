"""Runs pipelines and returns typed rows. Nothing else calls `aggregate`."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pymongo
from pymongo.errors import PyMongoError

from app.database import Database, Session
from app.errors import DatabaseUnavailableError
from app.reports import pipelines
from app.reports.pipelines import LedgerQuery
from app.reports.rows import (
    Activity,
    DataQualityReport,
    DayTotals,
    EventTotals,
    FeatureTotals,
    HourTotals,
    ImpossiblePair,
    ModelTotals,
    OverviewReport,
    PeriodTotals,
    ProviderTotals,
    Quality,
    StatsReport,
    Totals,
    Trend,
    Trends,
    UnmappedContentType,
    UsageReport,
    UserTotals,
    Window,
    change,
    percent,
)
from app.reports.stages import Stage, Synthetic
from app.reports.windows import DAY, TimeWindow, today
from models import AIUsage, Analytics
from models.money import to_decimal

QUERY_SECONDS = 30
RECENT_ACTIVITY = 10
PERCENTS = (50, 95, 99)

Documents = list[dict[str, Any]]


class Reports:
    """Every report of one deployment, in its reporting time zone."""

    def __init__(self, database: Database, zone: ZoneInfo, clock: Callable[[], datetime] | None = None) -> None:
        self.zone = zone
        self._database = database
        self._clock = clock or (lambda: datetime.now(UTC))

    def now(self) -> datetime:
        """The moment for which a report is made, UTC."""
        return self._clock()

    async def usage(self, query: LedgerQuery) -> UsageReport:
        """The usage report of one window."""
        async with self._reader() as read:
            (found,) = await read.ledger(pipelines.usage(query))
        return UsageReport(
            window=_described(query.window),
            synthetic=query.synthetic,
            totals=Totals.from_stored(_first(found["totals"])),
            daily=_daily(query.window, found["daily"]),
            by_hour=_by_hour(found["byHour"]),
            by_feature=[FeatureTotals.from_stored(row, feature=row["_id"]) for row in found["byFeature"]],
            by_model=[ModelTotals.from_stored(row, **row["_id"]) for row in found["byModel"]],
            by_provider=[ProviderTotals.from_stored(row, provider=row["_id"]) for row in found["byProvider"]],
            top_users=[UserTotals.from_stored(row, user_id=row["_id"]) for row in found["topUsers"]],
            generated_at=self.now(),
        )

    async def data_quality(self, query: LedgerQuery) -> DataQualityReport:
        """What the figures of one window leave out, or rest on guesses."""
        async with self._reader() as read:
            (found,) = await read.ledger(pipelines.data_quality(query))
        totals = Totals.from_stored(_first(found["totals"]))
        return DataQualityReport(
            window=_described(query.window),
            synthetic=query.synthetic,
            totals=totals,
            unpriced_share=percent(totals.unpriced, totals.requests),
            estimated_share=percent(totals.estimated, totals.requests),
            unpriced_models=[ModelTotals.from_stored(row, **row["_id"]) for row in found["unpriced"]],
            estimated_models=[ModelTotals.from_stored(row, **row["_id"]) for row in found["estimated"]],
            impossible_pairs=[_impossible_pair(row) for row in found["impossible"]],
            unmapped_content_types=[
                UnmappedContentType(content_type=row["_id"], requests=row["requests"]) for row in found["unmapped"]
            ],
            unreadable_usage=_first(found["unreadable"]).get("count", 0),
            generated_at=self.now(),
        )

    async def overview(self, synthetic: Synthetic) -> OverviewReport:
        """Today and the month so far, with trends and quality."""
        now = self.now()
        this_day = today(now, self.zone)
        day = LedgerQuery(TimeWindow(this_day, this_day, self.zone), synthetic=synthetic)
        month = replace(day, window=TimeWindow(this_day.replace(day=1), this_day, self.zone))
        async with self._reader() as read:
            month_percentiles = await read.percentiles(month)
            month_totals = await read.period(month, month_percentiles)
            statuses = {row["_id"]: row["count"] for row in await read.ledger(pipelines.statuses(month))}
            return OverviewReport(
                today=await read.period(day, await read.percentiles(day)),
                month=month_totals,
                trends=Trends(
                    today=await self._trend_of_day(read, day, now), month=await self._trend_of_month(read, month)
                ),
                quality=Quality(
                    success_rate=month_totals.success_rate,
                    error_rate=percent(month_totals.errors, month_totals.requests),
                    statuses=statuses,
                    **month_percentiles,
                ),
                synthetic=synthetic,
                timezone=self.zone.key,
                generated_at=now,
            )

    async def stats(self, synthetic: Synthetic) -> StatsReport:
        """The main dashboard, from the events alone."""
        now = self.now()
        this_day = today(now, self.zone)
        day = TimeWindow(this_day, this_day, self.zone)
        month = TimeWindow(this_day.replace(day=1), this_day, self.zone)
        # calls may be dated a little ahead of our clock; what is recent includes them
        ever = TimeWindow(date(2000, 1, 1), this_day + DAY, self.zone)
        async with self._reader() as read:
            of_day = _event_totals(await read.events(pipelines.event_totals(day, synthetic)))
            of_month = _event_totals(await read.events(pipelines.event_totals(month, synthetic)))
            recent = await read.events(pipelines.recent_events(ever, synthetic, RECENT_ACTIVITY))
        return StatsReport(
            ai_requests_today=of_day.requests,
            ai_requests_this_month=of_month.requests,
            ai_cost_today=of_day.cost,
            ai_cost_this_month=of_month.cost,
            unique_users_today=of_day.unique_users,
            recent_activity=[_activity(event) for event in recent],
            synthetic=synthetic,
            timezone=self.zone.key,
            generated_at=now,
        )

    async def _trend_of_day(self, read: "_Reader", day: LedgerQuery, now: datetime) -> Trend:
        """Today's complete hours against the same hours of yesterday, by the clock on the wall."""
        hour = now.astimezone(self.zone).hour
        complete = replace(day, hours_before=hour)
        yesterday = day.window.first - DAY
        before = replace(complete, window=TimeWindow(yesterday, yesterday, self.zone))
        compared = f"{day.window.first} against {yesterday}, 00:00 to {hour:02}:00"
        return await read.trend(complete, before, compared)

    async def _trend_of_month(self, read: "_Reader", month: LedgerQuery) -> Trend:
        """The month's complete days against as many days of the month before, as far as that has as many."""
        first = month.window.first
        first_before = (first - DAY).replace(day=1)
        days = min((month.window.last - first).days, (first - first_before).days)
        if days == 0:
            return Trend(requests=None, cost=None, compared="the month has no complete day yet")
        span = timedelta(days=days - 1)
        complete = replace(month, window=TimeWindow(first, first + span, self.zone))
        before = replace(month, window=TimeWindow(first_before, first_before + span, self.zone))
        compared = f"{first} to {first + span} against {first_before} to {first_before + span}"
        return await read.trend(complete, before, compared)

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator["_Reader"]:
        """Everything read inside belongs to one moment. Raises DatabaseUnavailableError."""
        try:
            with pymongo.timeout(QUERY_SECONDS):
                if not self._database.transactional:
                    yield _Reader(self._database, None)
                    return
                async with await self._database.reads.client.start_session(snapshot=True) as session:
                    yield _Reader(self._database, session)
        except PyMongoError as error:
            raise DatabaseUnavailableError(f"MongoDB did not answer: {error}") from error


class _Reader:
    """Runs pipelines in one session."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._database = database.reads
        self._session = session

    async def ledger(self, pipeline: list[Stage]) -> Documents:
        return await self._rows(AIUsage.Settings.name, pipeline)

    async def events(self, pipeline: list[Stage]) -> Documents:
        return await self._rows(Analytics.Settings.name, pipeline)

    async def period(self, query: LedgerQuery, percentiles: dict[str, int | None]) -> PeriodTotals:
        users = _first(await self.ledger(pipelines.active_users(query))).get("count", 0)
        totals = _first(await self.ledger(pipelines.totals(query)))
        return PeriodTotals.from_stored(totals, active_users=users, p95_duration=percentiles["p95"])

    async def percentiles(self, query: LedgerQuery) -> dict[str, int | None]:
        found = _first(await self.ledger(pipelines.duration_percentiles(query, PERCENTS)))
        return {f"p{percent}": found.get(f"p{percent}") for percent in PERCENTS}

    async def trend(self, query: LedgerQuery, before: LedgerQuery, compared: str) -> Trend:
        new, old = [Totals.from_stored(_first(await self.ledger(pipelines.totals(q)))) for q in (query, before)]
        return Trend(requests=change(new.requests, old.requests), cost=change(new.cost, old.cost), compared=compared)

    async def _rows(self, collection: str, pipeline: list[Stage]) -> Documents:
        cursor = self._database[collection].aggregate(pipeline, session=self._session, allowDiskUse=True)
        return await cursor.to_list(None)


def _first(rows: Documents) -> dict[str, Any]:
    return rows[0] if rows else {}


def _described(window: TimeWindow) -> Window:
    return Window.model_validate(
        {"from": window.first, "to": window.last, "days": len(window.days), "timezone": window.zone.key}
    )


def _daily(window: TimeWindow, rows: Iterable[dict[str, Any]]) -> list[DayTotals]:
    """Every day of the window, zeros included."""
    found = {row["_id"]: row for row in rows}
    return [DayTotals.from_stored(found.get(day.isoformat(), {}), day=day) for day in window.days]


def _by_hour(rows: Iterable[dict[str, Any]]) -> list[HourTotals]:
    found = {row["_id"]: row for row in rows}
    return [HourTotals.from_stored(found.get(hour, {}), hour=hour) for hour in range(24)]


def _impossible_pair(row: dict[str, Any]) -> ImpossiblePair:
    return ImpossiblePair.model_validate({**row["_id"], "requests": row["requests"]})


def _event_totals(rows: Documents) -> EventTotals:
    row = _first(rows)
    return EventTotals(
        requests=row.get("requests", 0), cost=to_decimal(row.get("cost")), unique_users=row.get("uniqueUsers", 0)
    )


def _activity(event: dict[str, Any]) -> Activity:
    properties = event["properties"]
    cost = properties["cost"]
    return Activity(
        id=str(event["_id"]),
        user_id=event["userId"],
        feature=properties["feature"],
        content_type=properties["contentType"],
        model=properties["model"],
        provider=properties["provider"],
        cached=properties["cached"],
        success=properties["success"],
        cost=None if cost is None else to_decimal(cost),
        created_at=event["createdAt"],
    )
