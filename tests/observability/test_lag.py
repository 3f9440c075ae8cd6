"""The lag of the event loop is measured, exported, and told once."""

import asyncio
import time
from collections import Counter

import pytest
import structlog

from app.observability.lag import LoopWatch
from app.observability.logs import configure_logging
from app.observability.metrics import Counters
from app.process import background
from tests.patience import until

BLOCKED = 0.1


async def test_who_holds_the_loop_is_in_the_metrics_and_once_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.observability.lag.LONG_SECONDS", BLOCKED / 2)
    configure_logging("warning")
    counters = Counters()
    watch = LoopWatch(counters, Counter({"POST /api/ai/track": 2}))

    async with background(watch.run(), "lag"):
        with structlog.testing.capture_logs() as lines:
            for _ in range(2):
                await asyncio.sleep(0.03)
                time.sleep(BLOCKED)  # noqa: ASYNC251 - what must not be done
            await until(lambda: watch.longest() >= BLOCKED / 2)

    configure_logging("error")
    (line,) = lines
    assert (line["event"], line["in_hand"]) == ("loop.blocked", ["POST /api/ai/track"])
    assert line["milliseconds"] >= 1000 * BLOCKED / 2
    exported = counters.exposition().decode()
    assert 'twinmeter_loop_lag_seconds_bucket{le="0.025"}' in exported
    (longest,) = [line for line in exported.splitlines() if line.startswith("twinmeter_loop_lag_max_seconds ")]
    assert float(longest.split()[1]) == pytest.approx(watch.longest())
    assert 0 <= watch.p99() <= watch.longest()
