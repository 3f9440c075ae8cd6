"""What is read of an export, as messages of protobuf: all else is passed over, and an attribute stays as its bytes.

To ask a message of protobuf for its parts makes an object of each, and costs ten times what it takes to parse them; and
most attributes of a span are those of the span before. So they are told apart as bytes, see `attributes.read`.
"""

from collections.abc import Iterator
from typing import Any, Protocol, cast

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

_PACKAGE = "twinmeter.otlp"
_TYPES = {
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "string": FieldDescriptorProto.TYPE_STRING,
    "fixed64": FieldDescriptorProto.TYPE_FIXED64,
    "int32": FieldDescriptorProto.TYPE_INT32,
}
_MESSAGES: dict[str, tuple[tuple[str, int, str, bool], ...]] = {
    "Status": (("code", 3, "int32", False),),
    "Span": (
        ("trace_id", 1, "bytes", False),
        ("span_id", 2, "bytes", False),
        ("parent_span_id", 4, "bytes", False),
        ("start_time_unix_nano", 7, "fixed64", False),
        ("end_time_unix_nano", 8, "fixed64", False),
        ("attributes", 9, "bytes", True),
        ("status", 15, "Status", False),
    ),
    "Scope": (("name", 1, "string", False),),
    "Resource": (("attributes", 1, "bytes", True),),
    "ScopeSpans": (("scope", 1, "Scope", False), ("spans", 2, "Span", True)),
    "ResourceSpans": (("resource", 1, "Resource", False), ("scope_spans", 2, "ScopeSpans", True)),
    "Export": (("resource_spans", 1, "ResourceSpans", True),),
}
"""By kind of message, of https://github.com/open-telemetry/opentelemetry-proto: name, number, type, and whether it is a
list."""


class SpanMessage(Protocol):
    """A span. Times are ns of Unix time."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    start_time_unix_nano: int
    end_time_unix_nano: int
    attributes: Any
    """A list of bytes: each is a `KeyValue`."""
    status: Any


def _made() -> Any:
    file = FileDescriptorProto(name="twinmeter/otlp/outline.proto", package=_PACKAGE, syntax="proto3")
    for kind, fields in _MESSAGES.items():
        message = file.message_type.add(name=kind)
        for name, number, what, repeated in fields:
            label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
            field = message.field.add(name=name, number=number, label=label)
            if what in _TYPES:
                field.type = _TYPES[what]
            else:
                field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{_PACKAGE}.{what}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Export"))


Outline = _made()
"""An export."""


def spans_of(export: Any) -> Iterator[tuple[list[bytes], str, list[SpanMessage]]]:
    """The spans of an `Outline` by resource and scope: the resource's attributes, the scope's name, the spans."""
    for resource_spans in export.resource_spans:
        attributes = resource_spans.resource.attributes[:]
        for scope_spans in resource_spans.scope_spans:
            yield attributes, scope_spans.scope.name, cast("list[SpanMessage]", scope_spans.spans)
