"""What every way of sending shares: what came of an attempt."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from models.alerts import SPENDING, Alert, Delivery, Endpoint

ATTEMPT_SECONDS = 15.0
"""How long one attempt may take: connecting, sending and the answer."""


class Outcome(NamedTuple):
    """What came of an attempt."""

    status: int | None = None
    """Of HTTP or SMTP; None where there was no answer."""
    error: str | None = None
    """None where it succeeded. It names no address, secret or user."""
    gone: bool = False
    """The endpoint wants no more."""


Send = Callable[[Endpoint, Alert, Delivery], Awaitable[Outcome]]
"""Makes one attempt, of any length. What it raises is a fault of ours."""


def linked(send: Send, pages: str | None) -> Send:
    """The same, with a line about the page of alerts where pages have an address. Unusual spending links by itself."""
    if pages is None:
        return send

    async def with_link(endpoint: Endpoint, alert: Alert, delivery: Delivery) -> Outcome:
        if alert.kind not in SPENDING:
            alert = alert.model_copy(update={"lines": (*alert.lines, f"Look: {pages}/admin/settings/alerts")})
        return await send(endpoint, alert, delivery)

    return with_link
