"""What is held for a moment is held no longer, and never too much of it."""

from app.expiring import ExpiringCache


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_value_holds_until_its_moment() -> None:
    clock = Clock()
    cache: ExpiringCache[str, int] = ExpiringCache(10, clock)
    cache.put("a", 1, 105.0)

    clock.now = 104.999
    before = cache.get("a")
    clock.now = 105.0

    assert (before, cache.get("a"), cache.get("b")) == (1, None, None)


def test_the_oldest_makes_room() -> None:
    cache: ExpiringCache[str, int] = ExpiringCache(2, Clock())
    for key, value in [("a", 1), ("b", 2), ("a", 3), ("c", 4)]:
        cache.put(key, value, 105.0)

    assert [cache.get(key) for key in "abc"] == [3, None, 4]
