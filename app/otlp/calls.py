"""From an export to the AI calls in it."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.otlp.attributes import (
    ENVIRONMENT,
    REGION,
    REQUEST_MODEL,
    RESPONSE_MODEL,
    SERVICE,
    SERVICE_TIER,
    UnusableSpanError,
    first,
    name,
    short_text,
)
from app.otlp.context import Context, context_fields, contexts_of, parameter
from app.otlp.nesting import repeated
from app.otlp.operations import Operation, operation_of, provider_of
from app.otlp.outcomes import outcome_of, times_of
from app.otlp.spans import SpanNode, innermost_first, nodes_of
from app.otlp.tokens import usage_of

ANONYMOUS = "anonymous"
"""The user of a call without one."""


class SpanCall(NamedTuple):
    """An AI call."""

    span: str
    """Trace id and span id, in hexadecimal, with a dash between."""
    fields: dict[str, Any]
    """Fields of `AICall`, by name, except the client: the caller supplies and validates that."""


class SpanFault(NamedTuple):
    """An AI call that cannot be recorded, and why. The message quotes no value of the span."""

    span: str
    message: str


@dataclass
class Export:
    """The AI calls of an export, in its order."""

    calls: list[SpanCall] = field(default_factory=list)
    faults: list[SpanFault] = field(default_factory=list)


def calls_of(request: ExportTraceServiceRequest) -> Export:
    """The AI calls of `request`. Other spans are skipped, as is a span around another one for the same response.

    Takes time proportional to the number of spans, however they are nested.
    """
    nodes = nodes_of(request)
    ordered = innermost_first(nodes)
    contexts = contexts_of(ordered)
    operations = {node: operation for node in nodes if (operation := operation_of(node.attributes))}
    read = {node: _read(node, operation, contexts[node]) for node, operation in operations.items()}
    calls = {node for node, result in read.items() if isinstance(result, SpanCall)}
    passed_over = repeated(ordered, calls, set(read))
    return _export([result for node, result in read.items() if node not in passed_over])


def _export(results: list[SpanCall | SpanFault]) -> Export:
    export = Export()
    for result in results:
        if isinstance(result, SpanCall):
            export.calls.append(result)
        else:
            export.faults.append(result)
    return export


def _read(node: SpanNode, operation: Operation, context: Context) -> SpanCall | SpanFault:
    try:
        return SpanCall(node.name, _fields(node, operation, context))
    except UnusableSpanError as error:
        return SpanFault(node.name, str(error))


def _fields(node: SpanNode, operation: Operation, context: Context) -> dict[str, Any]:
    if not node.has_valid_ids:
        raise UnusableSpanError("the trace id must have 16 bytes and the span id 8, not all of them zero")
    fields = {
        "request_id": f"otlp:{node.name}",
        "user_id": ANONYMOUS,
        "content_type": operation.content_type,
        "service_type": operation.service_type,
        "model": _model_of(node),
        "provider": provider_of(node.attributes),
        "service_tier": short_text(first(node.attributes, SERVICE_TIER)),
        "region": short_text(first(node.attributes, REGION)),
        "metadata": _metadata(node),
        **context_fields(context, node.resource),
        **usage_of(node.attributes),
        **outcome_of(node.span, node.attributes),
        **times_of(node.span, node.attributes),
    }
    return {field: value for field, value in fields.items() if value is not None}


def _model_of(node: SpanNode) -> str:
    found = first(node.attributes, RESPONSE_MODEL + REQUEST_MODEL) or parameter(node.attributes, "model")
    model = name(found)
    if model is None:
        raise UnusableSpanError("no attribute of the span names a model")
    return model


def _metadata(node: SpanNode) -> dict[str, str]:
    texts = {
        "traceId": node.span.trace_id.hex(),
        "spanId": node.span.span_id.hex(),
        "service": short_text(first(node.resource, SERVICE)),
        "environment": short_text(first(node.resource, ENVIRONMENT)),
    }
    return {key: value for key, value in texts.items() if value is not None}
