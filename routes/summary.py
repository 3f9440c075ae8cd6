"""The overview at a glance, for administrators."""

from typing import Any

from litestar import Controller, Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency

from app.auth.middleware import requires
from app.auth.principals import Principal, Scope
from app.finance.summary import Attention, Severity, Summaries, SummaryReport, in_order
from app.observability.troubles import ADVICE
from app.reports.query import Synthetic
from app.tracking import Tracker


class SummaryController(Controller):
    """An administrator of one client sees that client alone."""

    path = "/api/admin/ai/summary"
    tags = ("admin",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="Cost this month and its end, what changed and why, the largest, and what wants attention")
    async def summary(
        self,
        request: Request[Principal, Any, State],
        summaries: NamedDependency[Summaries],
        tracker: NamedDependency[Tracker],
        synthetic_mode: NamedDependency[Synthetic],
        scoped_client: NamedDependency[str | None],
    ) -> SummaryReport:
        """All figures are of one moment, and each change is up to the same minute of the period before."""
        found = await summaries.summary(synthetic_mode, scoped_client)
        if request.user.client is not None:
            return found
        of_server = [*await _troubles(tracker), *_upstreams(request.app.state)]
        return found.model_copy(update={"attention": in_order([*of_server, *found.attention])})


async def _troubles(tracker: Tracker) -> list[Attention]:
    standing = await tracker.standing()
    return [
        Attention(
            kind=f"trouble.{each.code}",
            text=f"{each.reason}. {ADVICE[each.code]}",
            severity=Severity.BAD,
            view="reliability/system",
            filters={},
            at=each.since,
        )
        for each in standing.troubles
    ]


def _upstreams(state: State) -> list[Attention]:
    if state.gateway is None:
        return []
    upstreams = state.gateway.upstreams
    return [
        Attention(
            kind="upstream",
            text=f"The gateway's upstream {each.name} does not answer",
            severity=Severity.BAD,
            view="settings/gateway",
            filters={},
            at=None,
        )
        for each in upstreams.catalog.upstreams.values()
        if upstreams.health.shown(each).state == "open"
    ]
