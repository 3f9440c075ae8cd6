"""What becomes of a pair of documents, and of the report that it came from."""

from enum import StrEnum
from typing import NamedTuple, Self

from app.ledger.twins import Pair
from models.documents import Document


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
