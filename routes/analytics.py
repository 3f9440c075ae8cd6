"""What a client reads of its own calls."""

from dataclasses import replace
from typing import Annotated, Any

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from app.auth import Principal, Role, requires
from app.errors import NotAllowedError
from app.reports.analytics import AnalyticsType
from app.reports.answers import AnalyticsReport
from app.reports.query import ReportQuery
from app.reports.reports import Reports
from routes.dependencies import chosen


class AnalyticsController(Controller):
    """One client's figures; an administrator may ask for any client, or for all."""

    path = "/api/analytics"
    tags = ("analytics",)
    guards = (requires(Role.SERVICE, Role.ADMIN),)

    @get("/", summary="By day, week, month and conversation")
    async def analytics(
        self,
        reports: NamedDependency[Reports],
        asked: NamedDependency[ReportQuery],
        request: Request[Principal, Any, Any],
        wanted: Annotated[str, QueryParameter(name="type", max_length=32)] = AnalyticsType.ALL.value,
    ) -> AnalyticsReport:
        """A service sees its own client, whatever it asks for."""
        if request.user.role is not Role.ADMIN:
            own = request.user.client
            if asked.filters.client_id not in {None, own}:
                raise NotAllowedError(f"this token reads the client {own}; leave clientId out")
            asked = replace(asked, filters=replace(asked.filters, client_id=own))
        return await reports.analytics(asked, chosen("type", wanted, AnalyticsType) or AnalyticsType.ALL)
