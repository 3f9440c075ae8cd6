"""What a span says of its own bill: the tier it was served at, where, and what it cost."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from app.otlp.usage_attributes import Said, Value
from app.otlp.usage_names import Kind

MAX_COST = 1_000_000_000
"""What `AICall` takes, in USD."""
MAX_TEXT = 64
_DIGITS = Decimal("1e-12")
"""Costs that differ by less are one: floats of the same sum, added up in another order."""
_COUNT = Kind.COUNT
_NOWHERE = "not_available"
"""Anthropic's word for models that are not served by region."""
_STANDARD = frozenset({"standard", "default", "auto", "normal"})
"""Words for no special tier: another one that is told beside them says more."""


def bill_of(said: Iterable[Said]) -> dict[str, Any]:
    """`service_tier`, `region`, `cost` and `cost_basis` as fields of `AICall`, each as far as it is told.

    A cost is taken by the digits that its sender wrote, and only where it is more than zero: instrumentations write 0
    for a model that they have no price of. Of several that differ none can be believed: `unreadable_reason` says so.
    """
    tiers: list[str] = []
    regions: list[str] = []
    costs: dict[str, Decimal] = {}
    for attribute, (kind, field), value in said:
        if kind is _COUNT:  # as nearly all are
            continue
        if kind is Kind.TIER and (word := _word(value)):
            tiers.append(word)
        elif kind is Kind.REGION and (word := _word(value)) and word != _NOWHERE:
            regions.append(word)
        elif kind is Kind.TIER_COUNT and value:
            tiers.append(field)
        elif kind is Kind.COST and (cost := _dollars(value)):
            costs[attribute] = cost
    bill: dict[str, Any] = _cost(costs) if costs else {}
    if tiers:
        bill["service_tier"] = next((tier for tier in tiers if tier.lower() not in _STANDARD), tiers[0])
    if regions:
        bill["region"] = regions[0]
    return bill


def _cost(costs: dict[str, Decimal]) -> dict[str, Any]:
    (basis, cost), *others = costs.items()
    for name, other in others:
        if abs(other - cost) > _DIGITS:
            return {"unreadable_usage": True, "unreadable_reason": f"{basis} is {cost} USD, but {name} is {other} USD"}
    return {"cost": cost, "cost_basis": basis}


def _word(value: Value) -> str | None:
    return value if isinstance(value, str) and value.isprintable() and 0 < len(value) <= MAX_TEXT else None


def _dollars(value: Value) -> Decimal | None:
    """A float as the shortest digits that mean it, which are those that were written."""
    if value is None or isinstance(value, bool) or (isinstance(value, str) and len(value) > MAX_TEXT):
        return None
    try:
        cost = Decimal(value.strip()) if isinstance(value, str) else Decimal(repr(value))
    except InvalidOperation:
        return None
    return cost if cost.is_finite() and 0 < cost <= MAX_COST else None
