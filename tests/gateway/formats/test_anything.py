"""Whatever clients and upstreams send, nothing is raised but a refusal, and no byte of an answer is lost."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.gateway.formats.base import GatewayError, Operation
from app.limits.asks import Ask
from models.call import AICall
from tests.gateway.formats.answers import EVENTS, FORMATS, JSON, cut_at, event, read, wanted_by

NAMES = st.sampled_from(
    [
        *("model", "messages", "input", "content", "type", "role", "text", "image_url", "url", "source", "data", "n"),
        *("stream", "stream_options", "include_usage", "tools", "max_tokens", "max_uses", "metadata", "user_id"),
        *("contents", "parts", "inlineData", "mimeType", "generationConfig", "maxOutputTokens", "temperature", "file"),
        *("usage", "usageMetadata", "choices", "delta", "candidates", "response", "error", "message", "service_tier"),
        *("output", "prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens", "created"),
        *("b64_json", "seconds", "duration", "finish_reason", "finishReason", "code", "object", "size", "quality"),
    ]
)
WORDS = st.sampled_from(
    ["gpt-4o", "user", "text", "image", "image_url", "input_audio", "document", "base64", "data:image/png;base64,AAAA"]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**30)
    | st.floats(allow_nan=False)
    | WORDS
    | st.text(max_size=5)
)
THINGS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=25,
)
OBJECTS = st.dictionaries(NAMES, THINGS, max_size=8)
TYPES = st.sampled_from(["response.completed", "message_start", "message_delta", "message_stop", "error", "x", None])
OPERATIONS = st.sampled_from(list(Operation))
PLACES = st.lists(st.integers(0, 2_000), max_size=8)


@given(OPERATIONS, OBJECTS)
def test_a_request_is_read_or_refused(operation: Operation, told: dict[str, Any]) -> None:
    body = json.dumps({"model": "gpt-4o", **told}).encode()
    form = FORMATS[operation]
    with suppress(GatewayError):
        wanted = form.read(operation, "gemini-2.5-flash", JSON, body)
        Ask(user_id="u", content_type=wanted.content_type, model="m", **wanted.asked_of("gpt-4o-mini"))
        sent = json.loads(form.body_for(wanted, body, "other"))
        unchanged = {name for name in told if name not in {"model", "stream_options", "requests"}}
        assert {name: sent[name] for name in unchanged} == {name: told[name] for name in unchanged}


@given(OPERATIONS, OBJECTS, PLACES)
def test_a_whole_answer_is_read_as_far_as_it_can_be(
    operation: Operation, told: dict[str, Any], places: list[int]
) -> None:
    body = json.dumps(told).encode()
    reading = FORMATS[operation].reading(wanted_by(operation), 200, JSON)
    assert read(reading, cut_at(body, places)) == body
    AICall(**{"user_id": "u", "content_type": "c", "model": "m", **reading.reported()})


@given(OPERATIONS, st.lists(st.tuples(TYPES, OBJECTS), max_size=5), PLACES, st.binary(max_size=20))
def test_a_stream_passes_whatever_is_in_it(
    operation: Operation, events: list[tuple[str | None, dict[str, Any]]], places: list[int], rest: bytes
) -> None:
    whole = b"".join(event({**told, "type": name} if name else told, name) for name, told in events) + rest
    wanted = wanted_by(operation, stream=True, stream_options={"include_usage": True})
    reading = FORMATS[operation].reading(wanted, 200, EVENTS)
    assert read(reading, cut_at(whole, places)) == whole
    AICall(**{"user_id": "u", "content_type": "c", "model": "m", **reading.reported()})


KINDS = st.sampled_from([JSON, EVENTS, "audio/mpeg", "text/html", ""])


@given(OPERATIONS, KINDS, st.binary(max_size=300), PLACES, st.sampled_from([200, 404, 500]))
def test_any_bytes_pass(operation: Operation, kind: str, body: bytes, places: list[int], status: int) -> None:
    wanted = wanted_by(operation, stream=True, stream_options={"include_usage": True})
    reading = FORMATS[operation].reading(wanted, status, kind)
    assert read(reading, cut_at(body, places)) == body
    AICall(**{"user_id": "u", "content_type": "c", "model": "m", **reading.reported()})
