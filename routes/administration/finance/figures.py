"""Revenue beside cost, for administrators."""

import asyncio
from typing import Annotated

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from app.auth.middleware import requires
from app.auth.principals import Scope
from app.errors import invalid
from app.finance.figures.answers import FinanceOverview, LossMaking, MarginRow, MarginsReport
from app.finance.figures.finance import Finance, Page, Wanted
from app.finance.figures.margins import ORDERS, By
from app.finance.figures.shares import Allocation
from app.reports.csv import columns_of, text_of, values_of
from app.reports.query import ReportQuery
from routes.dependencies import Cursor, chosen

MOST = 500
BY = f"What margins are of: {', '.join(By)}."
ALLOCATION = f"By what revenue is shared among features, models and campaigns: {', '.join(Allocation)}."
SORT = f"One of {', '.join(ORDERS)}; a leading minus sorts in descending order."
CSV = "text/csv"

WantedBy = Annotated[str, QueryParameter(max_length=32, description=BY)]
WantedAllocation = Annotated[str, QueryParameter(max_length=32, description=ALLOCATION)]
WantedSort = Annotated[str, QueryParameter(max_length=32, description=SORT)]


class FinanceController(Controller):
    """One window for revenue and cost, always. One client's administrator sees what is that client's."""

    path = "/api/admin/finance"
    tags = ("finance",)
    guards = (requires(Scope.ADMIN),)

    @get("/overview", summary="Recognised revenue, AI cost, margin, MRR and its movement of a window")
    async def overview(
        self, finance: NamedDependency[Finance], report_query: NamedDependency[ReportQuery]
    ) -> FinanceOverview:
        """Beside the window directly before it, and day by day. `formulas` says how each figure is computed. Of a
        window that is not over, revenue and cost are those up to now.
        """
        return await finance.overview(report_query)

    @get("/margins", summary="Margins by plan, client, user, feature, model or campaign, paginated")
    async def margins(
        self,
        finance: NamedDependency[Finance],
        report_query: NamedDependency[ReportQuery],
        *,
        by: WantedBy = By.PLAN,
        allocation: WantedAllocation = Allocation.COST,
        sort: WantedSort = "margin",
        limit: Annotated[int, QueryParameter(ge=1, le=MOST)] = 100,
        cursor: Cursor = None,
    ) -> MarginsReport:
        """The rows of all pages and `unallocated` sum to `totals` exactly."""
        return await finance.margins(_wanted(report_query, by, allocation, Page(sort, limit, cursor)))

    @get("/margins.csv", summary="The same as CSV, with all rows", media_type=CSV)
    async def margins_csv(
        self,
        finance: NamedDependency[Finance],
        report_query: NamedDependency[ReportQuery],
        *,
        by: WantedBy = By.PLAN,
        allocation: WantedAllocation = Allocation.COST,
        sort: WantedSort = "margin",
    ) -> Response[bytes]:
        """The last row, without a name, is what belongs to none. A text that a spreadsheet would run is prefixed with
        an apostrophe.
        """
        wanted = _wanted(report_query, by, allocation, Page(sort))
        rows = await finance.all_margins(wanted)
        text = await asyncio.to_thread(lambda: text_of([columns_of(MarginRow), *map(values_of, rows)]))
        window = report_query.window
        name = f"twinmeter-margins-by-{wanted.by}-{window.first}-to-{window.last}.csv"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(text.encode(), media_type=CSV, headers=headers)

    @get("/loss-making", summary="Plans and users that cost more than they bring")
    async def loss_making(
        self,
        finance: NamedDependency[Finance],
        report_query: NamedDependency[ReportQuery],
        limit: Annotated[int, QueryParameter(ge=1, le=MOST)] = 20,
    ) -> LossMaking:
        """Users without revenue of their own are told apart: their client may pay for them."""
        return await finance.loss_making(report_query, limit)


def _wanted(query: ReportQuery, by: str, allocation: str, page: Page) -> Wanted:
    """Raises InvalidRequestError listing the choices."""
    if page.sort.removeprefix("-") not in ORDERS:
        raise invalid("sort", f"must be one of {', '.join([*ORDERS, *(f'-{each}' for each in ORDERS)])}")
    of, shared_by = chosen("by", by, By), chosen("allocation", allocation, Allocation)
    return Wanted(query, of or By.PLAN, shared_by or Allocation.COST, page)
