"""Answers that are no streams of events: they pass byte for byte, and say what was used."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.formats.base import Operation
from app.usage.responses import reported_of
from tests.gateway.formats.answers import FORMATS, JSON, OPENAI, compact, cut_at, read, wanted_by

PLACES = st.lists(st.integers(0, 5_000), max_size=20)
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-2024-08-06",
    "service_tier": "default",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
}


@given(PLACES)
def test_a_whole_answer_is_held_back_until_its_end(places: list[int]) -> None:
    reading = OPENAI.reading(wanted_by(Operation.CHAT), 200, JSON)
    body = compact(CHAT)
    assert [reading.feed(piece) for piece in cut_at(body, places)] == [b""] * len(cut_at(body, places))
    assert reading.end() == body
    assert reading.complete
    assert reading.reported() == {"model": "gpt-4o-2024-08-06", "input_tokens": 9, "output_tokens": 4}


def large(operation: Operation) -> dict[str, Any]:  # noqa: PLR0911 - one for each
    usage = {"input_tokens": 50, "output_tokens": 6_240, "total_tokens": 6_290}
    match operation:
        case Operation.CHAT:
            answer = {"index": 0, "message": {"content": "word " * 40_000}}
            return {**CHAT, "choices": [answer]}
        case Operation.EMBEDDINGS:
            data = [{"object": "embedding", "index": each, "embedding": [0.0123] * 1_536} for each in range(30)]
            usage = {"prompt_tokens": 300, "total_tokens": 300}
            return {"object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage}
        case Operation.IMAGES:
            data = [{"b64_json": "QUJD" * 50_000}] * 2
            return {"created": 1, "background": "opaque", "data": data, "size": "1024x1024", "usage": usage}
        case Operation.RESPONSES:
            texts = [{"type": "message", "content": [{"type": "output_text", "text": "word " * 40_000}]}]
            searches = [{"type": "web_search_call", "status": "completed", "action": {"type": "search"}}] * 3
            return {"object": "response", "model": "gpt-4.1", "output": searches + texts, "usage": usage}
        case Operation.MESSAGES:
            usage = {"input_tokens": 5, "cache_read_input_tokens": 10, "output_tokens": 9}
            content = [{"type": "text", "text": "word " * 40_000}]
            return {"type": "message", "model": "claude-opus-4-8", "content": content, "usage": usage}
        case Operation.GENERATE:
            part = {"inlineData": {"mimeType": "image/png", "data": "QUJD" * 50_000}}
            usage = {"promptTokenCount": 5, "candidatesTokenCount": 1_290, "totalTokenCount": 1_295}
            candidates = [{"content": {"parts": [part]}, "finishReason": "STOP"}]
            return {"candidates": candidates, "usageMetadata": usage, "modelVersion": "gemini-2.5-flash-image"}
    segments = [{"id": each, "text": "word " * 100, "start": each, "end": each + 1} for each in range(300)]
    return {"task": "transcribe", "duration": 300.25, "text": "word " * 30_000, "segments": segments}


LARGE = (
    *(Operation.CHAT, Operation.EMBEDDINGS, Operation.IMAGES, Operation.RESPONSES, Operation.MESSAGES),
    *(Operation.GENERATE, Operation.TRANSCRIPTIONS),
)


@pytest.mark.parametrize("operation", LARGE)
def test_of_a_large_answer_all_is_read_but_its_texts(operation: Operation) -> None:
    answer = large(operation)
    reading = FORMATS[operation].reading(wanted_by(operation), 200, JSON)
    body = compact(answer)
    assert len(body) > 100_000
    assert read(reading, cut_at(body, range(0, len(body), 60_000))) == body
    assert reading.complete
    assert reading.reported() == reported_of(answer, None, "gpt-4o")


@pytest.mark.parametrize("operation", [Operation.EMBEDDINGS, Operation.IMAGES, Operation.GENERATE])
def test_of_a_very_large_answer_the_last_byte_alone_is_held_back(operation: Operation) -> None:
    answer = large(operation)
    if operation is Operation.IMAGES:
        answer["data"] = [{"b64_json": "QUJD" * 200_000}] * 3
    elif operation is Operation.EMBEDDINGS:
        answer["data"] = answer["data"] * 10
    else:
        answer["candidates"][0]["content"]["parts"][0]["inlineData"]["data"] = "QUJD" * 500_000
    reading = FORMATS[operation].reading(wanted_by(operation), 200, JSON)
    body = compact(answer)
    assert len(body) > 1_500_000
    passed = b"".join(reading.feed(piece) for piece in cut_at(body, range(0, len(body), 65_536)))
    assert passed == body[:-1]
    assert reading.end() == b"}"
    assert reading.complete
    expected = reported_of(answer, None, "gpt-4o")
    assert {name: reading.reported()[name] for name in expected} == expected


def test_json_that_is_cut_is_not_complete() -> None:
    reading = OPENAI.reading(wanted_by(Operation.CHAT), 200, JSON)
    assert read(reading, [compact(CHAT)[:-9]]) == compact(CHAT)[:-9]
    assert not reading.complete
    assert reading.reported()["estimated_usage"] is True


def test_an_answer_without_usage_is_estimated_by_its_text() -> None:
    message = {"role": "assistant", "content": "x" * 400}
    answer = {name: value for name, value in CHAT.items() if name != "usage"} | {"choices": [{"message": message}]}
    reading = OPENAI.reading(wanted_by(Operation.CHAT), 200, JSON)
    read(reading, [compact(answer)])
    found = reading.reported()
    assert (found["model"], found["output_tokens"], found["estimated_usage"]) == ("gpt-4o-2024-08-06", 100, True)
    assert found["input_tokens"] > 0


def test_a_stream_was_asked_for_and_a_whole_answer_came() -> None:
    reading = OPENAI.reading(wanted_by(Operation.CHAT, stream=True), 200, JSON)
    assert read(reading, [compact(CHAT)]) == compact(CHAT)
    assert reading.reported() == {"model": "gpt-4o-2024-08-06", "input_tokens": 9, "output_tokens": 4}


@given(st.binary(min_size=1, max_size=200), PLACES)
def test_sound_passes_but_for_its_last_byte_and_costs_by_its_characters(sound: bytes, places: list[int]) -> None:
    wanted = wanted_by(Operation.SPEECH, model="tts-1", input="Hello there")
    reading = OPENAI.reading(wanted, 200, "audio/mpeg")
    assert b"".join(map(reading.feed, cut_at(sound, places))) == sound[:-1]
    assert reading.end() == sound[-1:]
    assert (reading.complete, reading.reported()) == (True, {"characters": 11})


def test_a_transcription_tells_its_seconds_and_one_in_plain_text_does_not() -> None:
    for answer, seconds in (({"text": "x", "usage": {"type": "duration", "seconds": 11}}, 11),):
        reading = OPENAI.reading(wanted_by(Operation.TRANSCRIPTIONS), 200, JSON)
        read(reading, [compact(answer)])
        assert reading.reported() == {"audio_seconds": seconds}
    for kind, body in (("text/plain; charset=utf-8", b"words\n"), (JSON, b'{"text":"words"}')):
        reading = OPENAI.reading(wanted_by(Operation.TRANSCRIPTIONS), 200, kind)
        assert read(reading, [body]) == body
        found = reading.reported()
        assert found["unreadable_usage"] is True
        assert "response_format" in found["unreadable_reason"]


def test_pictures_without_a_word_of_theirs_have_the_size_that_was_asked_for() -> None:
    wanted = wanted_by(Operation.IMAGES, model="dall-e-3", size="1792x1024", quality="hd", n=2)
    reading = OPENAI.reading(wanted, 200, JSON)
    read(reading, [compact({"created": 1, "data": [{"url": "https://e.org/1"}, {"url": "https://e.org/2"}]})])
    assert reading.reported() == {"images": 2, "size": "1792x1024", "quality": "hd"}


def test_what_no_model_answers_uses_nothing() -> None:
    for operation, answer in (
        (Operation.COUNT_TOKENS, {"input_tokens": 14}),
        (Operation.COUNT_CONTENT_TOKENS, {"totalTokens": 14, "promptTokensDetails": []}),
    ):
        reading = FORMATS[operation].reading(wanted_by(operation), 200, JSON)
        assert read(reading, [compact(answer)]) == compact(answer)
        assert reading.reported() == {}


def error_of(**told: Any) -> bytes:
    return compact({"error": {"message": "secret", **told}})


RATE, ASKED_WRONG = "rate_limit_exceeded", "invalid_request_error"
ERRORS: list[tuple[Operation, int, str, bytes, str]] = [
    (Operation.CHAT, 429, JSON, error_of(type="requests", code=RATE), RATE),
    (Operation.CHAT, 400, JSON, error_of(type=ASKED_WRONG, code=None), ASKED_WRONG),
    (Operation.MESSAGES, 529, JSON, error_of(type="overloaded_error"), "overloaded_error"),
    (Operation.GENERATE, 503, JSON, error_of(code=503, status="UNAVAILABLE"), "UNAVAILABLE"),
    (Operation.STREAM_GENERATE, 400, JSON, b"[" + error_of(status="NOT_FOUND") + b"]", "NOT_FOUND"),
    (Operation.CHAT, 502, "text/html", b"<html>secret</html>", "http_502"),
    (Operation.CHAT, 500, JSON, error_of(code="what you said: secret"), "error"),
    (Operation.CHAT, 500, "text/event-stream", b'data: {"error":{}}\n\n', "http_500"),
    (Operation.CHAT, 401, JSON, b"", "http_401"),
]


@pytest.mark.parametrize(("operation", "status", "kind", "body", "word"), ERRORS)
def test_a_provider_s_error_passes_byte_for_byte_and_uses_nothing(
    operation: Operation, status: int, kind: str, body: bytes, word: str
) -> None:
    reading = FORMATS[operation].reading(wanted_by(operation), status, kind)
    assert read(reading, [body[:20], body[20:]]) == body
    assert (reading.complete, reading.output_begun, reading.failure, reading.reported()) == (True, False, word, {})


def test_a_page_instead_of_json_is_no_success_and_nothing_of_it_passes_before_that_is_known() -> None:
    reading = OPENAI.reading(wanted_by(Operation.CHAT, stream=True), 200, "text/html")
    assert reading.feed(b"<html>" * 100) == b""
    assert reading.failure == "unexpected_content"
    reading.end()
    assert (reading.complete, reading.reported()) == (False, {})


def test_a_model_of_pictures_that_answers_in_words_has_made_none() -> None:
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 20, "totalTokenCount": 25}
    for part, pictures in (({"text": "no"}, 0), ({"inlineData": {"mimeType": "image/png", "data": "QQ=="}}, 20)):
        candidates = [{"content": {"parts": [part]}, "finishReason": "STOP"}]
        answer = {"candidates": candidates, "usageMetadata": usage, "modelVersion": "gemini-2.5-flash-image"}
        reading = FORMATS[Operation.GENERATE].reading(wanted_by(Operation.GENERATE), 200, JSON)
        read(reading, [compact(answer)])
        assert reading.reported() == reported_of(answer, None, "gpt-4o")
        assert reading.reported().get("output_image_tokens", 0) == pictures


def test_searches_that_ground_an_answer_are_counted() -> None:
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 20, "totalTokenCount": 25}
    grounding = {"webSearchQueries": ["a", "b"]}
    candidates = [{"content": {"parts": [{"text": "x"}]}, "groundingMetadata": grounding}]
    answer = {"candidates": candidates, "usageMetadata": usage, "modelVersion": "gemini-3-pro"}
    reading = FORMATS[Operation.GENERATE].reading(wanted_by(Operation.GENERATE), 200, JSON)
    read(reading, [compact(answer)])
    assert reading.reported()["web_searches"] == 2


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e309", r'"\ud83d"', r'{"a":["\udc00"]}'])
def test_what_is_json_to_clients_alone_is_a_whole_answer(value: str) -> None:
    body = compact(CHAT)[:-1] + b',"more":' + value.encode() + b"}"
    reading = OPENAI.reading(wanted_by(Operation.CHAT), 200, JSON)

    assert read(reading, [body]) == body
    assert (reading.complete, reading.failure) == (True, None)
    assert reading.reported() == {"model": "gpt-4o-2024-08-06", "input_tokens": 9, "output_tokens": 4}


def test_half_of_an_answer_stays_half_of_one() -> None:
    reading = OPENAI.reading(wanted_by(Operation.CHAT), 200, JSON)
    read(reading, [compact(CHAT)[:-20] + b'"\\ud83d"'])
    assert not reading.complete


def test_an_error_with_the_status_of_a_success_is_one_and_nothing_was_used() -> None:
    body = compact({"error": {"message": "no", "code": "overloaded"}, "model": "gpt-4o"})
    reading = OPENAI.reading(wanted_by(Operation.EMBEDDINGS), 200, JSON)

    assert read(reading, [body]) == body
    assert (reading.complete, reading.failure, reading.reported()) == (True, "overloaded", {"model": "gpt-4o"})


def test_what_failed_after_it_was_paid_for_has_its_usage() -> None:
    body = compact({**CHAT, "error": {"code": "length"}})
    reading = OPENAI.reading(wanted_by(Operation.CHAT), 200, JSON)

    assert read(reading, [body]) == body
    assert reading.failure == "length"
    assert reading.reported() == {"model": "gpt-4o-2024-08-06", "input_tokens": 9, "output_tokens": 4}
