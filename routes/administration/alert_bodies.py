"""What is sent and answered about alerts, deliveries and endpoints."""

from datetime import datetime
from decimal import Decimal
from email.errors import MessageError
from email.headerregistry import Address
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StringConstraints
from pydantic_core import PydanticCustomError

from app.http.openapi import exemplified
from app.reports.rows import Row
from models.alerts import (
    Alert,
    AlertKind,
    Attempt,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointKind,
    EndpointState,
)
from models.base import camel
from models.fields import Name
from routes.administration.sent import Sent

MOST_ADDRESSES = 20


def _addressable(address: str) -> str:
    """Only what an e-mail can have as its recipient, and stands for itself there."""
    try:
        if Address(addr_spec=address).addr_spec == address:
            return address
    except (ValueError, MessageError):
        pass
    raise PydanticCustomError("address", "must be an e-mail address such as billing@shop.example")


EmailAddress = Annotated[
    str,
    StringConstraints(
        max_length=254, pattern=r"^[!-~]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", strip_whitespace=True
    ),
    AfterValidator(_addressable),
]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2_000, strip_whitespace=True)]
Addresses = Annotated[list[EmailAddress], Field(min_length=1, max_length=MOST_ADDRESSES)]


class NewEndpoint(Sent):
    """Where messages are to go. Without `clientId`, those about all; without `kinds`, those of every kind."""

    model_config = exemplified(
        {"kind": "webhook", "name": "billing", "url": "https://shop.example/hooks/usage", "kinds": ["limit.reached"]}
    )

    kind: EndpointKind
    name: Name
    url: Url | None = None
    """Of a webhook, and of Slack or what is compatible with it."""
    addresses: Addresses | None = None
    """Of e-mail."""
    client_id: Name | None = None
    kinds: Annotated[tuple[AlertKind, ...], Field(max_length=len(AlertKind))] = ()


class EndpointChange(BaseModel):
    """What changes of an endpoint; what is left out stays."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid")

    name: Name | None = None
    url: Url | None = None
    addresses: Addresses | None = None
    kinds: Annotated[tuple[AlertKind, ...], Field(max_length=len(AlertKind))] | None = None
    """Empty for every kind."""
    on: StrictBool | None = None
    """false stops what waits to be sent there."""


class EndpointBody(Row):
    """Where messages go, without what is secret of it."""

    id: str
    kind: EndpointKind
    name: str
    address: str
    """E-mail addresses, or a URL without its query and long parts of its path; of Slack without its path."""
    client_id: str | None
    kinds: list[AlertKind]
    state: EndpointState
    """`gone`: it answered 410, and was switched off."""
    state_since: datetime
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, endpoint: Endpoint, **more: str | None) -> Self:
        return cls(
            id=endpoint.id,
            kind=endpoint.kind,
            name=endpoint.name,
            address=endpoint.shown,
            client_id=endpoint.client_id,
            kinds=list(endpoint.kinds),
            state=endpoint.state,
            state_since=endpoint.state_since,
            created_at=endpoint.created_at,
            created_by=endpoint.created_by,
            **more,
        )


class MadeEndpoint(EndpointBody):
    """An endpoint with a new secret."""

    secret: str | None
    """Of a webhook: `whsec_...`, with which its messages are signed. It is shown only this once."""


class AttemptBody(Row):
    """One attempt to deliver a message."""

    at: datetime
    duration: int
    """In ms."""
    status: int | None
    """Of HTTP or SMTP; null where there was no answer."""
    error: str | None
    """null where it arrived."""


class DeliveryBody(Row):
    """One message about an alert, to one endpoint."""

    id: str
    alert_id: str
    kind: AlertKind
    endpoint_id: str
    recipient: str | None
    """Of e-mail: the address."""
    state: DeliveryState
    """`failed` after the last attempt of the schedule; `stopped` where its endpoint was off."""
    next_attempt_at: datetime | None
    """While it is pending."""
    created_at: datetime
    delivered_at: datetime | None
    attempts: list[AttemptBody]
    """The last ones, in order."""

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        return cls(
            id=delivery.id,
            alert_id=delivery.alert,
            kind=delivery.kind,
            endpoint_id=delivery.endpoint,
            recipient=delivery.recipient,
            state=delivery.state,
            next_attempt_at=delivery.due_at if delivery.state is DeliveryState.PENDING else None,
            created_at=delivery.created_at,
            delivered_at=delivery.delivered_at,
            attempts=[_attempt(each) for each in delivery.attempts],
        )


def _attempt(attempt: Attempt) -> AttemptBody:
    return AttemptBody(at=attempt.at, duration=attempt.duration, status=attempt.status, error=attempt.error)


class AlertBody(Row):
    """What was crossed or is unusual."""

    id: str
    kind: AlertKind
    at: datetime
    text: str
    lines: list[str]
    """Its figures, as messages have them."""
    client_id: str | None
    user_id: str | None
    limit_id: str | None
    subject: str | None
    period_start: datetime | None
    period_end: datetime | None
    threshold: int | None
    """Percent of the allowance; 101 for anything beyond it."""
    used: Decimal | None
    allowance: Decimal | None
    silenced: bool
    """The user wants no messages: nobody was told."""
    told_by: str | None
    """The id of a higher threshold's alert, whose message says this one too."""

    @classmethod
    def of(cls, alert: Alert) -> Self:
        return cls(**_facts(alert))


class ToldAlert(AlertBody):
    """An alert, and the messages about it."""

    deliveries: list[DeliveryBody]

    @classmethod
    def told(cls, alert: Alert, deliveries: list[Delivery]) -> Self:
        return cls(**_facts(alert), deliveries=[DeliveryBody.of(each) for each in deliveries])


def _facts(alert: Alert) -> dict[str, object]:
    facts = {name: getattr(alert, name) for name in AlertBody.model_fields if name not in {"limit_id", "lines"}}
    return facts | {"limit_id": alert.limit, "lines": list(alert.lines)}


class AlertList(Row):
    """A page of them, the newest first."""

    alerts: list[AlertBody]
    next_cursor: str | None


class DeliveryList(Row):
    """A page of them, the newest first."""

    deliveries: list[DeliveryBody]
    next_cursor: str | None


class EndpointList(Row):
    """All of them, the newest first."""

    endpoints: list[EndpointBody]


class SentMessages(Row):
    """Messages that are being sent."""

    deliveries: list[DeliveryBody]
