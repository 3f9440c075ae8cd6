"""What is told of reported calls, in JSON: there are as many receipts as calls, so each is written without a model."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from app.http.exact import exact_number
from app.process import in_turns
from app.tracking import TrackReceipt
from models.base import camel

_json = msgspec.json.Encoder()


def receipt_answer(receipt: TrackReceipt) -> bytes:
    """A `ReceiptBody`."""
    return _json.encode(_told(receipt))


async def batch_answer(receipts: Sequence[TrackReceipt]) -> bytes:
    """A `BatchBody`."""
    summary = Counter(receipt.status for receipt in receipts)
    told = [_told(receipt) async for receipt in in_turns(receipts)]
    return _json.encode({"summary": summary, "receipts": told})


def _told(receipt: TrackReceipt) -> dict[str, Any]:
    cost, saved = receipt.cost, receipt.saved_cost
    told = {
        "id": receipt.id,
        "status": receipt.status,
        "feature": receipt.feature,
        "cost": None if cost is None else exact_number(cost),
        "savedCost": None if saved is None else exact_number(saved),
        "costSource": receipt.cost_source,
        "unpricedReason": receipt.unpriced_reason,
        "conflicting": receipt.conflicting,
        "errors": [{"field": camel(field), "message": message} for field, message in receipt.errors],
    }
    return told if receipt.reservation is None else {**told, "reservation": receipt.reservation}
