"""The forecasts of one deployment."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cachetools import LRUCache

from app.database import Database
from app.finance.forecast import daily
from app.finance.forecast.answers import By, ForecastReport, SeriesForecast
from app.finance.forecast.backtest import Predicted
from app.finance.forecast.forecasting import has_forecast, horizons, predictions, series_forecast
from app.finance.forecast.methods import HISTORY
from app.finance.forecast.reaching import Reached, Spending, days_ahead, reaching
from app.finance.forecast.series import DAY, Days, Series, missing_days, series_of
from app.reports.damage import Damage
from app.reports.parts.campaigns import campaign_sums
from app.reports.query import NO_FILTERS, Filters, ReportQuery, Synthetic
from app.reports.reader import Reader, reading
from app.reports.readiness import Rollups, checked
from app.reports.single_flight import SharedComputations
from app.reports.windows import TimeWindow, today

READ_DAYS = 400
"""Of the past: so far back goes the data of a forecast."""
MOST_PARTS = 20
MOST_KNOWN = 2_000
"""Series whose forecasts are kept: days that are over seldom change."""

_Key = tuple[date, tuple[Decimal | None, ...], int]
"""Of full days, and of how many are forecast."""


class Budget(NamedTuple):
    """An amount of USD, of which some is used in the current period."""

    of: Spending
    amount: Decimal
    used: Decimal
    last: date | None
    """The last day of the period; None where it never ends."""


class Forecasts:
    """What calls will cost, from full days, in the deployment's zone. Equal requests at once share a computation.

    Raises DatabaseUnavailableError, RollupsNotReadyError and DamagedDataError.
    """

    def __init__(self, database: Database, zone: ZoneInfo, clock: Callable[[], datetime] | None = None) -> None:
        self.zone = zone
        self._database = database
        self._clock = clock or (lambda: datetime.now(UTC))
        self._shared = SharedComputations()
        self._damage = Damage(database)
        self._known: LRUCache[_Key, Predicted] = LRUCache(MOST_KNOWN)
        self._lock = threading.Lock()  # several answers may be made at once

    async def report(self, filters: Filters, synthetic: Synthetic, by: By | None = None) -> ForecastReport:
        """Of all calls that the filters match, and of each client, model or feature among them."""

        async def compute() -> ForecastReport:
            now = self._clock()
            query = self._query(filters, synthetic, now)
            async with self._reading() as (read, _):
                parts = await daily.by_name(read, query, by)
                missing = missing_days(await daily.calls_of_everyone(read, query), query.window.last)
            return await asyncio.to_thread(self._report, query, by, parts, missing, now)

        return await self._shared.share((filters, synthetic, by), partial(self._damage.named, compute))

    async def of_all(self, read: Reader, filters: Filters, synthetic: Synthetic) -> SeriesForecast:
        """Of all calls that the filters match together, as of the moment of a reader."""
        query = self._query(filters, synthetic, self._clock())
        days = daily.together((await daily.by_name(read, query, None)).values())
        missing = missing_days(await daily.calls_of_everyone(read, query), query.window.last)
        return await asyncio.to_thread(lambda: self._series_forecast(None, series_of(days, query.window.last, missing)))

    async def reached(self, budgets: Sequence[Budget]) -> list[Reached]:
        """When each will be used up. Without demo data, which no limit counts."""

        async def compute() -> list[Reached]:
            now = self._clock()
            query = self._query(NO_FILTERS, Synthetic.EXCLUDE, now)
            async with self._reading() as (read, rollups):
                missing = missing_days(await daily.calls_of_everyone(read, query), query.window.last)
                days = {of: await self._days(read, rollups, query, of) for of in {each.of for each in budgets}}
            series = {of: series_of(found, query.window.last, missing) for of, found in days.items()}
            return await asyncio.to_thread(lambda: [self._reached(series[each.of], each) for each in budgets])

        return await self._damage.named(compute)

    @staticmethod
    async def _days(read: Reader, rollups: Rollups, query: ReportQuery, of: Spending) -> Days:
        narrowed = replace(query, filters=of.filters)
        if of.campaign is None:
            return daily.together((await daily.by_name(read, narrowed, None)).values())
        return daily.of_rows(await campaign_sums(read, rollups.state, narrowed, ("day",), campaign=of.campaign))

    def _reached(self, series: Series, budget: Budget) -> Reached:
        days = days_ahead(series, budget.last)
        predicted = self._predicted(series, [days])[days] if has_forecast(series) else None
        return reaching(series, predicted, budget.amount, budget.used)

    def _report(
        self, query: ReportQuery, by: By | None, found: dict[str | None, Days], missing: set[date], now: datetime
    ) -> ForecastReport:
        this_day = query.window.last
        whole = self._series_forecast(None, series_of(daily.together(found.values()), this_day, missing))
        parts: list[SeriesForecast] = []
        if by is not None:
            series = {name: series_of(days, this_day, missing) for name, days in found.items()}
            recent = this_day - HISTORY * DAY
            dearest = sorted(series, key=lambda name: (-series[name].spent_from(recent), name or ""))
            parts = [self._series_forecast(name, series[name]) for name in dearest[:MOST_PARTS]]
        return ForecastReport(
            today=this_day,
            timezone=self.zone.key,
            synthetic=query.synthetic,
            client_id=query.filters.client_id,
            whole=whole,
            by=by,
            parts=parts,
            parts_left_out=0 if by is None else len(found) - len(parts),
            generated_at=now,
        )

    def _series_forecast(self, name: str | None, series: Series) -> SeriesForecast:
        days = [days for _, days in horizons(series.today)]
        return series_forecast(name, series, self._predicted(series, days) if has_forecast(series) else None)

    def _predicted(self, series: Series, wanted: list[int]) -> dict[int, Predicted]:
        keys = {days: (series.first, series.costs, days) for days in wanted}
        with self._lock:
            found = {days: self._known[key] for days, key in keys.items() if key in self._known}
        if new := [days for days in wanted if days not in found]:
            found |= (made := predictions(series, new))
            with self._lock:
                self._known.update({keys[days]: each for days, each in made.items()})
        return found

    def _query(self, filters: Filters, synthetic: Synthetic, now: datetime) -> ReportQuery:
        this_day = today(now, self.zone)
        return ReportQuery(TimeWindow(this_day - READ_DAYS * DAY, this_day, self.zone), filters, synthetic)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[tuple[Reader, Rollups]]:
        async with reading(self._database) as read:
            yield read, await checked(read, self.zone)
