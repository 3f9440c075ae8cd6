"""Whether the process lives, and whether it can do its work."""

from litestar import Controller, get
from litestar.datastructures import State
from litestar.di import NamedDependency

from app.auth import PUBLIC
from app.database import STANDALONE_ADVICE, Database
from app.errors import DatabaseUnavailableError, RollupsNotReadyError
from app.reports.reports import Reports
from app.serialization import ExactResponse
from app.tracking import Tracker
from routes.schemas import HealthBody, ReadyBody


class HealthController(Controller):
    """For load balancers and people."""

    path = "/"
    tags = ("health",)
    opt = PUBLIC

    @get("/health", summary="The process answers")
    async def health(self) -> HealthBody:
        return HealthBody(status="ok")

    @get("/ready", summary="The database answers, and how tracking stands")
    async def ready(
        self, state: State, tracker: NamedDependency[Tracker], reports: NamedDependency[Reports]
    ) -> ExactResponse[ReadyBody]:
        """503 while MongoDB does not answer. Where the rollups have to be built anew, calls are still taken."""
        database: Database = state.database
        alive = await database.answers()
        fresh, advice = None, None if database.transactional else STANDALONE_ADVICE
        if alive:
            try:
                fresh = await reports.freshness()
            except (RollupsNotReadyError, DatabaseUnavailableError) as error:
                advice = error.detail
        body = ReadyBody(
            status="ready" if alive else "unavailable",
            database="ok" if alive else "does not answer",
            transactions=database.transactional,
            queued=tracker.writer.queued,
            calls=tracker.counters.snapshot(),
            freshness=fresh,
            advice=advice,
        )
        return ExactResponse(body, status_code=200 if alive else 503)
