"""How a process runs: when it collects garbage."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from app import process
from app.process import COLLECT_AFTER, COLLECT_ALL_IDLE_AFTER, hold_garbage_collector, tune_garbage_collector
from tests.patience import until


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.enable()


def test_a_start_is_not_collected_and_all_that_follows_is() -> None:
    hold_garbage_collector()
    assert not gc.isenabled()

    made_by_the_start = [[] for _ in range(1_000)]  # type: ignore[var-annotated]
    tune_garbage_collector()

    assert gc.isenabled()
    assert gc.get_threshold()[0] == COLLECT_AFTER
    assert gc.get_freeze_count() > len(made_by_the_start)


class InHand:
    """So many requests, and how often that was asked."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.asked = 0

    def __len__(self) -> int:
        self.asked += 1
        return self.number


class Cycle:
    def __init__(self) -> None:
        self.itself = self


async def test_old_garbage_is_collected_while_nothing_is_in_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "IDLE_SECONDS", 0.001)
    tune_garbage_collector()
    in_hand, held = InHand(1), Cycle()
    for _ in range(COLLECT_ALL_IDLE_AFTER):  # what is older than these is seldom looked at
        gc.collect(1)
    left = weakref.ref(held)
    del held
    running = asyncio.create_task(process.collect_when_idle(in_hand))

    await until(lambda: in_hand.asked > 3)
    assert left() is not None
    in_hand.number = 0
    await until(lambda: left() is None)

    running.cancel()
