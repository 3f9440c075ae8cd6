"""The spans of one export and how they enclose each other."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Status

from app.otlp.attributes import (
    ENVIRONMENT,
    SERVICE,
    Attributes,
    Context,
    Kind,
    Usage,
    context_in,
    first,
    read,
    short_text,
)
from app.otlp.outline import spans_of

TRACE_ID_BYTES, SPAN_ID_BYTES = 16, 8
_NO_TRACE, _NO_SPAN = bytes(TRACE_ID_BYTES), bytes(SPAN_ID_BYTES)
MAX_SCOPE = 128
"""Characters of an instrumentation's name: none that is known is longer, and what is remembered by it stays small."""


@dataclass(eq=False)
class Origin:
    """Where spans come from."""

    resource: Attributes
    scope: str
    """The name of the instrumentation."""

    @cached_property
    def context(self) -> Context:
        """What it says of the context of its calls."""
        return context_in(self.resource)

    @cached_property
    def metadata(self) -> dict[str, str]:
        """What each of its calls says of it."""
        texts = {
            "service": short_text(first(self.resource, SERVICE)),
            "environment": short_text(first(self.resource, ENVIRONMENT)),
        }
        return {key: value for key, value in texts.items() if value is not None}


@dataclass(slots=True, eq=False)
class SpanNode:
    """A span and what is known about it. `parent` is None where it has none, or none in this export."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    start_ns: int
    end_ns: int
    failed: bool
    attributes: Attributes
    said: Usage
    kind: Kind
    origin: Origin
    parent: "SpanNode | None" = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return f"{self.trace_id.hex()}-{self.span_id.hex()}"

    @property
    def has_valid_ids(self) -> bool:
        """Both of full length, and neither all zero, which means none."""
        trace_id, span_id = self.trace_id, self.span_id
        lengths = len(trace_id) == TRACE_ID_BYTES and len(span_id) == SPAN_ID_BYTES
        return lengths and trace_id != _NO_TRACE and span_id != _NO_SPAN


def nodes_of(export: Any) -> list[SpanNode]:
    """Every span of an `Outline` in its order, linked to the one around it. Takes time proportional to the spans."""
    nodes = [
        SpanNode(
            span.trace_id,
            span.span_id,
            span.parent_span_id,
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            span.status.code == Status.STATUS_CODE_ERROR,
            *read(span.attributes[:]),
            origin,
        )
        for around, scope, spans in spans_of(export)
        for origin in [Origin(read(around)[0], scope[:MAX_SCOPE])]
        for span in spans
    ]
    by_id: dict[tuple[bytes, bytes], SpanNode] = {}
    for node in nodes:
        by_id.setdefault((node.trace_id, node.span_id), node)
    for node in nodes:
        if node.parent_id:
            node.parent = by_id.get((node.trace_id, node.parent_id))
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
