"""What is known of Stripe: which events came, and the newest state of each object that matters here."""

from pymongo import ASCENDING, DESCENDING, IndexModel

EVENTS = "stripe_events"
"""By their ids: each is taken once."""
OBJECTS = "stripe_objects"
"""By their ids: what Stripe last said of each, without names, addresses or texts of people."""

EVENT_DAYS = 100
"""How long events are known: Stripe sends one again for three days by itself, and for thirty by hand."""

STATE = {"_id": "stripe"}
"""The document in `versions` that every change raises, so that of two at once one sees the other: what depends on
several objects, such as an invoice and its refund, is then never missed by both.
"""

INDEXES = {
    EVENTS: [
        IndexModel([("receivedAt", ASCENDING)], name="expiry", expireAfterSeconds=EVENT_DAYS * 86_400),
        IndexModel([("at", DESCENDING)], name="newest"),
    ],
    OBJECTS: [
        IndexModel([("customer", ASCENDING), ("kind", ASCENDING)], name="customer"),
        IndexModel([("invoice", ASCENDING)], name="invoice", partialFilterExpression={"invoice": {"$exists": True}}),
        IndexModel([("keys", ASCENDING)], name="keys", partialFilterExpression={"keys": {"$exists": True}}),
        IndexModel([("waits", ASCENDING)], name="waits", partialFilterExpression={"waits": {"$exists": True}}),
        IndexModel([("state", ASCENDING), ("_id", ASCENDING)], name="state"),
    ],
}
