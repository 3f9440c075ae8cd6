import base64
import json
from pathlib import Path
from typing import Any

import pytest
from google.rpc import code_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from app.errors import BodyTooLargeError, InvalidRequestError
from app.otlp.calls import calls_of
from app.otlp.messages import failure, parse, success
from app.otlp.outline import Outline
from tests.otlp.exports import CHAT, START_NS, export, span

DATA = Path(__file__).parents[1] / "data" / "otlp"
RECORDED = json.loads((DATA / "openllmetry.otlp.json").read_text())


def spans_json(**fields: Any) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}).encode()


def nested(depth: int) -> bytes:
    """An attribute whose value is a list in a list in a list."""
    value = '{"arrayValue":{"values":[' * depth + '{"intValue":"1"}' + "]}}" * depth
    attribute = f'{{"attributes":[{{"key":"gen_ai.system","value":{value}}}]}}'
    return f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{attribute}]}}]}}]}}'.encode()


def test_json_says_the_same_as_protobuf() -> None:
    binary = parse((DATA / "openllmetry.pb").read_bytes(), as_json=False)
    assert parse((DATA / "openllmetry.otlp.json").read_bytes(), as_json=True) == binary


def test_ids_in_json_are_hexadecimal_in_either_case_and_may_be_base64() -> None:
    trace, number = "a7d38669b8f4418fcd6968bdc34f678a", "4785429d27478970"
    links = [{"traceId": trace, "spanId": number}]
    forms: list[tuple[Any, Any]] = [
        (trace, number),
        (trace.upper(), number.upper()),
        (base64.b64encode(bytes.fromhex(trace)).decode(), base64.b64encode(bytes.fromhex(number)).decode()),
    ]
    for trace_id, span_id in forms:
        body = spans_json(traceId=trace_id, spanId=span_id, parentSpanId=span_id, links=links)
        [found] = parse(body, as_json=True).resource_spans[0].scope_spans[0].spans
        assert (found.trace_id.hex(), found.span_id.hex(), found.parent_span_id.hex()) == (trace, number, number)
        full = ExportTraceServiceRequest.FromString(parse(body, as_json=True).SerializeToString())
        [link] = full.resource_spans[0].scope_spans[0].spans[0].links
        assert (link.trace_id.hex(), link.span_id.hex()) == (trace, number)


@pytest.mark.parametrize("trace_id", ["é", "zz", "00", "", "a7d38669b8f4418fcd6968bdc34f678", None])
def test_one_bad_id_does_not_cost_the_whole_export(trace_id: str | None) -> None:
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in CHAT.items()]
    body = spans_json(traceId=trace_id, spanId="4785429d27478970", startTimeUnixNano="1", attributes=attributes)
    [fault] = calls_of(parse(body, as_json=True)).faults
    assert fault.message == "the trace id must have 16 bytes and the span id 8, not all of them zero"


def test_an_empty_export_is_valid() -> None:
    assert parse(b"", as_json=False) == Outline()
    assert parse(b"{}", as_json=True) == Outline()
    assert calls_of(parse(b"", as_json=False)).calls == []


def test_fields_of_a_later_version_are_passed_over() -> None:
    body = json.dumps({**RECORDED, "laterField": [{"a": 1}]}).encode()
    assert len(calls_of(parse(body, as_json=True)).calls) == 7


