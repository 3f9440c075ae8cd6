"""What forecasts of earlier days would have been, and how far they were off: it decides the method, and the band.

The band of a sum comes from errors of sums over as many days (split conformal prediction on rolling origins: Vovk,
Gammerman and Shafer, "Algorithmic Learning in a Random World", and for rolling origins Hyndman and Athanasopoulos,
"Forecasting: Principles and Practice", 5.10). Sums of neighbouring origins share days. So few are independent, and the
band is widened by `1 + 1.2 / how many would fit without sharing`. Where days are too few for sums as long, errors of
shorter ones are used, widened by the root of how many times longer the sum is.
"""

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from app.finance.forecast.methods import WEEK, Costs, Method, ahead, mean_before

COVERAGE = 0.8
"""Of the band."""
TRAINING_DAYS = WEEK
"""Known before the first origin."""
MOST_ORIGINS = 60
LEAST_ORIGINS = 12
"""Of errors that a band can be made of, where there are days enough."""
BLOCKS = 3
"""As many sums fit into the days without sharing any, at least, where they are as long as what is forecast."""
WIDENED = 1.2


class Errors(NamedTuple):
    """Of the sums that were forecast."""

    absolute: float
    """The sum of what each was off."""
    actual: float
    """The sum of what came true."""

    @property
    def percent(self) -> float | None:
        """WAPE: what was off, in percent of what came true; None where that is 0."""
        return 100 * self.absolute / self.actual if self.actual else None


class Tested(NamedTuple):
    """What became of earlier forecasts."""

    days: int
    """Over so many days went the sums."""
    origins: int
    errors: dict[Method, Errors]
    covered: int
    judged: int
    """Bands, each made of what was known on its day, and how many of them held what came true."""


class Predicted(NamedTuple):
    """The cost of some days."""

    method: Method
    sums: list[float]
    """Of the first 0, 1, … days."""
    low: float
    high: float
    tested: Tested

    @property
    def cost(self) -> float:
        return self.sums[-1]


@dataclass
class _Known:
    """Errors of sums whose days were over, as parts of what so many days cost at the time."""

    sorted: dict[Method, list[float]] = field(default_factory=lambda: {method: [] for method in Method})
    absolute: dict[Method, float] = field(default_factory=lambda: dict.fromkeys(Method, 0.0))

    def add(self, errors: dict[Method, float]) -> None:
        for method, error in errors.items():
            insort(self.sorted[method], error)
            self.absolute[method] += abs(error)

    @property
    def count(self) -> int:
        return len(self.sorted[Method.NAIVE])

    @property
    def best(self) -> Method:
        """The method that was off the least; of equal ones, the first."""
        return min(Method, key=lambda method: self.absolute[method])

    def band(self, method: Method, widening: float) -> tuple[float, float]:
        """The outermost parts that a cost may be off, at least none at all."""
        errors, beyond = self.sorted[method], (1 - COVERAGE) / 2
        return min(0.0, _quantile(errors, beyond)) * widening, max(0.0, _quantile(errors, 1 - beyond)) * widening


class _Sum(NamedTuple):
    """What was forecast at one origin, and what came true, over the days that are known."""

    origin: int
    forecast: dict[Method, float]
    actual: float
    usual: float
    """What so many days cost by the mean of the days before."""


class Backtest:
    """Forecasts of one series at earlier origins. `costs` begins with the series' first day."""

    def __init__(self, costs: Costs) -> None:
        self._costs = costs
        self._end = len(costs)
        self._origins = max(1, self._end - TRAINING_DAYS)
        self._step = math.ceil(self._origins / MOST_ORIGINS)
        places = range(self._end - 1, TRAINING_DAYS - 1, -self._step)
        self._forecasts: dict[int, dict[Method, list[float]]] = {}
        self._places = sorted(places)

    def predicted(self, days: int) -> Predicted:
        """The sum of the next `days` days."""
        tested_days = min(days, max(1, self._origins // BLOCKS))
        sums = self._sums(tested_days)
        known, tested = self._walked(sums, tested_days)
        method = known.best
        found, usual = ahead(self._costs, self._end, days)[method], mean_before(self._costs, self._end) * days
        low, high = 0.0, 0.0
        if known.count:
            widening = math.sqrt(days / tested_days) * self._widening(self._end, tested_days)
            low, high = known.band(method, widening)
        return Predicted(method, found, max(0.0, found[-1] + low * usual), found[-1] + high * usual, tested)

    def _walked(self, sums: Sequence[_Sum], days: int) -> tuple[_Known, Tested]:
        """Origin by origin: the band that could be made then, and what is known since."""
        known, waiting = _Known(), list(sums)
        covered = judged = 0
        for one in sums:
            while waiting and waiting[0].origin + days <= one.origin:
                known.add(_parts(waiting.pop(0)))
            if known.count >= LEAST_ORIGINS:
                method = known.best
                low, high = known.band(method, self._widening(one.origin, days))
                judged += 1
                covered += low * one.usual <= one.actual - one.forecast[method] <= high * one.usual
        for one in waiting:
            known.add(_parts(one))
        errors = {
            method: Errors(sum(abs(one.actual - one.forecast[method]) for one in sums), sum(one.actual for one in sums))
            for method in Method
        }
        return known, Tested(days, len(sums), errors, covered, judged)

    def _widening(self, origin: int, days: int) -> float:
        return 1 + WIDENED / max(1.0, (origin - TRAINING_DAYS) / days)

    def _sums(self, days: int) -> list[_Sum]:
        return [found for origin in self._places if origin + days <= self._end and (found := self._sum(origin, days))]

    def _sum(self, origin: int, days: int) -> _Sum | None:
        known = [place for place in range(origin, origin + days) if self._costs[place] is not None]
        mean = mean_before(self._costs, origin)
        if not known or not mean:
            return None
        if origin not in self._forecasts:
            self._forecasts[origin] = ahead(self._costs, origin, self._end - origin)
        forecasts = self._forecasts[origin]
        found = {
            method: sums[days]
            if len(known) == days
            else sum(sums[place - origin + 1] - sums[place - origin] for place in known)
            for method, sums in forecasts.items()
        }
        actual = sum(self._costs[place] or 0.0 for place in known)
        return _Sum(origin, found, actual, mean * len(known))


def _parts(one: _Sum) -> dict[Method, float]:
    return {method: (one.actual - forecast) / one.usual for method, forecast in one.forecast.items()}


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Of the next value, not of these: the outermost one where they are too few."""
    place = min(max(share * (len(ordered) + 1) - 1, 0.0), len(ordered) - 1.0)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
