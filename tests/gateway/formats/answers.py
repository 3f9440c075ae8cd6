"""Requests, answers and streams as clients and providers send them."""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from app.gateway.formats.anthropic import Anthropic
from app.gateway.formats.base import Format, Operation, Reading, Wanted
from app.gateway.formats.gemini import Gemini
from app.gateway.formats.openai import OpenAI

OPENAI, ANTHROPIC, GEMINI = OpenAI(), Anthropic(), Gemini()
FORMATS: dict[Operation, Format] = {
    **dict.fromkeys(Operation, OPENAI),
    **dict.fromkeys((Operation.MESSAGES, Operation.COUNT_TOKENS), ANTHROPIC),
    **dict.fromkeys((Operation.GENERATE, Operation.STREAM_GENERATE, Operation.COUNT_CONTENT_TOKENS), GEMINI),
    **dict.fromkeys((Operation.EMBED_CONTENT, Operation.BATCH_EMBED_CONTENTS), GEMINI),
}
EVENTS, JSON = "text/event-stream; charset=utf-8", "application/json"
MULTIPART = {Operation.TRANSCRIPTIONS, Operation.TRANSLATIONS}


def compact(value: Any) -> bytes:
    """As providers write JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def wanted_by(operation: Operation, **told: Any) -> Wanted:
    """What a usual request of that operation asks for."""
    if operation in MULTIPART:
        form = form_of({"model": "whisper-1"}, {"file": b"sound" * 100})
        return OPENAI.read(operation, None, "multipart/form-data; boundary=x", form)
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "input": "Hello", **told}
    return FORMATS[operation].read(operation, told.get("model", "gemini-2.5-flash"), JSON, compact(body))


def form_of(fields: dict[str, str], files: dict[str, bytes], boundary: str = "x") -> bytes:
    """A multipart form."""
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts += [
        f'Content-Disposition: form-data; name="{name}"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'.encode()
        + content
        for name, content in files.items()
    ]
    return b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts) + f"--{boundary}--\r\n".encode()


def event(data: Any, name: str | None = None, end: bytes = b"\n") -> bytes:
    """One server-sent event."""
    line = b"" if name is None else b"event: " + name.encode() + end
    return line + b"data: " + (data if isinstance(data, bytes) else compact(data)) + end + end


def read(reading: Reading, chunks: Iterable[bytes]) -> bytes:
    """All that a client gets of an answer."""
    return b"".join([*map(reading.feed, chunks), reading.end()])


def cut_at(data: bytes, places: Sequence[int]) -> list[bytes]:
    """The same bytes in pieces."""
    marks = [0, *sorted({min(place, len(data)) for place in places}), len(data)]
    return [data[begin:end] for begin, end in pairwise(marks) if begin < end]


def chat_chunk(delta: dict[str, Any], finish: str | None = None, model: str = "gpt-4o-2024-08-06") -> dict[str, Any]:
    """A chunk of a chat, as OpenAI sends it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1764000000,
        "model": model,
        "service_tier": "default",
        "system_fingerprint": None,
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
    }
