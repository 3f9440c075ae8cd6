"""Latency as a mergeable sketch: how many durations fall into each bucket of a logarithmic scale.

After DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", VLDB 2019): bucket i holds the durations in (gamma^(i-1), gamma^i] with gamma = (1 + a) / (1 - a), so that
its middle is within the relative error a of all of them. Sketches merge by adding counts, so percentiles of any period
and group come from one addition.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

RELATIVE_ERROR = 0.005
"""Rounding to whole ms at most doubles it: a percentile is within 1 % of the exact one."""
GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
ZERO_BUCKET = -1
"""For durations of 0 ms, which no logarithm reaches."""

REMEMBERED = 10_000
"""Durations whose bucket need not be worked out again: most are shorter than ten seconds."""
_SCALE = 1 / math.log(GAMMA)

Buckets = Mapping[str, int]
"""As stored: bucket index, as text, to count."""


@lru_cache(REMEMBERED)
def bucket_of(milliseconds: int) -> int:
    """The bucket of a duration in whole ms."""
    return math.ceil(math.log(milliseconds) * _SCALE) if milliseconds > 0 else ZERO_BUCKET


def duration_of(bucket: int) -> int:
    """The duration in ms that stands for a bucket. Below 100 ms it is the exact one."""
    return 0 if bucket == ZERO_BUCKET else round(2 * GAMMA**bucket / (GAMMA + 1))


def merged(sketches: Iterable[Buckets]) -> dict[int, int]:
    """One sketch of all `sketches`."""
    counts: dict[str, int] = {}
    for sketch in sketches:
        for bucket, count in sketch.items():
            counts[bucket] = counts.get(bucket, 0) + count
    return {int(bucket): count for bucket, count in counts.items()}


@dataclass(frozen=True)
class Bar:
    """How many durations are from `first` to `last`, in whole ms, inclusive."""

    first: int
    last: int
    count: int


def bars(counts: Mapping[int, int], most: int) -> list[Bar]:
    """The distribution from its shortest to its longest bucket in at most so many bars of equal width on a log scale.

    Bars are whole buckets side by side, those without durations too, so that each count is exact.
    """
    if not counts:
        return []
    low, high = min(counts), max(counts)
    width = -(-(high - low + 1) // most)
    found = []
    for start in range(low, high + 1, width):
        end = min(start + width - 1, high)
        first = 0 if start == ZERO_BUCKET else longest_in(start - 1) + 1
        if first <= (last := longest_in(end)):  # else it lies between two whole ms
            found.append(Bar(first, last, sum(counts.get(bucket, 0) for bucket in range(start, end + 1))))
    return found


def longest_in(bucket: int) -> int:
    """The longest duration in whole ms that a bucket holds, or one below it."""
    if bucket < 0:
        return 0
    longest = math.floor(GAMMA**bucket)
    # the power may have been rounded across a whole number
    while bucket_of(longest + 1) <= bucket:
        longest += 1
    while bucket_of(longest) > bucket:
        longest -= 1
    return longest


def percentiles(counts: Mapping[int, int], percents: Iterable[int]) -> dict[str, int | None]:
    """`p50`, `p95`, … in ms by nearest rank, each within 1 % of the exact one; None where there is no duration."""
    total, ordered = sum(counts.values()), sorted(counts.items())
    return {f"p{percent}": _at_rank(ordered, -(-total * percent // 100)) for percent in percents}


def _at_rank(ordered: list[tuple[int, int]], rank: int) -> int | None:
    seen = 0
    for bucket, count in ordered:
        seen += count
        if seen >= rank:
            return duration_of(bucket)
    return None
