"""The calls of the `openai` package as spans, as an application without an instrumentation writes them by hand.

Attributes are those of OpenTelemetry's GenAI conventions, the prompt included.
"""

from collections.abc import Callable
from typing import Any

from openai import OpenAIError
from openai.resources.chat.completions import Completions
from openai.resources.embeddings import Embeddings
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, Tracer

Call = Callable[..., Any]


def instrument(tracer_provider: TracerProvider) -> None:
    """From now on every call of this process is a span."""
    tracer = tracer_provider.get_tracer("by hand")
    for resource, operation in ((Completions, "chat"), (Embeddings, "embeddings")):
        setattr(resource, "create", _traced(tracer, operation, resource.create))  # noqa: B010 - mypy forbids the other


def _traced(tracer: Tracer, operation: str, create: Call) -> Call:
    def traced(*args: Any, **request: Any) -> Any:
        attributes = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": request["model"],
            "gen_ai.input.messages": str(request.get("messages")),
        }
        name = f"{operation} {request['model']}"
        with tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes) as span:
            try:
                answer = create(*args, **request)
                parts = list(answer) if request.get("stream") else [answer]
            except OpenAIError as error:
                span.set_attribute("error.type", type(error).__name__)
                raise
            _describe(span, parts)
            return parts if request.get("stream") else answer

    return traced


def _describe(span: Span, parts: list[Any]) -> None:
    for part in parts:
        span.set_attribute("gen_ai.response.model", part.model)
        if usage := part.usage:
            span.set_attribute("gen_ai.usage.input_tokens", usage.prompt_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", getattr(usage, "completion_tokens", 0))
            if details := getattr(usage, "prompt_tokens_details", None):
                span.set_attribute("gen_ai.usage.cache_read.input_tokens", details.cached_tokens)
