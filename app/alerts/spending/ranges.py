"""The usual range of a figure, from how it was before. In whole numbers, so that a verdict is the same anywhere.

The median and the median absolute deviation, because a holiday or an outage among the samples must not move them.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

FEWEST = 4
"""Samples without which nothing is said to be unusual."""
PERCENT = 100
DEVIATIONS = 14_826
"""In ten-thousandths: so many times the median absolute deviation is a standard deviation, where figures are normal."""


class Range(NamedTuple):
    """What is usual, in the unit of the samples."""

    usual: int
    """The middle."""
    upper: int
    """Up to it, inclusive, nothing is unusual."""
    samples: int


class Width(NamedTuple):
    """How far above the middle the range goes: as far as the farthest of the three."""

    times_percent: int
    """Of the middle: 200 for twice as much."""
    deviations: int
    floor: int
    """Above the middle, in the unit of the samples."""


def median(values: Iterable[int]) -> int:
    """Rounded down. Raises IndexError where there are none."""
    ordered = sorted(values)
    return (ordered[len(ordered) // 2] + ordered[(len(ordered) - 1) // 2]) // 2


def usual_range(samples: Sequence[int], width: Width, level_percent: int = PERCENT) -> Range | None:
    """The range of samples that were at 100 % of a level, at another level. None where they are too few."""
    if len(samples) < FEWEST:
        return None
    middle = median(samples)
    deviation = median(abs(sample - middle) for sample in samples) * DEVIATIONS // 10_000
    usual = middle * level_percent // PERCENT
    upper = max(
        usual * width.times_percent // PERCENT,
        usual + width.deviations * deviation * level_percent // PERCENT,
        usual + width.floor,
    )
    return Range(usual, upper, len(samples))
