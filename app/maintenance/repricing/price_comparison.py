"""What other prices would make of stored calls: what each costs by one list and by another, by model."""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from app.ledger.invariants import missing_in
from app.maintenance.repricing.price_versions import Prices
from models.documents import Document
from models.money import ZERO


class Difference(NamedTuple):
    """Of the calls of one model at one provider whose cost would be another one. Costs in USD."""

    calls: int = 0
    before: Decimal = ZERO
    after: Decimal = ZERO
    lost: int = 0
    """Calls among them that would have no price any more."""
    gained: int = 0
    """Calls among them that have none now."""


class Comparison:
    """Two lists side by side."""

    def __init__(self, now: Prices, then: Prices) -> None:
        self._now, self._then = now, then
        self.looked = 0
        self.by_model: dict[tuple[str, str], Difference] = {}
        """By model as it was reported, and provider."""

    def add(self, entries: Iterable[Document]) -> int:
        """Price these entries by both. Returns how many would cost something else; reported costs never do."""
        before = sum(difference.calls for difference in self.by_model.values())
        for entry in entries:
            self.looked += 1
            if not missing_in(entry):
                self._add(entry)
        return sum(difference.calls for difference in self.by_model.values()) - before

    def _add(self, entry: Document) -> None:
        now, then = (None if (cost := prices(entry)) is None else cost.cost for prices in (self._now, self._then))
        if now == then:
            return
        key = entry["aiModel"], entry["provider"]
        so_far = self.by_model.get(key, Difference())
        self.by_model[key] = Difference(
            so_far.calls + 1,
            so_far.before + (now or ZERO),
            so_far.after + (then or ZERO),
            so_far.lost + (then is None),
            so_far.gained + (now is None),
        )
