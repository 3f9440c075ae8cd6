"""What a caller gets back for a call it reported."""

from decimal import Decimal
from typing import NamedTuple

from app.ledger.outcomes import ReceiptStatus
from models import CostSource
from models.faults import Fault


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


class Flushed(NamedTuple):
    """What had not left this machine when a flush ended."""

    waiting: int
    """Calls in memory, of those reported before it; 0 when all of them are committed or spooled."""
    spooled: int
    """Calls on the disk that wait for MongoDB, whoever put them there: they are delivered when it is back."""
