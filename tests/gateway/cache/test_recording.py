"""What is held of an answer on its way, and when it is worth keeping."""

import json
from typing import Any

import pytest

from app.gateway.cache.cache import ResponseCache
from app.gateway.cache.complete import is_worth_keeping
from app.gateway.cache.recording import PIECE, Recording
from app.gateway.formats.base import Operation, Reading
from app.gateway.formats.openai import OpenAI
from tests.gateway.cache.asked import CHAT, wanted

EVENT = b'data: {"choices":[{"delta":{"content":"word word"}}]}\n\n'
MB = 1_000_000


def reading() -> Reading:
    return OpenAI().reading(wanted({**CHAT, "stream": True}), 200, "text/event-stream")


def test_all_that_was_sent_on_is_recorded_in_larger_pieces() -> None:
    cache = ResponseCache(MB)
    recording = Recording(reading(), cache)
    passed = b"".join(recording.feed(EVENT) for _ in range(1_000)) + recording.feed(b"data: [DONE]\n\n")
    end = recording.end()

    found = recording.content()
    assert found is not None
    chunks, held = found
    assert (b"".join(chunks), held) == (passed, end)
    assert all(len(chunk) >= PIECE for chunk in chunks[:-1])
    recording.drop()
    assert cache.take_room(MB // 4)


def test_what_is_too_large_passes_and_is_not_held() -> None:
    cache = ResponseCache(MB)
    recording = Recording(reading(), cache)
    for _ in range(2_000):
        assert recording.feed(EVENT) == EVENT
    recording.feed(b"data: [DONE]\n\n")
    recording.end()

    assert recording.content() is None
    assert cache.take_room(MB // 4)


def test_answers_on_their_way_have_room_together() -> None:
    cache = ResponseCache(MB)
    recordings = [Recording(reading(), cache) for _ in range(10)]
    for recording in recordings:
        for _ in range(1_000):
            recording.feed(EVENT)
        recording.feed(b"data: [DONE]\n\n")
        recording.end()

    assert sum(recording.content() is not None for recording in recordings) == MB // 4 // (1_000 * len(EVENT))
    for recording in recordings:
        recording.drop()
        recording.drop()
    assert cache.take_room(MB // 4)


def test_an_answer_without_its_end_is_none() -> None:
    recording = Recording(reading(), ResponseCache(MB))
    recording.feed(EVENT)
    recording.end()

    assert recording.content() is None


@pytest.mark.parametrize(
    ("operation", "body", "content", "reported", "kept"),
    [
        (Operation.CHAT, CHAT, b"{...}", {"output_tokens": 1}, True),
        (Operation.CHAT, CHAT, b"{...}", {"output_tokens": 0}, False),
        (Operation.CHAT, CHAT, b"{}", {}, False),
        (Operation.EMBEDDINGS, {"model": "m", "input": "a"}, b"{...}", {"output_tokens": 0}, True),
        (Operation.RESPONSES, {"model": "m"}, b'{"status":"completed"}', {"output_tokens": 1}, True),
        (Operation.RESPONSES, {"model": "m"}, b'{"status":"queued"}', {}, False),
        (Operation.RESPONSES, {"model": "m"}, b'{"status":"incomplete"}', {"output_tokens": 1}, False),
        (Operation.RESPONSES, {"model": "m"}, b"[]", {}, False),
        (Operation.RESPONSES, {"model": "m", "stream": True}, b"event: response.completed\n", {}, True),
        (Operation.RESPONSES, {"model": "m", "stream": True}, b"event: response.incomplete\n", {}, False),
    ],
)
def test_an_answer_is_worth_keeping_if_it_says_all_that_it_was_to_say(
    operation: Operation, body: dict[str, Any], content: bytes, reported: dict[str, Any], kept: bool
) -> None:
    asked = wanted(json.dumps(body).encode(), operation)

    assert is_worth_keeping(asked, ((), content), reported) is kept
