"""How the gateway fares: what became of calls, what it adds to them, and what its cache saved."""

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import Any, Self

from litestar import Controller, Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency

from app.auth.middleware import requires
from app.auth.principals import Principal, Scope
from app.errors import DatabaseUnavailableError
from app.gateway.figures import FAMILY, GatewayFigures, figures_of
from app.reports.query import ReportQuery
from app.reports.reports import Reports
from app.reports.rows import Row
from app.reports.saved import SavedByGateway
from app.tracking import Tracker

SAVED_SECONDS = 5.0


class AddedBody(Row):
    """What the gateway itself took of calls, in ms, from a histogram: about, and at most 2,500."""

    calls: int
    p50: Decimal | None
    p95: Decimal | None
    p99: Decimal | None


class WholeGatewayBody(Row):
    """Of all clients, in all processes of this server since its start."""

    calls: dict[str, int]
    """By how they ended: `success`, `cached`, `error`, `rate_limited`, `timeout`, or why there was no whole answer."""
    refusals: dict[str, int]
    """Requests that no upstream was asked for, by code."""
    fallbacks: int
    """Attempts at an upstream after another one failed."""
    open_calls: int
    drains: int
    """Of these, calls that are read to their end for clients that have left."""
    drained: int
    """Calls that were read to their end so."""
    keep_alives: int
    hits: int
    """Answers that the cache had."""
    misses: int
    added: AddedBody

    @classmethod
    def of(cls, figures: GatewayFigures) -> Self:
        added = figures.added
        return cls(
            **figures._asdict()
            | {"added": AddedBody(calls=added.calls, p50=_ms(added.p50), p95=_ms(added.p95), p99=_ms(added.p99))}
        )


class GatewayFiguresBody(Row):
    """Figures of the metrics, and of the ledger."""

    on: bool
    """False where this server is no gateway."""
    whole: WholeGatewayBody | None
    """Null for an administrator of one client."""
    saved: SavedByGateway | None
    """Exactly, in the window that was asked for; null where MongoDB does not answer in time."""


class GatewayFiguresController(Controller):
    """It is available while MongoDB is away, too."""

    path = "/api/admin/gateway/figures"
    tags = ("gateway",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="What became of the gateway's calls, what it adds to them, and what its cache saved")
    async def figures(
        self,
        state: State,
        tracker: NamedDependency[Tracker],
        reports: NamedDependency[Reports],
        report_query: NamedDependency[ReportQuery],
        request: Request[Principal, Any, Any],
    ) -> GatewayFiguresBody:
        saved = None
        with suppress(DatabaseUnavailableError, TimeoutError):
            async with asyncio.timeout(SAVED_SECONDS):
                saved = await reports.saved_by_gateway(report_query)
        whole = request.user.client is None and state.gateway is not None
        return GatewayFiguresBody(
            on=state.gateway is not None,
            whole=WholeGatewayBody.of(figures_of(tracker.counters.samples_of(FAMILY))) if whole else None,
            saved=saved,
        )


def _ms(seconds: float | None) -> Decimal | None:
    return None if seconds is None else round(Decimal(1_000 * seconds), 1)
