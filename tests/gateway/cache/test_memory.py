"""Memory stays within its bytes and keeps nothing for too long."""

import random
import tracemalloc

from app.gateway.cache.memory import SHARE, Memory
from tests.gateway.cache.asked import stored


def put(memory: Memory, name: bytes, size: int = 1_000, now: float = 0.0, seconds: float = 60.0) -> bool:
    return memory.put(name, stored(b"x" * size, at=now, seconds=seconds), now)


def test_what_was_used_last_stays() -> None:
    memory = Memory(100_000)
    one = stored(b"x" * 1_000).size
    names = [b"%d" % number for number in range(100_000 // one)]
    assert all(put(memory, name) for name in names)

    assert memory.get(names[0], 1.0) is not None
    put(memory, b"more")

    assert memory.get(names[0], 1.0) is not None
    assert memory.get(names[1], 1.0) is None
    assert memory.bytes <= memory.most_bytes


def test_one_answer_takes_a_sixteenth_at_most() -> None:
    memory = Memory(160_000)

    assert not put(memory, b"large", 160_000 // SHARE)
    assert (len(memory), memory.bytes) == (0, 0)


def test_nothing_is_kept_beyond_its_time() -> None:
    memory = Memory(100_000)
    put(memory, b"short", seconds=10)
    put(memory, b"long", seconds=20)

    assert memory.get(b"short", 9.9) is not None
    assert memory.get(b"short", 10.0) is None
    assert len(memory) == 1
    memory.expire(20.0)
    assert (len(memory), memory.bytes) == (0, 0)
    assert not memory.put(b"late", stored(at=0, seconds=5), 6.0)


def test_an_answer_that_is_renewed_does_not_go_with_the_one_before() -> None:
    memory = Memory(100_000)
    put(memory, b"a", seconds=10)
    put(memory, b"a", now=5.0, seconds=10)

    memory.expire(11.0)

    assert memory.get(b"a", 11.0) is not None
    assert memory.bytes == stored(b"x" * 1_000).size


def test_its_count_of_bytes_is_that_of_what_it_has() -> None:
    rng, memory, now = random.Random(7), Memory(200_000), 0.0
    for _ in range(5_000):
        now += rng.random()
        name = b"%d" % rng.randrange(300)
        if rng.random() < 0.4:
            put(memory, name, rng.randrange(20_000), now, rng.randrange(1, 100))
        else:
            memory.get(name, now)
        assert memory.bytes == sum(each.size for each in memory._stored.values()) <= memory.most_bytes
        assert len(memory._ends) <= 2 * len(memory) + 65


def test_memory_is_flat() -> None:
    memory = Memory(2_000_000)
    tracemalloc.start()
    try:
        for number in range(4_000):
            memory.put(b"%d" % number, stored(b"%06d" % number * 2_000, at=0.0), 0.0)
            memory.put(b"again", stored(b"%06d" % number * 2_000, at=number, seconds=1e6), 0.0)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 1.1 * memory.most_bytes
