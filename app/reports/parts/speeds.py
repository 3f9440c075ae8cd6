"""How long calls took and how fast models answered, by whatever a report groups by.

Up to `EXACT_CALLS` calls of a group are read one by one, so that its percentiles are exact; of more they come from
sketches, and are within 2 % of the exact ones, or 1 ms.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Self

from app.reports.queries import speeds
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.reader import Document, Documents, Reader
from app.reports.rows import FirstToken, OutputSpeed, Percentiles
from models.latency import bucket_of
from models.rollups import OTHER, PART, is_timed
from models.speeds import (
    DURATION,
    FIRST_TOKEN,
    PER_SECOND,
    SKETCHES,
    Values,
    as_fine,
    coarse,
    fine,
    output_speed,
    per_second,
    values,
)

EXACT_CALLS = 300
"""Groups of so many calls or fewer are exact."""
MOST_READ = 20_000
"""Calls that may be looked at to find those: a client's few of a model that others use a lot would take long."""
MOST_PAIRS = 100
"""Features and models that are looked up."""

Key = tuple[Any, ...]


class Times(NamedTuple):
    """The values of a group's calls, or those that stand for them."""

    durations: Values
    first_tokens: Values
    output_speeds: Values
    exact: bool = False

    @classmethod
    def of_sketches(cls, row: Mapping[str, Iterable[Mapping[str, int]]]) -> Self:
        """From a row of `queries.speeds.by`."""
        durations, first_tokens, output_speeds = (values(as_fine(row.get(name, ()))) for name in SKETCHES)
        return cls(durations, first_tokens, output_speeds)

    @classmethod
    def of_calls(cls, rows: Documents, *, exact: bool) -> Self:
        """From rows of `queries.speeds.times`; if not `exact`, as sketches would have them."""
        found = {name: Counter[int]() for name in SKETCHES}
        for row in rows:
            duration, first_token = row.get("requestDuration"), row.get("timeToFirstToken")
            if duration is not None:
                found[DURATION][duration] += 1
            if first_token is not None:
                found[FIRST_TOKEN][first_token] += 1
            if row["success"] and not row["cached"]:
                reasoning = row.get("reasoningTokens") or 0
                speed = output_speed(row["outputTokens"], duration, first_token, reasoning)
                if speed is not None:
                    found[PER_SECOND][speed] += 1
        durations, first_tokens, output_speeds = (each if exact else rounded(each) for each in found.values())
        return cls(durations, first_tokens, output_speeds, exact)

    @classmethod
    def sum(cls, several: Iterable[Self]) -> Self:
        """Of several groups together, none of which is exact."""
        found: tuple[Counter[int], ...] = (Counter(), Counter(), Counter())
        for each in several:
            for mine, theirs in zip(found, each[:3], strict=True):
                for value, count in theirs.items():
                    mine[value] += count
        durations, first_tokens, output_speeds = found
        return cls(durations, first_tokens, output_speeds)

    def shown(self) -> dict[str, Any]:
        """As the fields of `Timed`."""
        return {
            "latency": self.latency(),
            "time_to_first_token": self.first_token(),
            "tokens_per_second": self.output_speed(),
            "exact": self.exact,
        }

    def in_sketches(self, *, finer: bool) -> Self:
        """As sketches have them; those of durations may be finer."""
        durations = rounded(self.durations, finer=finer)
        return type(self)(durations, rounded(self.first_tokens), rounded(self.output_speeds))

    @property
    def is_known(self) -> bool:
        """Whether any call reports a time."""
        return any(self[:3])

    @property
    def measured(self) -> int:
        """How many calls report a duration."""
        return sum(self.durations.values())

    def latency(self) -> Percentiles:
        """Of the request duration."""
        p50, p95, p99 = at(self.durations, 50, 95, 99)
        return Percentiles(p50=p50, p95=p95, p99=p99)

    def first_token(self) -> FirstToken:
        """Of the time to first token."""
        p50, p95 = at(self.first_tokens, 50, 95)
        return FirstToken(p50=p50, p95=p95)

    def output_speed(self) -> OutputSpeed:
        """Of output tokens per second."""
        p5, p50, p95 = map(per_second, at(self.output_speeds, 5, 50, 95))
        return OutputSpeed(p5=p5, p50=p50, p95=p95)


UNKNOWN = Times({}, {}, {})


