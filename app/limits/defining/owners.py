"""Whose a scope is: who administers one client limits that client, its keys, its campaigns and its users there."""

from datetime import UTC, datetime

from app.database import Database
from app.database.outages import answering
from app.errors import NotAllowedError, invalid
from app.limits.defining.changes import CHANGE_SECONDS
from app.limits.defining.storage import MAX_ID, Owner
from app.limits.stored_definitions import read
from models import ApiKey
from models.limits import LimitScope
from models.plans import SUBSCRIPTIONS, Status, Subscription
from models.subjects import EVERYONE_SUBJECT


def own_scope(scope: LimitScope, client: str | None) -> LimitScope:
    """The scope as a caller of `client` (None for any) means it. Raises NotAllowedError where it reaches beyond."""
    if client is None:
        return scope
    if (scope.user_id is not None or scope.campaign_id is not None) and scope.client_id is None:
        return scope.model_copy(update={"client_id": client})
    if scope.client_id not in {None, client}:
        raise NotAllowedError(f"this caller is limited to {client}; leave clientId out")
    if scope.feature is not None or scope.everyone:
        message = 'name {"clientId": ...}, with a filter where only some calls are meant'
        raise NotAllowedError(f"this would hold for other clients than {client} too; {message}")
    return scope


async def owner_of(database: Database, scope: LimitScope, client: str | None) -> Owner:
    """Whose a scope is, that a caller of `client` (None for any) names.

    Raises InvalidRequestError where it names a key or a subscription that is not there, or of another client.
    """
    if scope.key_id is not None:
        return Owner(scope.subject or "", await client_of_key(database, scope.key_id, client, "scope.keyId"))
    if scope.subscription is not None:
        return await _of_subscription(database, scope.subscription, client)
    return Owner(scope.subject or EVERYONE_SUBJECT, scope.client_id)


async def client_of_key(database: Database, key_id: str, client: str | None, field: str) -> str:
    """Whose an API key is. Raises InvalidRequestError for `field` where a caller of `client` has none of this id."""
    with answering(CHANGE_SECONDS):
        key = await database.writes[ApiKey.Settings.name].find_one({"keyId": {"$eq": key_id}}, {"clientId": 1})
    if key is None or client not in {None, key["clientId"]}:
        raise invalid(field, f"is not a key: there is no {key_id[:MAX_ID]}; GET /api/admin/keys lists them")
    return str(key["clientId"])


async def _of_subscription(database: Database, subscription: str, client: str | None) -> Owner:
    with answering(CHANGE_SECONDS):
        stored = await database.writes[SUBSCRIPTIONS].find_one({"_id": {"$eq": subscription}, "status": Status.ACTIVE})
    found = None if stored is None else read(Subscription, stored)
    if found is None or found.is_over(datetime.now(UTC)) or client not in {None, found.scope.client_id}:
        lists = "GET /api/admin/subscriptions lists them"
        raise invalid("scope.subscription", f"is not one: there is no active {subscription[:MAX_ID]}; {lists}")
    return Owner(found.scope.subject or "", found.scope.client_id)
