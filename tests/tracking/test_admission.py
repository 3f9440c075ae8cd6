"""Who may enter the queue: by the room that there is, and by how long a call would wait."""

import math

import pytest
import structlog

from app.errors import OverloadedError
from app.observability.logs import configure_logging
from app.observability.metrics import Counters
from app.spool.waiting import Waiting
from app.tracking.admission import Admission, seconds_to_commit
from app.tracking.fair_queue import FairQueue
from app.tracking.pace import Pace
from tests.tracking.simulated import a_pair

PAIR = a_pair()


class Slow(Pace):
    """A commit takes 10 ms a call, so that batches have six, or three where several senders wait."""

    def __init__(self) -> None:
        super().__init__()
        self.fixed, self.each = 0.0, 0.01


class Desk:
    """An admission, and what it looks at."""

    def __init__(self) -> None:
        self.now, self.queue, self.counters = 100.0, FairQueue(), Counters()
        self.admission = Admission(self.queue, Slow(), self.counters, lambda: len(self.queue), lambda: self.now)

    def call(self, sender: str = "s", within: float = math.inf) -> Waiting:
        return Waiting(PAIR, "function", sender, self.now, self.now + within, math.inf, None)

    def queued(self, calls: int, sender: str = "s") -> None:
        for _ in range(calls):
            self.queue.put(self.call(sender))
        self.admission.idle()

    def retry_after(self, calls: int, within: float) -> float:
        with pytest.raises(OverloadedError) as refused:
            self.admission.admit("s", calls, within)
        return refused.value.retry_after


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(("within", "seconds"), [(0.25, 0.2), (5, 4), (10, 9), (60, 59)])
def test_a_fifth_of_a_deadline_and_at_most_a_second_is_for_the_disk(within: float, seconds: float) -> None:
    assert seconds_to_commit(within) == pytest.approx(seconds)


def test_a_hundred_calls_are_queued_however_slow_mongodb_was(desk: Desk) -> None:
    desk.queued(99)
    assert not desk.admission.is_in_vain(desk.call(within=0.2))
    desk.queued(1)
    assert desk.admission.is_in_vain(desk.call(within=0.2))


def test_what_comes_during_a_commit_waits_for_its_end_first(desk: Desk) -> None:
    desk.queued(100)  # seventeen commits of 60 ms
    assert not desk.admission.is_in_vain(desk.call(within=1.1))
    assert desk.admission.seconds("s", 2) == pytest.approx(1.02)
    desk.admission.busy(desk.now, 6)
    assert desk.admission.is_in_vain(desk.call(within=1.05))
    assert desk.admission.seconds("s", 2) == pytest.approx(1.08)
    desk.now += 0.04
    assert desk.admission.seconds("s", 2) == pytest.approx(1.04)


def test_a_request_may_take_sixty_percent_of_the_time_that_its_calls_have(desk: Desk) -> None:
    desk.queued(1)
    assert desk.admission.accepts("s", 539, 10)  # 5.4 of 9 s
    assert not desk.admission.accepts("s", 540, 10)


def test_with_nothing_before_it_a_request_is_always_tried(desk: Desk) -> None:
    assert desk.admission.accepts("s", 40_000, 0.25)
    desk.admission.reserve("another", 1)
    assert not desk.admission.accepts("s", 1_000, 0.25)
    desk.admission.reserve("another", -1)
    assert desk.admission.accepts("s", 40_000, 0.25)


def test_who_is_refused_comes_again_when_there_is_room_and_not_all_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.queued(500)
    assert 3.6 <= desk.retry_after(400, 10) <= 7.2  # 9 s for all of them, of which 5.4 may be taken
    assert len({desk.retry_after(400, 10) for _ in range(10)}) == 10
    monkeypatch.setattr("app.tracking.admission.MAX_QUEUED", 1_000)
    assert 2.25 <= desk.retry_after(400, 60) <= 4.5  # more than its share: a quarter of the 9 s
    monkeypatch.setattr("app.tracking.admission.MAX_QUEUED", 50_000)
    desk.queued(9_500)
    assert desk.retry_after(1, 0.25) == 60


def test_refusals_are_counted_and_told_once_a_second_with_their_number(desk: Desk) -> None:
    desk.queued(100)
    configure_logging("info")
    with structlog.testing.capture_logs() as lines:
        for _ in range(5):
            desk.retry_after(10, 0.25)
        desk.now += 1
        desk.retry_after(10, 0.25)
    configure_logging("error")

    assert [(line["event"], line["calls"]) for line in lines] == [("tracking.overloaded", n) for n in (10, 50)]
    assert desk.counters.overload_refused() == 60


def test_others_have_their_turns_as_long_as_one_waits_and_no_longer_than_they_have_calls(desk: Desk) -> None:
    desk.queued(30, "flood")
    assert desk.admission.seconds("other", 1) == pytest.approx(0.02)
    assert desk.admission.seconds("other", 60) == pytest.approx(0.9)
    assert desk.admission.seconds("flood", 1) == pytest.approx(0.31)
