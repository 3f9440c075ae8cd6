"""What was asked of each upstream, counted for all processes of the server."""

from collections.abc import Mapping
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram

BROKE_OFF = "broke_off"
"""The outcome that is counted beside `success` where an answer has no end: when it began nobody could know."""
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Attempts:
    """Metrics whose labels are the names that the file gives: no caller can make up more."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended = Counter(
            "twinmeter_gateway_attempts",
            "Attempts at upstreams, by how they ended",
            ["upstream", "outcome"],
            registry=registry,
        )
        self._seconds = Histogram(
            "twinmeter_gateway_attempt_seconds",
            "How long upstreams took until the head of an answer that was a success",
            ["upstream"],
            buckets=SECONDS,
            registry=registry,
        )
        # found by their labels once: to find one takes longer than to count
        self._count = cache(self._ended.labels)
        self._time = cache(self._seconds.labels)

    def ended(self, upstream: str, outcome: str, seconds: float) -> None:
        """One ended."""
        self._count(upstream, outcome).inc()
        if outcome == "success":
            self._time(upstream).observe(seconds)


def each_once(attempts: Mapping[str, int]) -> dict[str, int]:
    """The outcomes of one upstream's attempts as counted, so that they sum to the number of attempts."""
    broken = attempts.get(BROKE_OFF, 0)
    return {**attempts, "success": max(attempts.get("success", 0) - broken, 0)} if broken else dict(attempts)
