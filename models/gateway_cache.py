"""Answers of the gateway that several processes share: stored encrypted, and deleted when they expire."""

from datetime import datetime
from typing import TypedDict

from bson import Binary
from pymongo import ASCENDING, IndexModel

GATEWAY_CACHE = "gateway_cache"
"""The collection. It is made where a deployment shares its answers."""
GENERATION = {"_id": GATEWAY_CACHE}
"""Its document in `versions`: raised whenever all answers are to be forgotten, in every process."""

INDEXES = [IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0)]


class SharedAnswer(TypedDict):
    """One of them."""

    _id: Binary
    """Made of the question under a key: nothing of it can be told from this."""
    answer: Binary
    expiresAt: datetime
