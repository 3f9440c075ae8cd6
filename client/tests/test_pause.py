"""When it is tried again."""

from __future__ import annotations

import pytest

from twinmeter.pause import Pause


@pytest.mark.parametrize(
    ("faults", "longest"), [(1, 0.25), (2, 0.5), (3, 1), (4, 2), (5, 4), (6, 8), (7, 16), (8, 30), (100, 30)]
)
def test_each_fault_doubles_the_pause_up_to_thirty_seconds(faults: int, longest: float) -> None:
    pause = Pause()
    for _ in range(faults):
        pause.failed()

    assert longest / 2 - 0.1 <= pause.left <= longest


def test_clients_do_not_come_again_at_one_moment() -> None:
    pauses = [Pause() for _ in range(50)]
    for pause in pauses:
        for _ in range(10):
            pause.failed()

    assert max(pause.left for pause in pauses) - min(pause.left for pause in pauses) > 5


def test_the_server_may_ask_for_longer_and_nobody_cuts_that_short() -> None:
    pause = Pause()
    pause.failed(120)
    pause.cut_short()
    assert 100 < pause.left <= 120

    pause.failed(10**9)
    assert pause.left <= 600

    pause.failed()
    pause.cut_short()
    assert pause.left == 0
