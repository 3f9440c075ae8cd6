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
from app.observability.troubles import ADVICE, Code, Trouble
from app.reports.reports import Reports
from app.tracking import Tracker
from routes.schemas import HealthBody, ReadyBody, SpoolBody, TroubleBody


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
        """200 `degraded` while MongoDB is away and calls go to the spool, and while something acknowledged waits for
        more than a minute, is set aside, or anything else is wrong, each with its reason in `troubles`.
        503 `unavailable` when MongoDB is away and the spool accepts none either.

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
    troubles = [_shown(trouble) for trouble in tracking.troubles]
    here = {trouble.code for trouble in troubles}
    troubles += [_told_elsewhere(code) for code in Code if code in tracker.counters.in_trouble() - here]
    fresh, advice = None, None if database.transactional else STANDALONE_ADVICE
    if alive:
        try:
            fresh = await reports.freshness()
        except (RollupsNotReadyError, DatabaseUnavailableError) as error:
            advice = error.detail
    if advice is None and troubles:
        advice = troubles[0].advice
    return ReadyBody(
        status=_status(alive=alive, accepts=spool.error is None, well=not troubles),
        troubles=troubles,
        database="ok" if alive else "does not answer",
        transactions=database.transactional,
        queued=int(sum(process.figures["twinmeter_queued_calls"] for process in processes)),
        spool=spool,
        calls=tracker.counters.snapshot(),
        freshness=fresh,
        advice=advice,
    )


def _status(*, alive: bool, accepts: bool, well: bool) -> str:
    if not alive:
        return "degraded" if accepts else "unavailable"
    return "ready" if well else "degraded"


def _shown(trouble: Trouble) -> TroubleBody:
    return TroubleBody(
        code=trouble.code,
        reason=trouble.reason,
        count=trouble.count,
        since=trouble.since,
        advice=ADVICE[trouble.code],
    )


def _told_elsewhere(code: Code) -> TroubleBody:
    """What another worker of this server has met."""
    reason = "another process of this server has met it; the log says why"
    return TroubleBody(code=code, reason=reason, count=None, since=None, advice=ADVICE[code])
