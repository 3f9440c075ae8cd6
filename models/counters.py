"""What limits count: the stored shapes of counters, reservations, leases, and of the calls that are yet to be counted.

A counter is derived: its `used` is what a recount of the ledger gives, and its `held` the sum of its `holds`.
"""

from datetime import datetime
from enum import StrEnum
from typing import TypedDict

from bson import Decimal128, ObjectId
from pymongo import ASCENDING, IndexModel

COUNTERS = "limit_counters"
"""One document for a meter and a period: `Counter`."""
RESERVATIONS = "limit_reservations"
"""One document for a reservation: `Reservation`."""
LEASES = "limit_leases"
"""One document for a process that holds leases: `Lease`."""
UNCOUNTED = "uncounted_calls"
"""One document for a transaction on the ledger that is not in the counters yet: `Uncounted`."""
STATE = "limits_state"
"""Two documents: `fold`, a `FoldState`, and `definitions`, with the `version` of plans, limits and the like."""
FOLD = "fold"
"""The `_id` of the state of the fold."""
DEFINITIONS = "definitions"
"""That of the version of the definitions."""

LEASED = "lease-"
"""What the ids of owners of leases begin with, and of reservations from leases, which have no document."""
UNLIMITED = "unlimited-"
"""What the ids of reservations begin with that no limit applies to: they hold nothing, and have no document."""
UNENFORCED = "unenforced-"
"""What the ids of reservations begin with that were given while limits could not be enforced, and hold nothing."""

SETTLED_DAYS = 7
"""How long a reservation is kept after it has ended: so long a second settlement is told from an unknown one."""


class Remark(StrEnum):
    """What became of the reservation that a call names."""

    SETTLED = "settled"
    """By this call."""
    ALREADY_SETTLED = "already_settled"
    RELEASED = "released"
    """Before this call was recorded."""
    EXPIRED = "expired"
    """Likewise."""
    NOT_YOURS = "not_yours"
    """It is that of another user or client, and stands."""
    UNENFORCED = "unenforced"
    """It was given while limits could not be enforced."""
    UNKNOWN = "unknown"


Number = int | Decimal128
"""A Decimal128 for USD and seconds, else a 64-bit integer."""


class Hold(TypedDict, total=False):
    """An open ask, or a lease, in a counter."""

    amount: Number
    expires: datetime
    number: int
    """Of a lease: that of its last change, so that each is made once."""


class Counter(TypedDict, total=False):
    """What one meter has counted in one period. Amounts of limits are not in it: limits of one meter share it."""

    _id: str
    """`SUBJECT|UNIT|FILTER|WINDOW|START|END`, the moments as `2026-07-01T00:00:00Z`."""
    subject: str
    unit: str
    filter: dict[str, str]
    window: str
    start: datetime
    end: datetime
    used: Number
    held: Number
    holds: dict[str, Hold]
    """By reservation, or by owner of a lease."""
    fold: int
    """The number of the last fold that it has."""
    counting: bool
    """Whether it has not been counted for the first time yet."""
    expireAt: datetime
    """Of windows shorter than a day: when MongoDB removes it."""


class HoldOfReservation(TypedDict):
    """What a reservation holds of one counter."""

    counter: str
    amount: Number


class Reservation(TypedDict, total=False):
    """The holds of one call in every counter concerned."""

    _id: str
    userId: str
    clientId: str
    principal: str
    """Who reserved."""
    contentType: str
    feature: str
    model: str
    holds: list[HoldOfReservation]
    state: str
    """`open`, `settled`, `released` or `expired`."""
    again: bool
    """Whether its sender has asked for it again."""
    ending: str
    """Of an open one: `released` or `expired`, while its holds are being taken out of the counters."""
    entry: ObjectId
    """Of a settled one: the entry that settled it."""
    expiresAt: datetime
    createdAt: datetime
    endedAt: datetime


class Lease(TypedDict, total=False):
    """The heartbeat of a process that grants from what it holds, or whose spool has calls."""

    _id: str
    expires: datetime
    counters: list[str]
    """Those that may have something of it."""
    ended: bool
    """Whether it is being taken out of them: its owner has been silent for too long."""
    spool: bool
    """Whether calls wait on its disk: no reservation expires meanwhile."""


class Share(TypedDict):
    """What a call takes out of a lease, from which it was granted."""

    counter: str
    owner: str
    amount: Number


class UncountedGroup(TypedDict, total=False):
    """Calls that differ in nothing that limits tell apart but their users: of each user the sums, in parallel lists."""

    clientId: str
    feature: str
    serviceType: str
    model: str
    keyId: str
    campaignId: str
    minute: datetime
    """In which they happened: periods begin and end with one."""
    users: list[str]
    requests: list[int]
    tokens: list[int]
    usd: list[Decimal128]
    images: list[int]
    """Absent where all are zero, as are `seconds`."""
    seconds: list[Decimal128]


class Uncounted(TypedDict, total=False):
    """What one transaction adds to the ledger, or takes from it, as limits count it. A fold removes it when all
    counters have it.
    """

    _id: ObjectId
    at: datetime
    groups: list[UncountedGroup]
    settled: list[str]
    """Reservations that calls of the transaction have settled."""
    shares: list[Share]
    """What they take out of leases, likewise."""


class FoldState(TypedDict, total=False):
    """What is being counted just now, and which definitions are in force."""

    _id: str
    fold: int
    """The number of the last fold that began."""
    calls: list[ObjectId]
    """The uncounted documents that it takes; empty when it is done."""
    began: datetime
    version: int
    """Raised with every change of plans, subscriptions, limits and grants."""


INDEXES: dict[str, list[IndexModel]] = {
    COUNTERS: [
        IndexModel([("subject", ASCENDING), ("end", ASCENDING)], name="subject"),
        IndexModel([("expireAt", ASCENDING)], name="expiry", expireAfterSeconds=0),
        # those that a broad scope is still being counted for
        IndexModel([("counting", ASCENDING)], name="counting", partialFilterExpression={"counting": True}),
    ],
    RESERVATIONS: [
        IndexModel([("expiresAt", ASCENDING)], name="open", partialFilterExpression={"state": "open"}),
        IndexModel([("endedAt", ASCENDING)], name="kept", expireAfterSeconds=SETTLED_DAYS * 24 * 3_600),
        IndexModel([("userId", ASCENDING)], name="user"),
    ],
    LEASES: [IndexModel([("expires", ASCENDING)], name="expires")],
    UNCOUNTED: [],
    STATE: [],
}
COLLECTIONS = tuple(INDEXES)
