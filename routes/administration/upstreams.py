"""Whom the gateway asks, and how they fare."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from litestar import Controller, Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency

from app.auth.middleware import requires
from app.auth.principals import Principal, Scope
from app.gateway.formats.base import Api
from app.gateway.upstreams.attempts import each_once
from app.gateway.upstreams.health import Outcome, Shown
from app.gateway.upstreams.health import State as Course
from app.gateway.upstreams.upstreams import Upstream, Upstreams
from app.reports.rows import Row
from app.tracking import Tracker


class FailureBody(Row):
    """The last attempt that failed."""

    outcome: Outcome
    at: datetime


class UpstreamLatency(Row):
    """Until the head of an answer, in ms: exactly that of the last `answers` that this process had."""

    p50: int | None
    p95: int | None
    answers: int


class UpstreamBody(Row):
    """One upstream. What is of the whole deployment is null for an administrator of one client."""

    name: str
    format: Api
    base_url: str | None
    provider: str
    """Whose prices its calls have."""
    key: str | None
    """Where its key is from: `env NAME` or `file PATH`. Null: it is sent none."""
    models: list[str]
    """Names and globs."""
    health: Course
    """In this process: `open` and `probing` are of the circuit, with `cooling down` its key or a model comes last."""
    again_at: datetime | None
    """When it is tried again, or its key is."""
    last_models: list[str]
    """Models that it is asked for last just now, by its own names."""
    last_failure: FailureBody | None
    latency: UpstreamLatency
    attempts: dict[str, int] | None
    """By how they ended, in all processes of this server since its start."""

    @classmethod
    def of(cls, upstream: Upstream, shown: Shown, attempts: dict[str, int], *, whole: bool) -> Self:
        """`whole`: for who may see all of the deployment."""
        again = None if shown.again is None else datetime.now(UTC) + timedelta(seconds=shown.again)
        return cls(
            name=upstream.name,
            format=upstream.api,
            base_url=upstream.base_url if whole else None,
            provider=upstream.provider,
            key=upstream.key_source if whole else None,
            models=list(upstream.models),
            health=shown.state,
            again_at=again,
            last_models=shown.models if whole else [],
            last_failure=shown.last_failure and FailureBody(outcome=shown.last_failure[0], at=shown.last_failure[1]),
            latency=UpstreamLatency(p50=_ms(shown.p50), p95=_ms(shown.p95), answers=shown.measured),
            attempts=each_once(attempts) if whole else None,
        )


class GatewayNameBody(Row):
    """A name of `[models]`."""

    name: str
    targets: list[str]
    """`upstream/model`, the one that is asked first before others."""


class UpstreamsBody(Row):
    """The gateway's file as it is in use."""

    on: bool
    """False where this server is no gateway."""
    file: str | None
    loaded_at: datetime | None
    fault: str | None
    """Why the file as it is now is not in use, but the one before."""
    passes_unknown: bool
    """Whether models that nobody lists go to the first upstream of their API."""
    process: int
    """Whose view of `health` and `latency` this is."""
    upstreams: list[UpstreamBody]
    names: list[GatewayNameBody]

    @classmethod
    def off(cls) -> Self:
        """Of a server that is no gateway."""
        return cls(
            on=False,
            file=None,
            loaded_at=None,
            fault=None,
            passes_unknown=False,
            process=os.getpid(),
            upstreams=[],
            names=[],
        )

    @classmethod
    def of(cls, upstreams: Upstreams, attempts: dict[str, dict[str, int]], *, whole: bool) -> Self:
        """`attempts` by upstream and outcome."""
        catalog, health = upstreams.catalog, upstreams.health
        return cls(
            on=True,
            file=str(upstreams.path) if whole else None,
            loaded_at=upstreams.loaded_at,
            fault=upstreams.fault.detail if upstreams.fault and whole else None,
            passes_unknown=catalog.passes_unknown,
            process=os.getpid(),
            upstreams=[
                UpstreamBody.of(each, health.shown(each), attempts.get(each.name, {}), whole=whole)
                for each in catalog.upstreams.values()
            ],
            names=[
                GatewayNameBody(name=name, targets=[str(target) for target in targets])
                for name, targets in catalog.aliases.items()
            ],
        )


class UpstreamController(Controller):
    """Nothing here shows a key. It is available while MongoDB is away, too."""

    path = "/api/admin/gateway/upstreams"
    tags = ("gateway",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="The gateway's upstreams, and how they fare")
    async def upstreams(
        self, state: State, tracker: NamedDependency[Tracker], request: Request[Principal, Any, Any]
    ) -> UpstreamsBody:
        if state.gateway is None:
            return UpstreamsBody.off()
        attempts = tracker.counters.attempts()
        return UpstreamsBody.of(state.gateway.upstreams, attempts, whole=request.user.client is None)


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(1_000 * seconds)
