"""Of which features the new users upgraded, for administrators."""

from litestar import Controller, get
from litestar.di import NamedDependency

from app.auth.middleware import requires
from app.auth.principals import Scope
from app.errors import invalid
from app.finance.upgrades.answers import UpgradesReport
from app.finance.upgrades.upgrades import FeatureUpgradesReports
from app.reports.query import ReportQuery


class UpgradeController(Controller):
    """One client's administrator sees that client's users and subscriptions alone."""

    path = "/api/admin/ai/upgrades"
    tags = ("finance",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="Features: who upgraded within 30 days after the first use, and what the feature cost")
    async def upgrades(
        self, feature_upgrades: NamedDependency[FeatureUpgradesReports], report_query: NamedDependency[ReportQuery]
    ) -> UpgradesReport:
        """Not why: figures of few users are marked `small`. The first use ever counts, where it is in the window."""
        of = report_query.filters
        for field, value in (("userId", of.user_id), ("provider", of.provider), ("model", of.model)):
            if value is not None:
                raise invalid(field, "is not a filter of this report")
        if of.feature is not None:
            raise invalid("feature", "is not a filter of this report: it has every feature")
        return await feature_upgrades.report(report_query)
