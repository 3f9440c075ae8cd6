"""Every report of one deployment. Nothing else reads for administrators."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from app.database import Database, Session
from app.errors import invalid
from app.reports import (
    analytics,
    breakdowns,
    calls,
    downloads,
    explain,
    latency,
    overview,
    panel,
    quality,
    retention,
    saved,
    search,
    stats,
    summary,
    timeline,
    usage,
)
from app.reports.analytics import AnalyticsReport, AnalyticsType
from app.reports.breakdowns import ModelCosts, ModelsReport, ProviderPerformance, ProvidersReport, UsersReport
from app.reports.call_lists import CallFilters, Order
from app.reports.calls import CallDetail, CallsReport
from app.reports.damage import Damage
from app.reports.downloads import Download, Table
from app.reports.explained import ExplainReport
from app.reports.latency import LatencyReport
from app.reports.overview import OverviewReport
from app.reports.panel import Figures
from app.reports.parts.buckets import LONGEST_OF_MINUTES, Step, chosen_step
from app.reports.parts.call_places import places_of
from app.reports.parts.feature_days import FeatureDays, KnownFeatureDays
from app.reports.parts.known_cells import KnownCells
from app.reports.parts.known_users import KnownUsers
from app.reports.parts.series import SeriesBy
from app.reports.parts.user_sheets import KnownNumbers, UserSheets
from app.reports.periods import Compared, Comparison, Wish, compared
from app.reports.quality import DataQualityReport
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.reader import Document, Reader, in_time, opened, reading
from app.reports.readiness import Freshness, Rollups, checked
from app.reports.retention import RetentionReport
from app.reports.rows import FeatureTotals, Row, UsageDay
from app.reports.saved import SavedByGateway
from app.reports.search import SearchReport
from app.reports.single_flight import SharedComputations
from app.reports.stats import StatsReport
from app.reports.summary import SummaryFigures
from app.reports.timeline import TimelineBy, TimelineReport
from app.reports.usage import UsageReport
from app.reports.windows import requested_window

Answer = TypeVar("Answer")
Beside = TypeVar("Beside")
ReadBeside = Callable[[Session | None], Awaitable[Beside]]
"""What another room reads in a session of ours."""

MAX_LEDGER_DAYS = 92
"""The longest window of a report that only the ledger can answer."""


class Reports:
    """Reports in the deployment's time zone, from rollups. Equal requests at the same time share one computation.

    Each method raises DatabaseUnavailableError, RollupsNotReadyError, and InvalidRequestError for invalid queries.
    """

    def __init__(self, database: Database, zone: ZoneInfo, clock: Callable[[], datetime] | None = None) -> None:
        self.zone = zone
        self._database = database
        self._clock = clock or (lambda: datetime.now(UTC))
        self._shared = SharedComputations()
        self._damage = Damage(database)
        self._known_users = KnownUsers()
        self._known_numbers = KnownNumbers()
        self._known_cells = KnownCells()
        self._known_feature_days = KnownFeatureDays(self._known_numbers)

    def now(self) -> datetime:
        """The current moment of reports, UTC."""
        return self._clock()

    async def overview(self, synthetic: Synthetic, client_id: str | None = None) -> OverviewReport:
        """Today and month to date, with trends and quality, of one client or of all."""

        async def compute() -> OverviewReport:
            async with self._rollups() as (read, rollups):
                now = self.now()
                parts = await overview.from_cells(read, now, self.zone, synthetic, client_id)
                return overview.overview_report(parts, rollups.freshness, synthetic, now)

        return await self._share(("overview", synthetic, client_id), compute)

    async def usage(
        self, query: ReportQuery, *, compare: Wish | None = None, series_by: SeriesBy | None = None
    ) -> UsageReport:
        """One window by day, hour, feature, model, provider and user. About one user: from its days, and the ledger.

        What it is to be compared with comes with it, here and in the lists below. Between two instants: from the
        ledger.
        """
        _check_times(query)
        if compare is not None and query.window.is_timed:
            raise invalid("compare", "compares days: leave it out with fromTime and toTime")

        async def compute() -> UsageReport:
            now = self.now()
            beside = self._beside(query, compare)
            if query.window.is_timed:
                async with self._ledger(query) as read:
                    parts = await usage.from_ledger(read, query, beside, series_by)
            elif query.filters.user_id is not None:
                async with self._ledger(query) as read:
                    parts = await usage.of_user(read, query, beside, series_by)
            else:
                async with self._rollups() as (read, rollups):
                    known, sheets = self._known_users, self._sheets(read, rollups)
                    parts = await usage.from_cells(
                        read, query, rollups.state, known, sheets, compared=beside, series_by=series_by
                    )
            # here and below in threads: what is long must not hold up those who report
            return await asyncio.to_thread(usage.usage_report, query, parts, now)

        return await self._share(("usage", query, compare, series_by), compute, query)

    async def timeline(self, query: ReportQuery, wanted: Step | None, by: TimelineBy | None) -> TimelineReport:
        """One window step by step: days and hours from rollups, minutes and what one user did from the ledger."""
        step = chosen_step(query.window, wanted)

        async def compute() -> TimelineReport:
            of_user = query.filters.user_id is not None
            if of_user and step is Step.DAY and not query.window.is_timed:
                async with self._ledger(query) as read:
                    parts = await timeline.of_user(read, query, by)
            elif of_user or step is Step.MINUTE:
                async with self._ledger(query) as read:
                    parts = await timeline.from_ledger(read, query, step, by)
            else:
                async with self._rollups() as (read, _):
                    parts = await timeline.from_cells(read, query, step, by)
            return await asyncio.to_thread(timeline.timeline_report, query, parts, step, by, self.now())

        return await self._share(("timeline", query, step, by), compute, query)

    async def explain(self, comparison: Comparison) -> ExplainReport:
        """Why one window cost more or less than another. About one user: from its days, and the ledger."""
        now, before = comparison.now, comparison.before

        async def compute() -> ExplainReport:
            if now.filters.user_id is not None:
                async with self._ledger(now, before) as read:
                    parts = await explain.of_user(read, comparison)
            else:
                async with self._rollups() as (read, rollups):
                    parts = await explain.from_cells(read, comparison, self._sheets(read, rollups))
            return await asyncio.to_thread(explain.explain_report, comparison, parts, self.now())

        return await self._share(("explain", comparison), compute, now)

    async def latency(self, query: ReportQuery) -> LatencyReport:
        """How long calls took, how fast models answered, and errors. About one user, or between two instants: from the
        ledger.
        """
        _check_times(query)

        async def compute() -> LatencyReport:
            if query.filters.user_id is not None or query.window.is_timed:
                async with self._ledger(query) as read:
                    parts = await latency.from_ledger(read, query)
            else:
                async with self._rollups() as (read, rollups):
                    parts = await latency.from_cells(read, query, rollups.state)
            return await asyncio.to_thread(latency.latency_report, query, parts, self.now())

        return await self._share(("latency", query), compute, query)

    async def data_quality(self, query: ReportQuery) -> DataQualityReport:
        """What the figures of a window leave out or estimate. About one user or feature: from the ledger."""

        async def compute() -> DataQualityReport:
            return await asyncio.to_thread(quality.quality_report, query, await self._quality(query), self.now())

        return await self._share(("data_quality", query), compute, query)

    async def _quality(self, query: ReportQuery, most: int | None = quality.MOST_FINDINGS) -> quality.QualityParts:
        if query.filters.user_id is not None or query.filters.feature is not None:
            async with self._ledger(query) as read:
                return await quality.from_ledger(read, query, most)
        async with self._rollups() as (read, _):
            return await quality.from_cells(read, query)

    async def saved_by_gateway(self, query: ReportQuery) -> SavedByGateway:
        """What the gateway's cache saved."""

        async def compute() -> SavedByGateway:
            async with reading(self._database) as read:
                return await saved.from_ledger(read, query)

        return await self._share(("saved_by_gateway", query), compute, query)

    async def providers(self, query: ReportQuery, compare: Wish | None = None) -> ProvidersReport:
        """Providers and their service types."""
        _refuse_user(query)

        async def compute() -> ProvidersReport:
            async with self._rollups() as (read, rollups):
                beside = self._beside(query, compare)
                return await breakdowns.providers(read, query, rollups.state, self.now(), beside)

        return await self._share(("providers", query, compare), compute)

    async def models(self, query: ReportQuery, compare: Wish | None = None) -> ModelsReport:
        """Models, their cost and users."""
        _refuse_user(query)

        async def compute() -> ModelsReport:
            async with self._rollups() as (read, rollups):
                sheets, beside = self._sheets(read, rollups), self._beside(query, compare)
                return await breakdowns.models(read, query, rollups.state, sheets, self.now(), compared=beside)

        return await self._share(("models", query, compare), compute)

    async def users(
        self, query: ReportQuery, order: str, *, limit: int, cursor: str | None, compare: Wish | None = None
    ) -> UsersReport:
        """One page of the users."""
        _refuse_user(query)

        async def compute() -> UsersReport:
            async with self._rollups() as (read, rollups):
                return await breakdowns.users(
                    read,
                    query,
                    rollups.state,
                    self._sheets(read, rollups),
                    order,
                    limit=limit,
                    cursor=cursor,
                    generated_at=self.now(),
                    compared=self._beside(query, compare),
                )

        return await self._share(("users", query, order, limit, cursor, compare), compute)

    async def retention(
        self, weeks: int, synthetic: Synthetic, client_id: str | None = None, feature: str | None = None
    ) -> RetentionReport:
        """Of each feature, or of one: who came back in the weeks after the first, of one client or of all."""

        async def compute() -> RetentionReport:
            now = self.now()
            query = retention.query_of(weeks, now, self.zone, synthetic, client_id)
            async with self._rollups() as (read, rollups):
                found = await self.feature_days(read, rollups.state, query)
            return await asyncio.to_thread(retention.retention_report, query, found, feature, now)

        return await self._share(("retention", weeks, synthetic, client_id, feature), compute)

    async def feature_days(
        self, read: Reader, state: Document, query: ReportQuery, among: Iterable[str] = ()
    ) -> FeatureDays:
        """Who used which feature on the days of a query, which only a client and demo data narrow; for other rooms.

        `state` is that of the rollups, read in the same session.
        """
        return await self._known_feature_days.of(read, query, state, among)

    async def calls(
        self,
        query: ReportQuery,
        wanted: CallFilters,
        *,
        limit: int,
        cursor: str | None,
        order: Order = Order.NEWEST,
    ) -> CallsReport:
        """One page of the ledger."""

        async def compute() -> CallsReport:
            async with reading(self._database) as read:
                places = await places_of(read, query, self.zone)
                now = self.now()
                return await calls.calls(
                    read, query, wanted, order=order, limit=limit, cursor=cursor, places=places, generated_at=now
                )

        return await self._damage.named(compute, query)

    async def search(self, text: str, synthetic: Synthetic, client_id: str | None) -> SearchReport:
        """What is called so, of one client or of all."""
        window = requested_window(days=search.DAYS, first=None, last=None, now=self.now(), zone=self.zone)
        query = ReportQuery(window, Filters(client_id=client_id), synthetic)
        async with self._rollups() as (read, _):
            return await search.search(read, text, query, self.now())

    async def call(self, entry_id: str, client_id: str | None) -> CallDetail:
        """One call of a client, or of any. Raises NotFoundError."""
        async with reading(self._database) as read:
            return await calls.call(read, entry_id, client_id)

    async def download(self, table: Table, query: ReportQuery, wanted: CallFilters) -> Download:
        """All rows of a filter up to a cap, as of one moment. Long tables are read while they are sent."""
        if table is not Table.CALLS and query.window.is_timed:
            raise invalid("fromTime", f"narrows calls alone: name the days of {table} with from and to")
        if table is not Table.CALLS and (asked := wanted.asked()):
            message = "filters calls only"
            raise invalid(asked[0], message)
        if table in downloads.LONG:
            found = await self._damage.named(partial(self._long_table, table, query, wanted), query)
            return found._replace(batches=self._naming_damage(found.batches, query))
        if table is Table.DATA_QUALITY:
            return await self._damage.named(partial(self._quality_table, query), query)
        return await asyncio.to_thread(downloads.from_rows, *await self._short_table(table, query))

    async def _naming_damage(
        self, batches: AsyncGenerator[list[downloads.Cells], None], query: ReportQuery
    ) -> AsyncGenerator[list[downloads.Cells], None]:
        async with aclosing(batches):
            while (rows := await self._damage.named(partial(anext, batches, None), query)) is not None:
                yield rows

    async def _short_table(self, table: Table, query: ReportQuery) -> tuple[type[Row], Sequence[Row]]:
        if table is Table.MODELS:
            return ModelCosts, (await self.models(query)).models
        if table is Table.PROVIDERS:
            return ProviderPerformance, (await self.providers(query)).providers
        report = await self.usage(query)
        return (UsageDay, report.daily) if table is Table.DAILY else (FeatureTotals, report.by_feature)

    async def _quality_table(self, query: ReportQuery) -> Download:
        return await asyncio.to_thread(downloads.from_quality, await self._quality(query, None))

    async def _long_table(self, table: Table, query: ReportQuery, wanted: CallFilters) -> Download:
        if table is Table.USERS:
            _refuse_user(query)
        of_one_user = query.filters.user_id is not None
        if table is Table.CONVERSATIONS and of_one_user:
            _check_ledger_days(query)
        read = await opened(self._database)
        try:
            with in_time():
                places = None
                if table is Table.CALLS:
                    places = await places_of(read, query, self.zone)
                elif not of_one_user:
                    await checked(read, self.zone)
                return await downloads.from_source(downloads.source(table, query, wanted, places), read)
        except BaseException:
            await read.close()
            raise

    async def analytics(self, query: ReportQuery, wanted: AnalyticsType) -> AnalyticsReport:
        """What a client, or one of its users, sees of its own calls. About one user: from the ledger."""

        async def compute() -> AnalyticsReport:
            if query.filters.user_id is not None:
                async with self._ledger(query) as read:
                    parts = await analytics.from_ledger(read, query, wanted)
            else:
                async with self._rollups() as (read, rollups):
                    parts = await analytics.from_cells(read, query, wanted, self._sheets(read, rollups))
            return await asyncio.to_thread(analytics.analytics_report, query, parts, wanted, self.now())

        return await self._share(("analytics", query, wanted), compute, query)

    async def stats(self, synthetic: Synthetic, client_id: str | None = None) -> StatsReport:
        """The main dashboard, of one client or of all."""

        async def compute() -> StatsReport:
            async with self._rollups() as (read, _):
                return await stats.stats(read, self.now(), self.zone, synthetic, client_id)

        return await self._share(("stats", synthetic, client_id), compute)

    async def summary(
        self, synthetic: Synthetic, client_id: str | None, beside: Callable[[Reader], Awaitable[Beside]]
    ) -> tuple[SummaryFigures, Beside]:
        """What one page says at a glance, and what another room reads beside it as of the same moment."""

        async def compute() -> tuple[SummaryFigures, Beside]:
            now = self.now()
            query = summary.today_query(now, self.zone, synthetic, client_id)
            async with self._rollups() as (read, rollups):
                parts = await summary.read_parts(read, rollups.state, self._sheets(read, rollups), query, now)
                found = await beside(read)
            return await summary.summary_figures(parts, now), found

        return await self._share(("summary", synthetic, client_id), compute)

    async def any_calls(self, synthetic: Synthetic, client_id: str | None = None) -> bool:
        """Whether there has ever been a call, of one client or of all."""
        async with reading(self._database) as read:
            return await stats.any_calls(read, self.now(), self.zone, synthetic, client_id)

    async def panel(self, of: Filters, synthetic: Synthetic, beside: ReadBeside[Beside]) -> tuple[Figures, Beside]:
        """What a user, or a client, sees of its own, and what is read beside it as of the same moment."""

        async def compute() -> tuple[Figures, Beside]:
            now = self.now()
            async with reading(self._database) as read:
                found = await beside(read.session)
                return await panel.figures(read, of, self.zone, synthetic, now), found

        return await self._damage.named(compute)

    async def freshness(self) -> Freshness:
        """How far the views lag behind what was written."""

        async def compute() -> Freshness:
            async with self._rollups() as (_, rollups):
                return rollups.freshness

        return await self._share("freshness", compute)

    def _beside(self, query: ReportQuery, compare: Wish | None) -> Compared | None:
        return None if compare is None else compared(query, self.now(), compare)

    def _sheets(self, read: Reader, rollups: Rollups) -> UserSheets:
        return UserSheets(read, rollups.state, self._known_numbers, self._known_cells)

    async def _share(
        self, key: Hashable, compute: Callable[[], Awaitable[Answer]], query: ReportQuery | None = None
    ) -> Answer:
        return await self._shared.share(key, partial(self._damage.named, compute, query))

    @asynccontextmanager
    async def _rollups(self) -> AsyncIterator[tuple[Reader, Rollups]]:
        async with reading(self._database) as read:
            yield read, await checked(read, self.zone)

    @asynccontextmanager
    async def _ledger(self, *queries: ReportQuery) -> AsyncIterator[Reader]:
        for query in queries:
            _check_ledger_days(query)
        async with reading(self._database) as read:
            yield read


def _check_ledger_days(query: ReportQuery) -> None:
    if len(query.window.days) > MAX_LEDGER_DAYS:
        field = "from" if query.filters.user_id is None else "userId"
        message = f"covers at most {MAX_LEDGER_DAYS} days with these filters; request a shorter window"
        raise invalid(field, message)


def _check_times(query: ReportQuery) -> None:
    """Of calls between two instants every figure is counted one by one."""
    if query.window.is_timed and query.window.end - query.window.start > LONGEST_OF_MINUTES:
        raise invalid("fromTime", "is more than 24 hours before toTime: name the days with from and to")


def _refuse_user(query: ReportQuery) -> None:
    if query.filters.user_id is not None:
        message = "is not a filter of this report; usage, calls and analytics accept it"
        raise invalid("userId", message)
