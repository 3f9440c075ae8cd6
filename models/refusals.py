"""Calls that were refused, counted by reason: nothing of the calls themselves is kept.

One document a day, client, ingest channel, field and reason; it is removed 30 days after it was last added to.
"""

from pymongo import ASCENDING, IndexModel

REFUSALS = "refused_calls"
KEPT_DAYS = 30
KEY = ("day", "client", "door", "field", "reason")
"""The parts of an `_id`. `day` is that of the arrival in the reporting time zone; `door` is the ingest channel."""
INDEXES = [
    IndexModel([("last", ASCENDING)], name="expiry", expireAfterSeconds=KEPT_DAYS * 24 * 3_600),
    IndexModel([("_id.day", ASCENDING), ("_id.client", ASCENDING)], name="window"),
]
