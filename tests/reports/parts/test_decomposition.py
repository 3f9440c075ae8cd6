"""Effects of causes on a cost, computed by hand, and their sum for any figures."""

from typing import Any

import pytest
from bson import Decimal128
from hypothesis import given
from hypothesis import strategies as st

from app.reports.parts.decomposition import EFFECTS, Ratio, effects_of, sums_of

SAME = Ratio(30, 30)


def used(requests: int = 0, **figures: int) -> dict[str, int]:
    return {**sums_of([]), "requests": requests, **figures}


def tokens(requests: int, input_tokens: int, output_tokens: int, *, prices: tuple[int, int]) -> dict[str, int]:
    paid = input_tokens * prices[0], output_tokens * prices[1]
    return used(
        requests,
        inputTokens=input_tokens,
        outputTokens=output_tokens,
        tokensUsed=input_tokens + output_tokens,
        inputCost=paid[0],
        outputCost=paid[1],
        cost=sum(paid),
    )


def named(before: dict[str, int], now: dict[str, int], *, days: Ratio = SAME, job: Ratio | None = None) -> Any:
    found = effects_of(before, now, days=days, job=job or Ratio(before["requests"], now["requests"]))
    return {name: effect for name, effect in zip(EFFECTS, found, strict=True) if effect}


@pytest.mark.parametrize(
    ("before", "now", "more", "expected"),
    [
        # ten calls become thirty: as many tokens each, at the same price
        (tokens(10, 1_000, 100, prices=(2, 10)), tokens(30, 3_000, 300, prices=(2, 10)), {}, {"volume": 6_000}),
        # each has twice the output
        (tokens(10, 1_000, 100, prices=(2, 10)), tokens(10, 1_000, 200, prices=(2, 10)), {}, {"tokens": 1_000}),
        # output costs half: no kind of token is told by another's price
        (tokens(10, 1_000, 100, prices=(2, 10)), tokens(10, 1_000, 100, prices=(2, 5)), {}, {"price": -500}),
        # all at once, in their order: 3000 x 2, then twice the output of each call, then a dearer input
        (
            tokens(10, 1_000, 100, prices=(2, 10)),
            tokens(20, 2_000, 400, prices=(3, 10)),
            {},
            {"volume": 3_000, "tokens": 2_000, "price": 2_000},
        ),
        # a longer window with as many calls a day
        (
            tokens(28, 2_800, 0, prices=(10, 0)),
            tokens(31, 3_100, 0, prices=(10, 0)),
            {"days": Ratio(28, 31)},
            {"days": 3_000},
        ),
        # a model that answers three times as often where its feature is asked as often as before
        (
            tokens(10, 100, 0, prices=(7, 0)),
            tokens(30, 300, 0, prices=(7, 0)),
            {"job": Ratio(40, 40)},
            {"mix": 1_400},
        ),
        # a model that is new in a feature, and one that is gone from it
        (used(), tokens(4, 40, 0, prices=(7, 0)), {"job": Ratio(40, 40)}, {"mix": 280}),
        (tokens(4, 40, 0, prices=(7, 0)), used(), {"job": Ratio(40, 40)}, {"mix": -280}),
        # a feature that is new, and one that is gone
        (used(), tokens(4, 40, 0, prices=(7, 0)), {}, {"volume": 280}),
        (tokens(4, 40, 0, prices=(7, 0)), used(), {}, {"volume": -280}),
        # images: twice as many with each call, then dearer
        (
            used(5, images=5, cost=200, generationCost=200),
            used(5, images=10, cost=500, generationCost=500),
            {},
            {"tokens": 200, "price": 100},
        ),
        # calls that have become priced
        (used(5, unpriced=5, tokensUsed=50, inputTokens=50), tokens(5, 50, 0, prices=(3, 0)), {}, {"price": 150}),
        # half of the answers come from a cache
        (
            tokens(10, 100, 0, prices=(4, 0)),
            {**tokens(10, 100, 0, prices=(4, 0)), "cost": 200, "inputCost": 200, "savedCost": 200, "cached": 5},
            {},
            {"caching": -200},
        ),
        # a fee for each call beside its tokens
        (
            {**tokens(10, 100, 0, prices=(1, 0)), "cost": 150, "generationCost": 50},
            {**tokens(20, 200, 0, prices=(1, 0)), "cost": 300, "generationCost": 100},
            {},
            {"volume": 150},
        ),
        # a cost that somebody reported without its parts
        (used(2, tokensUsed=10, inputTokens=10, cost=30), used(2, tokensUsed=30, inputTokens=30, cost=60), {},
         {"tokens": 60, "price": -30}),
        (used(), used(), {}, {}),
    ],
)  # fmt: skip
def test_each_cause_has_the_effect_that_is_computed_by_hand(
    before: dict[str, int], now: dict[str, int], more: dict[str, Ratio], expected: dict[str, int]
) -> None:
    assert named(before, now, **more) == expected


FIGURES = st.integers(0, 10**19)
ANY = st.fixed_dictionaries(
    {
        "requests": st.integers(0, 10**7),
        **dict.fromkeys(("inputTokens", "outputTokens", "tokensUsed", "images", "characters"), st.integers(0, 10**12)),
        **dict.fromkeys(("inputCost", "outputCost", "cost", "savedCost", "videoSeconds", "audioSeconds"), FIGURES),
    }
)


@given(before=ANY, now=ANY, days=st.tuples(st.integers(1, 366), st.integers(1, 366)), more=st.integers(0, 10**6))
def test_effects_sum_to_the_change_for_any_figures(
    before: dict[str, int], now: dict[str, int], days: tuple[int, int], more: int
) -> None:
    job = Ratio(before["requests"] + more, now["requests"] + more)

    found = effects_of({**used(), **before}, {**used(), **now}, days=Ratio(*days), job=job)

    assert sum(found) == now["cost"] - before["cost"]


@given(part=ANY, days=st.integers(1, 366), times=st.integers(1, 1_000))
def test_who_only_grows_has_no_other_effect(part: dict[str, int], days: int, times: int) -> None:
    before = {**used(), **part, "requests": part["requests"] + 1}
    now = {name: value * times for name, value in before.items()}

    found = effects_of(before, now, days=Ratio(days, days), job=Ratio(before["requests"], now["requests"]))

    assert found == (0, before["cost"] * (times - 1), 0, 0, 0, 0)


def test_sums_are_exact_whatever_is_absent() -> None:
    rows: list[dict[str, Any]] = [
        {"requests": 2, "cost": Decimal128("0.1")},
        {"cost": Decimal128("0.000000000000001")},
        {"requests": 1},
    ]

    found = sums_of(rows)

    assert (found["requests"], found["cost"], found["images"]) == (3, 100_000_000_000_001, 0)