@pytest.mark.parametrize(
    "body",
    [
        b"garbage",
        b"\xff" * 64,
        export(span(1, CHAT)).SerializeToString()[:-1],
        (DATA / "openllmetry.otlp.json").read_bytes(),
        export(span(1, {"gen_ai.system": "SECRET"})).SerializeToString().replace(b"SECRET", b"\xff" * 6),
    ],
    ids=["garbage", "bytes", "cut short", "JSON", "invalid UTF-8"],
)
def test_what_is_no_protobuf_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="is not an OTLP trace export in protobuf"):
        parse(body, as_json=False)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b'{"resourceSpans":"\xff"}', "wrong type"),
        (b'{"resourceSpans":[{"resource":"\xff"}]}', "not valid JSON"),
        (b'{"resourceSpans":"\\ud800"}', "not valid JSON"),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"a":1e999999999}]}]}]}', "wrong type"),
        (b'{"a":NaN}', "not valid JSON"),
        (b"[" * 10**6, "a JSON object with resourceSpans is expected"),
        (b'{"a":' * 10**6, "nested too deeply"),
        (b"[]", "a JSON object with resourceSpans is expected"),
        (b"null", "a JSON object with resourceSpans is expected"),
        (b'"x"', "a JSON object with resourceSpans is expected"),
        (b'{"resourceSpans":5}', "wrong type"),
        (b'{"resourceSpans":{"scopeSpans":[]}}', "wrong type"),
        (b'{"resourceSpans":[5]}', "wrong type"),
        (b'{"resourceSpans":[null]}', "wrong type"),
        (spans_json(traceId=5), "wrong type"),
        (spans_json(startTimeUnixNano="soon"), "wrong type"),
        (spans_json(startTimeUnixNano=-1), "wrong type"),
        (spans_json(startTimeUnixNano=10**30), "wrong type"),
        (spans_json(attributes=[{"key": "a", "value": {"stringValue": {}}}]), "wrong type"),
        (nested(90), "nested too deeply"),
        (nested(400), "nested too deeply"),
    ],
)
def test_what_is_no_export_in_json_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        parse(body, as_json=True)


def test_a_span_with_a_very_long_prompt_says_what_a_short_one_says() -> None:
    said = {key: {"stringValue": value} for key, value in CHAT.items()} | {
        "gen_ai.usage.input_tokens": {"intValue": "7"}
    }
    ids = {
        "traceId": "a7d38669b8f4418fcd6968bdc34f678a",
        "span_id": "4785429d27478970",
        "startTimeUnixNano": str(START_NS),
    }
    events = [{"name": "prompt", "attributes": [{"key": "content", "value": {"stringValue": "words " * 100}}]}] * 300

    def fields(**prompts: Any) -> dict[str, Any]:
        attributes = [{"key": key, "value": value} for key, value in {**said, **prompts}.items()]
        [call] = calls_of(parse(spans_json(**ids, attributes=attributes, events=events), as_json=True)).calls
        return call.fields

    assert fields(prompt={"stringValue": "short"}) == fields(prompt={"stringValue": "long " * 200_000})
    assert fields(prompt={"stringValue": "short"})["input_tokens"] == 7


EMPTY = b"\x12\x00"
"""A field number 2 with nothing in it: a scope of a resource, a span of a scope."""


def within(depth: int, content: bytes) -> bytes:
    return held(*(1, 2, 2)[:depth], content=content)


def held(*fields: int, content: bytes) -> bytes:
    """`content` in messages within messages, the outermost first."""
    body = content
    for field in fields[::-1]:
        size, rest = list[int](), len(body)
        while rest > 127:
            size, rest = [*size, rest & 127 | 128], rest >> 7
        body = bytes([field << 3 | 2, *size, rest]) + body
    return body


