"""What metrics and troubles say of alerts and of messages about them."""

import pymongo
from prometheus_client import Counter, Gauge

from app.alerts.sending import Outcome
from app.database import Database
from app.database.following import follow
from app.observability.metrics import Counters
from app.observability.troubles import Code, Troubles
from models.alerts import DELIVERIES, ENDPOINTS, AlertKind, DeliveryState, EndpointKind, EndpointState

LOOK_SECONDS = 15.0
QUERY_SECONDS = 5.0
SHOWN = (DeliveryState.PENDING, DeliveryState.FAILED, DeliveryState.STOPPED)
"""What an operator may have to do something about."""


class Measures:
    """Those of one process."""

    def __init__(self, database: Database, counters: Counters, troubles: Troubles) -> None:
        self._database = database
        self._troubles = troubles
        registry = counters.registry
        self._alerts = Counter("twinmeter_alerts", "Alerts that were recorded, by kind", ["kind"], registry=registry)
        self._tried = Counter(
            "twinmeter_delivery_attempts", "Attempts to deliver messages", ["channel", "outcome"], registry=registry
        )
        self._waiting = Gauge(
            "twinmeter_deliveries",
            "Messages about alerts that have not arrived, by state",
            ["state"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        for kind in AlertKind:
            self._alerts.labels(kind.value)
        for state in SHOWN:
            self._waiting.labels(state.value)

    def recorded(self, kind: AlertKind) -> None:
        self._alerts.labels(kind.value).inc()

    def tried(self, channel: EndpointKind, outcome: Outcome) -> None:
        self._tried.labels(channel.value, "arrived" if outcome.error is None else "failed").inc()

    async def keep(self) -> None:
        """Look at what waits, until cancelled."""
        await follow(self.look, what="deliveries", every=LOOK_SECONDS)

    async def look(self) -> None:
        """Raises PyMongoError."""
        deliveries = self._database.reads[DELIVERIES]
        with pymongo.timeout(QUERY_SECONDS):
            counts = [await deliveries.count_documents({"state": state.value}) for state in SHOWN]
            gone = await self._database.reads[ENDPOINTS].count_documents({"state": EndpointState.GONE.value})
        for state, count in zip(SHOWN, counts, strict=True):
            self._waiting.labels(state.value).set(count)
        self._troubles.show(Code.ENDPOINTS, gone, "endpoints of alerts were switched off, because they answered 410")
