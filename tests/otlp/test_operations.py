from typing import Any

import pytest

from app.otlp.operations import provider_of
from app.pricing.token_prices import TokenPrices
from models import ServiceType
from tests.otlp.exports import counted, fields_of, span

MODEL = {"gen_ai.request.model": "gpt-4o", "gen_ai.provider.name": "openai", "gen_ai.usage.input_tokens": 5}


@pytest.mark.parametrize(
    ("attributes", "content_type", "service_type"),
    [
        ({"gen_ai.operation.name": "chat"}, "chat", None),
        ({"gen_ai.operation.name": "text_completion"}, "chat", None),
        ({"gen_ai.operation.name": "generate_content"}, "chat", None),
        ({"gen_ai.operation.name": "embeddings"}, "embedding", ServiceType.EMBEDDING),
        ({"gen_ai.operation.name": "image_generation"}, "image-generation", ServiceType.IMAGE),
        ({"gen_ai.operation.name": "transcription"}, "transcription", ServiceType.AUDIO),
        ({"gen_ai.operation.name": "speech"}, "speech", ServiceType.AUDIO),
        ({"openinference.span.kind": "LLM"}, "chat", None),
        ({"openinference.span.kind": "EMBEDDING"}, "embedding", ServiceType.EMBEDDING),
        ({"llm.request.type": "chat"}, "chat", None),
        ({"llm.request.type": "completion"}, "chat", None),
        ({"llm.request.type": "embedding"}, "embedding", ServiceType.EMBEDDING),
        ({"llm.request.type": "unknown", "openinference.span.kind": "LLM"}, "chat", None),
        ({"traceloop.span.kind": "unknown"}, "chat", None),
        ({"ai.operationId": "ai.generateText.doGenerate"}, "chat", None),
        ({"operation.name": "ai.streamText.doStream my-function"}, "chat", None),
        ({"ai.operationId": "ai.generateObject.doGenerate"}, "chat", None),
        ({"ai.operationId": "ai.embed.doEmbed"}, "embedding", ServiceType.EMBEDDING),
        ({"operation.name": "ai.embedMany.doEmbed"}, "embedding", ServiceType.EMBEDDING),
        ({"operation.name": "POST /letters"}, "chat", None),
        ({"langfuse.observation.type": "generation"}, "chat", None),
        ({"langfuse.observation.type": "embedding"}, "embedding", ServiceType.EMBEDDING),
        ({"langsmith.span.kind": "llm"}, "chat", None),
        ({}, "chat", None),
    ],
)
def test_a_model_call_counts(attributes: dict[str, Any], content_type: str, service_type: ServiceType | None) -> None:
    fields = fields_of(MODEL | attributes)
    assert (fields["content_type"], fields.get("service_type")) == (content_type, service_type)


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "create_agent"},
        {"gen_ai.operation.name": "invoke_agent"},
        {"gen_ai.operation.name": "execute_tool"},
        {"gen_ai.operation.name": "invoke_workflow"},
        {"gen_ai.operation.name": "retrieval"},
        {"gen_ai.operation.name": "fetch_response"},
        {"gen_ai.operation.name": "something new"},
        {"gen_ai.operation.name": "invoke_agent", "openinference.span.kind": "LLM"},
        {"gen_ai.operation.name": "chat", "openinference.span.kind": "AGENT"},
        {"gen_ai.operation.name": "chat", "traceloop.span.kind": "workflow"},
        *({"traceloop.span.kind": kind} for kind in ("workflow", "task", "agent", "tool")),
        *(
            {"openinference.span.kind": kind}
            for kind in ("AGENT", "TOOL", "CHAIN", "RETRIEVER", "RERANKER", "GUARDRAIL", "EVALUATOR", "PROMPT")
        ),
        {"llm.request.type": "rerank"},
        {"ai.operationId": "ai.generateText"},
        {"operation.name": "ai.embed"},
        {"operation.name": "ai.toolCall"},
        {"langfuse.observation.type": "span"},
        {"langsmith.span.kind": "chain"},
    ],
)
def test_what_surrounds_calls_does_not_count_even_with_tokens(attributes: dict[str, Any]) -> None:
    assert counted(span(1, MODEL | attributes)) == []


@pytest.mark.parametrize("attributes", [{}, {"http.request.method": "POST"}, {"gen_ai.request.model": "gpt-4o"}])
def test_a_span_that_is_no_ai_call_is_passed_over(attributes: dict[str, Any]) -> None:
    assert counted(span(1, attributes)) == []


@pytest.mark.parametrize(
    ("said", "provider"),
    [
        ("openai", "openai"),
        ("anthropic", "anthropic"),
        ("gcp.gen_ai", "google"),
        ("gcp.gemini", "google"),
        ("gcp.vertex_ai", "google"),
        ("aws.bedrock", "aws"),
        ("azure.ai.openai", "azure"),
        ("az.ai.openai", "azure"),
        ("azure.ai.inference", "azure"),
        ("x_ai", "x-ai"),
        ("mistral_ai", "mistral"),
        ("MistralAI", "mistral"),
        ("moonshot_ai", "moonshotai"),
        ("together_ai", "together"),
    ],
)
def test_a_provider_has_the_name_of_the_price_tables(said: str, provider: str) -> None:
    assert provider_of({"gen_ai.provider.name": said}) == provider
    assert TokenPrices().knows_provider(provider)


@pytest.mark.parametrize("said", ["_OTHER", "langchain", "CrewAI", "unknown", ""])
def test_a_framework_is_no_provider(said: str) -> None:
    assert provider_of({"gen_ai.provider.name": said}) is None


def test_who_hosts_a_model_goes_before_who_made_it() -> None:
    assert provider_of({"llm.system": "openai", "llm.provider": "azure"}) == "azure"
    assert provider_of({"gen_ai.system": "openai"}) == "openai"
    assert provider_of({"gen_ai.provider.name": "my-gateway"}) == "my-gateway"
    assert provider_of({"ai.model.provider": "XAI.chat"}) == "xai.chat"
