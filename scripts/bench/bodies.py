"""Bodies as real senders write them: every call has an id, so that what is sent again counts once."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from models.base import camel

GENAI = {
    "model": "gen_ai.request.model",
    "provider": "gen_ai.provider.name",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "user_id": "user.id",
    "conversation_id": "gen_ai.conversation.id",
}
"""Attributes of OpenTelemetry's GenAI conventions."""
OPENINFERENCE = {
    "model": "llm.model_name",
    "provider": "llm.provider",
    "input_tokens": "llm.token_count.prompt",
    "output_tokens": "llm.token_count.completion",
    "user_id": "user.id",
    "conversation_id": "session.id",
}
"""Attributes of OpenInference, which Phoenix's instrumentations write."""
_KINDS = {"gen_ai.operation.name": "chat", "openinference.span.kind": "LLM"}

Item = TypeVar("Item")


def rows(reported: Iterable[Mapping[str, Any]], prefix: str) -> list[bytes]:
    """A JSON object for the fields of each call; its request id begins with `prefix`."""
    return [
        msgspec.json.encode(
            {"requestId": f"{prefix}-{number}"}
            | {camel(name): value for name, value in call.items() if name != "client_id"}
        )
        for number, call in enumerate(reported)
    ]


def array(these: Sequence[bytes]) -> bytes:
    """A batch of rows."""
    return b"[" + b",".join(these) + b"]"


def export(reported: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> bytes:
    """An OTLP export in protobuf with a span for each call, each in a trace of its own."""
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "bench"
    spans, now = resource.scope_spans.add().spans, time.time_ns()
    for call in reported:
        start = now - call["request_duration"] * 1_000_000
        span = spans.add(
            trace_id=os.urandom(16),
            span_id=os.urandom(8),
            name=f"chat {call['model']}",
            start_time_unix_nano=start,
            end_time_unix_nano=now,
        )
        span.status.code = 1 if call["success"] else 2
        said = {name: call[field] for field, name in names.items()}
        for key, value in {**_KINDS, **said}.items():
            typed = AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
            span.attributes.add(key=key, value=typed)
    body: bytes = message.SerializeToString()
    return body


def groups(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """`items`, so many at a time."""
    return (items[first : first + size] for first in range(0, len(items), size))
