"""How revenue is shared among parts that are not sold by themselves, such as features: exactly. Pure."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

K = TypeVar("K")


class Allocation(StrEnum):
    """By what revenue is shared."""

    COST = "cost"
    CALLS = "calls"
    NONE = "none"

    @property
    def words(self) -> str:
        """What it means, for who reads the figures."""
        return _WORDS[self]


_SHARED = (
    "the revenue of each client is shared among its parts by their {by} in the same window; revenue of no single client"
    " is shared among those of all; what has no such part stays unallocated"
)
_WORDS = {
    Allocation.COST: _SHARED.format(by="AI cost"),
    Allocation.CALLS: _SHARED.format(by="number of calls"),
    Allocation.NONE: "revenue is not shared: parts show their cost, and all revenue is unallocated",
}


def shared(amount: int, weights: Sequence[int]) -> list[int]:
    """An amount in parts by their weights, which sum to it exactly: cumulative, and rounded down.

    Weights are not below 0, and one is above.
    """
    whole, done, before = sum(weights), 0, 0
    parts = []
    for weight in weights:
        done += weight
        until = amount * done // whole
        parts.append(until - before)
        before = until
    return parts


def allocated(
    revenue: Mapping[str | None, int], weights: Mapping[str, Mapping[K, int]], of_parts: Sequence[K]
) -> tuple[dict[K, int], int]:
    """The revenue of clients (None: of no single one) shared among their parts, and what could not be.

    `weights`: by client and part. Parts are in the order of `of_parts`, so that the last digits are the same each time.
    """
    found: dict[K, int] = {}
    left = 0
    for client, amount in sorted(revenue.items(), key=lambda each: each[0] or ""):
        by_part = _all(weights) if client is None else weights.get(client, {})
        parts = [part for part in of_parts if by_part.get(part, 0) > 0]
        if not parts:
            left += amount
            continue
        for part, share in zip(parts, shared(amount, [by_part[part] for part in parts]), strict=True):
            found[part] = found.get(part, 0) + share
    return found, left


def _all(weights: Mapping[str, Mapping[K, int]]) -> dict[K, int]:
    sums: dict[K, int] = {}
    for by_part in weights.values():
        for part, weight in by_part.items():
            sums[part] = sums.get(part, 0) + weight
    return sums
