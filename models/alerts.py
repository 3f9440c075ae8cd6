"""What was crossed or is unusual, whom it is told, and what became of each message."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import Field, StrictBool
from pymongo import ASCENDING, DESCENDING, IndexModel

from models.base import StoredDecimal
from models.fields import Name
from models.limits import Id, Limit
from models.shape import Shape

ALERTS = "alerts"
DELIVERIES = "deliveries"
ENDPOINTS = "endpoints"
MUTES = "alert_mutes"

ALL = 100
"""Percent."""
BEYOND = 101
"""The threshold that anything beyond the allowance crosses, also where that is 0."""
FAR_BEYOND = 110
"""In percent. It and `BEYOND` are told of every limit, beside those that it names."""
DELIVERIES_KEPT_DAYS = 90
MAX_TEXT = 1_000
MAX_LINE = 500
"""Characters."""


class AlertKind(StrEnum):
    """What an alert is about."""

    LIMIT_WARNING = "limit.warning"
    """A share of a limit is used."""
    LIMIT_REACHED = "limit.reached"
    """All of it is."""
    LIMIT_OVERAGE = "limit.overage"
    """More than a soft limit gives."""
    LIMIT_OVERRUN = "limit.overrun"
    """More than a hard limit gives: calls that nobody asked about before, or whose hold had ended."""
    SPENDING_COST = "spending.cost"
    """A day or an hour costs more than usual."""
    SPENDING_ERRORS = "spending.errors"
    """More calls fail than usual."""
    SPENDING_UNPRICED = "spending.unpriced"
    """The first call of a model without a price, or of an unknown content type."""
    SPENDING_SLOW = "spending.slow"
    """A provider answers slower than usual."""
    MORE = "alerts.more"
    """There are more than people are told one by one."""
    TEST = "endpoint.test"
    """Somebody tries an endpoint."""


SPENDING = frozenset(
    {AlertKind.SPENDING_COST, AlertKind.SPENDING_ERRORS, AlertKind.SPENDING_UNPRICED, AlertKind.SPENDING_SLOW}
)
"""Kinds of what is unusual without any limit."""


class Crossing(NamedTuple):
    """A threshold of a limit that was passed. The same one may be told several times."""

    limit: Limit
    subject: str
    period_start: datetime
    period_end: datetime
    threshold: int
    """Percent of the allowance; `BEYOND` for anything beyond it."""
    used: Decimal
    allowance: Decimal
    counter_id: str
    user_id: str | None
    client_id: str | None = None


class Alert(Shape):
    """One event, recorded once: its id is made of what happened."""

    id: Id
    """That of the message on its way, too: see `alert_id`."""
    kind: AlertKind
    at: datetime
    text: Annotated[str, Field(max_length=MAX_TEXT)]
    """What happened, in a sentence."""
    lines: tuple[Annotated[str, Field(max_length=MAX_LINE)], ...] = ()
    """Its figures, as people read them."""
    body: str
    """What webhooks are sent, frozen: JSON."""
    client_id: Name | None = None
    user_id: Name | None = None
    limit: str | None = None
    generation: int | None = None
    subject: str | None = None
    period_start: datetime | None = None
    period_end: datetime | None = None
    threshold: int | None = None
    """Percent; `BEYOND` for anything beyond the allowance."""
    used: StoredDecimal | None = None
    allowance: StoredDecimal | None = None
    silenced: StrictBool = False
    """Nobody was told, as the user wants."""
    told_by: str | None = None
    """The id of a higher threshold's alert, whose message says this one, too."""


class EndpointKind(StrEnum):
    """How messages go to an endpoint."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    SLACK = "slack"


class EndpointState(StrEnum):
    """Whether messages go there."""

    ON = "on"
    OFF = "off"
    """An administrator wants it so."""
    GONE = "gone"
    """It answered 410: it wants no more."""
    ENDED = "ended"


class Secret(Shape):
    """With which messages are signed."""

    sealed: str
    """The text `whsec_...`, encrypted."""
    until: datetime | None = None
    """Of one that was rotated: until when it signs beside the new one."""


class Endpoint(Shape):
    """Where messages go."""

    id: Id
    name: Name
    kind: EndpointKind
    sealed_url: str | None = None
    """Of a webhook and of Slack, encrypted: such an address may be a credential."""
    shown: Annotated[str, Field(max_length=2_000)]
    """The address as people see it: e-mail addresses, or a URL without what may be secret of it."""
    addresses: tuple[str, ...] = ()
    """Of e-mail."""
    secrets: tuple[Secret, ...] = ()
    """Of a webhook, the newest first."""
    client_id: Name | None = None
    """Whose alerts go there; None for those of all, and of the deployment."""
    kinds: tuple[AlertKind, ...] = ()
    """Empty for all."""
    state: EndpointState = EndpointState.ON
    state_since: datetime
    created_at: datetime
    created_by: str

    def wants(self, alert: Alert) -> bool:
        """Whether messages about this alert go there."""
        return (
            self.state is EndpointState.ON
            and (self.client_id is None or self.client_id == alert.client_id)
            and (not self.kinds or alert.kind in self.kinds)
        )


class DeliveryState(StrEnum):
    """What became of a message."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up, after the last attempt of the schedule."""
    STOPPED = "stopped"
    """The endpoint was switched off before."""


