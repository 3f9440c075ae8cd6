"""People are not flooded: they get some messages a minute, and then one that says that there are more.

Programs get every message: what a webhook does about one user, it does not do about another.
"""

from collections.abc import Sequence
from datetime import datetime

from app.alerts.rules import other_alert
from app.database import Database, Session
from models.alerts import ALERTS, DELIVERIES, Alert, AlertKind, Endpoint, EndpointKind, alert_id

MOST = 20
"""Messages of a minute, to each address of an endpoint."""


async def told_to(
    endpoint: Endpoint, wanted: Sequence[Alert], at: datetime, database: Database, session: Session | None
) -> tuple[Sequence[Alert], Alert | None]:
    """Which of the alerts that an endpoint wants it is told; and what is told instead of the others, once a minute."""
    if endpoint.kind is EndpointKind.WEBHOOK or not wanted:
        return wanted, None
    minute = at.replace(second=0, microsecond=0)
    addresses = len(endpoint.addresses) or 1
    of_minute = {"createdAt": {"$gte": minute}, "endpoint": endpoint.id}
    sent = await database.writes[DELIVERIES].count_documents(of_minute, limit=MOST * addresses, session=session)
    room = MOST - sent // addresses
    if len(wanted) <= room:
        return wanted, None
    key = f"{endpoint.id}|{minute.isoformat()}"
    known = await database.writes[ALERTS].find_one({"_id": alert_id(AlertKind.MORE.value, key)}, session=session)
    return wanted[:room], None if known else _more(endpoint, key, minute, at)


def _more(endpoint: Endpoint, key: str, minute: datetime, at: datetime) -> Alert:
    text = (
        f"There are more alerts in the minute from {minute:%H:%M} UTC than the {MOST} that are told one by one: "
        "the page Alerts lists all."
    )
    about = {"text": text, "clientId": endpoint.client_id, "endpointId": endpoint.id}
    return other_alert(AlertKind.MORE, key, about, at)
