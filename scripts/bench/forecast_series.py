"""Made daily costs of different character, for `scripts.bench forecast` and its tests. None of them is real."""

import math
import random
from collections.abc import Callable

Costs = list[float | None]
Maker = Callable[[random.Random, int], Costs]


def _noise(rng: random.Random, sigma: float) -> float:
    return math.exp(rng.gauss(0, sigma) - sigma * sigma / 2)


def _week(rng: random.Random) -> list[float]:
    weekend = rng.uniform(0.05, 0.8)
    return [*(rng.uniform(0.85, 1.15) for _ in range(5)), weekend, weekend * rng.uniform(0.7, 1.2)]


def _level(rng: random.Random) -> float:
    return math.pow(10, rng.uniform(-1, 3))


def weekly(rng: random.Random, days: int) -> Costs:
    """Weekdays that differ, and noise of 5 to 35 %."""
    week, sigma, level = _week(rng), rng.uniform(0.05, 0.35), _level(rng)
    return [level * week[day % 7] * _noise(rng, sigma) for day in range(days)]


def trending(rng: random.Random, days: int) -> Costs:
    """The same, growing or shrinking exponentially, by a line, or to four times its level."""
    costs, kind, bend = weekly(rng, days), rng.choice(("exponential", "line", "bend")), rng.uniform(0.3, 0.9)
    rate = rng.uniform(0.001, 0.008) * rng.choice((1, 1, 1, -1))

    def grown(day: int) -> float:
        if kind == "exponential":
            return math.exp(rate * day)
        if kind == "line":
            return max(0.05, 1 + 2 * rate * day)
        return 1 + 3 / (1 + math.exp(-(day - days * bend) / 25))

    return [(cost or 0.0) * grown(day) for day, cost in enumerate(costs)]


def bursty(rng: random.Random, days: int) -> Costs:
    """One level, and jobs that cost 4 to 20 times as much on 3 to 12 % of the days."""
    level, often, height = _level(rng), rng.uniform(0.03, 0.12), rng.uniform(4, 20)
    sigma = rng.uniform(0.1, 0.4)
    return [
        level * _noise(rng, sigma) * (height * _noise(rng, 0.4) if rng.random() < often else 1) for _ in range(days)
    ]


def new(rng: random.Random, days: int) -> Costs:
    """A feature that is taken up over some weeks."""
    costs, pace = weekly(rng, days), rng.uniform(10, 40)
    return [(cost or 0.0) * (1 - math.exp(-(day + 1) / pace)) for day, cost in enumerate(costs)]


def gap(rng: random.Random, days: int) -> Costs:
    """The weekly one, without one to three spans of up to 8 days."""
    costs = weekly(rng, days)
    for _ in range(rng.randint(1, 3)):
        first = rng.randrange(max(1, days - 10))
        for day in range(first, min(days, first + rng.randint(1, 8))):
            costs[day] = None
    return costs


def stepping(rng: random.Random, days: int) -> Costs:
    """The weekly one, whose level changes at once every 90 days or so, to 0.4 to 3 times what it was."""
    costs: Costs = []
    level = 1.0
    for cost in weekly(rng, days):
        if rng.random() < 1 / 90:
            level *= rng.choice((0.4, 0.6, 1.5, 2, 3))
        costs.append((cost or 0.0) * level)
    return costs


def wandering(rng: random.Random, days: int) -> Costs:
    """The weekly one, whose level is a random walk of 1 to 4 % a day."""
    pace, place = rng.uniform(0.01, 0.04), 0.0
    costs: Costs = []
    for cost in weekly(rng, days):
        place += rng.gauss(0, pace)
        costs.append((cost or 0.0) * math.exp(place))
    return costs


def sparse(rng: random.Random, days: int) -> Costs:
    """Nothing on most days."""
    level, often = _level(rng), rng.uniform(0.1, 0.5)
    return [level * _noise(rng, 0.6) if rng.random() < often else 0.0 for _ in range(days)]


KINDS: dict[str, Maker] = {
    "weekly": weekly,
    "trending": trending,
    "bursty": bursty,
    "new": new,
    "with a gap": gap,
    "stepping": stepping,
    "wandering": wandering,
    "sparse": sparse,
}
