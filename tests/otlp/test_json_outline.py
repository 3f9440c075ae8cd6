"""An export in JSON is read as protobuf's own parser reads it, or refused as it refuses it."""

import base64
import contextlib
import copy
import json
import random
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.errors import InvalidRequestError
from app.otlp.messages import parse
from app.otlp.outline import Outline
from app.otlp.skeleton import JSONExport

TRACE = "0123456789abcdef0123456789abcdef"
SPAN: dict[str, Any] = {
    "traceId": TRACE,
    "spanId": "0123456789abcdef",
    "parentSpanId": "",
    "name": "chat gpt-4o",
    "kind": 3,
    "startTimeUnixNano": "1760000000123456789",
    "endTimeUnixNano": 1760000000373456789,
    "attributes": [
        {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "5"}},
        {"key": "gen_ai.response.finish_reasons", "value": {"arrayValue": {"values": [{"stringValue": "stop"}]}}},
    ],
    "status": {"code": 2, "message": "no"},
    "events": [],
    "links": [],
    "droppedEventsCount": 0,
    "flags": 257,
}
_LISTS: list[Any] = [{}, {"values": []}, {"values": [{"intValue": 1}, {}]}, {"values": None}, []]
VALUES: list[Any] = [
    *({"stringValue": text} for text in ("", "a", "Zo\u00eb", "a" * 200, "true")),
    *({"intValue": number} for number in (0, 5, -5, "5", "-5", " 5", "0x5", 5.0, 5.5, True, 2**63, -(2**63), "9" * 30)),
    *({"doubleValue": number} for number in (0.0, -0.0, 1.5, 1, "1.5", "NaN", "Infinity", True, 1e308)),
    *({"boolValue": value} for value in (True, False, "true", 1)),
    *({"arrayValue": held} for held in _LISTS),
    {"kvlistValue": {"values": [{"key": "input", "value": {"intValue": 1}}]}},
    {"bytesValue": "eA=="},
    {"stringValue": None},
    {"string_value": "a"},
    {"stringValue": "a", "intValue": 1},
    {"later": 1},
    *({}, None, [], "a", 5),
]
MEMBERS: dict[str, list[Any]] = {
    "traceId": [TRACE.upper(), "ASNFZ4mrze8BI0VniavN7w==", "01 23", "", 5, None, "zz", "\u0660"],
    "spanId": ["ASNFZ4mrze8=", "0" * 16, None, []],
    "parentSpanId": ["fedcba9876543210"],
    "startTimeUnixNano": [
        "0",
        "007",
        "-1",
        -1,
        2**64,
        2**64 - 1,
        "18446744073709551616",
        1.0,
        1.5,
        " 1",
        "\u0661",
        None,
    ],
    "start_time_unix_nano": ["5", 5],
    "endTimeUnixNano": [None, "soon"],
    "name": [None, 5, {"a": 1}],
    "kind": ["SPAN_KIND_CLIENT", 7, -1, None, True, 3.0, "nonsense"],
    "status": [{}, None, [], {"code": "STATUS_CODE_ERROR"}, {"code": 5}, {"code": True}, {"message": 5}, {"x": 1}, 5],
    "events": [[{"name": "e", "timeUnixNano": "1", "attributes": []}], None, {}, [None]],
    "links": [[{"traceId": TRACE, "spanId": "0123456789abcdef"}], [{"traceId": 5}]],
    "attributes": [
        None,
        [],
        {},
        [None],
        ["a"],
        [{"key": "a"}],
        [{"value": {"intValue": 1}}],
        [{"key": 5, "value": {}}],
    ],
    "droppedAttributesCount": [-1, 2**32, "5", None],
    "flags": [1.0, None],
    "later": [{"a": 1}],
}


def as_parsed(body: bytes) -> Any:
    """None where it is refused."""
    try:
        return read(parse(body, as_json=True))
    except InvalidRequestError:
        return None


def read(outline: Any) -> Any:
    """Without what nothing reads."""
    outline.DiscardUnknownFields()
    return outline


def by_the_parser(body: bytes) -> Any:
    """The whole export, which is refused as a whole."""
    content = JSONExport().content(body)
    spans = [span for each in content["resourceSpans"] for scope in each["scopeSpans"] for span in scope["spans"]]
    for holder in [each for span in spans for each in (span, *_links_of(span)) if isinstance(each, dict)]:
        for name in ("traceId", "spanId", "parentSpanId"):
            if isinstance(value := holder.get(name), str):
                with contextlib.suppress(ValueError):
                    holder[name] = base64.b64encode(bytes.fromhex(value)).decode()
    try:
        whole = json_format.ParseDict(content, ExportTraceServiceRequest(), ignore_unknown_fields=True)
    except Exception:  # noqa: BLE001 - which can be nearly anything
        return None
    return read(Outline.FromString(whole.SerializeToString()))


def _links_of(span: Any) -> list[Any]:
    links = span.get("links") if isinstance(span, dict) else None
    return links if isinstance(links, list) else []


def body_of(*spans: Any) -> bytes:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    scopes = [{"scope": {"name": "by hand"}, "spans": [*spans]}]
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": scopes}]}).encode()


ODD: list[Any] = [
    *(SPAN | {name: value} for name, values in MEMBERS.items() for value in values),
    *(SPAN | {"attributes": [{"key": "k", "value": value}]} for value in VALUES),
    *(None, [], "span", 5, {}),
]


def test_whatever_a_span_says_is_read_as_the_parser_reads_it() -> None:
    refused = 0
    for span in [SPAN, *ODD]:
        body = body_of(span)
        expected = by_the_parser(body)
        assert as_parsed(body) == expected, span
        refused += expected is None

    assert 30 < refused < len(ODD) - 30


def test_many_odd_and_plain_spans_are_read_together() -> None:
    chosen = random.Random(1)
    read = [span for span in ODD if by_the_parser(body_of(span)) is not None]
    for _ in range(20):
        body = body_of(*(copy.deepcopy(chosen.choice([SPAN, *read])) for _ in range(20)))
        assert as_parsed(body) == by_the_parser(body)


@pytest.mark.parametrize(
    ("resource", "scope"),
    [
        (None, None),
        ({}, {}),
        ({"attributes": []}, {"name": "a", "version": "1", "attributes": []}),
        ({"attributes": 5}, {}),
        ({}, {"name": 5}),
        ([], "a"),
        ({"attributes": [{"key": "a", "value": {"kvlistValue": {"values": []}}}]}, {"name": None}),
    ],
)
def test_resources_and_scopes_are_the_parsers(resource: Any, scope: Any) -> None:
    body = json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": [SPAN]}]}]})

    assert as_parsed(body.encode()) == by_the_parser(body.encode())


def test_what_is_nested_as_deeply_as_the_parser_takes_is_read() -> None:
    value: Any = {"intValue": 1}
    for depth in range(60):
        body = body_of(SPAN | {"attributes": [{"key": "k", "value": value}]})
        assert as_parsed(body) == by_the_parser(body), depth
        value = {"arrayValue": {"values": [value]}}
