"""An application as docs/opentelemetry.md describes it: instrumented, and exporting as its environment says.

Run as a process of its own, since an instrumentation changes the whole process. It calls a chat model four times for
one user, and an embedding model for nobody.

    python -m tests.real_clients.application INSTRUMENTATION TIMES_EACH_SPAN_IS_EXPORTED
"""

import re
import sys
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

from openai import OpenAI, RateLimitError
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tests.real_clients import by_hand
from tests.real_clients.instrumentations import MODULES
from tests.real_clients.upstream import EMBEDDING_MODEL, RATE_LIMITED

DOCS = Path(__file__).parents[2] / "docs" / "opentelemetry.md"
PROMPT = "SECRET-PROMPT"
WORKFLOW: dict[str, str | int] = {"gen_ai.operation.name": "invoke_workflow", "gen_ai.usage.input_tokens": 999_999}


def main(instrumentation: str, exports: int) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    instrument(instrumentation, provider)
    client = OpenAI(max_retries=0)
    request = copy_context()
    request.run(follow_the_docs, provider)
    for _ in range(exports):
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    request.run(write_letter, provider, client)
    client.embeddings.create(model=EMBEDDING_MODEL, input=PROMPT)
    provider.shutdown()


def instrument(name: str, provider: TracerProvider) -> None:
    module = MODULES.get(name)
    if module is None:
        by_hand.instrument(provider)
    else:  # only that one: each changes the whole process
        import_module(module).OpenAIInstrumentor().instrument(tracer_provider=provider)


def follow_the_docs(tracer_provider: TracerProvider) -> None:
    """The documented recipe, word for word, for the user u7 in the conversation c9."""
    (recipe,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    names = {"user": SimpleNamespace(id="u7"), "conversation": SimpleNamespace(id="c9")}
    exec(recipe, {"tracer_provider": tracer_provider, **names})


def write_letter(provider: TracerProvider, client: OpenAI) -> None:
    """A workflow around its calls, which claims tokens that are no call's."""
    create = partial(client.chat.completions.create, messages=[{"role": "user", "content": PROMPT}])
    with provider.get_tracer("shop").start_as_current_span("invoke_workflow letter", attributes=WORKFLOW):
        create(model="gpt-4o")
        list(create(model="gpt-4o", stream=True, stream_options={"include_usage": True}))
        list(create(model="gpt-4o", stream=True))
        with suppress(RateLimitError):
            create(model=RATE_LIMITED)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
