"""Months as the rest of the application sees them: their reports, and their closing."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from app.database import Database
from app.errors import NotFoundError
from app.finance.figures.answers import FinanceTotals
from app.finance.figures.finance import Finance, Read
from app.finance.figures.known_revenue import moment
from app.finance.months import reading as figures_of
from app.finance.months.budgets import Budgets
from app.finance.months.closing import Closings, closing_of, drift, kept_report
from app.finance.months.details import MOST_CALLS, MOST_CALLS_OF_USER, Since, changed_since, details
from app.finance.months.invoices import Invoices, invoiced
from app.finance.months.month import Month
from app.finance.months.reconciliation import (
    estimated_calls,
    kept,
    reconciled,
    recorded,
    tiered_calls,
)
from app.finance.months.report import Drift, MonthReport, MonthStatus, ReconciledProvider, RevenueOfMonth
from app.limits.definitions import Definitions
from app.reports.damage import Damage
from app.reports.parts.figures import summed
from app.reports.parts.known_cells import KnownCells
from app.reports.parts.known_users import KnownUsers
from app.reports.parts.user_sheets import KnownNumbers, UserSheets
from app.reports.queries import rollups as cells
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.reader import Documents, Reader, first, reading
from app.reports.rows import Totals
from app.reports.single_flight import SharedComputations


class Wanted(NamedTuple):
    """Whose report of which month."""

    month: Month
    of: Filters
    """By client and user alone."""
    synthetic: Synthetic = Synthetic.EXCLUDE
    preview: bool = False


class Months:
    """One per process."""

    def __init__(
        self,
        database: Database,
        definitions: Definitions,
        finance: Finance,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.zone = zone = finance.zone
        self.invoices = Invoices(database, zone)
        self._database, self._finance = database, finance
        self._budgets = Budgets(database, definitions, zone)
        self._clock = clock or (lambda: datetime.now(UTC))
        self._closings = Closings(database, zone)
        self._shared = SharedComputations()
        self._damage = Damage(database)
        self._known_users = KnownUsers()
        self._known_numbers = KnownNumbers()
        self._known_cells = KnownCells()

    def now(self) -> datetime:
        """The current moment, UTC."""
        return self._clock()

    async def report(self, wanted: Wanted) -> MonthReport:
        """The report of a month that is over, or a preview of one that is not.

        Of a closed one the figures that were kept, with what has changed since. Raises ConflictError where it is not
        over, NotFoundError where there were no calls yet, DatabaseUnavailableError and RollupsNotReadyError.
        """
        now = self.now()
        wanted.month.check_over(now, self.zone, preview=wanted.preview)

        async def compute() -> MonthReport:
            async with self._finance.reading() as found:
                closing, read = None, found.read
                if wanted.of.user_id is None and wanted.synthetic is Synthetic.EXCLUDE:
                    closing = await closing_of(read, wanted.month, wanted.of.client_id)
                if closing is None:
                    return await self._made(found, wanted, now)
                report = kept_report(closing)
                return report.model_copy(
                    update={
                        "status": MonthStatus.CLOSED,
                        "closed_at": closing.at,
                        "closed_by": closing.by,
                        "reconciliation": await self._reconciled_again(read, wanted, report),
                        "drift": await self._drift(read, wanted, report, closing.at),
                        "generated_at": now,
                    }
                )

        key = wanted._replace(preview=not wanted.month.is_over(now, self.zone))
        return await self._shared.share(key, lambda: self._damage.named(compute))

    async def close(self, month: Month, by: str) -> MonthReport:
        """Close a month for all clients: its figures, and those of each client with calls or revenue, are kept.

        Repeated, it changes nothing. Raises ConflictError where it is not over, or not the next one.
        """
        wanted = Wanted(month, Filters())
        month.check_closable(self.now(), self.zone)
        if not await self._closings.is_closed(month):
            await self._closings.check_order(month)
            async with self._finance.reading():
                pass  # what came due in the month is booked into it
            await self._closings.close(month, by, lambda: self._to_keep(month))
        return await self.report(wanted)

    async def _to_keep(self, month: Month) -> AsyncGenerator[tuple[datetime, MonthReport], None]:
        """Each report in a snapshot of its own, as no question of MongoDB may take longer than a report."""
        query = ReportQuery(month.window(self.zone))
        clients = await self._clients(query)
        of_calls = await self._of_days(query)
        for client in [*clients, None]:
            at = self.now()
            async with self._finance.reading() as found:
                report = await self._made(found, Wanted(month, Filters(client_id=client)), at, of_calls)
            yield at, report

    async def _clients(self, query: ReportQuery) -> list[str]:
        """Those with calls or revenue in a window."""
        start, end = moment(query.window.start), moment(query.window.end)
        async with self._finance.reading() as found:
            entries, booked = found.view.entries, found.view.booked
            of_calls = {row["_id"] for row in await found.read.cells(cells.clients(query))}
            numbers = await asyncio.to_thread(lambda: {*entries.recognised(start, end, booked)})
            numbers |= entries.billed(start, end, booked).keys()
        holders = [entries.holders[number] for number in numbers]
        of_revenue = {holder.client for holder in holders if holder.client is not None and not holder.synthetic}
        return sorted(of_calls | of_revenue)

    async def _of_days(self, query: ReportQuery) -> Documents:
        """The details of all calls of a month, by client, read day by day: of millions of calls they take a while."""
        found: Documents = []
        for day in query.window.days:
            async with reading(self._database) as read:
                found += await read.ledger(details(query.over(day, day), by_client=True))
        return found

    # -- one report

    async def _made(
        self, snapshot: Read, wanted: Wanted, now: datetime, of_days: Documents | None = None
    ) -> MonthReport:
        read, state = snapshot.read, snapshot.state
        month, of, over = wanted.month, wanted.of, wanted.month.is_over(now, self.zone)
        window = month.window(self.zone) if over else month.so_far(now, self.zone)
        query = ReportQuery(window, of, wanted.synthetic)
        sheets = UserSheets(read, state, self._known_numbers, self._known_cells)
        found = await figures_of.figures(read, query, state, known=self._known_users, sheets=sheets, now=now)
        status = MonthStatus.OPEN if over else MonthStatus.PREVIEW
        report = await asyncio.to_thread(figures_of.report_of, month, query, found, status)
        if of_days is not None:
            of_calls: Documents | None = [row for row in of_days if of.client_id in {None, row["_id"]["client"]}]
        else:
            few = report.totals.requests <= (MOST_CALLS if of.user_id is None else MOST_CALLS_OF_USER)
            of_calls = await read.ledger(details(query)) if few else None
        beside: dict[str, Any] = {
            "budgets": await self._budgets.of(read, month, of),
            "revenue": _revenue(await self._finance.totals(snapshot, query, now)),
        }
        if of_calls is not None:
            beside["price_versions"] = figures_of.price_versions(of_calls)
        if of.user_id is None:
            tiered = tiered_calls(of_calls or [], [row.name for row in report.by_provider])
            of_providers = recorded(
                report.by_provider, estimated_calls((provider, row) for (provider, _), row in found.estimated), tiered
            )
            beside["reconciliation"] = reconciled(of_providers, await invoiced(read, month, of))
        if not report.totals.requests and beside["revenue"] is None:
            await _check_begun(read, query, month)
        return report.model_copy(update=beside)

    # -- closed ones

    async def _reconciled_again(
        self, read: Reader, wanted: Wanted, report: MonthReport
    ) -> list[ReconciledProvider] | None:
        """Invoices come after a month is closed: against what was recorded then."""
        if report.reconciliation is None:
            return None
        return reconciled(kept(report.reconciliation), await invoiced(read, wanted.month, wanted.of))

    async def _drift(self, read: Reader, wanted: Wanted, report: MonthReport, at: datetime) -> Drift | None:
        query = ReportQuery(wanted.month.window(self.zone), wanted.of)
        totals = Totals.from_stored(summed(await read.cells(cells.by_day(query))))
        if (totals.requests, totals.cost) == (report.totals.requests, report.totals.cost):
            return None
        since = None
        if totals.requests <= MOST_CALLS:
            since = Since.of(await read.ledger(changed_since(query, at)))
        return drift(report.totals, totals, since)


def _revenue(totals: FinanceTotals) -> RevenueOfMonth | None:
    if not totals.recognised and not totals.billed:
        return None
    return RevenueOfMonth(**{name: getattr(totals, name) for name in RevenueOfMonth.model_fields})


async def _check_begun(read: Reader, query: ReportQuery, month: Month) -> None:
    """Raises NotFoundError for a month before the first call."""
    day = first(await read.cells(cells.first_day(query))).get("day")
    of = query.filters
    whose = " of ".join(
        f"{what} {name}" for what, name in (("user", of.user_id), ("client", of.client_id)) if name is not None
    )
    calls = f"calls of {whose}" if whose else "calls"
    if day is None:
        raise NotFoundError(f"there are no {calls} yet, so there is no report of {month.text}")
    if day > query.window.last.isoformat():
        raise NotFoundError(f"there are no {calls} in {month.text} or before: the first one is of {day}")
