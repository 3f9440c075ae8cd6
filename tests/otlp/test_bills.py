from decimal import Decimal
from typing import Any

import pytest

from tests.otlp.exports import CHAT, fields_of

USAGE = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}


def bill(**attributes: Any) -> dict[str, Any]:
    fields = fields_of({**CHAT, **USAGE, **attributes})
    names = {"cost", "cost_basis", "service_tier", "region", "unreadable_reason"}
    return {name: value for name, value in fields.items() if name in names}


@pytest.mark.parametrize(
    ("attributes", "tier"),
    [
        ({"openai.response.service_tier": "flex"}, "flex"),
        ({"gen_ai.openai.response.service_tier": "priority"}, "priority"),
        ({"gen_ai.response.service_tier": "batch"}, "batch"),
        ({"gen_ai.usage.service_tier": "standard"}, "standard"),
        ({"gen_ai.usage.service_tier": "standard", "gen_ai.usage.speed": "fast"}, "fast"),
        ({"gen_ai.usage.speed": "standard", "gen_ai.usage.service_tier": "priority"}, "priority"),
        ({"gen_ai.usage.input_token_details": '{"priority": 10}'}, "priority"),
        ({"ai.response.providerMetadata": '{"openai": {"serviceTier": "flex"}}'}, "flex"),
        ({"openai.request.service_tier": "flex"}, None),
        ({"openai.response.service_tier": "a\nb"}, None),
        ({"openai.response.service_tier": ["flex"]}, None),
    ],
)
def test_the_tier_is_the_one_that_answered(attributes: dict[str, Any], tier: str | None) -> None:
    assert bill(**attributes) == ({} if tier is None else {"service_tier": tier})


def test_where_the_model_ran_is_told_by_the_answer_before_the_span() -> None:
    assert bill(**{"gen_ai.usage.inference_geo": "us", "cloud.region": "eu-west-1"}) == {"region": "us"}
    assert bill(**{"gen_ai.usage.inference_geo": "not_available", "cloud.region": "eu-west-1"}) == {
        "region": "eu-west-1"
    }


@pytest.mark.parametrize(
    ("attribute", "value", "cost"),
    [
        ("gen_ai.usage.cost", 0.0123, "0.0123"),
        ("gen_ai.usage.cost", 0.1 + 0.2, "0.30000000000000004"),
        ("gen_ai.usage.cost", "0.0123", "0.0123"),
        ("gen_ai.usage.cost", 2, "2"),
        ("gen_ai.usage.cost", 1e-7, "1E-7"),
        ("llm.cost.total", 0.0123, "0.0123"),
        ("gen_ai.cost.total_cost", 0.0123, "0.0123"),
        ("litellm.response_cost", 0.0123, "0.0123"),
        ("langfuse.observation.cost_details.total", "0.0123", "0.0123"),
    ],
)
def test_a_stated_cost_stands_to_the_digit_with_what_states_it(attribute: str, value: Any, cost: str) -> None:
    assert bill(**{attribute: value}) == {"cost": Decimal(cost), "cost_basis": attribute}


def test_a_cost_may_stand_in_an_object() -> None:
    details = {"langfuse.observation.cost_details": '{"input": 0.01, "total": 0.0123}'}
    assert bill(**details) == {"cost": Decimal("0.0123"), "cost_basis": "langfuse.observation.cost_details.total"}


@pytest.mark.parametrize("value", [0, 0.0, -1.0, float("inf"), float("nan"), "much", True, [1.0], "9" * 100, 10**12])
def test_what_is_no_cost_leaves_the_price_to_the_tokens(value: Any) -> None:
    assert bill(**{"gen_ai.usage.cost": value}) == {}


def test_parts_of_a_cost_are_no_cost() -> None:
    assert bill(**{"llm.cost.prompt": 0.01, "llm.cost.completion": 0.02, "operation.cost": 0.03}) == {}


def test_costs_that_differ_are_none() -> None:
    assert bill(**{"gen_ai.usage.cost": 0.3, "llm.cost.total": 0.1 + 0.2})["cost"] == Decimal("0.3")
    assert bill(**{"gen_ai.usage.cost": 0.3, "llm.cost.total": 0.4}) == {
        "unreadable_reason": "gen_ai.usage.cost is 0.3 USD, but llm.cost.total is 0.4 USD"
    }
    assert "input_tokens" not in fields_of({**CHAT, **USAGE, "gen_ai.usage.cost": 0.3, "llm.cost.total": 0.4})
