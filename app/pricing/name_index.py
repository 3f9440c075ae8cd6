"""Which providers of a price list may claim a name, without asking each of their models.

genai-prices asks one model after another, 2,300 of them, whether it goes by a name. A name that nobody has costs
several milliseconds in that way, and whoever reports calls makes names up as they like.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    MatchLogic,
    Provider,
)

NAMES_REMEMBERED = 256
"""The few under which one call's model is looked up."""
_COMPACT_DATE = re.compile(r"(?<=-)(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")

Leaf = ClauseEquals | ClauseStartsWith | ClauseEndsWith | ClauseContains | ClauseRegex


class NameIndex:
    """An index of what the models of a snapshot go by."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._equal: dict[str, set[str]] = {}
        self._beginnings = _Parts()
        self._ends = _Parts()
        self._within = _Parts()
        self._patterns: dict[str, set[str]] = {}
        self._lenders: dict[str, frozenset[str]] = {}
        for provider in providers:
            self._lenders[provider.id] = frozenset({provider.id, *(provider.fallback_model_providers or ())})
            for leaf in {repr(leaf): leaf for model in provider.models for leaf in _leaves(model.match)}.values():
                self._add(leaf, provider.id)
        self._claimants = lru_cache(NAMES_REMEMBERED)(self._find)

    def claimants(self, name: str) -> frozenset[str]:
        """The ids of all providers that may have a model of their own of this lower-case name."""
        return self._claimants(name)

    def may_have(self, provider: Provider, name: str) -> bool:
        """Whether `provider`, or one whose models it lends, may have a model of this lower-case name."""
        return not self._lenders[provider.id].isdisjoint(self._claimants(name))

    def _add(self, leaf: Leaf, provider: str) -> None:
        if isinstance(leaf, ClauseEquals):
            self._equal.setdefault(leaf.equals.lower(), set()).add(provider)
        elif isinstance(leaf, ClauseStartsWith):
            self._beginnings.add(leaf.starts_with.lower(), provider)
        elif isinstance(leaf, ClauseEndsWith):
            self._ends.add(leaf.ends_with.lower(), provider)
        elif isinstance(leaf, ClauseContains):
            self._within.add(leaf.contains.lower(), provider)
        else:
            self._patterns.setdefault(leaf.regex, set()).add(provider)

    def _find(self, name: str) -> frozenset[str]:
        # genai-prices looks for gpt-5.2-20251211 as gpt-5.2-2025-12-11, too
        dated = _COMPACT_DATE.sub(r"\1-\2-\3", name)
        return frozenset().union(*(self._by(each) for each in {name, dated}))

    def _by(self, name: str) -> Iterator[str]:
        yield from self._equal.get(name, ())
        for size in self._beginnings.sizes:
            yield from self._beginnings.of(name[:size])
        for size in self._ends.sizes:
            yield from self._ends.of(name[-size:])
        for size in self._within.sizes:
            for start in range(len(name) - size + 1):
                yield from self._within.of(name[start : start + size])
        for pattern, providers in self._patterns.items():
            if re.search(pattern, name):
                yield from providers


class _Parts:
    """Parts of names, and whose names have them."""

    def __init__(self) -> None:
        self.sizes: set[int] = set()
        self._providers: dict[str, set[str]] = {}

    def add(self, part: str, provider: str) -> None:
        self.sizes.add(len(part))
        self._providers.setdefault(part, set()).add(provider)

    def of(self, part: str) -> set[str] | tuple[()]:
        return self._providers.get(part, ())


def _leaves(match: MatchLogic) -> Iterator[Leaf]:
    """What a name must have at least one of. Of conditions that all must hold, the first one's."""
    if isinstance(match, ClauseOr):
        for clause in match.or_:
            yield from _leaves(clause)
    elif isinstance(match, ClauseAnd):
        yield from _leaves(match.and_[0])
    else:
        yield match
