"""The metrics of one process."""

from collections import Counter as Tally
from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.samples import Sample

from app.observability.logs import UNWRITTEN

METRICS = CONTENT_TYPE_LATEST
"""Media type of `Counters.exposition`."""
COMMIT_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
BATCH_CALLS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000)


class Counters:
    """What this process has done with the calls reported to it. Served at `/metrics`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(UNWRITTEN)
        self.calls = Counter(
            "twinmeter_calls",
            "AI calls by ingest channel and receipt status",
            ["door", "status"],
            registry=self.registry,
        )
        self.unpriced = Counter("twinmeter_unpriced_calls", "AI calls without a known price", registry=self.registry)
        self._replayed = Counter(
            "twinmeter_replayed_calls",
            "Calls delivered from the spool, by outcome",
            ["status"],
            registry=self.registry,
        )
        self._commits = Histogram(
            "twinmeter_commit_seconds",
            "Time of a committed transaction",
            buckets=COMMIT_SECONDS,
            registry=self.registry,
        )
        self.live_events = Counter("twinmeter_live_events", "Commit events sent to open pages", registry=self.registry)
        self.live_opens = Counter(
            "twinmeter_live_opens",
            "Openings of the change stream: one, and one after each failure",
            registry=self.registry,
        )
        self._batches = Histogram(
            "twinmeter_batch_calls", "Calls in a committed transaction", buckets=BATCH_CALLS, registry=self.registry
        )

    def count(self, door: str, status: str, calls: int = 1) -> None:
        self.calls.labels(door, status).inc(calls)

    def count_told(self, told: "Tally[tuple[str, str]]") -> None:
        """Count receipts, by door and status."""
        for (door, status), calls in told.items():
            self.count(door, status, calls)

    def committed(self, calls: int, seconds: float) -> None:
        """Count one transaction."""
        self._commits.observe(seconds)
        self._batches.observe(calls)

    def replayed(self, statuses: "Tally[str]") -> None:
        """Count what came out of the spool, by status."""
        for status, calls in statuses.items():
            self._replayed.labels(status).inc(calls)

    def watch(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Expose a figure that is read when metrics are scraped."""
        Gauge(name, description, registry=self.registry).set_function(value)

    def snapshot(self) -> dict[str, int]:
        """Calls by receipt status."""
        found: Tally[str] = Tally()
        for labels, value in _totals(self.calls):
            found[labels["status"]] += int(value)
        return dict(found)

    def doors(self) -> dict[str, dict[str, int]]:
        """Calls by ingest channel and receipt status."""
        found: dict[str, dict[str, int]] = {}
        for labels, value in _totals(self.calls):
            found.setdefault(labels["door"], {})[labels["status"]] = int(value)
        return found

    def delivered(self) -> dict[str, int]:
        """Calls from the spool, by outcome."""
        return {labels["status"]: int(value) for labels, value in _totals(self._replayed)}

    def commits(self) -> tuple[int, int, float]:
        """Transactions, the calls in them, and the seconds that they took in total."""
        return (
            int(_sample(self._commits, "_count")),
            int(_sample(self._batches, "_sum")),
            _sample(self._commits, "_sum"),
        )

    def exposition(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)


def _totals(counter: Counter) -> list[tuple[dict[str, str], float]]:
    return [(sample.labels, sample.value) for sample in _samples(counter) if sample.name.endswith("_total")]


def _sample(histogram: Histogram, ending: str) -> float:
    return next(sample.value for sample in _samples(histogram) if sample.name.endswith(ending))


def _samples(metric: Counter | Histogram) -> list[Sample]:
    return [sample for family in metric.collect() for sample in family.samples]
