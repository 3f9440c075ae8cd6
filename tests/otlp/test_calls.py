from typing import Any

import pytest

from app.otlp.calls import SpanFault, calls_of
from models.call import AICall
from tests.otlp.exports import CHAT, TRACE, export, fault_of, fields_of, span, span_id

OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.system": "openai",
    "llm.provider": "azure",
    "llm.model_name": "gpt-4o-2024-08-06",
    "llm.invocation_parameters": '{"model": "gpt-4o", "user": "u7", "temperature": 0.2}',
    "llm.token_count.prompt": 1000,
    "llm.token_count.completion": 50,
    "llm.token_count.total": 1050,
    "llm.token_count.prompt_details.cache_read": 800,
    "llm.token_count.completion_details.reasoning": 20,
    "input.value": "SECRET-INPUT",
    "llm.input_messages.0.message.content": "SECRET-PROMPT",
}


def test_a_call_of_openinference_is_read_whole() -> None:
    fields = fields_of(OPENINFERENCE, resource={"service.name": "shop", "deployment.environment": "prod"})
    created_at = fields.pop("created_at")
    assert created_at.tzinfo is not None
    assert fields == {
        "request_id": "otlp:0102030405060708090a0b0c0d0e0f10-0000000000000001",
        "user_id": "u7",
        "content_type": "chat",
        "model": "gpt-4o-2024-08-06",
        "provider": "azure",
        "metadata": {
            "traceId": "0102030405060708090a0b0c0d0e0f10",
            "spanId": "0000000000000001",
            "service": "shop",
            "environment": "prod",
        },
        "input_tokens": 1000,
        "output_tokens": 50,
        "cache_read_tokens": 800,
        "reasoning_tokens": 20,
        "status": "success",
        "request_duration": 250,
    }
    assert AICall(**fields, created_at=created_at, client_id="acme").usage.total_tokens == 1050


@pytest.mark.parametrize(
    ("attributes", "model"),
    [
        ({"gen_ai.request.model": "asked", "gen_ai.response.model": "answered"}, "answered"),
        ({"gen_ai.request.model": "asked", "gen_ai.response.model": ""}, "asked"),
        ({"llm.model_name": "asked", "llm.response.model_name": "answered"}, "answered"),
        ({"llm.request.model": "asked"}, "asked"),
        ({"embedding.model_name": "asked"}, "asked"),
        ({"llm.invocation_parameters": '{"model": "asked"}'}, "asked"),
    ],
)
def test_the_model_that_answered_goes_before_the_one_that_was_asked(attributes: dict[str, Any], model: str) -> None:
    assert fields_of({"gen_ai.operation.name": "chat", **attributes})["model"] == model


def test_a_call_without_a_model_is_a_fault() -> None:
    found = calls_of(export(span(1, {"gen_ai.operation.name": "chat"}), span(2, CHAT)))
    fault = SpanFault("0102030405060708090a0b0c0d0e0f10-0000000000000001", "no attribute of the span names a model")
    assert found.faults == [fault]
    assert len(found.calls) == 1


def test_a_model_that_is_no_name_is_a_fault_that_does_not_quote_it() -> None:
    reason = "gen_ai.response.model must be a string of 1 to 256 characters without control characters"
    assert fault_of(CHAT | {"gen_ai.response.model": "SECRET\x00"}) == reason
    assert fault_of(CHAT | {"gen_ai.response.model": ["SECRET"]}) == reason


@pytest.mark.parametrize(
    "ids",
    [
        {"trace_id": b""},
        {"trace_id": bytes(16)},
        {"trace_id": TRACE[:8]},
        {"span_id": b""},
        {"span_id": bytes(8)},
        {"span_id": span_id(1) * 2},
    ],
)
def test_ids_of_another_length_or_all_zero_are_a_fault(ids: dict[str, bytes]) -> None:
    assert fault_of(CHAT, **ids) == "the trace id must have 16 bytes and the span id 8, not all of them zero"


@pytest.mark.parametrize(
    ("attributes", "field", "value"),
    [
        ({"openai.response.service_tier": "flex"}, "service_tier", "flex"),
        ({"gen_ai.openai.response.service_tier": "priority"}, "service_tier", "priority"),
        ({"openai.response.service_tier": "a\nb"}, "service_tier", None),
        ({"openai.response.service_tier": ["flex"]}, "service_tier", None),
        ({"cloud.region": "eu-west-1"}, "region", "eu-west-1"),
    ],
)
def test_what_a_price_depends_on_is_read(attributes: dict[str, Any], field: str, value: str | None) -> None:
    assert fields_of(CHAT | attributes).get(field) == value


def test_the_region_of_the_application_is_not_the_models() -> None:
    assert "region" not in fields_of(CHAT, resource={"cloud.region": "eu-west-1"})


def test_metadata_that_is_no_short_text_is_left_out() -> None:
    resource = {"service.name": "x" * 257, "deployment.environment.name": "a\x00"}
    assert fields_of(CHAT, resource=resource)["metadata"].keys() == {"traceId", "spanId"}


def test_attributes_that_are_not_read_never_reach_a_call() -> None:
    content = {
        "gen_ai.input.messages": "SECRET-1",
        "gen_ai.output.messages": "SECRET-2",
        "gen_ai.prompt.0.content": "SECRET-3",
        "gen_ai.system_instructions": "SECRET-4",
        "gen_ai.tool.call.arguments": "SECRET-5",
        "traceloop.entity.input": "SECRET-6",
        "input.value": "SECRET-7",
        "llm.invocation_parameters": '{"stop": "SECRET-8", "metadata": {"a": "SECRET-9"}}',
        "exception.message": "SECRET-10",
        "http.request.header.authorization": "SECRET-11",
    }
    fields = fields_of(CHAT | content, failed=True, resource={"process.command_line": "SECRET-12"}, name="SECRET-13")
    assert "SECRET" not in repr(fields)
