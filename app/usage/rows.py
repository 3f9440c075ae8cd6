"""What a row of the table of shapes says, and the words to write one."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from app.usage.media import MEDIA_NAMES
from app.usage.objects import Names

Terms = tuple[str | Names, ...]
Term = tuple[str, int, bool, str]
"""A field of TokenUsage, which of its terms, whether it is besides, and the name (of a sum, all of it)."""

# Numbers beside the counts that no price depends on: money, times and speeds above all.
_NEVER_COUNTS = re.compile(
    r"(^|[._])(cost|price|discount|balance|credit)s?($|[._])|(^|[._])time_to_|_per_(s|sec|second|minute)(_|$)"
)
_NO_COUNT = re.compile(
    r"(^|[._])(time|times|latency|duration|ms|rate|ratio|percent|ticks|is_byok|index|version|id|timestamp|created)(_at|_ms)?($|[._])"
)


@dataclass(frozen=True, slots=True)
class UsageRow:
    marks: frozenset[str]
    """A usage object is of this shape when it has any of these; the first row that fits, and is not zero, is taken."""
    counts: Mapping[str, Terms]
    total: str = ""
    """The provider's own sum of everything: evidence of what input and output include, never a source of counts."""
    uncached: Names = ()
    """Input that neither came from the cache nor went there: evidence as well."""
    cache_apart: bool = False
    """Cache reads and writes stand beside the input count, not inside it."""
    reasoning_apart: bool = False
    """Reasoning stands beside the output count, not inside it."""
    apart_at: frozenset[str] = frozenset()
    """Providers where it does although the shape says otherwise,"""
    apart_mark: str = ""
    """if this count is there: xAI's other interface includes it."""
    besides: Mapping[str, Terms] = field(default_factory=dict)
    """What is billed at the model's price but left out of the provider's own counts and total."""
    aside: Names = ()
    """Patterns of counts that only repeat, or split up, what `counts` reads, or are not billed."""
    read: Mapping[str, tuple[Term, ...]] = field(init=False)
    """By the name of a count, what it is read as."""
    main: Names = field(init=False)
    """The names of input and output."""
    inputs: Names = field(init=False)
    """The names of the first term of the input: they differ where one leaves the cache out."""
    evidence: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        read: dict[str, tuple[Term, ...]] = {}
        for besides, of in enumerate((self.counts, self.besides)):
            for of_field, terms in of.items():
                for number, term in enumerate(terms):
                    for name in names_of(term):
                        for part in name.split("+"):
                            read[part] = (*read.get(part, ()), (of_field, number, bool(besides), name))
        object.__setattr__(self, "read", read)
        object.__setattr__(self, "main", tuple(name for name, terms in read.items() if _is_main(terms)))
        object.__setattr__(self, "inputs", names_of(self.counts["input_tokens"][0]))
        object.__setattr__(self, "evidence", frozenset({*self.uncached, self.total}))

    def synonyms(self) -> Iterator[tuple[str, Names]]:
        for terms in (*self.counts.values(), *self.besides.values()):
            for term in terms:
                yield from ((name, names_of(term)) for name in names_of(term))

    def lets_be(self, name: str) -> bool:
        """Whether a count under a name that is not read changes no price."""
        if _NEVER_COUNTS.search(name):
            return True
        if name in MEDIA_NAMES or ("cach" not in name and "tok" not in name and _NO_COUNT.search(name)):
            return True
        return any(fnmatchcase(name, pattern) for pattern in self.aside)


def _is_main(terms: tuple[Term, ...]) -> bool:
    return any(of_field in {"input_tokens", "output_tokens"} and not besides for of_field, _, besides, _ in terms)


def names_of(term: str | Names) -> Names:
    return (term,) if isinstance(term, str) else term


def of_modality(details: Names, *modalities: str, count: str = "token_count") -> Terms:
    return tuple(f"{name}.modality={modality}.{count}" for name in details for modality in modalities)


def in_details(*counts: str) -> Names:
    return tuple(f"{side}_tokens_details.{count}" for side in ("prompt", "input") for count in counts)


def out_details(*counts: str) -> Names:
    return tuple(f"{side}_tokens_details.{count}" for side in ("completion", "output") for count in counts)


def of(*names: str) -> frozenset[str]:
    return frozenset(names)
