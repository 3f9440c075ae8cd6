"""The metrics of one process, or of all workers of a server: whichever is asked answers for all."""

import asyncio
import os
import time
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
)
from prometheus_client.samples import Sample

from app.observability.logs import unwritten
from app.observability.shared_metrics import Worker

METRICS = CONTENT_TYPE_LATEST
"""Media type of `Counters.exposition`."""
COMMIT_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
PUBLISH_SECONDS = 1.0
BATCH_CALLS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000)

_STARTED = "twinmeter_process_start_seconds"


class Standing(NamedTuple):
    """A live process of the server, and its own figures."""

    pid: int
    since: datetime
    calls: int
    """Reported to it, and to those that had its number before."""
    figures: defaultdict[str, float]
    """Its metrics without labels, by name; 0 for what is yet to come. Those of other workers are up to a second old."""


class Counters:
    """What was done with the calls reported to this process, or to all workers. Served at `/metrics`."""

    def __init__(self, worker: Worker | None = None) -> None:
        self._worker = worker
        self.registry = CollectorRegistry()
        """Of this process's own metrics."""
        self._all = self.registry if worker is None else worker.registry()
        self._watched: list[tuple[Gauge, Callable[[], float]]] = []
        self.registry.register(unwritten())
        self.calls = Counter(
            "twinmeter_calls",
            "AI calls by ingest channel and receipt status",
            ["door", "status"],
            registry=self.registry,
        )
        self.events = Counter(
            "twinmeter_events", "Product events by receipt status", ["status"], registry=self.registry
        )
        self.unpriced = Counter("twinmeter_unpriced_calls", "AI calls without a known price", registry=self.registry)
        self.refused = Counter(
            "twinmeter_overload_refused_calls",
            "AI calls refused before anything was stored, because they would have waited too long",
            registry=self.registry,
        )
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
        self.refused_credentials = Counter(
            "twinmeter_refused_credentials",
            "Tokens, API keys and sessions that were refused, by reason",
            ["reason"],
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
        starts = Counter("twinmeter_process_starts", "Starts of processes of this server", registry=self.registry)
        starts.inc()
        started = Gauge(
            _STARTED,
            "When a process started, in seconds since 1970",
            ["process"],
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        started.labels(str(os.getpid())).set(time.time())

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

    def watch(self, name: str, description: str, value: Callable[[], float], *, added: bool = False) -> None:
        """Expose a figure that is read when metrics are scraped, and each second for the other workers.

        Together they have the largest of their figures, or where they are `added` the sum.
        """
        mode = "livesum" if added else "livemax"
        gauge = Gauge(name, description, registry=self.registry, multiprocess_mode=mode)  # type: ignore[arg-type]
        self._watched.append((gauge, value))

    def publish(self) -> None:
        """Bring the watched figures up to date."""
        for gauge, value in self._watched:
            gauge.set(value())

    async def keep_published(self) -> None:
        """Let the other workers see them, each second, until cancelled."""
        while True:
            self.publish()
            await asyncio.sleep(PUBLISH_SECONDS)

    def snapshot(self) -> dict[str, int]:
        """Calls by receipt status."""
        found: Tally[str] = Tally()
        for sample in self._samples("twinmeter_calls_total"):
            found[sample.labels["status"]] += int(sample.value)
        return dict(found)

    def doors(self) -> dict[str, dict[str, int]]:
        """Calls by ingest channel and receipt status."""
        found: dict[str, dict[str, int]] = {}
        for sample in self._samples("twinmeter_calls_total"):
            found.setdefault(sample.labels["door"], {})[sample.labels["status"]] = int(sample.value)
        return found

    def attempts(self) -> dict[str, dict[str, int]]:
        """What the gateway has asked of its upstreams, by their names and how it ended."""
        found: dict[str, dict[str, int]] = {}
        for sample in self._samples("twinmeter_gateway_attempts_total"):
            found.setdefault(sample.labels["upstream"], {})[sample.labels["outcome"]] = int(sample.value)
        return found

    def gateway_cache(self) -> dict[str, int]:
        """What the gateway's cache has in memory, and how often an answer was there."""
        found = {"hits": 0, "misses": 0, "answers": 0, "bytes": 0}
        for sample in self._samples("twinmeter_gateway_cache_lookups_total"):
            found["misses" if sample.labels["outcome"] == "miss" else "hits"] += int(sample.value)
        for name in ("answers", "bytes"):
            found[name] += sum(int(sample.value) for sample in self._samples(f"twinmeter_gateway_cache_{name}"))
        return found

    def samples_of(self, family: str) -> list[Sample]:
        """All samples whose names begin so, as of now."""
        self.publish()
        return [sample for found in self._all.collect() for sample in found.samples if sample.name.startswith(family)]

    def delivered(self) -> dict[str, int]:
        """Calls from the spool, by outcome."""
        return {
            sample.labels["status"]: int(sample.value) for sample in self._samples("twinmeter_replayed_calls_total")
        }

    def overload_refused(self) -> int:
        """Calls refused because they would have waited too long; each time counts."""
        return int(self._samples("twinmeter_overload_refused_calls_total")[0].value)

    def in_trouble(self) -> set[str]:
        """Codes of what is wrong in any process of the server."""
        return {sample.labels["code"] for sample in self._samples("twinmeter_trouble") if sample.value}

    def commits(self) -> tuple[int, int, float]:
        """Transactions, the calls in them, and the seconds that they took in total."""
        return (
            int(self._samples("twinmeter_commit_seconds_count")[0].value),
            int(self._samples("twinmeter_batch_calls_sum")[0].value),
            self._samples("twinmeter_commit_seconds_sum")[0].value,
        )

    def processes(self) -> list[Standing]:
        """Every live process of the server."""
        self.publish()
        each = [self.registry.collect()] if self._worker is None else self._worker.each()
        return [standing for metrics in each for standing in _standing(metrics)]

    def exposition(self) -> bytes:
        """All of them in Prometheus' text format."""
        self.publish()
        return generate_latest(self._all)

    def _samples(self, name: str) -> list[Sample]:
        return [sample for family in self._all.collect() for sample in family.samples if sample.name == name]


def _standing(metrics: Iterable[Metric]) -> Iterator[Standing]:
    """That of a process; nothing of one that is just starting."""
    samples = [sample for family in metrics for sample in family.samples]
    for started in samples:
        if started.name == _STARTED:
            yield Standing(
                pid=int(started.labels["process"]),
                since=datetime.fromtimestamp(started.value, UTC),
                calls=int(sum(sample.value for sample in samples if sample.name == "twinmeter_calls_total")),
                figures=defaultdict(float, {sample.name: sample.value for sample in samples if not sample.labels}),
            )
