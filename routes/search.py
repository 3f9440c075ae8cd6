"""What the palette of the pages finds."""

from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from app.auth.middleware import requires
from app.auth.principals import Scope
from app.reports.query import Synthetic
from app.reports.reports import Reports
from app.reports.search import SearchReport


class SearchController(Controller):
    """Finds names by what somebody types."""

    path = "/api/admin/ai"
    tags = ("admin",)
    guards = (requires(Scope.ADMIN),)

    @get("/search", summary="Users, models, features, clients, conversations and calls by name or id")
    async def search(
        self,
        reports: NamedDependency[Reports],
        synthetic_mode: NamedDependency[Synthetic],
        scoped_client: NamedDependency[str | None],
        text: Annotated[
            str, QueryParameter(name="q", min_length=1, max_length=256, description="What a name begins with or has.")
        ],
    ) -> SearchReport:
        """At most eight of each kind. Models, providers, features and clients are those of the last 30 days."""
        return await reports.search(text, synthetic_mode, scoped_client)
