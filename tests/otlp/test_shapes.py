"""Spans of one kind are worked out once: what differs between them is not taken for the same."""

import random
from typing import Any

import pytest

from app.otlp import shapes
from app.otlp.calls import calls_of
from tests.otlp.exports import CHAT, export, fault_of, fields_of, span


def test_a_value_of_another_type_that_is_equal_makes_another_kind() -> None:
    named = [fields_of({"gen_ai.operation.name": "chat", "gen_ai.request.model": 1})["model"]]
    fault = fault_of({"gen_ai.operation.name": "chat", "gen_ai.request.model": True})
    named.append(fields_of({"gen_ai.operation.name": "chat", "gen_ai.request.model": 1})["model"])

    assert named == ["1", "1"]
    assert fault == "gen_ai.request.model must be a string of 1 to 256 characters without control characters"


def test_each_span_of_a_kind_has_its_own_user_tokens_times_and_outcome() -> None:
    spans = [
        span(number, CHAT | {"user.id": f"u{number}", "gen_ai.usage.input_tokens": number}, failed=number == 2)
        for number in (1, 2, 3)
    ]

    calls = [call.fields for call in calls_of(export(*spans)).calls]

    assert [call["user_id"] for call in calls] == ["u1", "u2", "u3"]
    assert [call["input_tokens"] for call in calls] == [1, 2, 3]
    assert [call["status"].value for call in calls] == ["success", "error", "success"]
    assert calls[0]["metadata"] is not calls[2]["metadata"]


def test_who_is_named_in_the_parameters_is_the_user_of_these_spans_alone() -> None:
    def named(user: str) -> Any:
        return fields_of(CHAT | {"llm.invocation_parameters": f'{{"user": "{user}"}}'})["user_id"]

    assert [named("a"), named("b"), named("a")] == ["a", "b", "a"]


@pytest.mark.parametrize("more", [{"llm.invocation_parameters": " " * 1_000}, {"gen_ai.request.model": "m" * 256}])
def test_a_kind_with_a_large_attribute_is_not_remembered(more: dict[str, str]) -> None:
    before = shapes._remembered.cache_info().misses
    fields_of(CHAT | more)
    assert shapes._remembered.cache_info().misses == before


def test_what_is_remembered_gives_what_is_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = random.Random(1)
    values: dict[str, list[Any]] = {
        "gen_ai.operation.name": ["chat", "embeddings", "invoke_agent", "", 1],
        "gen_ai.request.model": ["gpt-4o", "claude-sonnet-4-5", "", "a\nb", 1, True, 1.0],
        "gen_ai.response.model": ["gpt-4o-2024", None, [1]],
        "gen_ai.provider.name": ["openai", "AWS.Bedrock", "_OTHER", 1],
        "llm.invocation_parameters": ['{"model": "m", "user": "u"}', "{", 1],
        "error.type": ["RateLimitError", "timeout", "what went wrong", ""],
        "cloud.region": ["eu", "a\nb"],
        "twinmeter.synthetic": [True, "true", 1, "maybe"],
        "user.id": ["u", ""],
    }
    spans = [
        span(number, {name: chosen.choice(some) for name, some in values.items() if chosen.random() < 0.6})
        for number in range(1, 1_000)
    ]
    remembered = calls_of(export(*spans))
    monkeypatch.setattr(shapes, "_remembered", shapes._shape)
    worked_out = calls_of(export(*spans))

    assert len(remembered.calls) > 100
    assert (remembered.calls, remembered.faults) == (worked_out.calls, worked_out.faults)
