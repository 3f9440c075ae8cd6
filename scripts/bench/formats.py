"""CPU time that the gateway takes to read requests, and streams as they pass."""

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from app.gateway.formats.anthropic import Anthropic
from app.gateway.formats.base import Format, Operation
from app.gateway.formats.gemini import Gemini
from app.gateway.formats.openai import OpenAI

EVENTS = 200
ROUNDS = 15
_SSE = "text/event-stream"
_MODEL = {"model": "gpt-4o-2024-08-06", "service_tier": "default"}
_USAGE = {"prompt_tokens": 9, "completion_tokens": EVENTS, "total_tokens": EVENTS + 9}


def measure() -> dict[str, float]:
    """Microseconds, the best of 15 rounds: `read` of a request, `chunk` of a stream, `usage` at its end."""
    figures: dict[str, float] = {}
    for name, messages, size in (("2kb", 1, 1_500), ("10kb", 20, 500), ("100kb", 200, 500)):
        told = [{"role": "user", "content": "x" * size}] * messages
        figures[f"read_{name}_us"] = _of_request(_json({**_MODEL, "stream": True, "messages": told}), 200)
    url = "data:image/png;base64," + "A" * 20_000_000
    picture = _json({**_MODEL, "messages": [{"content": [{"type": "image_url", "image_url": {"url": url}}]}]})
    figures["read_20mb_picture_us"] = _of_request(picture, 1)
    for name, stream in _streams().items():
        figures |= _of_stream(name, *stream)
    return figures


def _of_request(body: bytes, times: int) -> float:
    return _least(lambda: OpenAI().read(Operation.CHAT, None, "", body), times)


def _of_stream(
    name: str, form: Format, operation: Operation, body: dict[str, Any], events: list[bytes]
) -> dict[str, float]:
    wanted = form.read(operation, "gemini-2.5-flash", "", _json({"model": "m", "stream": True, **body}))

    def passed() -> Any:
        reading = form.reading(wanted, 200, _SSE)
        for event in events:
            reading.feed(event)
        reading.end()
        return reading

    passing = _least(passed, 5)
    return {
        f"chunk_{name}_us": passing / len(events),
        f"usage_{name}_us": _least(passed().reported, 50),
    }


def _streams() -> dict[str, tuple[Format, Operation, dict[str, Any], list[bytes]]]:
    chunks = [_chunk({"content": f"word{number} "}) for number in range(EVENTS)]
    end = [{**_chunk({}), "choices": [], "usage": _USAGE}]
    done = [b"data: [DONE]\n\n"]
    with_null = _events(({**chunk, "usage": None} for chunk in chunks), end) + done
    asked = {"stream_options": {"include_usage": True}}
    message = {"type": "message", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 9, "output_tokens": 1}}
    text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word "}}
    last = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": EVENTS}}
    messages: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        *[text] * EVENTS,
        last,
        {"type": "message_stop"},
    ]
    part = {"candidates": [{"content": {"parts": [{"text": "word "}]}}], "modelVersion": "gemini-2.5-flash"}
    used = {"promptTokenCount": 9, "candidatesTokenCount": EVENTS, "totalTokenCount": EVENTS + 9}
    finished = {**part, "candidates": [{"finishReason": "STOP"}], "usageMetadata": used}
    return {
        "chat": (OpenAI(), Operation.CHAT, asked, with_null),
        "chat_without_null": (OpenAI(), Operation.CHAT, {}, with_null),
        "messages": (Anthropic(), Operation.MESSAGES, {}, _events(messages)),
        "contents": (Gemini(), Operation.STREAM_GENERATE, {}, _events([part] * EVENTS, [finished])),
    }


def _chunk(delta: dict[str, str]) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", **_MODEL, "choices": [choice]}


def _events(*parts: Iterable[dict[str, Any]]) -> list[bytes]:
    return [b"data: " + _json(event) + b"\n\n" for part in parts for event in part]


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _least(work: Callable[[], Any], times: int) -> float:
    least = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(times):
            work()
        least = min(least, time.process_time() - started)
    return least / times * 1e6
