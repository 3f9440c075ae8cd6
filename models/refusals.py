"""Calls that were refused, counted by reason: nothing of the calls themselves is kept.

One document a day, client, ingest channel, field and reason; it is removed 30 days after it was last added to. Calls
that were accepted although they are dated long ago are counted in the same form, in a collection of their own.
"""

from pymongo import ASCENDING, IndexModel

REFUSALS = "refused_calls"
LATE = "late_calls"
LATE_DAYS = 90
"""A call that is reported so long after its date is late. Imports and backfills are for these, and are not counted."""
KEPT_DAYS = 30
KEY = ("day", "client", "door", "field", "reason")
"""The parts of an `_id`. `day` is that of the arrival in the reporting time zone; `door` is the ingest channel."""
INDEXES = [
    IndexModel([("last", ASCENDING)], name="expiry", expireAfterSeconds=KEPT_DAYS * 24 * 3_600),
    IndexModel([("_id.day", ASCENDING), ("_id.client", ASCENDING)], name="window"),
]
