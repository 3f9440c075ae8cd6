"""Columns that look like usage and that the mapping does not name: with them a price would be a guess.

A count of cached tokens under a name that nothing reads would be billed at full price, many times off. So a call whose
row has such a count is imported without a price, with the column's name as the reason, unless the row says what the
call cost. So is one whose row has a service tier, a speed or a region that costs more or less. Not meant are limits,
rates and prices, and what only repeats another count; `ignore` names the rest.
"""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from scripts.transfer.cells import as_object, value_of
from scripts.transfer.mapping import Mapping
from scripts.transfer.units import COUNTS
from scripts.transfer.values import UnreadableError, number

_LIKE_USAGE = re.compile(r"token|(^|[^a-z])toks?([^a-z]|$)|cach|web_?search|grounding", re.IGNORECASE)
_USAGE = re.compile(r"usage|token|cach", re.IGNORECASE)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NO_COUNT = frozenset(
    {
        *("max", "min", "limit", "limits", "per", "rate", "ratio", "budget", "remaining", "quota", "window"),
        *("price", "prices", "cost", "costs", "spend", "savings", "usd"),
        *("percent", "pct", "avg", "average", "mean", "median"),
    }
)
"""Words of names that are no counts, wherever they stand."""
_NO_COUNT_AT_THE_END = frozenset(
    {"id", "ids", "key", "keys", "hit", "hits", "ttl", "ms", "type", "name", "control", "enabled", "seconds"}
)
_FLAG = re.compile(r"((is|was|from)_?)?cached?", re.IGNORECASE)
_TIER = re.compile(r"service_?tier|speed|inference_?geo", re.IGNORECASE)
_USUAL = frozenset({"", "standard", "default", "auto", "normal", "on_demand", "global", "not_available"})
OTHER_PRICE = Decimal(-1)
_DEPTH = 4
MAX_NAMES = 2_000

Kind = Callable[[object], Decimal | None]


class Unnamed:
    """Finds them for one mapping."""

    def __init__(self, mapping: Mapping) -> None:
        self._named = mapping.columns
        self._ignored = mapping.ignore
        self._kinds: dict[str, Kind | None] = {}
        counts = [rule for name, rule in mapping.fields.items() if name in COUNTS and name != "tokens_used"]
        self._parents = sorted({column.rpartition(".")[0] for rule in counts for column in rule.columns})

    def found(self, row: dict[str, Any]) -> dict[str, Decimal]:
        """What such columns of `row` hold, where it is not zero; of a tier OTHER_PRICE."""
        return {
            name: amount
            for parent in self._parents
            for name, value in _beside(row, parent)
            if (kind := self._kind(name, parent)) is not None and (amount := kind(value))
        }

    def _kind(self, name: str, parent: str) -> Kind | None:
        """How to look at the column, kept by its name: files have the same ones in every row."""
        if name not in self._kinds:
            if len(self._kinds) >= MAX_NAMES:
                return self._kind_of(name, parent)
            self._kinds[name] = self._kind_of(name, parent)
        return self._kinds[name]

    def _kind_of(self, name: str, parent: str) -> Kind | None:
        """In an object of usage every number counts; elsewhere those whose names look like it."""
        if name in self._named or any(fnmatchcase(name, pattern) for pattern in self._ignored):
            return None
        last = name.rpartition(".")[2]
        if _TIER.fullmatch(last):
            return _tier
        return _count if (_USAGE.search(parent) or _LIKE_USAGE.search(last)) and _may_count(last) else None


def _may_count(name: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(name)] or [""]
    return not (_FLAG.fullmatch(name) or words[-1] in _NO_COUNT_AT_THE_END or _NO_COUNT.intersection(words))


def unexplained(found: dict[str, Decimal], fields: dict[str, Any]) -> list[str]:
    """Those of `found` that do not only repeat a count of `fields`, or the sum or the rest of some."""
    told = {name: fields[name] for name in COUNTS if isinstance(fields.get(name), int)}
    whole, out = told.get("input_tokens", 0), told.get("output_tokens", 0)
    cache = (told.get("cache_read_tokens", 0), told.get("cache_write_tokens", 0))
    short = told.get("cache_write_tokens", 0) - told.get("cache_write_1h_tokens", 0)
    known = {*told.values(), whole + out, whole - sum(cache), whole - cache[0], sum(cache), short}
    known |= {out - told.get("reasoning_tokens", 0), whole + out - sum(cache)}
    return sorted(name for name, amount in found.items() if amount not in known)


def _beside(row: dict[str, Any], parent: str) -> Iterator[tuple[str, Any]]:
    inner = as_object(value_of(row, parent)) if parent else row
    for name, value in (inner or {}).items():
        if isinstance(value, dict) and parent:
            yield from _leaves(f"{parent}.{name}", value, _DEPTH)
        else:
            yield (f"{parent}.{name}" if parent else name), value


def _leaves(path: str, value: dict[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    for name, member in value.items():
        if isinstance(member, dict) and depth:
            yield from _leaves(f"{path}.{name}", member, depth - 1)
        else:
            yield f"{path}.{name}", member


def _count(value: object) -> Decimal | None:
    """None for what is no whole number above zero."""
    if value is None or isinstance(value, bool | dict | list):
        return None
    try:
        found = number(value)
    except UnreadableError:
        return None
    return found if found > 0 and found == int(found) else None


def _tier(value: object) -> Decimal | None:
    return OTHER_PRICE if isinstance(value, str) and value.strip().lower() not in _USUAL else None
