"""Ways to forecast daily costs. All work on floats: a forecast is no figure of the ledger.

A day is None where nothing is known of it. Days before `origin` are known, those from it on are forecast.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import accumulate

Costs = Sequence[float | None]

WEEK = 7
HISTORY = 8 * WEEK
"""Days from which weekdays and the level are taken."""
HALF = HISTORY // 2
"""The trend is the change from one of the last two such spans to the other."""
DECAY = 0.95
"""The weight of a day against that of the day after it: half of it is two weeks old at most."""
DAMPING = 0.97
"""What is left of the trend's step after each day."""
PRIOR_DAYS = 2
"""Each weekday is taken to be as dear as the others on so many days more than are known."""


class Method(StrEnum):
    """How a forecast is made."""

    LEVEL = "weekday level"
    """The mean of the last 8 weeks, recent days weighing more, times the weekday's factor."""
    TREND = "weekday level with damped trend"
    """The same, and the change between the last two spans of 4 weeks goes on, ever less."""
    BOTH = "mean of weekday level and seasonal naive"
    SEASONAL_NAIVE = "seasonal naive"
    """Each day costs what the last one of its weekday cost."""
    NAIVE = "naive"
    """Each day costs what the last one cost."""


def ahead(costs: Costs, origin: int, days: int) -> dict[Method, list[float]]:
    """By method: the sums of the first 0, 1, … `days` days from `origin` on. The first day is the weekday 0."""
    places = [(origin + number) % WEEK for number in range(days)]
    factors, level, step = _fitted(costs, origin)
    of_weekday = _of_weekday(costs, origin)
    damped = accumulate((DAMPING**number for number in range(1, days + 1)), initial=0.0)
    next(damped)
    steady, repeated = [level * factors[place] for place in places], [of_weekday[place] for place in places]
    by_day = {
        Method.LEVEL: steady,
        Method.TREND: [
            max(0.0, level + step * steps) * factors[place] for place, steps in zip(places, damped, strict=True)
        ],
        Method.BOTH: [(one + other) / 2 for one, other in zip(steady, repeated, strict=True)],
        Method.SEASONAL_NAIVE: repeated,
        Method.NAIVE: [_last(costs, origin)] * days,
    }
    return {method: list(accumulate(found, initial=0.0)) for method, found in by_day.items()}


def mean_before(costs: Costs, origin: int) -> float:
    """The mean of the known days of the last 8 weeks; 0 where there are none."""
    known = [cost for cost in costs[max(0, origin - HISTORY) : origin] if cost is not None]
    return sum(known) / len(known) if known else 0.0


def _fitted(costs: Costs, origin: int) -> tuple[list[float], float, float]:
    """The factor of each weekday, the level, and how much it changes a day."""
    factors = _factors(costs, origin)
    first = max(0, origin - HISTORY)
    level = _level(costs, factors, range(first, origin), lambda place: DECAY ** (origin - 1 - place))
    step = 0.0
    if origin - first == HISTORY:
        halves = (range(first, first + HALF), range(first + HALF, origin))
        earlier, later = (_level(costs, factors, half, lambda _: 1.0) for half in halves)
        step = (later - earlier) / HALF
    return factors, level, step


def _factors(costs: Costs, origin: int) -> list[float]:
    sums, counts = [0.0] * WEEK, [0] * WEEK
    for place in range(max(0, origin - HISTORY), origin):
        if (cost := costs[place]) is not None:
            sums[place % WEEK] += cost
            counts[place % WEEK] += 1
    mean = sum(sums) / max(1, sum(counts))
    if not mean:
        return [1.0] * WEEK
    raw = [(total / mean + PRIOR_DAYS) / (count + PRIOR_DAYS) for total, count in zip(sums, counts, strict=True)]
    return [factor * WEEK / sum(raw) for factor in raw]


def _level(costs: Costs, factors: list[float], places: range, weight: Callable[[int], float]) -> float:
    """The weighted mean cost of a day, without what its weekday adds."""
    cost = expected = 0.0
    for place in places:
        if (known := costs[place]) is not None:
            of_day = weight(place)
            cost += of_day * known
            expected += of_day * factors[place % WEEK]
    return cost / expected if expected else 0.0


def _of_weekday(costs: Costs, origin: int) -> list[float]:
    found: dict[int, float] = {}
    for place in range(origin - 1, max(-1, origin - 1 - HISTORY), -1):
        if (cost := costs[place]) is not None:
            found.setdefault(place % WEEK, cost)
    mean = sum(found.values()) / max(1, len(found))
    return [found.get(place, mean) for place in range(WEEK)]


def _last(costs: Costs, origin: int) -> float:
    return next((cost for place in range(origin - 1, -1, -1) if (cost := costs[place]) is not None), 0.0)
