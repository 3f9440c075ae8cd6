"""Invariants of one call: its entry in itself, and its event beside it."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from bson import Decimal128, ObjectId

from app.ledger.twins import event_of
from models import CostSource
from models.documents import Document
from models.money import USD_PLACES, ZERO, quantize_usd, stored_usd, to_decimal
from models.rollups import OPTIONAL_AMOUNTS, OPTIONAL_COUNTS

PARTS = ("inputCost", "outputCost", "generationCost")
AMOUNTS = ("cost", "savedCost", *PARTS)
_NEEDED: dict[str, tuple[type, ...]] = {
    "_id": (ObjectId,),
    "userId": (str,),
    "clientId": (str,),
    "contentType": (str,),
    "feature": (str,),
    "serviceType": (str,),
    "provider": (str,),
    "aiModel": (str,),
    "status": (str,),
    "success": (bool,),
    "cached": (bool,),
    "inputTokens": (int,),
    "outputTokens": (int,),
    "tokensUsed": (int,),
    "cost": (Decimal128, type(None)),
    "savedCost": (Decimal128,),
    "costSource": (str,),
    "synthetic": (bool,),
    "createdAt": (datetime,),
}
"""Fields of every entry, from which its figures are counted."""
_MAY_HAVE: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(OPTIONAL_COUNTS, (int, type(None))),
    **dict.fromkeys(OPTIONAL_AMOUNTS, (Decimal128, type(None))),
    "requestDuration": (int, type(None)),
    "conversationId": (str, type(None)),
    "reportedProvider": (str,),
    "unpricedReason": (str,),
}
"""Optional fields that are counted too."""
_WHOLE_DIGITS = 19
"""Before the point: the maximum of a stored amount."""


def missing_in(entry: Document) -> list[str]:
    """What an entry lacks, or has with another type, so that it cannot be counted."""
    wrong = [name for name, types in _NEEDED.items() if name not in entry or not _is(entry[name], types)]
    wrong += [name for name in entry.keys() & _MAY_HAVE.keys() if not _is(entry[name], _MAY_HAVE[name])]
    return [f"{name} is {_shown(entry.get(name, 'missing'))}" for name in sorted(wrong)]


def entry_faults(entry: Document) -> list[str]:
    """Contradictions in an entry that can be counted: its costs."""
    faults = [f"{name} {_shown(entry[name])} is not quantised" for name in _unquantised(entry)]
    if (entry["cost"] is None) != (entry["costSource"] == CostSource.UNPRICED):
        faults.append(f"cost is {_shown(entry['cost'])}, and its source {entry['costSource']}")
    parts = sum((to_decimal(entry.get(name)) for name in PARTS), ZERO)
    if parts != to_decimal(entry["cost"]):
        faults.append(f"parts sum to {_shown(parts)}, not to the cost, {_shown(entry['cost'])}")
    return faults


def quantised(entry: Document) -> Document:
    """The entry with its costs rounded half-even to the stored digits."""
    return entry | {name: stored_usd(quantize_usd(entry[name].to_decimal())) for name in _unquantised(entry)}


def event_faults(entry: Document, event: Document) -> list[str]:
    """Where an event differs from the one that follows from its entry."""
    return [
        f"{name} is {_shown(found.get(name, 'missing'))}, not {_shown(value)}"
        for wanted, found in _levels(event_of(entry), event)
        for name, value in wanted.items()
        if name != "properties" and (name not in found or found[name] != value)
    ]


def repaired_event(entry: Document, event: Document | None) -> Document:
    """The event that follows from an entry; what else the stored one has stays."""
    wanted, found = event_of(entry), event or {}
    properties = found.get("properties")
    kept = properties if isinstance(properties, dict) else {}
    return {**found, **wanted, "properties": {**kept, **wanted["properties"]}}


def _is(value: Any, types: tuple[type, ...]) -> bool:
    if isinstance(value, Decimal128):
        amount = value.to_decimal()
        return Decimal128 in types and amount.is_finite() and amount.adjusted() < _WHOLE_DIGITS
    return isinstance(value, types)


def _levels(wanted: Document, found: Document) -> list[tuple[Document, Document]]:
    properties = found.get("properties")
    return [(wanted, found), (wanted["properties"], properties if isinstance(properties, dict) else {})]


def _unquantised(entry: Document) -> list[str]:
    stored = {name: entry[name].to_decimal() for name in AMOUNTS if entry.get(name) is not None}
    return [name for name, amount in stored.items() if amount.as_tuple().exponent != -USD_PLACES]


def _shown(value: Any) -> str:
    if isinstance(value, Decimal128 | Decimal):
        return str(value)
    return value if isinstance(value, str) else repr(value)
