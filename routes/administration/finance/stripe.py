"""How Stripe fares here: what came, what waits, and for what."""

from datetime import datetime
from typing import Any, Literal

from litestar import Controller, Request, get
from litestar.datastructures import State

from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.finance.stripe.billing import Billing
from app.finance.stripe.status import LastEvent, OpenObject, status_of
from app.reports.rows import Row
from models.plans import Subscription
from routes.dependencies import ClientFilter


class EventBody(Row):
    """An event of Stripe's."""

    id: str
    type: str
    at: datetime
    received_at: datetime

    @classmethod
    def of(cls, event: LastEvent) -> "EventBody":
        return cls(**event._asdict())


class OpenBody(Row):
    """An object that is not settled."""

    id: str
    kind: str
    state: str
    """`unmatched`: nobody knows whose it is. `waiting`: for another object. `no_rate`: booked once its currency has a
    rate. `no_plan`: it names a plan that is not here. `refused`: it cannot be, and `reason` says why.
    """
    reason: str | None
    customer: str | None
    since: datetime

    @classmethod
    def of(cls, one: OpenObject) -> "OpenBody":
        return cls(**one._asdict())


class BesideBody(Row):
    """A subscription that is paid for, while another one, or none, gives the plan."""

    id: str
    user_id: str | None
    client_id: str | None
    plan: str
    stripe_subscription_id: str | None

    @classmethod
    def of(cls, one: Subscription) -> "BesideBody":
        plan, scope = one.terms[-1].plan, one.scope
        stripe = one.stripe_subscription_id
        return cls(
            id=one.id, user_id=scope.user_id, client_id=scope.client_id, plan=plan, stripe_subscription_id=stripe
        )


class StripeBody(Row):
    """How Stripe fares."""

    configured: bool
    mode: Literal["live", "test"]
    fetches: bool
    """Whether each event's object is fetched as it is now: an API key is set."""
    last_event: EventBody | None
    """Of the whole deployment: null for one client's administrator."""
    kinds: dict[str, int]
    """Objects that are known, by what they are."""
    states: dict[str, int]
    """The same, by what became of them."""
    open: list[OpenBody]
    """What is not settled, and why; 200 at most."""
    beside: list[BesideBody]


class StripeController(Controller):
    """Stripe, for administrators."""

    path = "/api/admin/billing/stripe"
    tags = ("billing",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="How Stripe fares")
    async def stripe(
        self, request: Request[Principal, Any, Any], state: State, client_id: ClientFilter = None
    ) -> StripeBody:
        """One client's administrator sees what is known to be that client's."""
        billing: Billing = state.billing
        status = await status_of(state.database, own_client(request.user, client_id))
        return StripeBody(
            configured=billing.configured,
            mode="live" if billing.live else "test",
            fetches=billing.fetching is not None,
            last_event=None if status.last_event is None else EventBody.of(status.last_event),
            kinds=status.kinds,
            states=status.states,
            open=[OpenBody.of(one) for one in status.open],
            beside=[BesideBody.of(one) for one in status.beside],
        )
