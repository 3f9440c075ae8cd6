"""Exports as an instrumentation would send them, built in a line or two."""

import math
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from app.otlp.calls import calls_of
from app.otlp.outline import Outline

TRACE = bytes(range(1, 17))
START_NS = 1_760_000_000_123_456_789
MS = 1_000_000

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}


def span_id(number: int) -> bytes:
    return number.to_bytes(8, "big")


def any_value(value: Any) -> AnyValue:
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
    kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value", bytes: "bytes_value"}
    return AnyValue() if value is None else AnyValue(**{kinds[type(value)]: value})


def attributes(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def span(number: int, values: dict[str, Any], *, parent: int = 0, failed: bool = False, **fields: Any) -> Span:
    """A span of 250 ms with the id `number`, which started when all of them did."""
    times = {"start_time_unix_nano": START_NS, "end_time_unix_nano": START_NS + 250 * MS}
    status = Status(code=Status.STATUS_CODE_ERROR, message="SECRET-STATUS") if failed else Status()
    around = {"parent_span_id": span_id(parent)} if parent else {}
    ids = {"trace_id": TRACE, "span_id": span_id(number)}
    return Span(**{**ids, **times, **around, "attributes": attributes(values), "status": status, **fields})


def export(*spans: Span, resource: dict[str, Any] | None = None, scope: str = "") -> Any:
    """Its outline, which is the whole as bytes."""
    scope_spans = ScopeSpans(spans=spans, scope=InstrumentationScope(name=scope))
    resource_spans = ResourceSpans(scope_spans=[scope_spans])
    resource_spans.resource.attributes.extend(attributes(resource or {}))
    return Outline.FromString(ExportTraceServiceRequest(resource_spans=[resource_spans]).SerializeToString())


def fields_of(values: dict[str, Any], *, resource: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The fields of the one call of an export with one span."""
    result = calls_of(export(span(1, values, **more), resource=resource))
    assert result.faults == []
    [call] = result.calls
    return call.fields


def fault_of(values: dict[str, Any], **more: Any) -> str:
    """The message of the one fault of an export with one span."""
    result = calls_of(export(span(1, values, **more)))
    assert result.calls == []
    [fault] = result.faults
    return fault.message


def counted(*spans: Span) -> list[int]:
    """The numbers of the spans that are counted as calls."""
    result = calls_of(export(*spans))
    assert result.faults == []
    return [int(call.span.rpartition("-")[2], 16) for call in result.calls]


NO_NUMBERS = [-1, 1.5, math.inf, math.nan, True, "", "12a", "-3", "1.0", "²", 10**9 + 1, "9" * 5_000, [1], b"1"]
