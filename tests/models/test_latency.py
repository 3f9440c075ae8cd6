"""Percentiles from sketches, next to the exact ones."""

import math
import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.latency import bars, bucket_of, duration_of, longest_in, merged, percentiles

RNG = random.Random(7)
DISTRIBUTIONS = {
    "log-normal": [round(RNG.lognormvariate(7, 1)) for _ in range(20_000)],
    "bimodal": [round(RNG.gauss(300, 20)) for _ in range(9_500)] + [round(RNG.gauss(20_000, 900)) for _ in range(600)],
    "constant": [1_234] * 5_000,
    "fast": [RNG.randint(0, 99) for _ in range(5_000)],
    "heavy tail": [round(10 * RNG.paretovariate(0.8)) for _ in range(20_000)],
}


def exact(durations: list[int], percent: int) -> int:
    return sorted(durations)[math.ceil(len(durations) * percent / 100) - 1]


def sketch(durations: list[int]) -> dict[str, int]:
    return {str(bucket): count for bucket, count in Counter(map(bucket_of, durations)).items()}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("percent", [1, 50, 95, 99, 100])
def test_a_percentile_lies_within_one_percent_of_the_exact_one(name: str, percent: int) -> None:
    durations = DISTRIBUTIONS[name]

    found = percentiles(merged([sketch(durations)]), [percent])[f"p{percent}"]

    assert found is not None
    assert abs(found - exact(durations, percent)) <= 0.01 * exact(durations, percent)


@given(st.lists(st.integers(0, 1_000_000_000), min_size=1, max_size=60), st.integers(1, 6), st.integers(1, 100))
def test_merging_parts_says_what_the_whole_says(durations: list[int], parts: int, percent: int) -> None:
    split = [sketch(durations[start::parts]) for start in range(parts)]

    found = percentiles(merged(split), [percent])[f"p{percent}"]

    assert merged(split) == merged([sketch(durations)])
    assert found is not None
    assert abs(found - exact(durations, percent)) <= 0.01 * exact(durations, percent)


@given(st.lists(st.integers(0, 10_000_000), max_size=60), st.integers(1, 60))
def test_bars_lie_side_by_side_and_count_exactly(durations: list[int], most: int) -> None:
    found = bars(merged([sketch(durations)]), most)

    assert len(found) <= most
    assert all(later.first == earlier.last + 1 for earlier, later in pairwise(found))
    assert [bar.count for bar in found] == [sum(bar.first <= ms <= bar.last for ms in durations) for bar in found]
    assert sum(bar.count for bar in found) == len(durations)


@given(st.integers(0, 10**12))
def test_a_bucket_ends_where_the_next_one_begins(milliseconds: int) -> None:
    bucket = bucket_of(milliseconds)

    assert longest_in(bucket - 1) < max(milliseconds, 1)
    assert bucket_of(longest_in(bucket)) <= bucket < bucket_of(longest_in(bucket) + 1)


def test_short_durations_are_exact() -> None:
    assert [duration_of(bucket_of(ms)) for ms in range(100)] == list(range(100))


def test_without_durations_there_is_no_percentile() -> None:
    assert percentiles({}, [50, 95]) == {"p50": None, "p95": None}