@pytest.mark.parametrize(
    "body",
    [
        within(2, EMPTY * 10_001),
        within(0, b"\x0a\x00" * 500_001),
        within(1, EMPTY * 500_001),
        within(3, b"\x4a\x00" * 500_001),
        within(3, b"\xf8\x07\x01" * 500_001),
        within(3, held(9, 2, 5, content=b"\x0a\x00" * 1_000_001)),
        within(3, held(9, 2, 5, content=b"\x0a\x02\x10\x00" * 500_001)),
        within(3, held(9, 2, 5, content=b"\x0a\x00" * 30_000) * 34),
        within(3, held(9, 2, 6, content=b"\x0a\x00" * 1_000_001)),
        within(3, held(11, content=b"\x1a\x00" * 1_000_001)),
        within(3, held(13, content=b"\x22\x00" * 1_000_001)),
        within(1, held(1, content=b"\x0a\x00" * 1_000_001)),
        within(2, held(1, content=b"\x1a\x00" * 1_000_001)),
    ],
    ids=[
        "spans",
        "resources",
        "scopes",
        "attributes",
        "numbers",
        "a list",
        "a list of values",
        "many lists",
        "a map",
        "an event",
        "a link",
        "a resource's attributes",
        "a scope's attributes",
    ],
)
def test_what_is_far_too_much_in_protobuf_is_refused_before_it_is_made(body: bytes) -> None:
    with pytest.raises(BodyTooLargeError, match=r"at most 10,000 spans"):
        parse(body, as_json=False)


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b",".join([b"{}"] * 10_001) + b"]}]}]}",
        b'{"resourceSpans":[' + b",".join([b"{}"] * 30_001) + b"]}",
        b'{"resourceSpans":[{"scopeSpans":[' + b",".join([b"{}"] * 2_000_000) + b"]}]}",
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[' + b",".join([b"{}"] * 2_000_000) + b"]}]}]}]}",
    ],
    ids=["spans", "resources", "scopes", "attributes"],
)
def test_what_is_far_too_much_in_json_is_refused_before_it_is_made(body: bytes) -> None:
    with pytest.raises(BodyTooLargeError, match=r"at most 10,000 spans"):
        parse(body, as_json=True)


def test_as_many_spans_as_allowed_are_taken() -> None:
    assert len(parse(within(2, EMPTY * 10_000), as_json=False).resource_spans[0].scope_spans[0].spans) == 10_000
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b",".join([b"{}"] * 10_000) + b"]}]}]}"
    assert len(parse(body, as_json=True).resource_spans[0].scope_spans[0].spans) == 10_000


@pytest.mark.parametrize("body", [b"\x0a", b"\x0a\xff", b"\x0a" + b"\xff" * 20, b"\x0a\xff\xff\x03\x12"])
def test_what_ends_in_the_middle_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="is not an OTLP trace export in protobuf"):
        parse(body, as_json=False)


def test_a_refusal_quotes_nothing_of_the_body() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse(spans_json(name={"SECRET-KEY": "SECRET-VALUE"}, startTimeUnixNano="SECRET"), as_json=True)
    assert "SECRET" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_full_success_is_an_empty_message() -> None:
    assert success(0, "", as_json=False) == b""
    assert success(0, "", as_json=True) == b"{}"


def test_a_partial_success_says_how_many_spans_were_rejected() -> None:
    response = ExportTraceServiceResponse.FromString(success(3, "no model", as_json=False))
    assert (response.partial_success.rejected_spans, response.partial_success.error_message) == (3, "no model")
    assert json.loads(success(3, "no model", as_json=True)) == {
        "partialSuccess": {"rejectedSpans": "3", "errorMessage": "no model"}
    }


def test_a_warning_alone_rejects_nothing() -> None:
    assert json.loads(success(0, "look", as_json=True)) == {"partialSuccess": {"errorMessage": "look"}}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, code_pb2.INVALID_ARGUMENT),
        (401, code_pb2.UNAUTHENTICATED),
        (403, code_pb2.PERMISSION_DENIED),
        (413, code_pb2.INVALID_ARGUMENT),
        (415, code_pb2.INVALID_ARGUMENT),
        (429, code_pb2.RESOURCE_EXHAUSTED),
        (500, code_pb2.INTERNAL),
        (503, code_pb2.UNAVAILABLE),
        (504, code_pb2.DEADLINE_EXCEEDED),
        (507, code_pb2.INTERNAL),
    ],
)
def test_a_failure_is_a_status_of_google_rpc(status: int, code: int) -> None:
    assert status_pb2.Status.FromString(failure(status, "why", as_json=False)) == status_pb2.Status(
        code=code, message="why"
    )
    assert json.loads(failure(status, "why", as_json=True)) == {"code": code, "message": "why"}
