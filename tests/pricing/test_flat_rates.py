"""Rates by the plain token say what the whole price list says, where they are given at all."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pricing.token_prices import PricedModel, TokenPrices
from models import TokenUsage
from models.fields import MAX_COUNT
from models.money import ZERO, quantize_usd, usd_of_units

AT = datetime(2026, 10, 1, tzinfo=UTC)
PRICES = TokenPrices()
MODELS = [
    model
    for provider in PRICES._providers
    for info in provider.models
    if (model := PRICES._priced((provider, info))).flat is not None
]


@pytest.mark.parametrize("size", [0, 1, 999, 200_000, 200_001, MAX_COUNT])
def test_every_flat_price_is_the_list_s(size: int) -> None:
    assert len(MODELS) > 500
    for model in MODELS:
        check(model, size, size // 3)


@given(st.sampled_from(MODELS), st.integers(0, MAX_COUNT), st.integers(0, MAX_COUNT))
def test_any_number_of_tokens_costs_what_the_list_says(model: PricedModel, inputs: int, outputs: int) -> None:
    check(model, inputs, outputs)


def check(model: PricedModel, inputs: int, outputs: int) -> None:
    flat = model.flat
    assert flat is not None
    if inputs > flat.most_input:
        return
    price = model.price(TokenUsage(inputs, outputs), AT)
    assert price is not None
    costs = flat.input * inputs, flat.output * outputs, flat.fee
    parts = price.input_cost, price.output_cost, price.generation_cost
    assert [*map(usd_of_units, costs)] == [*parts] == [*map(quantize_usd, parts)]
    assert (usd_of_units(sum(costs)), price.saved_cost) == (price.cost, ZERO)