class Attempt(Shape):
    """One of them."""

    at: datetime
    duration: int
    """In ms."""
    status: int | None = None
    """Of HTTP or SMTP; None where there was no answer."""
    error: Annotated[str, Field(max_length=MAX_LINE)] | None = None
    """None where it succeeded."""


class Delivery(Shape):
    """One message to one endpoint: to one address of it, where it has several."""

    id: Id
    alert: str
    kind: AlertKind
    endpoint: str
    client_id: Name | None = None
    """The endpoint's."""
    user_id: Name | None = None
    """The alert's."""
    recipient: str | None = None
    """Of e-mail: the address."""
    state: DeliveryState = DeliveryState.PENDING
    tries: int = 0
    """Attempts of the schedule, which a resend begins anew."""
    attempts: tuple[Attempt, ...] = ()
    """The last ones."""
    due_at: datetime
    """When it is tried next; while it is tried, when another process may."""
    claim: str | None = None
    """Of who is at it."""
    created_at: datetime
    delivered_at: datetime | None = None


MOST_ATTEMPTS_KEPT = 30


class Mute(Shape):
    """Until when alerts about unusual spending are not raised: of a kind, or of what it is about alone."""

    id: Id
    kind: AlertKind
    client_id: Name | None = None
    provider: Name | None = None
    model: Name | None = None
    until: datetime
    created_at: datetime
    created_by: str

    def covers(self, kind: AlertKind, payload: Mapping[str, Any]) -> bool:
        """Whether an alert with this payload is muted."""
        about = {"clientId": self.client_id, "provider": self.provider, "model": self.model}
        return kind is self.kind and all(value in {None, payload.get(name)} for name, value in about.items())


def alert_id(*parts: object) -> str:
    """The id of an alert about what these parts name: the same for the same event, wherever and however often it is
    seen. It has neither names of users in it nor characters that mean something in an address or a signature.
    """
    text = "|".join(str(part).replace("%", "%25").replace("|", "%7C") for part in parts)
    return f"alert_{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def crossed(percents: Sequence[int], allowance: Decimal, before: Decimal, after: Decimal) -> tuple[int, ...]:
    """The thresholds that are passed when what is used goes from `before` to `after`, in ascending order.

    Equality counts: 100 % is crossed by the last unit of the allowance.
    """
    shares = [
        percent for percent in {*percents, FAR_BEYOND} - {BEYOND} if before * 100 < allowance * percent <= after * 100
    ]
    beyond = [BEYOND] if before <= allowance < after else []
    return tuple(sorted([*shares, *beyond]))


INDEXES: dict[str, list[IndexModel]] = {
    ALERTS: [
        IndexModel([("at", DESCENDING), ("_id", DESCENDING)], name="newest"),
        IndexModel([("clientId", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)], name="client"),
        IndexModel([("userId", ASCENDING), ("at", DESCENDING)], name="user"),
        IndexModel(
            [("limit", ASCENDING), ("subject", ASCENDING), ("periodStart", ASCENDING), ("threshold", ASCENDING)],
            name="limit",
        ),
    ],
    DELIVERIES: [
        IndexModel([("state", ASCENDING), ("endpoint", ASCENDING), ("dueAt", ASCENDING)], name="due"),
        IndexModel([("alert", ASCENDING)], name="alert"),
        IndexModel([("userId", ASCENDING)], name="user"),
        IndexModel(
            [("createdAt", DESCENDING), ("_id", DESCENDING)],
            name="newest",
        ),
        IndexModel([("createdAt", ASCENDING)], name="expiry", expireAfterSeconds=DELIVERIES_KEPT_DAYS * 24 * 3_600),
    ],
    ENDPOINTS: [],
    MUTES: [],
}
