"""Which thresholds a step passes."""

import itertools
from decimal import Decimal

import pytest

from models.alerts import BEYOND, FAR_BEYOND, alert_id, crossed

USUAL = (80, 90, 100)


@pytest.mark.parametrize(
    ("before", "after", "allowance", "told"),
    [
        ("0", "7", "10", ()),
        ("7", "8", "10", (80,)),
        ("8", "8", "10", ()),
        ("8", "9", "10", (90,)),
        ("9", "10", "10", (100,)),
        ("0", "10", "10", (80, 90, 100)),
        ("10", "11", "10", (BEYOND, FAR_BEYOND)),
        ("0", "25", "10", (80, 90, 100, BEYOND, FAR_BEYOND)),
        ("100", "101", "100", (BEYOND,)),
        ("7.999999999999999", "8.000000000000000", "10", (80,)),
        ("0", "0", "0", ()),
        ("0", "1", "0", (BEYOND,)),
        ("1", "2", "0", ()),
        ("9", "7", "10", ()),
    ],
)
def test_equality_counts_and_what_was_passed_before_does_not(
    before: str, after: str, allowance: str, told: tuple[int, ...]
) -> None:
    assert crossed(USUAL, Decimal(allowance), Decimal(before), Decimal(after)) == told


def test_any_steps_tell_what_one_step_tells() -> None:
    steps = [Decimal(step) / 3 for step in range(40)]
    told = [each for pair in itertools.pairwise(steps) for each in crossed(USUAL, Decimal(10), *pair)]
    assert told == [80, 90, 100, BEYOND, FAR_BEYOND]
    assert tuple(told) == crossed(USUAL, Decimal(10), steps[0], steps[-1])


def test_ids_differ_where_parts_do_and_have_no_names_in_them() -> None:
    assert alert_id("limit", "a|b", "c") != alert_id("limit", "a", "b|c")
    assert alert_id("limit", "a%7Cb") != alert_id("limit", "a|b")
    assert alert_id("limit", "u1", 80) == alert_id("limit", "u1", "80")
    assert "u1" not in alert_id("limit", "u1", 80)
