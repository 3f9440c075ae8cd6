"""An application of a framework, which makes its own spans, and exports as its environment says.

Run as a process of its own, as `application.py` is. It calls a chat model once, for the user u7.

    python -m tests.real_clients.framework NAME
"""

import sys
from collections.abc import Callable
from importlib import import_module

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

PROMPT = "SECRET-PROMPT"


def pydantic_ai(provider: TracerProvider) -> None:
    framework = import_module("pydantic_ai")
    framework.Agent.instrument_all(framework.InstrumentationSettings(tracer_provider=provider))
    framework.Agent("openai-chat:gpt-4o").run_sync(PROMPT)


def pydantic_ai_twice(provider: TracerProvider) -> None:
    """The framework and the client both report the call, by two projects."""
    import_module("opentelemetry.instrumentation.openai").OpenAIInstrumentor().instrument(tracer_provider=provider)
    pydantic_ai(provider)


def langchain(provider: TracerProvider) -> None:
    """Its callbacks become spans by OpenInference."""
    instrumentor = import_module("openinference.instrumentation.langchain").LangChainInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    import_module("langchain_openai").ChatOpenAI(model="gpt-4o", max_retries=0).invoke(PROMPT)


FRAMEWORKS: dict[str, Callable[[TracerProvider], None]] = {
    "pydantic-ai": pydantic_ai,
    "pydantic-ai and openllmetry": pydantic_ai_twice,
    "LangChain": langchain,
}

if __name__ == "__main__":
    tracer_provider = TracerProvider(resource=Resource({"service.name": "shop", "user.id": "u7"}))
    tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    FRAMEWORKS[sys.argv[1]](tracer_provider)
    tracer_provider.shutdown()
