"""A stand-in for the APIs of OpenAI, Azure, Groq and Mistral: the answers are real in form, and known to the token.

What becomes of a request is set by the test: `provider.does = 429`, or one of the words of `DOES`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

MODEL = "gpt-4o-2024-08-06"
MODELS = {"openai": MODEL, "groq": "llama-3.3-70b-versatile", "mistral": "mistral-large-latest"}
TIERS = {"openai": "priority", "groq": "on_demand"}
USAGE = {
    "prompt_tokens": 1_234,
    "completion_tokens": 567,
    "total_tokens": 1_801,
    "prompt_tokens_details": {"cached_tokens": 1_024},
    "completion_tokens_details": {"reasoning_tokens": 64},
}
RESPONSES_USAGE = {
    "input_tokens": 1_234,
    "input_tokens_details": {"cached_tokens": 1_024},
    "output_tokens": 567,
    "output_tokens_details": {"reasoning_tokens": 64},
    "total_tokens": 1_801,
}
WORDS = ("SECRET", "-AN", "SWER")
ANSWER = "".join(WORDS)
DOES = ("answer", "hang", "cut", "refuse stream_options", "refuse without a reason", "answer slowly", "fail once")

Json = dict[str, Any]


class Provider:
    """The stand-in, as a test sees it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.does: str | int = "answer"
        self.requests: list[Json] = []
        self.paths: list[str] = []
        self.proceed = threading.Event()
        """What hangs goes on."""


@contextmanager
def provider() -> Iterator[Provider]:
    server = _Server(("127.0.0.1", 0), _Handler)
    told = Provider(f"http://127.0.0.1:{server.server_port}")
    server.told = told  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield told
    finally:
        told.proceed.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Provider]:
    with provider() as told:
        yield told


@pytest.fixture
def answers(upstream: Provider) -> Provider:
    """The stand-in, which answers as it should until it is told otherwise."""
    upstream.does = "answer"
    upstream.requests.clear()
    upstream.paths.clear()
    upstream.proceed.clear()
    return upstream


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # callers that come all at once

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that leaves is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        told: Provider = self.server.told  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = json.loads(body) if body.startswith(b"{") else {"model": "whisper-1"}
        told.requests.append(request)
        told.paths.append(self.path)
        does = told.does
        if does == "fail once":
            does, told.does = 500, "answer"
        message = ANSWER
        if isinstance(does, str) and does.startswith("refuse"):
            message += ": unknown field stream_options" if does == "refuse stream_options" else ""
            does = 400 if "stream_options" in request else "answer"
        if isinstance(does, int):
            self._send(does, {"error": {"message": message, "type": "requests", "code": "some_code"}})
            return
        if does == "hang":
            told.proceed.wait(30)
            self.close_connection = True
            return
        if "/audio/speech" in self.path and "mistral" not in self.headers.get("user-agent", ""):
            self._send(200, b"ID3 sound")
        elif request.get("stream"):
            self._stream(_events(self.path, request), does, told)
        else:
            self._send(200, _complete(self.path, request))

    def log_message(self, *_: object) -> None:
        """A test's output is its own."""

    def _send(self, status: int, body: Json | bytes) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "audio/mpeg" if isinstance(body, bytes) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, events: list[Json], does: str, told: Provider) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(events):
            if number == 2 and does == "cut":
                self.close_connection = True
                return
            if number == 2 and does == "answer slowly":
                told.proceed.wait(30)
            name = f"event: {event['type']}\n" if "type" in event else ""
            if not self._piece(f"{name}data: {json.dumps(event)}\n\n".encode()):
                return
        self._piece(b"data: [DONE]\n\n")
        self._piece(b"")

    def _piece(self, content: bytes) -> bool:
        try:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))
            self.wfile.flush()
        except OSError:  # the caller has left
            self.close_connection = True
            return False
        return True


def _complete(path: str, request: Json) -> Json:
    if path.endswith("/embeddings"):
        vector = {"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}
        usage = {"prompt_tokens": 89, "total_tokens": 89}
        return {"object": "list", "data": [vector], "model": request["model"], "usage": usage, "id": "e1"}
    if path.endswith(("/images/generations", "/images/edits")):
        data = [{"url": "https://pictures.example/1"}, {"url": "https://pictures.example/2"}]
        return {"created": 1_760_000_000, "data": data}
    if "/audio/trans" in path:
        return {"text": ANSWER, "usage": {"type": "duration", "seconds": 11}}
    if path.endswith("/responses"):
        return _response("completed", RESPONSES_USAGE)
    if path.endswith("/completions") and "chat" not in path and "fim" not in path:
        choice = {"index": 0, "text": ANSWER, "finish_reason": "stop", "logprobs": None}
        return {**_head("text_completion", path), "choices": [choice], "usage": USAGE}
    message: Json = {"role": "assistant", "content": ANSWER, "refusal": None}
    if request.get("tools"):
        call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    if request.get("response_format"):
        message["content"] = '{"city": "Paris"}'
    choice = {"index": 0, "message": message, "finish_reason": request.get("user", "stop"), "logprobs": None}
    return {**_head("chat.completion", path), "choices": [choice], "usage": USAGE}


def _events(path: str, request: Json) -> list[Json]:
    if path.endswith("/responses"):
        delta: Json = {"type": "response.output_text.delta", **_PLACE, "logprobs": []}
        events: list[Json] = [
            {"type": "response.created", "response": _response("in_progress", None)},
            {"type": "response.output_item.added", "output_index": 0, "item": {**_MESSAGE, "content": []}},
            {"type": "response.content_part.added", **_PLACE, "part": {**_PART, "text": ""}},
            *({**delta, "delta": word} for word in WORDS),
            {"type": "response.completed", "response": _response("completed", RESPONSES_USAGE)},
        ]
        return [{**event, "sequence_number": number} for number, event in enumerate(events)]
    head = _head("chat.completion.chunk", path)
    deltas: list[tuple[Json, str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": word}, None) for word in WORDS]
    deltas.append(({}, "stop"))
    chunks: list[Json] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": end, "logprobs": None}]}
        for delta, end in deltas
    ]
    if path.startswith("/openai/v1"):
        chunks[-1]["x_groq"] = {"id": "req_1", "usage": USAGE}
    elif path.startswith("/mistral"):
        chunks[-1]["usage"] = USAGE
    elif (request.get("stream_options") or {}).get("include_usage"):
        chunks = [{**chunk, "usage": None} for chunk in chunks]
        chunks.append({**head, "choices": [], "usage": USAGE})
    return chunks


_PLACE: Json = {"item_id": "m1", "output_index": 0, "content_index": 0}


_PART: Json = {"type": "output_text", "text": ANSWER, "annotations": []}
_MESSAGE: Json = {"id": "m1", "type": "message", "role": "assistant", "status": "completed", "content": [_PART]}


def _response(status: str, usage: Json | None) -> Json:
    search = {
        "id": "s1",
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": ANSWER},
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_760_000_000,
        "status": status,
        "model": MODEL,
        "output": [search, _MESSAGE] if status == "completed" else [],
        "service_tier": "priority",
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "instructions": ANSWER,
        "usage": usage,
    }


def _head(kind: str, path: str) -> Json:
    name = next((name for name, root in _ROOTS.items() if path.startswith(root)), "openai")
    head = {"id": "chatcmpl-1", "object": kind, "created": 1_760_000_000, "model": MODELS[name]}
    return {**head, "service_tier": TIERS[name]} if name in TIERS else head


_ROOTS = {"groq": "/openai/v1", "mistral": "/mistral"}
