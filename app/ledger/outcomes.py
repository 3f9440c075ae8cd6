"""Outcomes of a pair of documents, and of the report that it came from."""

from enum import StrEnum
from typing import NamedTuple, Self

from app.ledger.twins import Pair
from models.documents import Document


class ReceiptStatus(StrEnum):
    """The outcome of a reported call."""

    COMMITTED = "committed"
    """Both documents are on the journals of a majority."""
    SPOOLED = "spooled"
    """MongoDB was away: the call is on this machine's disk, fsynced, and is delivered when MongoDB is back."""
    QUEUED = "queued"
    """Reported with `wait=False`: the outcome is counted, not reported."""
    DUPLICATE = "duplicate"
    """This request id was reported before; the first report stands."""
    REJECTED = "rejected"
    """The report cannot be stored as it is; `errors` says why."""
    UNKNOWN = "unknown"
    """The deadline passed before MongoDB or the spool had the call. It may yet be stored."""
    DROPPED = "dropped"
    """Not stored: the queue or the spool is full, the disk fails, or tracking is not running."""


class Outcome(NamedTuple):
    """The outcome of one pair of documents."""

    status: ReceiptStatus
    conflicting: bool = False
    reason: str | None = None
    stands: Document | None = None
    """Of a duplicate: the entry of the first report."""
    fault: Exception | None = None
    """What stopped this pair, where that was not MongoDB's absence: it is not stored, and may be offered again."""
    reservation: str | None = None
    """What became of the reservation that it names: `settlements.Remark`."""

    @classmethod
    def hindered(cls, reason: str, fault: Exception) -> Self:
        """The outcome of a pair that a fault stopped."""
        return cls(ReceiptStatus.UNKNOWN, reason=reason, fault=fault)

    @classmethod
    def duplicate(cls, pair: Pair, first: Document) -> Self:
        """The outcome where `pair` was reported before, as the entry `first`."""
        return cls(ReceiptStatus.DUPLICATE, pair.conflicts_with(first), stands=first)
