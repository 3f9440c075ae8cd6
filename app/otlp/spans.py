"""The spans of one export and how they enclose each other."""

from collections import Counter
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.otlp.attributes import Attributes, read

TRACE_ID_BYTES, SPAN_ID_BYTES = 16, 8


@dataclass(slots=True, eq=False)
class SpanNode:
    """A span and what is known about it. `parent` is None where it has none, or none in this export."""

    span: Span
    attributes: Attributes
    resource: Attributes
    scope: str
    """The name of the instrumentation."""
    parent: "SpanNode | None" = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return f"{self.span.trace_id.hex()}-{self.span.span_id.hex()}"

    @property
    def has_valid_ids(self) -> bool:
        """Both of full length, and neither all zero, which means none."""
        trace_id, span_id = self.span.trace_id, self.span.span_id
        return len(trace_id) == TRACE_ID_BYTES and len(span_id) == SPAN_ID_BYTES and any(trace_id) and any(span_id)


def nodes_of(request: ExportTraceServiceRequest) -> list[SpanNode]:
    """Every span in the order of the export, linked to the one around it. Takes time proportional to the spans."""
    nodes = [
        SpanNode(span, read(span.attributes), resource, scope)
        for resource_spans in request.resource_spans
        for resource in [read(resource_spans.resource.attributes)]
        for scope_spans in resource_spans.scope_spans
        for scope in [scope_spans.scope.name]
        for span in scope_spans.spans
    ]
    by_id: dict[tuple[bytes, bytes], SpanNode] = {}
    for node in nodes:
        by_id.setdefault((node.span.trace_id, node.span.span_id), node)
    for node in nodes:
        if node.span.parent_span_id:
            node.parent = by_id.get((node.span.trace_id, node.span.parent_span_id))
    return nodes


def innermost_first(nodes: list[SpanNode]) -> list[SpanNode]:
    """Every node after all that it encloses.

    Nodes that enclose each other in a cycle, which only a broken exporter sends, lose their parents and come last.
    """
    waiting = Counter(node.parent for node in nodes if node.parent)
    ordered = [node for node in nodes if not waiting[node]]
    for node in ordered:  # grows while it is read
        if node.parent:
            waiting[node.parent] -= 1
            if not waiting[node.parent]:
                ordered.append(node.parent)
    circular = waiting.keys() - set(ordered)
    for node in circular:
        node.parent = None
    return ordered + [node for node in nodes if node in circular]
