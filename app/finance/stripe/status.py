"""How Stripe fares here, for those who look after it."""

from datetime import datetime
from typing import Any, NamedTuple

from app.database import Database
from app.database.connection import VERSIONS
from app.database.outages import answering
from app.finance.stripe.settlements import OPEN
from app.limits.stored_definitions import read
from models.documents import Document
from models.plans import SUBSCRIPTIONS, Status, Subscription
from models.stripe import OBJECTS, STATE

SECONDS = 5.0
MOST = 200
"""Of objects that are open, and of subscriptions beside others."""


class LastEvent(NamedTuple):
    """The one that came last."""

    id: str
    type: str
    at: datetime
    received_at: datetime


class OpenObject(NamedTuple):
    """One that is not settled."""

    id: str
    kind: str
    state: str
    reason: str | None
    customer: str | None
    since: datetime


class BillingStatus(NamedTuple):
    """What there is."""

    last_event: LastEvent | None
    kinds: dict[str, int]
    """Objects by what they are."""
    states: dict[str, int]
    """The same by state."""
    open: list[OpenObject]
    beside: list[Subscription]
    """Subscriptions that are paid for beside the one that gives their subject's plan."""


async def status_of(database: Database, client: str | None) -> BillingStatus:
    """Of one client alone, where it is named: what nobody is known to own is nobody's.

    Raises DatabaseUnavailableError.
    """
    objects = database.reads[OBJECTS]
    own: Document = {} if client is None else {"owner.clientId": {"$eq": client}}
    with answering(SECONDS):
        counted: list[Document] = [
            {"$match": own},
            {"$group": {"_id": {"kind": "$kind", "state": "$state"}, "count": {"$sum": 1}}},
        ]
        kinds: dict[str, int] = {}
        states: dict[str, int] = {}
        async for row in objects.aggregate(counted):
            for found, name in ((kinds, row["_id"]["kind"]), (states, row["_id"]["state"])):
                found[name] = found.get(name, 0) + row["count"]
        chosen = {**own, "state": {"$in": list(OPEN)}}
        left = await objects.find(chosen).sort([("state", 1), ("_id", 1)]).limit(MOST).to_list(None)
        beside = {"status": Status.BESIDE.value} | ({} if client is None else {"client": {"$eq": client}})
        stored = await database.reads[SUBSCRIPTIONS].find(beside).sort("_id", 1).limit(MOST).to_list(None)
        state = await database.reads[VERSIONS].find_one(STATE) if client is None else None
    return BillingStatus(
        _last(state),
        dict(sorted(kinds.items())),
        dict(sorted(states.items())),
        [_open(document) for document in left],
        [one for document in stored if (one := read(Subscription, document)) is not None],
    )


def _last(state: Document | None) -> LastEvent | None:
    event: dict[str, Any] | None = None if state is None else state.get("event")
    return None if event is None else LastEvent(event["id"], event["type"], event["at"], event["receivedAt"])


def _open(document: Document) -> OpenObject:
    names = ("_id", "kind", "state", "reason", "customer", "since")
    return OpenObject(*(document.get(name) for name in names))  # type: ignore[arg-type]
