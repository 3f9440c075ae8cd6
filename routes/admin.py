"""What administrators read."""

from litestar import Controller, get
from litestar.di import NamedDependency

from app.auth import Role, requires
from app.reports.pipelines import LedgerQuery
from app.reports.reports import Reports
from app.reports.rows import DataQualityReport, OverviewReport, StatsReport, UsageReport
from app.reports.stages import Synthetic


class AdminController(Controller):
    """Reports over everyone's calls."""

    path = "/api/admin"
    tags = ("admin",)
    guards = (requires(Role.ADMIN),)

    @get("/ai/overview", summary="Today and the month so far")
    async def overview(self, reports: NamedDependency[Reports], shown: NamedDependency[Synthetic]) -> OverviewReport:
        return await reports.overview(shown)

    @get("/ai/usage", summary="One window, by day, hour, feature, model, provider and user")
    async def usage(self, reports: NamedDependency[Reports], asked: NamedDependency[LedgerQuery]) -> UsageReport:
        return await reports.usage(asked)

    @get("/ai/data-quality", summary="Unpriced, estimated and unmapped calls, and impossible provider/model pairs")
    async def data_quality(
        self, reports: NamedDependency[Reports], asked: NamedDependency[LedgerQuery]
    ) -> DataQualityReport:
        return await reports.data_quality(asked)

    @get("/stats", summary="The main dashboard, from the events")
    async def stats(self, reports: NamedDependency[Reports], shown: NamedDependency[Synthetic]) -> StatsReport:
        return await reports.stats(shown)
