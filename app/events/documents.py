"""From a product event to its document in `analytics`."""

from datetime import datetime
from hashlib import blake2b
from typing import Any

from bson import Decimal128, ObjectId

from models.documents import Document
from models.product_event import ProductEvent

SCHEMA_VERSION = 1
_OPTIONAL = {"experiment": "experiment", "variant": "variant", "clerk_user_id": "clerkUserId"}


def event_id(event: ProductEvent, *, by_user: bool) -> ObjectId:
    """A fresh id, or that which follows from its request id: then what is sent again is the same document.

    They are in a space of their own: a call and an event with the same request id are two. `by_user` says that the
    user reports it with a token of theirs, whose request ids are theirs alone. See `app.ledger.twins.twin_id`.
    """
    if event.request_id is None:
        return ObjectId()
    owner = f"{event.client_id}\0{event.user_id}" if by_user else event.client_id
    digest = blake2b(f"{owner}\0{event.request_id}".encode(), digest_size=12, person=b"product event")
    return ObjectId(digest.digest())


def document_of(event: ProductEvent, now: datetime, *, by_user: bool) -> Document:
    """As MongoDB stores it: without what is not given. `now` is the time of the report, UTC."""
    document: Document = {
        "_id": event_id(event, by_user=by_user),
        "schemaVersion": SCHEMA_VERSION,
        "userId": event.user_id,
        "clientId": event.client_id,
        "event": event.event,
        "properties": event.properties or {},
        "synthetic": event.synthetic,
        "createdAt": event.created_at or now,
    }
    document |= {stored: given for name, stored in _OPTIONAL.items() if (given := getattr(event, name)) is not None}
    return document if event.value is None else {**document, "value": Decimal128(event.value)}


def differs(event: ProductEvent, document: Document, first: Document) -> bool:
    """Whether an event that was sent again says something else than the first report, which stands."""
    ignored = set() if event.created_at is not None else {"createdAt"}
    return _facts(document, ignored) != _facts(first, ignored)


def _facts(document: Document, ignored: set[str]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in ignored}
