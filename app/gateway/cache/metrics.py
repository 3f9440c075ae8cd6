"""What the cache has done, counted for all processes of the server."""

from prometheus_client import Counter

from app.gateway.cache.memory import Memory
from app.observability.metrics import Counters

LOOKUPS = "twinmeter_gateway_cache_lookups"


class CacheMetrics:
    """Of one process."""

    def __init__(self, counters: Counters) -> None:
        self._lookups = Counter(
            LOOKUPS,
            "Calls that might be answered from the gateway's cache, by what was found: hit, shared_hit or miss",
            ["outcome"],
            registry=counters.registry,
        )

    def looked(self, outcome: str) -> None:
        """An answer was looked for."""
        self._lookups.labels(outcome).inc()


def watch(counters: Counters, memory: Memory) -> None:
    """Show how much is kept."""
    about = "that the gateway's cache has in memory"
    counters.watch("twinmeter_gateway_cache_answers", f"Answers {about}", lambda: len(memory), added=True)
    counters.watch("twinmeter_gateway_cache_bytes", f"Bytes of answers {about}", lambda: memory.bytes, added=True)
