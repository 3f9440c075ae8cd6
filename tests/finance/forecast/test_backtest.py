"""Forecasts against what came true: exact where the series is plain, and held to their band where it is not."""

import csv
import random

import pytest

from app.finance.forecast.backtest import Backtest
from app.finance.forecast.methods import Method, ahead
from scripts.bench.forecast import REAL
from scripts.bench.forecast_series import KINDS, Maker

WEEKDAYS = [10.0, 12.0, 11.0, 9.0, 10.0, 2.0, 1.0]


def test_a_week_that_repeats_is_forecast_to_the_day() -> None:
    costs = WEEKDAYS * 10

    predicted = Backtest(costs).predicted(9)

    assert predicted.cost == pytest.approx(sum(WEEKDAYS) + 10 + 12)
    assert (predicted.low, predicted.high) == pytest.approx((predicted.cost, predicted.cost))
    assert predicted.method is Method.SEASONAL_NAIVE


def test_missing_days_change_nothing_of_a_week_that_repeats() -> None:
    costs: list[float | None] = [*WEEKDAYS] * 10
    for place in (20, 33, 34, 35, 69):
        costs[place] = None

    predicted = Backtest(costs).predicted(14)

    assert predicted.cost == pytest.approx(2 * sum(WEEKDAYS))


def test_a_trend_goes_on_and_dies_away() -> None:
    costs = [100.0 + day for day in range(70)]

    found = ahead(costs, 70, 90)[Method.TREND]
    first, last = found[1], found[90] - found[89]

    assert 150 < first < 170 < last < 170 + 90 / 2


def test_every_method_knows_only_the_days_before_its_origin() -> None:
    rng = random.Random(5)
    costs = [rng.random() for _ in range(90)]

    assert ahead(costs, 60, 30) == ahead([*costs[:60], *(rng.random() for _ in range(30))], 60, 30)


def test_nothing_spent_is_forecast_as_nothing() -> None:
    predicted = Backtest([0.0] * 40).predicted(30)

    assert (predicted.low, predicted.cost, predicted.high) == (0, 0, 0)
    assert predicted.tested.origins == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("days", [14, 30])
def test_the_band_is_never_below_nothing_and_holds_its_middle(kind: str, days: int) -> None:
    rng = random.Random(kind)
    for length in (14, 15, 40, 150):
        predicted = Backtest(_known(KINDS[kind], rng, length)).predicted(days)

        assert 0 <= predicted.low <= predicted.cost <= predicted.high


def test_four_of_five_come_true_within_the_band_on_series_that_nothing_was_tuned_to() -> None:
    """Over all kinds, held out: 70 to 90 %."""
    held = within = 0
    rng = random.Random(2_024)
    for make in KINDS.values():
        for _ in range(12):
            length = rng.randint(30, 330)
            costs = make(rng, length + 30)
            known = [cost for cost in costs[length:] if cost is not None]
            actual = sum(known) * 30 / len(known)
            predicted = Backtest(costs[:length]).predicted(30)
            held += 1
            within += predicted.low <= actual <= predicted.high

    assert 0.7 <= within / held <= 0.9, (within, held)


def _known(make: Maker, rng: random.Random, length: int) -> list[float | None]:
    return make(rng, length)


def test_of_a_real_business_four_of_five_sums_are_within_the_band() -> None:
    """Minutes in the air by day in 2013, from every third week on: 30 days at once, of one airline and of all."""
    with REAL.open() as file:
        rows = list(csv.DictReader(file))
    off = dict.fromkeys(Method, 0.0)
    held = judged = 0
    for name in ("all", "UA"):
        costs = [float(row[name]) for row in rows]
        for known in range(60, len(costs) - 30, 21):
            actual = sum(costs[known : known + 30])
            predicted = Backtest(costs[:known]).predicted(30)
            held, judged = held + (predicted.low <= actual <= predicted.high), judged + 1
            off[Method.LEVEL] += abs(predicted.cost - actual) / actual
            off[Method.NAIVE] += abs(ahead(costs, known, 30)[Method.NAIVE][-1] - actual) / actual

    assert 0.7 <= held / judged <= 0.95, (held, judged)
    assert off[Method.LEVEL] < off[Method.NAIVE]
