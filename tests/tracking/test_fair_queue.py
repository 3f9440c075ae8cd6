"""Batches are taken from all senders in turn, each sender's calls in order."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from app.spool.waiting import Waiting
from app.tracking.fair_queue import FairQueue
from tests.tracking.simulated import a_pair

SENDERS = st.lists(st.sampled_from("abcdef"), max_size=200)
PAIR = a_pair()


def call(sender: str, number: int, spool_at: float = 1.0) -> Waiting:
    return Waiting(PAIR, "function", sender, float(number), spool_at, spool_at + 1, None)


def filled(senders: str | list[str]) -> FairQueue:
    queue = FairQueue()
    for number, sender in enumerate(senders):
        queue.put(call(sender, number))
    return queue


def test_a_batch_has_as_many_calls_of_each_as_of_any_other_as_far_as_they_have_them() -> None:
    batch = filled("a" * 100 + "b" * 100 + "c" * 3).take(50)

    counts = Counter(each.sender for each in batch)
    assert counts["c"] == 3
    assert abs(counts["a"] - counts["b"]) <= 1
    assert counts.total() == 50


def test_more_senders_than_a_batch_has_places_take_their_turns() -> None:
    queue = filled([f"s{i}" for i in range(30)] * 2)

    batches = [[each.sender for each in queue.take(20)] for _ in range(3)]
    assert all(len(set(batch)) == 20 for batch in batches)
    assert Counter(sender for batch in batches for sender in batch) == {f"s{i}": 2 for i in range(30)}


@given(SENDERS, st.lists(st.integers(1, 60), min_size=1, max_size=20))
def test_every_call_comes_out_once_and_each_sender_s_in_order(senders: list[str], sizes: list[int]) -> None:
    queue = filled(senders)
    out = [each for size in [*sizes, 10_000] for each in queue.take(size)]

    assert sorted(each.since for each in out) == list(range(len(senders)))
    for sender in set(senders):
        numbers = [each.since for each in out if each.sender == sender]
        assert numbers == sorted(numbers)
    assert (len(queue), queue.senders) == (0, 0)


@given(SENDERS, st.integers(1, 100))
def test_nobody_has_fewer_calls_in_a_batch_than_another_unless_all_of_its_own(senders: list[str], size: int) -> None:
    queue = filled(senders)
    counts = Counter(each.sender for each in queue.take(size))

    assert counts.total() == min(size, len(senders))
    for sender in set(senders):
        if queue.of(sender):
            assert counts[sender] >= max(counts.values(), default=0) - size // 2 - 1
            assert counts[sender] + 1 >= min(size // len(set(senders)), 1)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), max_size=50), st.integers(0, 9))
def test_what_is_late_is_taken_out_wherever_it_stands(calls: list[tuple[str, int]], now: int) -> None:
    queue = FairQueue()
    for number, (sender, spool_at) in enumerate(calls):
        queue.put(call(sender, number, float(spool_at)))

    late = queue.take_late(float(now))
    assert sorted(each.since for each in late) == [n for n, (_, at) in enumerate(calls) if at <= now]
    assert len(queue) == len(calls) - len(late)
    assert queue.due == min((at for _, at in calls if at > now), default=float("inf"))


def test_a_lane_is_there_only_while_something_is_in_it() -> None:
    queue = FairQueue()
    for number in range(10_000):
        queue.put(call(f"s{number}", number))
        queue.take(1)

    assert (queue.senders, len(queue)) == (0, 0)


def test_a_queue_knows_its_oldest_call_and_of_how_many_senders_it_was_lately() -> None:
    queue = filled("abbbb")
    assert (queue.since, queue.senders_lately) == (0, 2)
    queue.take(4)
    assert (queue.since, queue.senders, queue.senders_lately) == (4, 1, 2)
    queue.take(4)
    assert (queue.since, queue.senders, queue.senders_lately) == (float("inf"), 0, 1)


def test_when_all_is_taken_out_nothing_is_due() -> None:
    queue = filled("aab")

    assert [each.since for each in queue.take_all()] == [0, 1, 2]
    assert (len(queue), queue.due) == (0, float("inf"))


def test_where_a_batch_has_room_it_takes_the_newest_of_those_in_vain_and_the_oldest_are_due_first() -> None:
    queue = filled("aab")
    queue.in_vain.extend(call("", number, spool_at=number) for number in range(5))
    assert [each.spool_at for each in queue.take(5)] == [1, 1, 1, 4, 3]
    assert (queue.due, queue.since) == (0, 0)
    assert [each.spool_at for each in queue.take_late(1)] == [0, 1]
    assert [each.spool_at for each in queue.take_all()] == [2]
    assert (queue.due, len(queue.in_vain)) == (math.inf, 0)


@given(st.lists(st.sampled_from(["put a", "put b", "put c", "take", "done", "beside", "done beside"]), max_size=100))
def test_no_sender_has_calls_in_two_commits_at_once_and_each_ones_come_in_order(steps: list[str]) -> None:
    queue, came = FairQueue(), Counter[str]()
    main: list[Waiting] = []
    beside: list[Waiting] = []
    out: dict[str, list[float]] = {"a": [], "b": [], "c": []}
    for step in [*steps, *["done beside", "done", "take", "done", "take"] * 50]:
        match step.split():
            case ["put", sender]:
                queue.put(call(sender, came[sender]))
                came[sender] += 1
            case ["take"] if not main and queue.waits:
                main = queue.take(4)
                queue.in_hand.update(each.sender for each in main)
            case ["beside"] if not beside:
                beside = queue.take_few(3)
            case ["done"]:
                main, gone = [], main
                queue.in_hand.clear()
                for each in gone:
                    out[each.sender].append(each.since)
            case ["done", "beside"]:
                beside, gone = [], beside
                queue.beside.clear()
                for each in gone:
                    out[each.sender].append(each.since)
        assert not {each.sender for each in main} & {each.sender for each in beside}
    assert out == {sender: list(range(came[sender])) for sender in "abc"}
    assert len(queue) == 0
