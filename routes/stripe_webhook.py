"""Where Stripe sends its events. Its signature is all that opens it: no token or key of ours does."""

from typing import Any

from litestar import Controller, Request, post
from litestar.datastructures import State

from app.auth.attempts import RefusedCredentials
from app.auth.middleware import PUBLIC
from app.errors import UnsupportedMediaTypeError
from app.finance.stripe.billing import Answer, Billing
from app.finance.stripe.events import UnsignedError
from app.http.bodies import body_budget_of
from app.reports.rows import Row

MAX_BYTES = 1_000_000
SENDER = "stripe"


class TakenBody(Row):
    """What became of an event."""

    event: str
    """`taken`, `known` where it had come before, or `ignored` where it is of nothing that is followed here."""
    state: str | None
    """Of an object that is not settled yet: `unmatched`, `waiting`, `no_rate`, `no_plan` or `refused`."""
    reason: str | None

    @classmethod
    def of(cls, answer: Answer) -> "TakenBody":
        return cls(event=answer.became, state=answer.state, reason=answer.reason)


class StripeWebhookController(Controller):
    """Stripe's endpoint."""

    path = "/api/billing/stripe"
    tags = ("billing",)

    @post("/webhook", summary="Events of Stripe", status_code=200, opt=PUBLIC, request_max_body_size=MAX_BYTES)
    async def take_event(self, request: Request[Any, Any, Any], state: State) -> TakenBody:
        """Each event counts once, in whatever order they come. 404: Stripe is not set up here. 401: it is not signed by
        this endpoint's secret, or too long ago. 403: it is of another mode or account. 503: nothing was done; Stripe
        sends it again.
        """
        billing: Billing = state.billing
        billing.require()
        media_type, _ = request.content_type
        if media_type != "application/json":
            raise UnsupportedMediaTypeError("send application/json, as Stripe does")
        async with body_budget_of(request).body(request, SENDER, MAX_BYTES) as body:
            try:
                billing.check(body, request.headers.get("stripe-signature"))
            except UnsignedError as error:
                refused: RefusedCredentials = state.refused_credentials
                raise refused.answer(error, request.client.host if request.client else None) from None
            return TakenBody.of(await billing.take(body))
