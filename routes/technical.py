"""The status of the responding process, for administrators."""

from decimal import Decimal

from litestar import Controller, get
from litestar.datastructures import State
from litestar.di import NamedDependency

from app.auth.middleware import requires
from app.auth.principals import Scope
from app.reports.reports import Reports
from app.tracking import Tracker
from routes.health import standing
from routes.schemas import BreakerBody, CommitsBody, TechnicalBody


class TechnicalController(Controller):
    """Figures of one process: with several behind a proxy, each answers for itself."""

    path = "/api/admin/ai/technical"
    tags = ("admin",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="Writer, spool, breaker and freshness of this process")
    async def technical(
        self, state: State, tracker: NamedDependency[Tracker], reports: NamedDependency[Reports]
    ) -> TechnicalBody:
        """Available while MongoDB is away, too: `freshness` is null then, and `advice` says why."""
        ready = await standing(state.database, tracker, reports)
        tracking = await tracker.standing()
        transactions, calls, seconds = tracker.counters.commits()
        return TechnicalBody(
            **dict(ready),
            room=tracking.room,
            breaker=_breaker(tracking.away_seconds),
            commits=CommitsBody(transactions=transactions, calls=calls, seconds=_milliseconds(seconds)),
            doors=tracker.counters.doors(),
            replayed=tracker.counters.delivered(),
        )


def _breaker(seconds: float | None) -> BreakerBody:
    return BreakerBody(open=seconds is not None, seconds=None if seconds is None else _milliseconds(seconds))


def _milliseconds(seconds: float) -> Decimal:
    return round(Decimal(seconds), 3)
