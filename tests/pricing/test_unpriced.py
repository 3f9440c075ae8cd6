"""Why a call has no price is said in a code and words, wherever the call shows up; it is never $0 instead."""

from decimal import Decimal
from typing import Any

import pytest

from app.pricing.costs import _BY_SIZE
from models import CostSource
from models.unpriced import MAX_CHARACTERS, UnpricedCode, code_of, unpriced_reason
from tests.pricing.test_costs import price

REASONS: list[tuple[dict[str, Any], str]] = [
    ({"model": "of-nobody", "input_tokens": 10}, "model_unknown: no price list has of-nobody"),
    (
        {"model": "of-nobody", "provider": "My Gate", "input_tokens": 10},
        "model_unknown: no price list has of-nobody at my gate",
    ),
    (
        {"model": "gpt-4o", "images": 1, "service_type": "image"},
        "price_missing: openai has no price of gpt-4o for images",
    ),
    (
        {"model": "whisper-1", "content_type": "transcription"},
        "usage_missing: neither tokens nor an amount of media was reported",
    ),
    (
        {"model": "gpt-5.5", "input_tokens": 1_000_000, "aggregated": True, "provider": "openai"},
        f"price_missing: gpt-5.5 {_BY_SIZE}",
    ),
    ({"unreadable_usage": True}, "usage_unreadable: the response's usage could not be read"),
    (
        {"unreadable_reason": "usage.cache_foo_tokens is not known"},
        "usage_unreadable: usage.cache_foo_tokens is not known",
    ),
]


@pytest.mark.parametrize(("reported", "reason"), REASONS)
def test_every_unpriced_call_says_why(reported: dict[str, Any], reason: str) -> None:
    cost = price(**reported).cost

    assert (cost.cost, cost.source, cost.unpriced_reason) == (None, CostSource.UNPRICED, reason)


def test_a_sum_below_the_first_tier_costs_what_its_calls_do() -> None:
    one = price(model="gpt-5.5", provider="openai", input_tokens=1_000).cost.cost
    together = price(model="gpt-5.5", provider="openai", input_tokens=100_000, aggregated=True).cost.cost

    assert one is not None
    assert together == 100 * one


def test_a_priced_call_needs_no_reason() -> None:
    assert price(input_tokens=1_000).cost.unpriced_reason is None
    assert price(status="error").cost == price(status="error").cost._replace(cost=Decimal(0), unpriced_reason=None)


def test_a_reason_is_one_short_line_with_its_code_in_front() -> None:
    reason = unpriced_reason(UnpricedCode.MODEL_UNKNOWN, "a\nb" + "x" * 1_000)

    assert (code_of(reason), len(reason)) == ("model_unknown", MAX_CHARACTERS)
    assert reason.startswith("model_unknown: a bx")
    assert code_of(None) == ""
