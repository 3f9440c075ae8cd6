"""The status of the server, for administrators."""

from decimal import Decimal

from litestar import Controller, get
from litestar.datastructures import State
from litestar.di import NamedDependency

from app.auth.middleware import requires
from app.auth.principals import Scope
from app.observability.metrics import Standing
from app.reports.reports import Reports
from app.tracking import Tracker
from routes.health import standing
from routes.schemas import BreakerBody, CommitsBody, ProcessBody, TechnicalBody


class TechnicalController(Controller):
    """Figures of one server and its workers: with several servers behind a proxy, each answers for itself."""

    path = "/api/admin/ai/technical"
    tags = ("admin",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="Writer, spool, breaker, freshness and processes of this server")
    async def technical(
        self, state: State, tracker: NamedDependency[Tracker], reports: NamedDependency[Reports]
    ) -> TechnicalBody:
        """Available while MongoDB is away, too: `freshness` is null then, and `advice` says why."""
        ready = await standing(state.database, tracker, reports)
        tracking = await tracker.standing()
        transactions, calls, seconds = tracker.counters.commits()
        processes = tracker.counters.processes()
        return TechnicalBody(
            **dict(ready),
            room=int(sum(process.figures["twinmeter_queue_room"] for process in processes)),
            queue_wait=_milliseconds(
                max((each.figures["twinmeter_queue_wait_seconds"] for each in processes), default=0)
            ),
            overload_refused=tracker.counters.overload_refused(),
            breaker=_breaker(tracking.away_seconds),
            commits=CommitsBody(transactions=transactions, calls=calls, seconds=_milliseconds(seconds)),
            doors=tracker.counters.doors(),
            replayed=tracker.counters.delivered(),
            processes=[_process(process) for process in processes],
        )


def _process(standing: Standing) -> ProcessBody:
    figures = standing.figures
    return ProcessBody(
        pid=standing.pid,
        since=standing.since,
        calls=standing.calls,
        queued=int(figures["twinmeter_queued_calls"]),
        streams=int(figures["twinmeter_live_listeners"]),
        away=bool(figures["twinmeter_mongodb_away"]),
        lag_p99=round(Decimal(1000 * figures["twinmeter_loop_lag_p99_seconds"]), 1),
        lag_max=round(Decimal(1000 * figures["twinmeter_loop_lag_max_seconds"]), 1),
    )


def _breaker(seconds: float | None) -> BreakerBody:
    return BreakerBody(open=seconds is not None, seconds=None if seconds is None else _milliseconds(seconds))


def _milliseconds(seconds: float) -> Decimal:
    return round(Decimal(seconds), 3)
