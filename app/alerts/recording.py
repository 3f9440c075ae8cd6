"""Alerts become documents: each once, together with the messages about it, in one small transaction."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from pymongo.errors import BulkWriteError

from app.alerts.flooding import told_to
from app.alerts.rules import Group, group_of, limit_alert, settled
from app.database import Database, Session
from app.database.transactions import transact, undisturbed
from models.alerts import (
    ALERTS,
    DELIVERIES,
    ENDPOINTS,
    Alert,
    Crossing,
    Delivery,
    Endpoint,
    EndpointKind,
    EndpointState,
)
from models.moments import moment_now
from models.plans import SUBSCRIPTIONS, Status
from models.subjects import user_subject

AT_ONCE = 100
"""Alerts of a transaction."""
RACING_SECONDS = 10.0
"""How long it is tried again where others record the same."""

Clock = Callable[[], datetime]


async def record(database: Database, alerts: Sequence[Alert], clock: Clock = moment_now) -> list[Alert]:
    """Record alerts that are not recorded yet, with their messages; those alone are returned. Raises PyMongoError."""
    recorded: list[Alert] = []
    for first in range(0, len(alerts), AT_ONCE):
        work = partial(_record, database, alerts[first : first + AT_ONCE], clock)
        # whoever is second finds a duplicate, and then that there is nothing left to do
        recorded += await undisturbed(
            partial(transact, database, work), seconds=RACING_SECONDS, disturbances=(BulkWriteError,)
        )
    return recorded


async def record_crossings(database: Database, crossings: Sequence[Crossing]) -> None:
    """As `Alerts.on_crossed`, in a process that sends nothing: a server does. Raises PyMongoError."""
    at = moment_now()
    await record(database, [limit_alert(crossing, at) for crossing in crossings])


async def _record(database: Database, alerts: Sequence[Alert], clock: Clock, session: Session | None) -> list[Alert]:
    candidates = {alert.id: alert for alert in alerts}
    stored = database.writes[ALERTS].find({"_id": {"$in": list(candidates)}}, {"_id": 1}, session=session)
    known = {each["_id"] async for each in stored}
    fresh = [alert for alert in candidates.values() if alert.id not in known]
    if not fresh:
        return []
    highest = await _highest(database, fresh, session)
    recorded, told = settled(fresh, highest, await _silent(database, fresh, session))
    at, messages = clock(), list[Delivery]()
    for endpoint in await open_endpoints(database, session) if told else ():
        wanted = [alert for alert in told if endpoint.wants(alert)]
        kept, more = await told_to(endpoint, wanted, at, database, session)
        if more is not None:
            recorded.append(more)
            kept = [*kept, more]
        messages += [message for alert in kept for message in messages_to(endpoint, alert, at)]
    await insert(database, recorded, messages, session)
    return recorded


async def insert(
    database: Database, alerts: Sequence[Alert], messages: Sequence[Delivery], session: Session | None
) -> None:
    """Record alerts that nobody else can know of, with these messages. Raises PyMongoError."""
    await database.writes[ALERTS].insert_many([alert.stored() for alert in alerts], session=session)
    if messages:
        await database.writes[DELIVERIES].insert_many([each.stored() for each in messages], session=session)


async def _highest(
    database: Database, alerts: Sequence[Alert], session: Session | None
) -> Mapping[Group, tuple[int, str]]:
    """The highest recorded threshold of each limit, subject and period of these alerts, and its alert."""
    groups = {group for alert in alerts if (group := group_of(alert)) is not None}
    if not groups:
        return {}
    chosen = [
        {"limit": each.limit, "subject": each.subject, "periodStart": each.period_start, "generation": each.generation}
        for each in groups
    ]
    highest: dict[Group, tuple[int, str]] = {}
    async for each in database.writes[ALERTS].find({"$or": chosen}, session=session):
        group = Group(each["limit"], each["generation"], each["subject"], each["periodStart"])
        highest[group] = max(highest.get(group, (0, "")), (each["threshold"], each["_id"]))
    return highest


async def _silent(database: Database, alerts: Sequence[Alert], session: Session | None) -> set[str]:
    """The ids of those alerts whose user wants no messages."""
    subjects = {alert.id: _subscribers(alert) for alert in alerts if alert.limit is not None}
    chosen = {
        "subject": {"$in": [subject for each in subjects.values() for subject in each]},
        "status": Status.ACTIVE.value,
        "usageAlertsEnabled": False,
    }
    found = {each["subject"] async for each in database.writes[SUBSCRIPTIONS].find(chosen, session=session)}
    return {id_ for id_, each in subjects.items() if not found.isdisjoint(each)}


def _subscribers(alert: Alert) -> set[str]:
    """Whose subscriptions say whether messages about this alert are wanted."""
    if alert.user_id is None:
        return set()
    return {user_subject(alert.user_id), user_subject(alert.user_id, alert.client_id)}


async def open_endpoints(database: Database, session: Session | None = None) -> list[Endpoint]:
    """Where messages go now."""
    stored = database.writes[ENDPOINTS].find({"state": EndpointState.ON.value}, session=session)
    return [Endpoint.model_validate(each) async for each in stored]


def messages_to(endpoint: Endpoint, alert: Alert, at: datetime) -> list[Delivery]:
    """The messages about an alert to one endpoint: one to each address, where it has several."""
    message = Delivery(
        id=f"{alert.id}-{endpoint.id}",
        alert=alert.id,
        kind=alert.kind,
        endpoint=endpoint.id,
        client_id=endpoint.client_id,
        user_id=alert.user_id,
        due_at=at,
        created_at=at,
    )
    if endpoint.kind is not EndpointKind.EMAIL:
        return [message]
    return [
        message.model_copy(update={"id": f"{message.id}-{number}", "recipient": address})
        for number, address in enumerate(endpoint.addresses)
    ]
