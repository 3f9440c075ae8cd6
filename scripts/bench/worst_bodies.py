"""The worst bodies that a client can send: what is largest, widest or deepest within the limits, each with a name."""

import gzip
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from models.base import camel
from models.token_usage import PART_TOKENS

JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
PROTOBUF = {"Content-Type": "application/x-protobuf"}
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}
GZIP = {"Content-Encoding": "gzip"}
CALL = {"userId": "u", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 500}
MEGABYTE = 1_000_000
ROWS = 1_000

Body = tuple[str, bytes, dict[str, str]]
"""A name, the bytes, and headers."""


def dumped(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def filled(unit: bytes, size: int) -> bytes:
    """So many bytes of the same values, as a JSON array."""
    return b"[" + b",".join([unit] * (size // (len(unit) + 1))) + b"]"


def fitting(rows: list[Any]) -> bytes:
    """As many of these rows as a batch may have bytes."""
    return dumped(rows[: (5 * MEGABYTE - 2) // (len(dumped(rows[0])) + 4)])


def changes(valid: dict[str, Any]) -> Iterator[Body]:
    """Of a route that takes one such as `valid`."""
    yield "as it should be", dumped(valid), {}
    yield "unknown fields", dumped({**valid, **{f"k{n}": 1 for n in range(70_000)}}), {}
    yield "unknown fields in 60 kB", dumped({**valid, **{f"k{n}": 1 for n in range(5_000)}}), {}
    yield "numbers", b'{"name":' + filled(b"1.5", MEGABYTE - 50) + b"}", {}
    yield "deep", b'{"name":' + b"[" * (MEGABYTE - 50), {}
    yield "a text", dumped({**valid, "name": "x" * (MEGABYTE - 200)}), {}


def calls() -> Iterator[Body]:
    yield "as it should be", dumped(CALL), {}
    yield "a prompt", dumped({**CALL, "inputText": "words, and more words. " * 43_000}), {}
    yield "unknown fields", dumped({**CALL, **{f"k{n}": 1 for n in range(85_000)}}), {}
    yield "unknown fields in 60 kB", dumped({**CALL, **{f"k{n}": 1 for n in range(5_000)}}), {}
    yield "faults", dumped({**CALL, **{f"k{n}": 1 for n in range(90)}}), {}
    yield "numbers", b'{"metadata":' + filled(b"1.5", MEGABYTE - 50) + b"}", {}
    yield "lists", b'{"metadata":' + filled(b"[]", 60_000) + b"}", {}
    yield "many lists", b"{" + b",".join(b'"k%d":' % n + filled(b"[]", 60_000) for n in range(15)) + b"}", {}
    yield "fields with a space", b"{" + b",".join(b'"k%d" :1' % n for n in range(70_000)) + b"}", {}
    yield "deep", b'{"metadata":' + b"[" * (MEGABYTE - 50), {}
    yield "metadata", dumped({**CALL, "metadata": {f"a.{n}": n for n in range(4_000)}}), {}
    yield "gzip of nothing", gzip.compress(b"") * 49_000, GZIP
    yield "gzip of space", gzip.compress(b" " * (MEGABYTE - 1_000) + dumped(CALL)), GZIP
    yield "a bomb", gzip.compress(b" " * 200 * MEGABYTE), GZIP


def batches() -> Iterator[Body]:
    parts = {camel(name): 1 for name in PART_TOKENS}
    full = {**CALL, **parts, "inputTokens": 10_000, "outputTokens": 10_000, "cost": 0.000_123_456_789}
    full |= dict.fromkeys(("conversationId", "endpoint", "campaignId", "region", "size", "quality"), "x" * 256)
    full |= {"metadata": {f"key-{n}": "v" * 90 for n in range(32)}, "userAgent": "x" * 900, "requestDuration": 1}
    size = 5 * MEGABYTE
    yield "calls", dumped([CALL] * ROWS), {}
    yield "calls with all fields", fitting([{**full, "userId": f"u{n}"} for n in range(ROWS)]), {}
    yield "new names", dumped([_with_names(n, 1) for n in range(ROWS)]), {}
    yield "long new names", dumped([_with_names(n, 60) for n in range(ROWS)]), {}
    yield "prompts", fitting([{**CALL, "inputText": "words, " * 700} for _ in range(ROWS)]), {}
    yield "unknown fields", dumped([{**CALL, **{f"k{n}": 1 for n in range(300)}} for _ in range(ROWS)]), {}
    yield "faults", dumped([{**CALL, **{f"k{n}": 1 for n in range(90)}} for _ in range(ROWS)]), {}
    yield "wide rows", b"[" + b",".join([dumped({f"k{n}": 1 for n in range(85_000)})] * 5) + b"]", {}
    for unit in (b"1", b"1.5", b"[]", b"{}"):
        yield f"{unit.decode()} again and again", filled(unit, size), {}
    yield "deep", b"[" * size, {}
    yield "numbers", b'[{"metadata":' + filled(b"1.5", size - 50) + b"}]", {}
    yield "empty lines", b"\n" * size, NDJSON
    yield "deep lines", (b"[" * 4_999 + b"\n") * ROWS, NDJSON
    yield "gzip of nothing", gzip.compress(b"") * 245_000, GZIP
    yield "gzip of space", gzip.compress(b" " * (size - 100_000) + dumped([CALL] * 500)), GZIP
    yield "the same id", fitting([{**full, "userId": "u", "requestId": "same"}] * ROWS), {}


EVENT = {"userId": "u", "event": "purchase", "value": 19.99, "experiment": "e", "variant": "a"}


def events() -> Iterator[Body]:
    yield "as it should be", dumped(EVENT), {}
    yield "properties", dumped({**EVENT, "properties": {f"a.{n}": n for n in range(4_000)}}), {}
    yield from (body for body in calls() if body[0] != "as it should be")


def event_batches() -> Iterator[Body]:
    full = {**EVENT, "clerkUserId": "c" * 256, "properties": {f"key-{n}": "v" * 90 for n in range(32)}}
    yield "events", dumped([EVENT] * ROWS), {}
    yield "events with all fields", fitting([{**full, "userId": f"u{n}"} for n in range(ROWS)]), {}
    yield "the same id", fitting([{**full, "requestId": "same"}] * ROWS), {}
    yield "other calls", dumped([CALL] * ROWS), {}
    yield "faults", dumped([{**EVENT, **{f"k{n}": 1 for n in range(90)}}] * ROWS), {}
    yield "1 again and again", filled(b"1", 5 * MEGABYTE), {}


def revenue() -> Iterator[Body]:
    entry = {"kind": "subscription", "amount": 19.99, "currency": "USD", "end": "2099-01-01T00:00:00Z"}
    yield "entries", dumped([{**entry, "sourceId": f"s{n}", "userId": f"u{n}"} for n in range(ROWS)]), {}
    once = {**entry, "kind": "one_time"}
    del once["end"]
    yield "entries that are booked", dumped([{**once, "sourceId": f"o{n}"} for n in range(ROWS)]), {}
    yield "the same id", dumped([{**once, "sourceId": "same"}] * ROWS), {}
    yield "faults", dumped([{f"k{n}": 1 for n in range(40)}] * ROWS), {}


def _with_names(number: int, times: int) -> dict[str, Any]:
    name = f"{number}-" * times
    return {**CALL, "model": f"m{name}"[:256], "provider": f"p{name}"[:256], "contentType": f"c{name}"[:256]}


SPANS = 10_000
_EXPORT_BYTES = 8 * MEGABYTE


def exports() -> Iterator[Body]:
    yield "calls in protobuf", _protobuf(SPANS, attributes=6), PROTOBUF
    yield "wide calls in protobuf", _protobuf(1_500, attributes=40), PROTOBUF
    yield "calls in JSON", _json(2_000, attributes=4), JSON
    yield "empty spans in protobuf", _nested(b"\x12\x00", 2), PROTOBUF
    yield "empty scopes in protobuf", _nested(b"\x12\x00", 1), PROTOBUF
    yield "empty attributes in protobuf", _nested(b"\x4a\x00", 3), PROTOBUF
    yield (
        "empty spans in JSON",
        b'{"resourceSpans":[{"scopeSpans":[{"spans":' + filled(b"{}", _EXPORT_BYTES - 90) + b"}]}]}",
        JSON,
    )
    yield "numbers in JSON", b'{"resourceSpans":' + filled(b"1.5", _EXPORT_BYTES - 90) + b"}", JSON
    one = b'{"traceId":"01","attributes":' + filled(b"{}", _EXPORT_BYTES - 190) + b"}"
    yield "a wide span in JSON", b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + one + b"]}]}]}", JSON
    yield "deep JSON", b'{"resourceSpans":' + b"[" * (_EXPORT_BYTES - 100), JSON
    yield "gzip of nothing", gzip.compress(b"") * 395_000, PROTOBUF | GZIP


def _protobuf(spans: int, attributes: int) -> bytes:
    export = ExportTraceServiceRequest()
    scope = export.resource_spans.add().scope_spans.add()
    now = int(datetime.now(UTC).timestamp() * 1e9)
    for number in range(spans):
        span = scope.spans.add(trace_id=os.urandom(16), span_id=os.urandom(8), name="chat gpt-4o")
        span.start_time_unix_nano, span.end_time_unix_nano = now - 10**9, now
        said = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "user.id": f"u{number}"}
        for key, value in said.items():
            span.attributes.add(key=key).value.string_value = value
        for key in ("input", "output"):
            span.attributes.add(key=f"gen_ai.usage.{key}_tokens").value.int_value = 10
        for each in range(attributes):
            span.attributes.add(key=f"gen_ai.usage.details.kind_{each}").value.int_value = 1
    body: bytes = export.SerializeToString()
    return body


def _json(spans: int, attributes: int) -> bytes:
    now = int(datetime.now(UTC).timestamp() * 1e9)

    def span(number: int) -> dict[str, Any]:
        said: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "user.id": f"u{number}",
        }
        counts = {f"gen_ai.usage.{key}_tokens": "10" for key in ("input", "output")}
        counts |= {f"gen_ai.usage.details.kind_{each}": "1" for each in range(attributes)}
        return {
            "traceId": os.urandom(16).hex(),
            "spanId": os.urandom(8).hex(),
            "name": "chat",
            "startTimeUnixNano": str(now - 10**9),
            "endTimeUnixNano": str(now),
            "attributes": [
                *({"key": key, "value": {"stringValue": value}} for key, value in said.items()),
                *({"key": key, "value": {"intValue": value}} for key, value in counts.items()),
            ],
        }

    return dumped({"resourceSpans": [{"scopeSpans": [{"spans": [span(number) for number in range(spans)]}]}]})


def _nested(unit: bytes, depth: int) -> bytes:
    """An export whose repeated field at this depth is full of empty messages."""
    body = unit * ((_EXPORT_BYTES - 60) // len(unit))
    for field in (b"\x0a", b"\x12", b"\x12")[:depth][::-1]:
        body = field + _varint(len(body)) + body
    return body


def _varint(number: int) -> bytes:
    digits = []
    while number > 127:  # noqa: PLR2004 - seven bits a byte
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])
