"""What is known of how fast MongoDB commits."""

import pytest

from app.tracking.pace import Pace


def learned(*commits: tuple[int, float]) -> Pace:
    pace = Pace()
    for calls, seconds in commits:
        pace.note(calls, seconds)
    return pace


def test_before_the_first_commit_it_is_that_of_a_usual_machine() -> None:
    assert Pace().of(1_000) == pytest.approx(0.105)


@pytest.mark.parametrize("calls", [1, 60, 500, 1_000])
def test_what_is_measured_again_and_again_is_what_is_expected(calls: int) -> None:
    assert learned(*[(calls, 0.25)] * 30).of(calls) == pytest.approx(0.25, rel=0.1)


def test_it_learns_what_a_commit_costs_and_what_each_call() -> None:
    pace = learned(*[(10, 0.1 + 10 * 0.0002), (400, 0.1 + 400 * 0.0002)] * 15)

    assert pace.fixed == pytest.approx(0.1, rel=0.15)
    assert pace.each == pytest.approx(0.0002, rel=0.2)


def test_calls_that_come_alone_do_not_make_a_crowd_look_slow() -> None:
    assert learned(*[(1, 0.004)] * 100).of(1_000) < 0.15
    assert learned(*[(1, 0.004)] * 10, (1, 0.5), (1, 0.004)).of(1_000) < 0.5


def test_batches_are_for_sixty_milliseconds() -> None:
    assert learned(*[(100, 0.02), (300, 0.06)] * 20).batch(1_000) == pytest.approx(300, rel=0.15)


def test_far_from_mongodb_batches_are_as_large_as_on_its_own_machine() -> None:
    """Where any commit takes 120 ms, smaller ones would only be more of them."""
    assert learned(*[(50, 0.125), (500, 0.17)] * 20).batch(1_000) == 1_000


def test_a_slow_mongodb_gets_small_batches_and_larger_ones_when_it_is_well_again() -> None:
    slow = [(250, 2.5), (125, 1.25), (50, 0.5)]
    pace = learned(*slow * 5)
    assert pace.batch(1_000) < 50
    for _ in range(40):
        calls = pace.batch(1_000)
        pace.note(calls, 0.004 + calls * 0.0001)
    assert pace.batch(1_000) > 400


def test_commits_that_are_slow_by_chance_do_not_say_that_large_ones_cost_nothing() -> None:
    """The smaller ones were the slow ones, because something else had the processor."""
    pace = learned(*[(200, 0.03), (150, 0.09), (210, 0.03), (140, 0.11)] * 5)

    assert pace.batch(1_000, senders=2) < 200
    assert pace.of(1_000) > 0.2


def test_what_a_commit_took_at_least_is_forgotten_when_all_take_longer() -> None:
    """As where MongoDB has moved far away: then it is not the calls that take long."""
    far = [(60, 0.096), (140, 0.104)]

    assert learned(*[(100, 0.02)] * 50, *far * 10).each == pytest.approx(0.0003)
    assert learned(*[(100, 0.02)] * 50, *far * 500).each == pytest.approx(0.0001)


def test_what_made_commits_slow_is_over_with_the_first_quick_ones() -> None:
    assert learned(*[(250, 2.5)] * 10, *[(25, 0.0065)] * 3).of(100) < 0.3
