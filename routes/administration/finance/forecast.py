"""Forecasts of cost for administrators."""

from typing import Annotated, Any

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.errors import invalid
from app.finance.forecast.answers import By, ForecastReport
from app.finance.forecast.forecasts import Forecasts
from app.reports.query import Filters, Synthetic
from routes.dependencies import ClientFilter, NameFilter, chosen

WANTED = f"Adds `parts`, the forecast of each {', '.join(By)}: the dearest of them, one of these."


class ForecastController(Controller):
    """One client's administrator sees that client's calls alone."""

    path = "/api/admin/finance/forecast"
    tags = ("finance",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="What the month, the next 30 and the next 90 days will cost")
    async def forecast(
        self,
        request: Request[Principal, Any, Any],
        forecasts: NamedDependency[Forecasts],
        synthetic_mode: NamedDependency[Synthetic],
        *,
        by: Annotated[str | None, QueryParameter(max_length=32, description=WANTED)] = None,
        feature: NameFilter = None,
        provider: NameFilter = None,
        model: NameFilter = None,
        user_id: Annotated[str | None, QueryParameter(name="userId", description="Is refused.")] = None,
        client_id: ClientFilter = None,
    ) -> ForecastReport:
        """From full days alone, with an 80 % band, and beside it how far forecasts of earlier days were off. Never
        below what has been spent. Refused, and why, below 14 full days.
        """
        filters = Filters(feature, provider, model, client_id=own_client(request.user, client_id))
        if user_id is not None:
            raise invalid("userId", "is not a filter of forecasts: a single user's calls are too few for one")
        return await forecasts.report(filters, synthetic_mode, chosen("by", by, By))