def at(of: Values, *percents: int) -> list[int | None]:
    """Percentiles by nearest rank: each the least value that at least so many in a hundred calls do not exceed."""
    total, ordered = sum(of.values()), sorted(of.items())
    return [_at_rank(ordered, -(-total * percent // 100)) for percent in percents]


def _at_rank(ordered: Sequence[tuple[int, int]], rank: int) -> int | None:
    seen = 0
    for value, count in ordered:
        seen += count
        if seen >= rank:
            return value
    return None


def is_finer(query: ReportQuery) -> bool:
    """Whether durations have finer sketches: those by provider and service type do not know models and features, and
    those of one user's days know all.
    """
    filters = query.filters
    return filters.user_id is not None or filters.model is filters.feature is None


def bucket_for(duration: int, *, finer: bool) -> int:
    """The bucket of `models.latency` that stands for a duration in a sketch."""
    return bucket_of(duration) if finer else fine(coarse(bucket_of(duration)))


def rounded(of: Values, *, finer: bool = False) -> Values:
    """The values that stand for these in a sketch."""
    sketch = Counter[int]()
    for value, count in of.items():
        sketch[bucket_for(value, finer=finer)] += count
    return values(sketch)


async def is_known(read: Reader, state: Document) -> bool:
    """Whether the cells of speeds hold every call: not while an upgrade fills them."""
    return is_timed(state) and not await read.cells(speeds.untimed())


async def by(read: Reader, query: ReportQuery, names: Sequence[str]) -> dict[Key, Times]:
    """From sketches, by the values of `names`."""
    rows = await read.cells(speeds.by(query, names))
    # in a thread: a year of many models takes long, and others must not wait for it
    return await asyncio.to_thread(lambda: {tuple(row["_id"].values()): Times.of_sketches(row) for row in rows})


async def by_part(
    read: Reader, query: ReportQuery, state: Document, parts: Documents, names: Sequence[str]
) -> dict[Key, Times]:
    """Those of each group of `parts`, which are rows by part, by `names`; of few calls exactly.

    `state` is that of the rollups. While an upgrade fills the cells, only groups of few calls are known.
    """
    groups = groups_of(parts, names)
    found = dict.fromkeys(groups, UNKNOWN)
    if await is_known(read, state):
        found |= await by(read, query, names)
    return found | {key: Times.of_calls(calls, exact=True) for key, calls in (await few(read, query, groups)).items()}


def groups_of(parts: Documents, names: Sequence[str]) -> dict[Key, Documents]:
    """Rows by part, by the values of `names`."""
    groups: dict[Key, Documents] = {}
    for row in parts:
        groups.setdefault(tuple(row["_id"][name] for name in names), []).append(row)
    return groups


async def few(read: Reader, query: ReportQuery, groups: Mapping[Key, Documents]) -> dict[Key, Documents]:
    """The calls of each group that has few. `groups` are rows by part.

    Left out are groups with calls under names beyond the cap, and those whose calls would take long to find.
    """
    chosen = await _affordable(read, query, {key: parts for key, parts in groups.items() if _is_small(parts)})
    found: dict[Key, Documents] = {key: [] for key in chosen}
    if not (pairs := {pair for parts in chosen.values() for pair in _pairs(parts)}):
        return found
    of_part = {tuple(part["_id"][name] for name in PART): key for key, parts in chosen.items() for part in parts}
    for call in await read.ledger(speeds.times(query, sorted(pairs))):
        if (key := of_part.get(tuple(call[name] for name in PART))) is not None:
            found[key].append(call)
    return found


def _is_small(parts: Documents) -> bool:
    names = {name for part in parts for name in part["_id"].values()}
    return sum(part["requests"] for part in parts) <= EXACT_CALLS and OTHER not in names


def _pairs(parts: Documents) -> set[speeds.Pair]:
    return {(part["_id"]["feature"], part["_id"]["model"]) for part in parts if part["requests"]}


async def _affordable(read: Reader, query: ReportQuery, groups: dict[Key, Documents]) -> dict[Key, Documents]:
    models = {model for parts in groups.values() for _, model in _pairs(parts)}
    if not models:
        return groups
    everyone = replace(query, filters=Filters(), synthetic=Synthetic.INCLUDE)
    rows = await read.cells(speeds.of_everyone(everyone, models))
    calls = {(row["_id"]["feature"], row["_id"]["model"]): row["requests"] for row in rows}
    chosen: dict[Key, Documents] = {}
    pairs: set[speeds.Pair] = set()
    for key in sorted(groups, key=lambda key: sum(calls.get(pair, 0) for pair in _pairs(groups[key]))):
        pairs |= _pairs(groups[key])
        if len(pairs) > MOST_PAIRS or sum(calls.get(pair, 0) for pair in pairs) > MOST_READ:
            break
        chosen[key] = groups[key]
    return chosen
