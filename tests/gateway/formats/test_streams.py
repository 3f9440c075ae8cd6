"""Streams: whatever pieces they come in, a client gets the bytes of a direct call, and the ledger the same usage."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.formats.base import Operation, Wanted
from tests.gateway.formats.answers import (
    ANTHROPIC,
    EVENTS,
    FORMATS,
    GEMINI,
    JSON,
    OPENAI,
    chat_chunk,
    compact,
    cut_at,
    event,
    read,
    wanted_by,
)

USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
TEXTS = ["", "Hel", "lo", '","usage":null', '"usage":{"prompt_tokens":99}', "data: [DONE]\n\n", "\n\n", "ünï 🙂", "}"]
DONE = b"data: [DONE]\n\n"


def chat(texts: list[str], *, asked: bool, injected: bool = True, end: bytes = b"\n", padded: bool = False) -> bytes:
    """A chat's stream, `injected` with usage in OpenAI's manner; what a direct call gets where it is not."""
    chunks: list[dict[str, Any]] = [chat_chunk({"role": "assistant", "content": "", "refusal": None})]
    chunks += [chat_chunk({"content": text}) for text in texts]
    chunks += [chat_chunk({}, "stop")]
    if injected:
        chunks = [{**chunk, "usage": None} for chunk in chunks]
    if padded:
        chunks = [{**chunk, "obfuscation": "aB3"} for chunk in chunks]
    closing = event({**chat_chunk({}), "choices": [], "usage": USAGE}, end=end) if injected or asked else b""
    return b"".join(event(chunk, end=end) for chunk in chunks) + closing + b"data: [DONE]" + end + end


def wants(operation: Operation, **told: Any) -> Wanted:
    return wanted_by(operation, stream=True, **told)


PLACES = st.lists(st.integers(0, 4_000), max_size=30)


@given(st.lists(st.sampled_from(TEXTS), max_size=6), PLACES, st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_a_chat_that_asked_for_no_usage_gets_the_bytes_of_a_direct_call(
    texts: list[str], places: list[int], end: bytes, padded: bool
) -> None:
    reading = OPENAI.reading(wants(Operation.CHAT), 200, EVENTS)
    sent = cut_at(chat(texts, asked=False, end=end, padded=padded), places)
    assert read(reading, sent) == chat(texts, asked=False, injected=False, end=end, padded=padded)
    assert (reading.complete, reading.output_begun, reading.failure) == (True, True, None)
    assert reading.reported() == {"model": "gpt-4o-2024-08-06", "input_tokens": 9, "output_tokens": 4}


@given(st.lists(st.sampled_from(TEXTS), max_size=6), PLACES, st.sampled_from([b"\n", b"\r\n"]))
def test_a_chat_that_asked_for_usage_gets_every_byte(texts: list[str], places: list[int], end: bytes) -> None:
    wanted = wants(Operation.CHAT, stream_options={"include_usage": True})
    whole = chat(texts, asked=True, end=end)
    reading = OPENAI.reading(wanted, 200, EVENTS)
    assert read(reading, cut_at(whole, places)) == whole
    assert reading.complete
    assert reading.reported() == {"model": "gpt-4o-2024-08-06", "input_tokens": 9, "output_tokens": 4}


ANYTHING = st.recursive(
    st.sampled_from([None, 1, True, "", "x", '"usage":null', "}", ',"usage":null', "\\"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["usage", "a", "choices"]), inner, max_size=2)
    ),
    max_leaves=6,
)
CHUNKS = st.lists(
    st.tuples(st.sampled_from(["usage", "choices", "id", "x", "x_groq"]), ANYTHING | st.just(USAGE)),
    unique_by=lambda member: member[0],
    max_size=5,
).map(dict)


@given(st.lists(CHUNKS, max_size=4), st.sampled_from([(",", ":"), (", ", ": ")]), PLACES)
def test_of_whatever_chunks_there_are_only_usage_of_their_own_goes(
    chunks: list[dict[str, Any]], separators: tuple[str, str], places: list[int]
) -> None:
    def written(chunk: dict[str, Any]) -> bytes:
        return event(json.dumps(chunk, separators=separators).encode())

    expected = []
    for chunk in chunks:
        if "usage" in chunk and chunk["usage"] is None:
            expected.append({name: value for name, value in chunk.items() if name != "usage"})
        elif not (isinstance(chunk.get("usage"), dict) and chunk.get("choices", None) in (None, [])):
            expected.append(chunk)
    reading = OPENAI.reading(wants(Operation.CHAT), 200, EVENTS)
    begun = event(chat_chunk({"content": "x"}))
    sent = begun + b"".join(map(written, chunks)) + DONE
    assert read(reading, cut_at(sent, places)) == begun + b"".join(map(written, expected)) + DONE


RESPONSE = {"id": "resp_1", "object": "response", "model": "gpt-4.1-2025", "error": None, "service_tier": "default"}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-6", "content": []}


def response(texts: list[str], kind: str = "completed") -> bytes:
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": {**RESPONSE, "usage": None}}]
    events += [{"type": "response.output_text.delta", "sequence_number": 1, "delta": text} for text in texts]
    output = [{"type": "message", "content": [{"type": "output_text", "text": "".join(texts)}]}]
    events += [{"type": f"response.{kind}", "response": {**RESPONSE, "output": output, "usage": usage}}]
    return b"".join(event(each, each["type"]) for each in events)


def message(texts: list[str]) -> bytes:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 1}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {**MESSAGE, "usage": usage}}]
    events += [{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}]
    events += [{"type": "ping"}]
    events += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in texts
    ]
    events += [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 6}}]
    events += [{"type": "message_stop"}]
    return b"".join(event(each, each["type"]) for each in events)


def contents(texts: list[str]) -> list[dict[str, Any]]:
    usage = {"promptTokenCount": 4, "totalTokenCount": 4}
    chunks: list[dict[str, Any]] = [
        {
            "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}}],
            "usageMetadata": usage,
            "modelVersion": "gemini-2.5-flash",
        }
        for text in texts
    ]
    usage = {"promptTokenCount": 4, "candidatesTokenCount": 8, "totalTokenCount": 12}
    last = {"content": {"parts": [{"text": "."}]}, "finishReason": "STOP"}
    return [*chunks, {"candidates": [last], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash"}]


def drawn(_: list[str]) -> bytes:
    usage = {"input_tokens": 5, "output_tokens": 400, "total_tokens": 405}
    partial: dict[str, Any] = {"type": "image_generation.partial_image", "b64_json": "QUJD" * 500}
    done: dict[str, Any] = {
        "type": "image_generation.completed",
        "b64_json": "QUJD" * 500,
        "size": "1024x1024",
        "quality": "low",
    }
    return event(partial, partial["type"]) + event({**done, "usage": usage}, done["type"])


def heard(texts: list[str]) -> bytes:
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 5, "total_tokens": 19}
    deltas = [event({"type": "transcript.text.delta", "delta": text}) for text in texts]
    return b"".join(deltas) + event({"type": "transcript.text.done", "text": "".join(texts), "usage": usage})


def spoken(_: list[str]) -> bytes:
    usage = {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}
    delta = event({"type": "speech.audio.delta", "audio": "QUJD" * 100})
    return delta * 3 + event({"type": "speech.audio.done", "usage": usage})


KINDS: dict[str, tuple[Operation, Any, dict[str, Any]]] = {
    "response": (
        Operation.RESPONSES,
        response,
        {"model": "gpt-4.1-2025", "input_tokens": 7, "output_tokens": 3},
    ),
    "message": (
        Operation.MESSAGES,
        message,
        {"model": "claude-sonnet-4-6", "input_tokens": 7, "output_tokens": 6, "cache_read_tokens": 2},
    ),
    "contents": (
        Operation.STREAM_GENERATE,
        lambda texts: b"".join(map(event, contents(texts))),
        {"model": "gemini-2.5-flash", "input_tokens": 4, "output_tokens": 8},
    ),
    "contents-as-a-list": (
        Operation.STREAM_GENERATE,
        lambda texts: b"[" + b",\n".join(map(compact, contents(texts))) + b"\n]\n",
        {"model": "gemini-2.5-flash", "input_tokens": 4, "output_tokens": 8},
    ),
    "picture": (
        Operation.IMAGES,
        drawn,
        {
            "images": 1,
            "size": "1024x1024",
            "quality": "low",
            "input_tokens": 5,
            "output_tokens": 400,
            "output_image_tokens": 400,
        },
    ),
    "transcript": (Operation.TRANSCRIPTIONS, heard, {"input_tokens": 14, "output_tokens": 5}),
    "speech": (Operation.SPEECH, spoken, {"input_tokens": 14, "output_tokens": 101}),
}


@pytest.mark.parametrize("kind", KINDS)
@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=6), PLACES)
def test_a_stream_passes_untouched_whatever_pieces_it_comes_in(kind: str, texts: list[str], places: list[int]) -> None:
    operation, make, usage = KINDS[kind]
    whole = make(texts)
    wanted = wants(operation)
    reading = FORMATS[operation].reading(wanted, 200, JSON if kind.endswith("list") else EVENTS)
    assert read(reading, cut_at(whole, places)) == whole
    assert (reading.complete, reading.output_begun, reading.failure) == (True, True, None)
    assert reading.reported() == usage


@pytest.mark.parametrize("kind", ["chat", *KINDS])
def test_the_end_of_a_stream_is_held_back_until_it_has_ended(kind: str) -> None:
    operation, make, _ = KINDS.get(kind, (Operation.CHAT, lambda texts: chat(texts, asked=False), {}))
    whole = make(["Hello"])
    reading = FORMATS[operation].reading(wants(operation), 200, JSON if kind.endswith("list") else EVENTS)
    passed = b"".join(reading.feed(bytes([byte])) for byte in whole)
    ends = (b"[DONE]", b"response.completed", b"message_stop", b"STOP", b".completed", b".done", b"]\n")
    held = reading.end()
    assert held
    assert not any(end in passed and end in held for end in ends)
    assert any(end in held for end in ends)


def test_what_comes_behind_the_end_stays_behind_it() -> None:
    whole = message(["a"]) + event({"type": "ping"}, "ping")
    for place in range(len(whole) - 40, len(whole)):
        reading = ANTHROPIC.reading(wants(Operation.MESSAGES), 200, EVENTS)
        assert read(reading, [whole[:place], whole[place:]]) == whole


def test_every_event_passes_as_soon_as_it_is_whole() -> None:
    reading = OPENAI.reading(wants(Operation.CHAT), 200, EVENTS)
    for number in range(50):
        sent = event({**chat_chunk({"content": f"word {number}"}), "usage": None})
        assert reading.feed(sent[:40]) == b""
        assert reading.feed(sent[40:]) == event(chat_chunk({"content": f"word {number}"}))


def test_null_usage_is_taken_out_of_the_chunk_alone_not_of_what_is_in_it() -> None:
    reading = OPENAI.reading(wants(Operation.CHAT), 200, EVENTS)
    part = {"id": "x", "usage": None, "more": {"a": [1]}}
    for extra in ({"x_groq": part}, {"x_groq": part, "usage": None}, {"usage": None, "x_groq": part}):
        kept = {name: value for name, value in extra.items() if name != "usage"}
        assert reading.feed(event({**chat_chunk({"content": "a"}), **extra})) == event(
            {**chat_chunk({"content": "a"}), **kept}
        )


def test_a_chunk_that_has_both_choices_and_usage_stays_as_it_is() -> None:
    reading = OPENAI.reading(wants(Operation.CHAT), 200, EVENTS)
    last = event({**chat_chunk({}, "stop"), "usage": USAGE})
    assert read(reading, [event(chat_chunk({"content": "a"})) + last + DONE]).endswith(last + DONE)
    assert reading.reported() == {"model": "gpt-4o-2024-08-06", "input_tokens": 9, "output_tokens": 4}


def test_usage_so_far_that_a_provider_tells_with_each_chunk_is_exact_only_at_the_end() -> None:
    for finish, estimated in ((None, True), ("stop", None)):
        reading = OPENAI.reading(wants(Operation.CHAT), 200, EVENTS)
        for number in range(1, 5):
            usage = {"prompt_tokens": 9, "completion_tokens": number, "total_tokens": 9 + number}
            reading.feed(event({**chat_chunk({"content": "a"}, finish if number == 4 else None), "usage": usage}))
        reading.end()
        found = reading.reported()
        assert (found["input_tokens"], found["output_tokens"], found.get("estimated_usage")) == (9, 4, estimated)


def test_a_chat_without_done_is_complete_where_it_says_why_it_finished() -> None:
    for finish, complete in (("stop", True), (None, False)):
        reading = OPENAI.reading(wants(Operation.CHAT), 200, EVENTS)
        read(reading, [event(chat_chunk({"content": "a"})) + event(chat_chunk({}, finish))])
        assert reading.complete is complete


@pytest.mark.parametrize("kind", ["chat", *KINDS])
def test_a_stream_that_is_cut_is_not_complete_and_its_usage_is_an_estimate(kind: str) -> None:
    operation, make, _ = KINDS.get(kind, (Operation.CHAT, lambda texts: chat(texts, asked=False), {}))
    texts = ["word " * 4] * 100
    whole = make(texts)
    for part in (0.3, 0.6):
        reading = FORMATS[operation].reading(wants(operation), 200, JSON if kind.endswith("list") else EVENTS)
        cut = whole[: int(len(whole) * part)]
        for piece in cut_at(cut, range(0, len(cut), 400)):
            reading.feed(piece)
        reading.end()
        assert not reading.complete
        found = reading.reported()
        if operation in {Operation.CHAT, Operation.RESPONSES, Operation.MESSAGES} or kind == "contents":
            assert found["estimated_usage"] is True
            # 100 texts of 20 characters, so many of which have passed
            assert found["output_tokens"] == pytest.approx(500 * part, rel=0.25)
            assert found["model"] in {"gpt-4o-2024-08-06", "gpt-4.1-2025", "claude-sonnet-4-6", "gemini-2.5-flash"}


def test_the_input_of_a_message_that_is_cut_is_the_one_that_it_told() -> None:
    reading = ANTHROPIC.reading(wants(Operation.MESSAGES), 200, EVENTS)
    reading.feed(message(["Hello"])[:400])
    reading.end()
    assert reading.reported()["input_tokens"] == 7


def test_nothing_that_only_begins_a_stream_is_output() -> None:
    starts = {
        Operation.CHAT: event(chat_chunk({"role": "assistant", "content": ""})),
        Operation.RESPONSES: event({"type": "response.created", "response": RESPONSE}, "response.created"),
        Operation.MESSAGES: message([])[: message([]).index(b"event: content_block_start")],
    }
    for operation, start in starts.items():
        reading = FORMATS[operation].reading(wants(operation), 200, EVENTS)
        assert reading.feed(b": comment\n\n" + start) == b": comment\n\n" + start
        assert not reading.output_begun


ERRORS = {
    "openai": (Operation.CHAT, event({"error": {"message": "secret text", "code": "server_error"}}), "server_error"),
    "openai-word": (Operation.CHAT, event({"error": "secret text"}), "error"),
    "response": (
        Operation.RESPONSES,
        event({"type": "response.failed", "response": {**RESPONSE, "error": {"code": "rate_limit_exceeded"}}}),
        "rate_limit_exceeded",
    ),
    "response-error": (
        Operation.RESPONSES,
        event({"type": "error", "code": "server_error", "message": "secret"}, "error"),
        "server_error",
    ),
    "anthropic": (
        Operation.MESSAGES,
        event({"type": "error", "error": {"type": "overloaded_error", "message": "secret text"}}, "error"),
        "overloaded_error",
    ),
    "gemini": (Operation.STREAM_GENERATE, event({"error": {"code": 503, "status": "UNAVAILABLE"}}), "UNAVAILABLE"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_in_a_stream_passes_and_is_no_success(case: str) -> None:
    operation, error, word = ERRORS[case]
    reading = FORMATS[operation].reading(wants(operation), 200, EVENTS)
    assert read(reading, [error[:30], error[30:]]) == error
    assert (reading.failure, reading.output_begun) == (word, False)
    assert reading.reported().get("input_tokens") is None


def test_a_text_that_speaks_of_errors_is_none() -> None:
    reading = OPENAI.reading(wants(Operation.CHAT), 200, EVENTS)
    read(reading, [event(chat_chunk({"content": '"error": "x" event: error', "tool_calls": [{"error": 1}]})), DONE])
    assert (reading.failure, reading.complete) == (None, True)


@pytest.mark.parametrize("size", [300_000, 3_000_000])
@pytest.mark.parametrize("piece", [16_384, 65_537, 10_000_000])
def test_very_long_events_pass_in_pieces_and_are_read_all_the_same(size: int, piece: int) -> None:
    picture = {"type": "image_generation.completed", "b64_json": "A" * size, "size": "1024x1024", "quality": "high"}
    usage = {"input_tokens": 5, "output_tokens": 400, "total_tokens": 405}
    partial = {"type": "image_generation.partial_image", "b64_json": "A" * size}
    whole = event(partial, partial["type"]) + event({**picture, "usage": usage}, picture["type"])
    reading = OPENAI.reading(wants(Operation.IMAGES), 200, EVENTS)
    held = 0
    passed = []
    for begin in range(0, len(whole), piece):
        passed.append(reading.feed(whole[begin : begin + piece]))
        held = max(held, begin + piece - sum(map(len, passed)))
    last = reading.end()
    assert b"".join(passed) + last == whole
    assert last.endswith(b"\n\n")
    assert held < 300_000 + 2 * piece
    found = reading.reported()
    assert (found["input_tokens"], found["output_tokens"], found["images"]) == (5, 400, 1)


def test_the_usage_of_a_very_long_response_is_read_from_its_end() -> None:
    whole = response(["word " * 200_000])
    reading = OPENAI.reading(wants(Operation.RESPONSES), 200, EVENTS)
    assert read(reading, cut_at(whole, range(0, len(whole), 50_000))) == whole
    assert reading.complete
    assert reading.reported() == {"model": "gpt-4.1-2025", "input_tokens": 7, "output_tokens": 3}


def test_a_very_long_end_that_is_cut_is_not_complete() -> None:
    whole = response(["word " * 200_000])
    reading = OPENAI.reading(wants(Operation.RESPONSES), 200, EVENTS)
    read(reading, cut_at(whole[:-40], range(0, len(whole), 50_000)))
    assert not reading.complete


def test_a_long_response_that_has_drawn_a_picture_is_not_priced_by_its_words_alone() -> None:
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    picture = {"type": "image_generation_call", "status": "completed", "result": "QUJD" * 200_000}
    last: dict[str, Any] = {"type": "response.completed", "response": {**RESPONSE, "output": [picture], "usage": usage}}
    reading = OPENAI.reading(wants(Operation.RESPONSES), 200, EVENTS)
    read(reading, cut_at(event(last, last["type"]), range(0, 900_000, 50_000)))
    assert reading.reported()["unreadable_usage"] is True


def test_the_usage_of_a_stream_that_broke_off_in_its_end_is_known() -> None:
    reading = GEMINI.reading(wants(Operation.STREAM_GENERATE), 200, EVENTS)
    for chunk in contents(["word"]):
        reading.feed(event(chunk))
    assert reading.reported() == {"model": "gemini-2.5-flash", "input_tokens": 4, "output_tokens": 8}


def test_memory_is_flat_whatever_passes() -> None:
    reading = OPENAI.reading(wants(Operation.CHAT), 200, EVENTS)
    one = event({**chat_chunk({"content": "x" * 500}), "usage": {"prompt_tokens": 1, "completion_tokens": 1}})
    for _ in range(2_000):
        reading.feed(one)
    kept = [value for value in vars(reading).values() if isinstance(value, bytes | list) or hasattr(value, "maxlen")]
    assert sum(len(part) for each in kept for part in ([each] if isinstance(each, bytes) else each)) < 50_000


def test_a_stream_without_usage_that_is_cut_tells_nothing_of_its_texts() -> None:
    reading = OPENAI.reading(wants(Operation.CHAT), 200, EVENTS)
    for text in ("canary-1", "canary-2"):
        reading.feed(event(chat_chunk({"content": text})))
    reading.end()
    assert "canary" not in json.dumps(reading.reported())


def test_of_gemini_the_usage_so_far_is_the_least_of_a_cut_stream() -> None:
    reading = GEMINI.reading(wants(Operation.STREAM_GENERATE), 200, EVENTS)
    chunk = contents(["word"])[0] | {
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 90, "totalTokenCount": 94}
    }
    reading.feed(event(chunk))
    reading.end()
    found = reading.reported()
    assert (found["input_tokens"], found["output_tokens"], found["estimated_usage"]) == (4, 90, True)


@pytest.mark.parametrize("sign", [event({"type": "ping"}, "ping"), b": still there\n\n"])
def test_a_sign_of_life_before_a_cut_does_not_hide_the_texts(sign: bytes) -> None:
    whole = message(["word " * 20] * 10)
    cut = whole[: whole.index(b"event: message_delta")]
    told = []
    for end in (b"", sign):
        reading = ANTHROPIC.reading(wants(Operation.MESSAGES), 200, EVENTS)
        for piece in (*cut_after_each_event(cut), end):
            reading.feed(piece)
        reading.end()
        told.append(reading.reported()["output_tokens"])

    assert told[0] > 200
    assert abs(told[1] - told[0]) < told[0] // 10


def test_usage_is_seen_however_its_colon_is_spaced() -> None:
    whole = chat(["Hello"], asked=True).replace(b'"usage":{', b'"usage" : {')
    reading = OPENAI.reading(wants(Operation.CHAT, stream_options={"include_usage": True}), 200, EVENTS)

    assert b"".join([*map(reading.feed, cut_after_each_event(whole)), reading.end()]) == whole
    assert "estimated_usage" not in reading.reported()


def cut_after_each_event(whole: bytes) -> list[bytes]:
    return [each + b"\n\n" for each in whole.removesuffix(b"\n\n").split(b"\n\n")]
