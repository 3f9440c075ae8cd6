"""What today's prices would make of stored calls, and making it so."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Self

from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.params import JSONBody

from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.errors import invalid
from app.http.openapi import exemplified
from app.maintenance.repricing.runs import Repricings, Run, RunState
from app.maintenance.repricing.selection import Selection
from app.reports.rows import Row
from models.fields import Name
from routes.administration.sent import Sent

FIRST, LAST = date(2000, 1, 1), date(9998, 12, 31)

Asking = Request[Principal, Any, Any]


class RepricedCalls(Sent):
    """Which calls: from a day on, of one model and client where they are named."""

    model_config = exemplified({"model": "gpt-4o", "firstDay": "2026-11-01"})

    first_day: date
    last_day: date | None = None
    """Without end, by default."""
    model: Name | None = None
    """As it was reported."""
    client_id: Name | None = None

    def selected(self, client: str | None) -> Selection:
        """Raises InvalidRequestError."""
        if not FIRST <= self.first_day <= LAST:
            raise invalid("firstDay", f"must be a day from {FIRST} to {LAST}")
        if self.last_day is not None and not self.first_day <= self.last_day <= LAST:
            raise invalid("lastDay", f"must be a day from firstDay to {LAST}")
        return Selection(self.first_day, self.last_day, client, self.model)


class PreviewBody(Row):
    """What repricing would change. Costs in USD."""

    calls: int
    """That were looked at."""
    changed: int
    before: Decimal
    """The cost of those that change."""
    after: Decimal
    difference: Decimal
    without_price: int
    complete: bool
    """False where there are more calls than are looked at: then there may be more to change."""


class RunBody(Row):
    """A repricing, as far as it is."""

    state: RunState
    model: str | None
    client_id: str | None
    first_day: date
    last_day: date | None
    total: int
    """Calls when it began."""
    done: int
    changed: int
    difference: Decimal
    """USD, of those that were changed."""
    started_at: datetime
    by: str

    @classmethod
    def of(cls, run: Run) -> Self:
        return cls(
            state=run.state,
            model=run.selection.model,
            client_id=run.selection.client,
            first_day=run.selection.first,
            last_day=run.selection.last,
            total=run.total,
            done=run.done,
            changed=run.changed,
            difference=run.difference,
            started_at=run.started_at,
            by=run.by,
        )


class LastRun(Row):
    """The run that is under way, else the last one that the caller may see; null where there is none."""

    run: RunBody | None


class RepricingController(Controller):
    """One client's administrator reprices that client's calls. Costs that callers reported stay, no cost is replaced by
    none, and the reports of closed months keep their figures.
    """

    path = "/api/admin/repricing"
    tags = ("prices",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="The repricing that is under way, or the last one")
    async def last(self, state: State, request: Asking) -> LastRun:
        repricings: Repricings = state.repricings
        run, client = await repricings.last(), own_client(request.user, None)
        hidden = run is None or client not in {None, run.selection.client}
        return LastRun(run=None if run is None or hidden else RunBody.of(run))

    @post("/preview", summary="What repricing would change", status_code=200)
    async def preview(self, data: JSONBody[RepricedCalls], state: State, request: Asking) -> PreviewBody:
        """Nothing is written."""
        repricings: Repricings = state.repricings
        found = await repricings.preview(data.selected(own_client(request.user, data.client_id)))
        return PreviewBody(**found._asdict(), difference=found.after - found.before)

    @post("/", summary="Reprice stored calls by today's prices", status_code=202)
    async def start(self, data: JSONBody[RepricedCalls], state: State, request: Asking) -> RunBody:
        """It goes on in the background. One runs at a time: 409 meanwhile. What was interrupted goes on where it was,
        when the same is asked for again.
        """
        repricings: Repricings = state.repricings
        selection = data.selected(own_client(request.user, data.client_id))
        return RunBody.of(await repricings.start(selection, request.user.subject))
