"""What an application gets back for a call that it reported."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

DELIVERED = frozenset({"committed", "spooled", "duplicate"})
"""The server has the call, durably."""
REJECTED = "rejected"
QUEUED = "queued"
DROPPED = "dropped"


class Fault(NamedTuple):
    """One thing wrong with a report. `field` is empty where it is about the whole call."""

    field: str
    message: str


class Receipt(NamedTuple):
    """The outcome of one reported call, as the server told it. Costs are in USD; None where no price is known.

    `status` is one of the server's: committed, spooled (on the server's disk), duplicate (the first report stands) or
    rejected (`errors` says why). Of the client's own: queued (it waits here, and is sent as soon as that can be; where
    something is in the way, `errors` says what) and dropped (it is lost, and `errors` says why).
    """

    status: str
    id: str | None = None
    """The `_id` of both documents, as 24 hexadecimal digits."""
    feature: str | None = None
    cost: Decimal | None = None
    errors: tuple[Fault, ...] = ()
    saved_cost: Decimal | None = None
    cost_source: str | None = None
    unpriced_reason: str | None = None
    """Why `cost` is None: a short code, a colon, and words."""
    conflicting: bool = False
    """Only with `duplicate`: this report differs from the one that stands."""
    reservation: str | None = None
    """What became of the reservation that the call was reported with: `settled`, or why it was not."""


class Flushed(NamedTuple):
    """What became of the calls of this process, or since a fork of the child, once a flush has ended."""

    delivered: int
    """Calls that the server has."""
    rejected: int
    """Calls that the server refused, each with its reason in the log."""
    waiting: int
    """Calls that are still here, in memory or in the spool, and will be sent."""


class Counts(NamedTuple):
    """What became of the calls of this process so far."""

    delivered: int
    rejected: int
    waiting: int
    lost: int
    """Calls that were not kept: memory and spool were full, nothing was configured, or the process ended."""
    mended: int
    """Calls of which something could not be sent as it was, such as a value that JSON cannot hold."""


def dropped(reason: str) -> Receipt:
    """The receipt of a call that is lost."""
    return Receipt(DROPPED, errors=(Fault("", reason),))


def queued(reason: str = "") -> Receipt:
    """The receipt of a call that waits here."""
    return Receipt(QUEUED, errors=(Fault("", reason),) if reason else ())


def receipt_of(told: dict[str, Any]) -> Receipt:
    """A receipt as the server's JSON has it. What is missing or of another shape is left out."""
    return Receipt(
        status=str(told.get("status")),
        id=_text(told.get("id")),
        feature=_text(told.get("feature")),
        cost=_money(told.get("cost")),
        errors=faults_of(told),
        saved_cost=_money(told.get("savedCost")),
        cost_source=_text(told.get("costSource")),
        unpriced_reason=_text(told.get("unpricedReason")),
        conflicting=told.get("conflicting") is True,
        reservation=_text(told.get("reservation")),
    )


def faults_of(told: dict[str, Any]) -> tuple[Fault, ...]:
    """The faults of a receipt, or of a problem document."""
    errors = told.get("errors")
    faults = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    return tuple(Fault(str(fault.get("field", "")), str(fault.get("message", ""))) for fault in faults)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _money(value: object) -> Decimal | None:
    # numbers with a fraction are read as Decimal, those without as int
    return Decimal(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else None
