"""What a caller gets back for a call it reported."""

from decimal import Decimal
from typing import NamedTuple

from app.ledger.outcomes import Outcome, ReceiptStatus
from app.ledger.twins import Pair
from app.pricing.costs import Cost
from models import CostSource
from models.faults import Fault
from models.money import to_decimal


class TrackReceipt(NamedTuple):
    """The answer to one reported call. Costs are in USD; `cost` is None where no price is known.

    For a duplicate, feature and costs are those of the first report, which stands.
    """

    status: ReceiptStatus
    id: str | None = None
    """The `_id` of both documents, as 24 hexadecimal digits."""
    feature: str | None = None
    cost: Decimal | None = None
    saved_cost: Decimal | None = None
    cost_source: CostSource | None = None
    conflicting: bool = False
    """Only with `duplicate`: this report differs from the one that stands."""
    errors: tuple[Fault, ...] = ()
    unpriced_reason: str | None = None
    """Why `cost` is None, as a short code and words: `models.unpriced`."""
    reservation: str | None = None
    """What became of the reservation that the call names: `settled`, or why not. None where it names none, and before
    it is committed."""


class Flushed(NamedTuple):
    """What had not left this machine when a flush ended."""

    waiting: int
    """Calls in memory, of those reported before it; 0 when all of them are committed or spooled."""
    spooled: int
    """Calls on the disk that wait for MongoDB, whoever put them there: they are delivered when it is back."""


def receipt_of(pair: Pair, cost: Cost, outcome: Outcome) -> TrackReceipt:
    """What became of a call that was written."""
    entry_id, feature = pair.id, pair.feature
    amount, saved, source, reason = cost.cost, cost.saved_cost, cost.source, cost.unpriced_reason
    if (first := outcome.stands) is not None:
        entry_id = first["_id"]
        feature, source = first["feature"], CostSource(first["costSource"])
        amount = None if first["cost"] is None else to_decimal(first["cost"])
        saved, reason = to_decimal(first["savedCost"]), first.get("unpricedReason")
    return TrackReceipt(
        outcome.status,
        str(entry_id),
        feature,
        amount,
        saved,
        source,
        outcome.conflicting,
        () if outcome.reason is None else (Fault("", outcome.reason),),
        reason,
        outcome.reservation,
    )
