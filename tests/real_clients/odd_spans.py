"""An application whose spans have users and clocks that cannot be right, exported by the official SDK.

Each span has its own number of input tokens, by which it is known. Run as a process of its own, since the exporter
takes its settings from the environment.
"""

import time

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind

LONG = "u" * 300
CALL: dict[str, str | int] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.usage.output_tokens": 1,
}
MODEL = {"gen_ai.request.model": "gpt-4o"}
SPANS: dict[int, dict[str, str | bool]] = {
    101: {**MODEL, "user.id": "ann"},
    102: {**MODEL, "user.id": ""},
    103: {**MODEL, "user.id": "an\tn"},
    104: {**MODEL, "user.id": LONG},
    105: {**MODEL, "user.id": "of the future"},
    106: {"user.id": "ann"},
    107: {**MODEL, "user.id": "ann", "twinmeter.synthetic": "perhaps"},
}
"""Attributes by input tokens. The last two are refused: without a model, and perhaps a load test."""
AHEAD = {105}
SIX_MINUTES = 6 * 60 * 10**9


def main() -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    tracer = provider.get_tracer("shop")
    for tokens, attributes in SPANS.items():
        start = time.time_ns() + (SIX_MINUTES if tokens in AHEAD else 0)
        own: dict[str, str | bool | int] = {**CALL, **attributes, "gen_ai.usage.input_tokens": tokens}
        tracer.start_span("chat", kind=SpanKind.CLIENT, attributes=own, start_time=start).end(start + 10**9)
    provider.shutdown()


if __name__ == "__main__":
    main()
