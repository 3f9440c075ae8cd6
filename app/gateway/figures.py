"""What the gateway's metrics say, in figures for people."""

import math
from collections import Counter as Tally
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from prometheus_client.samples import Sample

FAMILY = "twinmeter_gateway_"


class Added(NamedTuple):
    """What the gateway itself took of calls, in seconds, by the histogram's buckets: within a bucket it is taken that
    calls are spread evenly; what is above the last bound counts as that.
    """

    calls: int
    p50: float | None
    p95: float | None
    p99: float | None


class GatewayFigures(NamedTuple):
    """Of all processes of a server, since its start."""

    calls: dict[str, int]
    """By how they ended."""
    refusals: dict[str, int]
    """By code."""
    fallbacks: int
    open_calls: int
    drains: int
    """Of the open ones, those whose clients have left."""
    drained: int
    """Calls whose clients had left, read to their end."""
    keep_alives: int
    hits: int
    misses: int
    added: Added


def figures_of(samples: Iterable[Sample]) -> GatewayFigures:
    """Of the samples of `FAMILY`."""
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name.removeprefix(FAMILY), []).append(sample)

    def by(name: str, label: str) -> dict[str, int]:
        found: Tally[str] = Tally()
        for sample in by_name.get(name, ()):
            found[sample.labels[label]] += int(sample.value)
        return dict(found)

    def total(name: str) -> int:
        return sum(int(sample.value) for sample in by_name.get(name, ()))

    lookups = by("cache_lookups_total", "outcome")
    return GatewayFigures(
        calls=by("calls_total", "ending"),
        refusals=by("refusals_total", "code"),
        fallbacks=total("fallbacks_total"),
        open_calls=total("open_calls"),
        drains=total("drains"),
        drained=total("drained_calls_total"),
        keep_alives=total("keep_alives_total"),
        hits=sum(times for outcome, times in lookups.items() if outcome != "miss"),
        misses=lookups.get("miss", 0),
        added=_added(by_name.get("added_seconds_bucket", ())),
    )


def _added(samples: Iterable[Sample]) -> Added:
    buckets = sorted((float(sample.labels["le"]), int(sample.value)) for sample in samples)
    calls = buckets[-1][1] if buckets else 0
    return Added(calls, *(quantile(buckets, percent) for percent in (50, 95, 99)))


def quantile(buckets: Sequence[tuple[float, int]], percent: int) -> float | None:
    """As Prometheus' `histogram_quantile`: `buckets` are bounds and how many are up to each, the last one infinite."""
    if not buckets or buckets[-1][1] == 0:
        return None
    rank = buckets[-1][1] * percent / 100
    below, counted = 0.0, 0
    for bound, upto in buckets:
        if upto >= rank:
            return below if math.isinf(bound) else below + (bound - below) * (rank - counted) / (upto - counted)
        below, counted = bound, upto
    return below
