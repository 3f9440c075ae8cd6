"""What finance answers of one deployment: revenue and cost of one window, in one snapshot."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from pymongo.errors import PyMongoError

from app.database import Database
from app.errors import AppError, invalid
from app.finance.figures import margins as parts_of
from app.finance.figures import overview as spans
from app.finance.figures import revenue_figures, user_costs
from app.finance.figures.answers import (
    FinanceOverview,
    FinanceTotals,
    LossMaking,
    Margin,
    MarginRow,
    MarginsReport,
    formulas_in,
    margin_of,
)
from app.finance.figures.known import Known, View
from app.finance.figures.margins import SOLD, By, Part, Parts
from app.finance.figures.revenue_figures import end_of
from app.finance.figures.shares import Allocation
from app.finance.figures.user_costs import NO_PLAN, Cost, KnownCosts
from app.observability.logs import Log
from app.reports.damage import Damage
from app.reports.parts.campaigns import campaign_sums
from app.reports.parts.figures import described
from app.reports.parts.known_cells import KnownCells
from app.reports.parts.user_costs import Known as KnownUsers
from app.reports.parts.user_costs import UserCosts
from app.reports.parts.user_sheets import KnownNumbers
from app.reports.periods import before
from app.reports.queries import rollups
from app.reports.query import ReportQuery
from app.reports.reader import Document, Documents, Reader
from app.reports.readiness import checked
from app.reports.single_flight import SharedComputations
from models.money import usd_of_units

log = Log(__name__)

Answer = TypeVar("Answer")
BookDue = Callable[[datetime], Awaitable[object]]
MOST_DAYS_OF_A_USER = 92
CostsOfClients = dict[str, dict[str | None, Cost]]
"""By client and part."""


class Page(NamedTuple):
    """Which rows of a list."""

    sort: str = "margin"
    limit: int = 100
    cursor: str | None = None


class Wanted(NamedTuple):
    """Which margins."""

    query: ReportQuery
    by: By
    allocation: Allocation = Allocation.COST
    """By what revenue is shared, where it has to be."""
    page: Page = Page()

    @property
    def name(self) -> str:
        """Of the list that its cursors are of."""
        return f"{self.by}/{self.allocation}/{self.page.sort}"


class Read(NamedTuple):
    """One snapshot."""

    read: Reader
    view: View
    state: Document
    """Of the rollups."""


class Finance:
    """One per process. Equal requests at the same time share one computation.

    Each method raises DatabaseUnavailableError, RollupsNotReadyError, and InvalidRequestError for invalid queries.
    """

    def __init__(
        self,
        database: Database,
        zone: ZoneInfo,
        book_due: BookDue | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        """`book_due` books what came due of subscriptions up to a moment."""
        self.zone = zone
        self.known = Known(database)
        self._book_due = book_due
        self._clock = clock or (lambda: datetime.now(UTC))
        self._shared = SharedComputations()
        self._damage = Damage(database)
        self._users = KnownUsers(KnownNumbers(), KnownCells())
        self._costs = KnownCosts()

    def now(self) -> datetime:
        """The current moment, UTC."""
        return self._clock()

    async def warm_up(self) -> None:
        """Bring revenue and subscriptions into memory, so that the first who asks need not wait for it.

        For the background of a start. Where it fails, the first request does it.
        """
        try:
            if await self.known.is_needed():
                if self._book_due is not None:
                    await self._book_due(self.now())
                async with self.known.reading():
                    pass
        except (AppError, PyMongoError) as error:
            log.warning("finance.not_warmed_up", error=str(error)[:200])

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Read]:
        """All that came due until now is booked, and one snapshot taken."""
        if self._book_due is not None:
            await self._book_due(self.now())
        async with self.known.reading() as (read, view):
            yield Read(read, view, (await checked(read, self.zone)).state)

    async def totals(self, read: Read, query: ReportQuery, now: datetime) -> FinanceTotals:
        """Revenue and cost of a window, of one user or client or of all."""
        costs = await spans.costs_by_day(read.read, query)
        return await asyncio.to_thread(spans.totals, read.view, query, costs, now)

    async def overview(self, query: ReportQuery) -> FinanceOverview:
        """A window, the one before, MRR and its movement, and each day."""
        _refuse_parts(query)
        if query.filters.user_id is not None and len(query.window.days) > MOST_DAYS_OF_A_USER:
            message = f"covers at most {MOST_DAYS_OF_A_USER} days, which come from the ledger; request a shorter window"
            raise invalid("userId", message)

        async def compute() -> FinanceOverview:
            now = self.now()
            async with self.reading() as found:
                whole = query.over(before(query).window.first, query.window.last)
                costs = await spans.costs_by_day(found.read, whole)
                return await asyncio.to_thread(spans.overview, found.view, query, costs, now)

        return await self._share(("overview", query), compute)

    async def margins(self, wanted: Wanted) -> MarginsReport:
        """One page of the parts of a window."""
        _refuse_parts(wanted.query, user=True)
        skip = parts_of.position(wanted.page.cursor, wanted.name)

        async def compute() -> MarginsReport:
            now = self.now()
            async with self.reading() as found:
                parts = await self._parts(found, wanted, now)
            return await asyncio.to_thread(_report, wanted, skip, parts, now)

        return await self._share(("margins", wanted), compute)

    async def all_margins(self, wanted: Wanted) -> list[MarginRow]:
        """Every row, and as the last one what belongs to none."""
        _refuse_parts(wanted.query, user=True)
        async with self.reading() as found:
            parts = await self._parts(found, wanted, self.now())

        def rows() -> list[MarginRow]:
            ordered = parts_of.ordered(parts.rows, wanted.page.sort)
            return [*map(parts_of.row_of, ordered), parts_of.unallocated(parts)]

        return await asyncio.to_thread(rows)

    async def loss_making(self, query: ReportQuery, limit: int) -> LossMaking:
        """Plans and users that cost more than they bring."""
        _refuse_parts(query, user=True)

        async def compute() -> LossMaking:
            now = self.now()
            async with self.reading() as found:
                plans = await self._parts(found, Wanted(query, By.PLAN), now)
                users = await self._parts(found, Wanted(query, By.USER), now)
            return await asyncio.to_thread(_loss_making, query, plans, users, limit, now)

        return await self._share(("loss_making", query, limit), compute)

    async def _parts(self, found: Read, wanted: Wanted, now: datetime) -> Parts:
        query, by = wanted.query, wanted.by
        of = attrgetter(by.value if by in SOLD else By.CLIENT.value)
        until = end_of(query.window, now)
        revenue = await asyncio.to_thread(revenue_figures.by_name, found.view, query, until, of)
        match by:
            case By.PLAN:
                costs = UserCosts(found.read, found.state, self._users)
                plans = await user_costs.by_plan(costs, query, self._costs, found.view.subscribers)
                return await asyncio.to_thread(parts_of.joined, revenue, plans)
            case By.USER:
                costs = UserCosts(found.read, found.state, self._users)
                users = await user_costs.by_user(costs, query, self._costs)
                return await asyncio.to_thread(parts_of.joined, revenue, users)
            case By.CLIENT:
                rows = await found.read.cells(rollups.costs_by_client(query))
                return parts_of.joined(revenue, {row["_id"]["client"]: user_costs.cost_of(row) for row in rows})
        if by is By.CAMPAIGN:
            of_clients = await self._of_campaigns(found, query)
        else:
            of_clients = _by_client(await found.read.cells(rollups.costs_by_client(query, by.value)), "name")
        return await asyncio.to_thread(parts_of.shared_out, revenue, of_clients, wanted.allocation)

    async def _of_campaigns(self, found: Read, query: ReportQuery) -> CostsOfClients:
        """What is of no campaign has no name."""
        campaigns = _by_client(await campaign_sums(found.read, found.state, query, ("client", "campaign")), "campaign")
        for row in await found.read.cells(rollups.costs_by_client(query)):
            of_client = campaigns.setdefault(row["_id"]["client"], {})
            of_client[None] = user_costs.cost_of(row).minus(parts_of.sum_of(list(of_client.values())))
        return campaigns

    async def _share(self, key: Hashable, compute: Callable[[], Awaitable[Answer]]) -> Answer:
        return await self._shared.share(key, partial(self._damage.named, compute))


def _by_client(rows: Documents, name: str) -> CostsOfClients:
    found: defaultdict[str, dict[str | None, Cost]] = defaultdict(dict)
    for row in rows:
        found[row["_id"]["client"]][row["_id"][name]] = user_costs.cost_of(row)
    return dict(found)


def _report(wanted: Wanted, skip: int, parts: Parts, now: datetime) -> MarginsReport:
    query, page = wanted.query, wanted.page
    rows = parts_of.ordered(parts.rows, page.sort)
    shown, until = rows[skip : skip + page.limit], skip + page.limit
    cost, is_shared = parts.cost, wanted.by not in SOLD
    return MarginsReport(
        window=described(query.window),
        until=end_of(query.window, now),
        synthetic=query.synthetic,
        by=wanted.by.value,
        allocation=wanted.allocation if is_shared else None,
        allocation_words=wanted.allocation.words if is_shared else None,
        totals=Margin.model_validate(margin_of(parts.recognised, cost.units, cost.calls)),
        rows=[parts_of.row_of(row) for row in shown],
        unallocated=parts_of.unallocated(parts),
        count=len(rows),
        next_cursor=parts_of.next_cursor(wanted.name, until, more=until < len(rows)),
        formulas=formulas_in(Margin),
        generated_at=now,
    )


def _loss_making(query: ReportQuery, plans: Parts, users: Parts, limit: int, now: datetime) -> LossMaking:
    paying: list[Part] = [row for row in users.rows if row.recognised]
    others = [row for row in users.rows if not row.recognised]
    with_plan = [row for row in plans.rows if row.name != NO_PLAN]
    without = [row.cost.units for row in plans.rows if row.name == NO_PLAN]
    return LossMaking(
        window=described(query.window),
        until=end_of(query.window, now),
        synthetic=query.synthetic,
        plans=parts_of.losses(with_plan, limit),
        cost_without_plan=usd_of_units(sum(without)),
        users=parts_of.losses(paying, limit),
        users_without_revenue=len(others),
        cost_without_revenue=usd_of_units(sum(row.cost.units for row in others)),
        formulas=formulas_in(Margin),
        generated_at=now,
    )


def _refuse_parts(query: ReportQuery, *, user: bool = False) -> None:
    """Raises InvalidRequestError for filters that revenue knows nothing of."""
    for field in ("provider", "model", "feature", *(("user_id",) if user else ())):
        if getattr(query.filters, field) is not None:
            name = "userId" if field == "user_id" else field
            message = "is not a filter of this answer; clientId is"
            raise invalid(name, message)
