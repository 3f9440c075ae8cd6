"""The statistics, against figures that were worked out by hand, or with R."""

import statistics
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.finance.experiments.analysis import analysed
from app.finance.experiments.moments import COLUMNS, Moments
from models.money import USD_PLACES

COST = {"numer": "cost", "denom": None, "covariate": None, "rate": False}
PER_CONVERSION = {**COST, "denom": "converted"}
RATE = {**COST, "numer": "converted", "rate": True}
USD = 10**USD_PLACES


def users(costs: list[int], converted: list[int] | None = None, before: list[int] | None = None) -> dict[str, Any]:
    """Those of one variant, by what they cost in USD."""
    moments, nothing = Moments(), [0] * len(costs)
    rows = zip(nothing, costs, converted or nothing, nothing, before or nothing, strict=True)
    for calls, cost, bought, value, was in rows:
        moments.add((calls, cost * USD, bought, value, was * USD))
    return moments.told()


def ask(*variants: dict[str, Any], shares: list[float] | None = None, **figures: dict[str, Any]) -> dict[str, Any]:
    named = [{**variant, "figures": list(figures)} for variant in variants]
    return analysed({"variants": named, "figures": figures, "control": 0, "shares": shares})


def test_a_difference_of_means_is_welch_s() -> None:
    """R: t.test(c(2,4,6,8,10), c(1,2,3,4,5)) gives t = 1.8974, df = 5.8824, p = 0.1075, from -0.8878 to 6.8878."""
    found = ask(users([1, 2, 3, 4, 5]), users([2, 4, 6, 8, 10]), cost=COST)

    difference = found["differences"][1]["cost"]
    assert (difference["absolute"], difference["relative"], difference["cuped"]) == (3, 1, False)
    assert [difference["low"], difference["high"]] == pytest.approx([-0.8878, 6.8878], abs=1e-4)
    assert difference["pValue"] == pytest.approx(0.1075, abs=1e-4)
    assert found["differences"][0] == {}


def test_an_interval_of_a_mean_is_student_s() -> None:
    """Mean 3, standard error sqrt(2.5 / 5) = 0.7071, t = 2.7764 with 4 degrees of freedom."""
    assert ask(users([1, 2, 3, 4, 5]), users([1, 2]), cost=COST)["intervals"][0]["cost"] == pytest.approx(
        [3 - 2.7764 * 0.70711, 3 + 2.7764 * 0.70711], abs=1e-3
    )


def test_a_ratio_is_by_the_delta_method() -> None:
    """Costs 2, 4, 6 and conversions 1, 1, 2: ratio 3, variances 4 and 1/3, covariance 1, so the ratio's variance is
    (4 - 2 * 1 * 3 + 1/3 * 9) / (4/3)^2 = 9/16, its error sqrt(9/48) = 0.4330, and t = 4.3027 with 2 degrees.
    """
    variant = users([2, 4, 6], [1, 1, 2])

    low, high = ask(variant, variant, ratio=PER_CONVERSION)["intervals"][0]["ratio"]

    assert [low, high] == pytest.approx([3 - 4.3027 * 0.43301, 3 + 4.3027 * 0.43301], abs=1e-3)


def test_a_rate_is_by_wilson() -> None:
    """5 of 20: (0.25 + z2/40) / (1 + z2/20) +- z sqrt(0.25 * 0.75 / 20 + z2/1600) / (1 + z2/20), with z = 1.95996."""
    variant = users([0] * 20, [1] * 5 + [0] * 15)

    assert ask(variant, variant, rate=RATE)["intervals"][0]["rate"] == pytest.approx([0.11186, 0.46870], abs=1e-5)


def test_cuped_takes_out_what_users_cost_before() -> None:
    """Over all six: variance of costs before 1.1, covariance 2.3, so theta is 23/11; 3 - 23/11 * (3 - 2) = 10/11."""
    control, variant = users([2, 4, 5], before=[1, 2, 3]), users([5, 6, 9], before=[2, 3, 4])

    plain = ask(control, variant, cost=COST)["differences"][1]["cost"]
    better = ask(control, variant, cost={**COST, "covariate": "before"})["differences"][1]["cost"]

    assert (plain["absolute"], better["absolute"]) == pytest.approx((3, 10 / 11))
    assert (plain["cuped"], better["cuped"]) == (False, True)
    widths = [each["high"] - each["low"] for each in (plain, better)]
    assert better["narrower"] == pytest.approx(1 - widths[1] / widths[0])
    assert 0 < better["narrower"] < 1


def test_where_nothing_is_known_from_before_cuped_changes_nothing() -> None:
    variants = users([2, 4, 5]), users([5, 6, 9])

    plain, cuped = (ask(*variants, cost={**COST, "covariate": of}) for of in (None, "before"))

    assert plain == cuped


@pytest.mark.parametrize(
    ("counts", "shares", "p_value"),
    [
        ((5_050, 4_950), (0.5, 0.5), 0.317311),  # chi-squared 1
        ((530, 470), (0.5, 0.5), 0.057780),  # 3.6
        ((600, 400), (0.5, 0.5), 2.54e-10),  # 40
        ((900, 100), (0.9, 0.1), 1.0),
        ((20, 30, 50), (0.2, 0.3, 0.5), 1.0),
    ],
)
def test_shares_of_users_are_checked_by_chi_squared(
    counts: tuple[int, ...], shares: tuple[float, ...], p_value: float
) -> None:
    variants = [{**users([1, 2]), "users": count} for count in counts]

    assert ask(*variants, shares=list(shares))["ratio"] == pytest.approx(p_value, rel=1e-2)


def test_what_cannot_be_computed_is_none() -> None:
    same, none = users([2, 2, 2], [0, 0, 0]), users([0, 0, 0], [0, 0, 0])

    found = ask(none, same, cost=COST, ratio=PER_CONVERSION)

    assert found["intervals"][1] == {"cost": [2, 2], "ratio": [None, None]}
    assert found["differences"][1]["cost"]["relative"] is None
    assert set(found["differences"][1]["ratio"].values()) <= {None, False}
    assert found["ratio"] is None


AMOUNT = st.integers(0, 10**22)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 50), AMOUNT, st.integers(0, 1), AMOUNT, AMOUNT), min_size=2, max_size=30))
def test_moments_are_those_of_exact_fractions(rows: list[tuple[int, ...]]) -> None:
    moments = Moments()
    for row in [*rows, *rows]:
        moments.add(row)
    for row in rows:
        moments.add(row, -1)

    told = moments.told()

    for place, name in enumerate(COLUMNS):
        scale = 1 if name in {"requests", "converted"} else USD
        values = [Fraction(row[place], scale) for row in rows]
        assert told["means"][name] == float(sum(values) / len(values))
        assert told["variances"][name] == float(statistics.variance(values))
    one, other = ([Fraction(row[place], USD) for row in rows] for place in (1, 4))
    means = sum(one) / len(one), sum(other) / len(other)
    covariance = sum((a - means[0]) * (b - means[1]) for a, b in zip(one, other, strict=True)) / (len(rows) - 1)
    assert {(a, b): value for a, b, value in told["covariances"]}["cost", "before"] == float(covariance)
