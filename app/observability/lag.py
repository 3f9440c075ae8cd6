"""How long the event loop of this process makes others wait: measured all the time, in the metrics, and told once."""

import asyncio
import math
from collections import Counter, deque

from prometheus_client import Histogram

from app.observability.logs import Log
from app.observability.metrics import Counters

TICK_SECONDS = 0.02
"""A task that wants to run so often sees how late it runs."""
REMEMBERED = 3_000
"""Ticks: a minute."""
LONG_SECONDS = 0.25
"""Five times what any request may take of the loop at once: a fault of ours, or a machine that is too busy."""
SECONDS_BETWEEN_WARNINGS = 60.0
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
MOST_NAMED = 5

log = Log(__name__)


class LoopWatch:
    """The lag of one process's loop."""

    def __init__(self, counters: Counters, in_hand: Counter[str]) -> None:
        """`in_hand` is what the process is handling, for warnings."""
        self._lags: deque[float] = deque(maxlen=REMEMBERED)
        self._in_hand = in_hand
        self._warned_at = -math.inf
        self._histogram = Histogram(
            "twinmeter_loop_lag_seconds",
            "How late the event loop runs what is due",
            buckets=BUCKETS,
            registry=counters.registry,
        )
        counters.watch("twinmeter_loop_lag_p99_seconds", "The same of the last minute: 99% are less", self.p99)
        counters.watch("twinmeter_loop_lag_max_seconds", "The same of the last minute: the most", self.longest)

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self._note(max(0.0, loop.time() - due), loop.time())

    def p99(self) -> float:
        """Seconds, of the last minute."""
        ordered = sorted(self._lags)
        return ordered[len(ordered) * 99 // 100] if ordered else 0.0

    def longest(self) -> float:
        """Seconds, of the last minute."""
        return max(self._lags, default=0.0)

    def _note(self, lag: float, now: float) -> None:
        self._lags.append(lag)
        self._histogram.observe(lag)
        if lag >= LONG_SECONDS and now - self._warned_at >= SECONDS_BETWEEN_WARNINGS:
            self._warned_at = now
            in_hand = [what for what, _ in self._in_hand.most_common(MOST_NAMED)]
            log.warning("loop.blocked", milliseconds=round(lag * 1000), in_hand=in_hand)
