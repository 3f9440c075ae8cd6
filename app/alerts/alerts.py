"""Alerts as the rest of the application sees them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from bson import ObjectId

from app import audit
from app.alerts.addresses import CheckedTransport, Outside, Resolver
from app.alerts.email import Mail
from app.alerts.endpoints import CHANGE_SECONDS, Endpoints, target_of
from app.alerts.measures import Measures
from app.alerts.muting import Mutes
from app.alerts.outbox import Outbox
from app.alerts.recording import Clock, insert, messages_to, record
from app.alerts.records import Records
from app.alerts.rules import limit_alert, other_alert
from app.alerts.seals import Seals
from app.alerts.sending import Send, linked
from app.alerts.spending.watch import Watch
from app.alerts.webhooks import Posts
from app.database import Database, Session
from app.database.outages import answering
from app.database.transactions import transact
from app.errors import ConflictError
from app.observability.metrics import Counters
from app.observability.troubles import Troubles
from app.process import background
from app.settings import Settings
from models.alerts import Alert, AlertKind, Crossing, Delivery, Endpoint, EndpointKind, EndpointState
from models.moments import moment_now


class Alerts:
    """One per process."""

    def __init__(
        self,
        database: Database,
        *,
        endpoints: Endpoints,
        outbox: Outbox,
        measures: Measures,
        clock: Clock = moment_now,
    ) -> None:
        self._database = database
        self.outbox = outbox
        self._measures = measures
        self._clock = clock
        self.endpoints = endpoints
        self.records = Records(database, clock)
        self.mutes = Mutes(database, clock)

    async def on_crossed(self, crossings: Sequence[Crossing]) -> None:
        """Record crossings, each once, with one message for all of one limit, subject and period: that of the highest.

        Repeated ones change nothing. Raises PyMongoError.
        """
        at = self._clock()
        await self._record([limit_alert(crossing, at) for crossing in crossings])

    async def raise_(self, kind: AlertKind, key: str, payload: Mapping[str, Any]) -> None:
        """Record something unusual once by its kind and key, and tell it. Raises PyMongoError.

        `payload` has a `text` (a sentence), and may have `lines` (figures, one in a line), `clientId`, `userId`, and
        whatever else webhooks are to be sent.
        """
        await self._record([other_alert(kind, key, payload, self._clock())])

    async def _record(self, alerts: Sequence[Alert]) -> None:
        recorded = await record(self._database, alerts, self._clock)
        for alert in recorded:
            self._measures.recorded(alert.kind)
        if recorded:
            self.outbox.wake()

    async def test(self, endpoint: Endpoint, by: str) -> list[Delivery]:
        """Send a message that says it is a test to an endpoint, whatever it wants to be told. Raises ConflictError
        where it is off.
        """
        if endpoint.state is not EndpointState.ON:
            raise ConflictError(f"endpoint {endpoint.id} is off: switch it on first")
        payload = {"text": f"This is a test of the endpoint {endpoint.name}.", "lines": [f"Asked for by: {by}"]}
        alert = other_alert(AlertKind.TEST, str(ObjectId()), {**payload, "clientId": endpoint.client_id}, self._clock())
        messages = messages_to(endpoint, alert, alert.at)

        async def store(session: Session | None) -> None:
            await insert(self._database, [alert], messages, session)
            await audit.record(self._database, session, "endpoint.tested", target_of(endpoint))

        with answering(CHANGE_SECONDS):
            await transact(self._database, store)
        self.outbox.wake()
        return messages

    async def resend(self, delivery_id: str, client: str | None) -> Delivery:
        """Send a message again, at once. Raises NotFoundError and ConflictError."""
        delivery = await self.records.resend(delivery_id, client)
        self.outbox.wake()
        return delivery


@asynccontextmanager
async def made(
    settings: Settings,
    database: Database,
    measures: Measures,
    *,
    clock: Clock = moment_now,
    resolver: Resolver | None = None,
) -> AsyncIterator[Alerts]:
    """The alerts of a process, for the length of a block. Nothing is sent by itself."""
    seals = Seals(settings.signing_secret)
    outside = Outside(settings.webhooks_to_private_addresses)
    endpoints = Endpoints(database, seals, outside, mail=settings.smtp_host is not None, clock=clock)
    posts = Posts(CheckedTransport(outside, resolver), seals, clock)
    ways: dict[EndpointKind, Send] = {
        EndpointKind.WEBHOOK: posts.webhook,
        EndpointKind.SLACK: linked(posts.slack, settings.public_url),
        EndpointKind.EMAIL: linked(Mail(settings).send, settings.public_url),
    }
    outbox = Outbox(database, endpoints, ways, measures, clock)
    try:
        yield Alerts(database, endpoints=endpoints, outbox=outbox, measures=measures, clock=clock)
    finally:
        await posts.close()


@asynccontextmanager
async def open_alerts(
    settings: Settings, database: Database, counters: Counters, troubles: Troubles
) -> AsyncIterator[Alerts]:
    """The alerts of a process, and its outbox, for the length of a block."""
    measures = Measures(database, counters, troubles)
    async with (
        made(settings, database, measures) as alerts,
        background(alerts.outbox.run(), "twinmeter-outbox"),
        background(measures.keep(), "twinmeter-deliveries"),
        AsyncExitStack() as more,
    ):
        if settings.spending_alerts:
            watch = Watch(database, settings, alerts.raise_)
            await more.enter_async_context(background(watch.run(), "twinmeter-spending"))
        yield alerts
