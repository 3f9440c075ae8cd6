"""What the gateway keeps to give it again: how much that is, and forgetting it."""

from typing import Any

from litestar import Controller, Request, delete, get
from litestar.datastructures import State
from litestar.di import NamedDependency

from app import audit
from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.database.outages import answering
from app.errors import NotAllowedError
from app.gateway.cache.cache import ResponseCache
from app.maintenance.answers import forget_answers
from app.reports.rows import Row
from app.tracking import Tracker
from models.audit import Target

CHANGE_SECONDS = 5.0

Asking = Request[Principal, Any, Any]


class CacheBody(Row):
    """Figures of all processes of this server since its start. Null for an administrator of one client."""

    on: bool
    """False where this server keeps no answers."""
    shared: bool
    """Whether its processes share what they keep, in MongoDB."""
    hits: int | None
    """Calls that were answered from it, or were about to be."""
    misses: int | None
    answers: int | None
    """In memory."""
    bytes: int | None
    most_bytes: int | None
    """Of each process."""


class ForgottenBody(Row):
    """What was forgotten."""

    shared: int
    """Answers that were stored in MongoDB."""


class GatewayCacheController(Controller):
    """No answer is ever shown."""

    path = "/api/admin/gateway/cache"
    tags = ("gateway",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="How much the gateway keeps, and how often that was of use")
    async def cache(self, state: State, tracker: NamedDependency[Tracker], request: Asking) -> CacheBody:
        kept: ResponseCache | None = state.gateway and state.gateway.cache
        whole = request.user.client is None
        figures = tracker.counters.gateway_cache() if whole else {}
        return CacheBody(
            on=kept is not None,
            shared=kept is not None and kept.shared is not None,
            hits=figures.get("hits"),
            misses=figures.get("misses"),
            answers=figures.get("answers"),
            bytes=figures.get("bytes"),
            most_bytes=kept.memory.most_bytes if whole and kept is not None else None,
        )

    @delete("/", summary="Forget all answers that the gateway keeps", status_code=200)
    async def forget(self, state: State, request: Asking) -> ForgottenBody:
        """In all processes: those in memory within two seconds."""
        if own_client(request.user, None) is not None:
            raise NotAllowedError("these answers are of every client: the deployment's administrator forgets them")
        with answering(CHANGE_SECONDS):
            shared = await forget_answers(state.database)
            target = Target(kind="gateway", id="cache")
            await audit.record(state.database, None, "gateway.forgotten", target, after={"answers": shared})
            if state.gateway is not None and state.gateway.cache is not None:
                await state.gateway.cache.refresh(state.database)
        return ForgottenBody(shared=shared)
