"""Lists of alerts and of the messages about them, the newest first."""

from collections.abc import Mapping
from typing import Any

from app import audit
from app.alerts.recording import Clock
from app.database import Database, Session
from app.database.listing import After, following, newest_first
from app.database.outages import answering
from app.database.transactions import transact
from app.errors import ConflictError, NotFoundError
from models.alerts import (
    ALERTS,
    DELIVERIES,
    ENDPOINTS,
    Alert,
    AlertKind,
    Delivery,
    DeliveryState,
    EndpointState,
)
from models.audit import Target
from models.documents import Document
from models.moments import moment_now

READ_SECONDS = 5.0


class Records:
    """What was recorded. `client` is the only one whose alerts and messages are seen; None for all."""

    def __init__(self, database: Database, clock: Clock = moment_now) -> None:
        self._database = database
        self._alerts = database.writes[ALERTS]
        self._deliveries = database.writes[DELIVERIES]
        self._endpoints = database.writes[ENDPOINTS]
        self._clock = clock

    async def alerts(
        self,
        client: str | None,
        *,
        kind: AlertKind | None = None,
        limit: str | None = None,
        user: str | None = None,
        after: After | None = None,
        size: int,
    ) -> list[Alert]:
        chosen = _given(clientId=client, kind=kind, limit=limit, userId=user) | following("at", after)
        with answering(READ_SECONDS):
            found = self._alerts.find(chosen).sort(newest_first("at")).limit(size)
            return [Alert.model_validate(each) async for each in found]

    async def alert(self, alert_id: str, client: str | None) -> Alert:
        """Raises NotFoundError."""
        with answering(READ_SECONDS):
            stored = await self._alerts.find_one(_given(_id=alert_id, clientId=client))
        if stored is None:
            raise NotFoundError(f"there is no alert {alert_id}")
        return Alert.model_validate(stored)

    async def deliveries(
        self,
        client: str | None,
        *,
        state: DeliveryState | None = None,
        alert: str | None = None,
        endpoint: str | None = None,
        after: After | None = None,
        size: int,
    ) -> list[Delivery]:
        chosen = _given(clientId=client, state=state, alert=alert, endpoint=endpoint) | following("createdAt", after)
        with answering(READ_SECONDS):
            found = self._deliveries.find(chosen).sort(newest_first("createdAt")).limit(size)
            return [Delivery.model_validate(each) async for each in found]

    async def delivery(self, delivery_id: str, client: str | None) -> Delivery:
        """Raises NotFoundError."""
        with answering(READ_SECONDS):
            stored = await self._deliveries.find_one(_given(_id=delivery_id, clientId=client))
        return _delivery(stored, delivery_id)

    async def resend(self, delivery_id: str, client: str | None) -> Delivery:
        """Send a message at once, whatever became of it: its schedule begins anew. Raises NotFoundError, and
        ConflictError where its endpoint is off.
        """
        delivery = await self.delivery(delivery_id, client)
        at = self._clock()
        anew = {"$set": {"state": DeliveryState.PENDING.value, "tries": 0, "dueAt": at}, "$unset": {"claim": ""}}

        async def work(session: Session | None) -> Delivery:
            on = {"_id": delivery.endpoint, "state": EndpointState.ON.value}
            if not await self._endpoints.find_one(on, session=session):
                raise ConflictError(f"endpoint {delivery.endpoint} is off: switch it on first")
            stored = await self._deliveries.find_one_and_update(
                {"_id": delivery.id}, anew, return_document=True, session=session
            )
            target = Target(kind="delivery", id=delivery.id, client_id=delivery.client_id)
            await audit.record(
                self._database, session, "delivery.resent", target, after={"endpoint": delivery.endpoint}
            )
            return _delivery(stored, delivery_id)

        with answering(READ_SECONDS):
            return await transact(self._database, work)


def _delivery(stored: Mapping[str, Any] | None, delivery_id: str) -> Delivery:
    if stored is None:
        raise NotFoundError(f"there is no delivery {delivery_id}")
    return Delivery.model_validate(stored)


def _given(**fields: str | None) -> Document:
    return {name: {"$eq": str(value)} for name, value in fields.items() if value is not None}
