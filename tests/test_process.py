"""How a process runs: when it collects garbage."""

import gc
from collections.abc import Iterator

import pytest

from app.process import COLLECT_AFTER, hold_garbage_collector, tune_garbage_collector


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
