"""Whether the process lives, and whether it can do its work."""

from litestar import Controller, get
from litestar.datastructures import State
from litestar.di import NamedDependency

from app.auth.middleware import PUBLIC
from app.database import Database
from app.database.connection import STANDALONE_ADVICE
from app.errors import DatabaseUnavailableError, RollupsNotReadyError
from app.http.serialization import ExactResponse
from app.observability.metrics import METRICS
from app.reports.reports import Reports
from app.tracking import Tracker
from routes.schemas import HealthBody, ReadyBody, SpoolBody


class HealthController(Controller):
    """For load balancers and operators."""

    path = "/"
    tags = ("health",)
    opt = PUBLIC

    @get(["/health", "/livez"], summary="Liveness")
    async def health(self) -> HealthBody:
        return HealthBody(status="ok")

    @get(["/ready", "/readyz"], summary="Readiness: dependencies and tracking status")
    async def ready(
        self, state: State, tracker: NamedDependency[Tracker], reports: NamedDependency[Reports]
    ) -> ExactResponse[ReadyBody]:
        """200 `degraded` while MongoDB is away and calls go to the spool; 503 when the spool accepts none either.

        503 `stopping` from the moment that the server was told to stop: requests are answered until its port closes.
        Calls are still accepted while the rollups need rebuilding.
        """
        body = await standing(state.database, tracker, reports)
        if state.get("stopping"):
            body = body.model_copy(update={"status": "stopping"})
        return ExactResponse(body, status_code=503 if body.status in {"unavailable", "stopping"} else 200)

    @get("/metrics", summary="Prometheus metrics of this server", media_type=METRICS)
    async def metrics(self, tracker: NamedDependency[Tracker]) -> bytes:
        return tracker.counters.exposition()


async def standing(database: Database, tracker: Tracker, reports: Reports) -> ReadyBody:
    """The status of this process."""
    alive, tracking, processes = await database.answers(), await tracker.standing(), tracker.counters.processes()
    spool = SpoolBody(**tracking.spool._asdict())
    fresh, advice = None, None if database.transactional else STANDALONE_ADVICE
    if alive:
        try:
            fresh = await reports.freshness()
        except (RollupsNotReadyError, DatabaseUnavailableError) as error:
            advice = error.detail
    return ReadyBody(
        status="ready" if alive else "degraded" if spool.error is None else "unavailable",
        database="ok" if alive else "does not answer",
        transactions=database.transactional,
        queued=int(sum(process.figures["twinmeter_queued_calls"] for process in processes)),
        spool=spool,
        calls=tracker.counters.snapshot(),
        freshness=fresh,
        advice=advice,
    )
