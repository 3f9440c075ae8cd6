"""What a caller gets back for a call it reported."""

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Self

from app.tracking.twins import Pair
from models import CostSource
from models.documents import Document
from models.faults import Fault


class ReceiptStatus(StrEnum):
    """What became of a reported call."""

    COMMITTED = "committed"
    """Both documents are on the journals of a majority."""
    SPOOLED = "spooled"
    """MongoDB was away: the call is on this machine's disk, fsynced, and is delivered when MongoDB is back."""
    QUEUED = "queued"
    """Reported with `wait=False`: what becomes of it is counted, not told."""
    DUPLICATE = "duplicate"
    """This request id was reported before; the first report stands."""
    REJECTED = "rejected"
    """The report cannot be stored as it is; `errors` says why."""
    UNKNOWN = "unknown"
    """The deadline passed before MongoDB or the spool had the call. It may yet be stored."""
    DROPPED = "dropped"
    """Not stored: the queue or the spool is full, the disk fails, or tracking is not running."""


class Outcome(NamedTuple):
    """What became of one pair of documents."""

    status: ReceiptStatus
    conflicting: bool = False
    reason: str | None = None
    stands: Document | None = None
    """Of a duplicate: the entry of the first report."""

    @classmethod
    def duplicate(cls, pair: Pair, first: Document) -> Self:
        """That `pair` was reported before, as the entry `first` says."""
        return cls(ReceiptStatus.DUPLICATE, pair.conflicts_with(first), stands=first)


class TrackReceipt(NamedTuple):
    """The answer to one reported call. Costs are in USD; `cost` is None where no price is known.

    Of a duplicate feature and costs are those of the first report, which stands.
    """

    status: ReceiptStatus
    id: str | None = None
    """The `_id` of both documents, as 24 hexadecimal digits."""
    feature: str | None = None
    cost: Decimal | None = None
    saved_cost: Decimal | None = None
    cost_source: CostSource | None = None
    conflicting: bool = False
    """Only with `duplicate`: this report says something else about the call than the one that stands."""
    errors: tuple[Fault, ...] = ()
