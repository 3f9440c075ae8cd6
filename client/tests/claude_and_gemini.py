"""Stand-ins for the APIs of Anthropic and Google: the answers are real in form, and known to the token.

What a request gets depends on its model: one that is named `limited` gets status 429, `broken` 500, and `slow` nothing
until the test is over.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CLAUDE = "claude-opus-4-6"
GEMINI = "gemini-2.5-flash"
EMBEDDING = "gemini-embedding-001"
IMAGEN = "imagen-4.0-generate-001"
LIMITED, BROKEN, SLOW, CALLER = "limited", "broken", "slow", "caller"
ANSWER = ["SECRET-", "ANSWER"]
CLAUDE_USAGE = {
    "input_tokens": 1_000,
    "cache_creation_input_tokens": 3_000,
    "cache_read_input_tokens": 6_000,
    "cache_creation": {"ephemeral_5m_input_tokens": 2_000, "ephemeral_1h_input_tokens": 1_000},
    "output_tokens": 500,
    "service_tier": "priority",
}
GEMINI_USAGE = {
    "promptTokenCount": 1_000,
    "cachedContentTokenCount": 600,
    "candidatesTokenCount": 400,
    "thoughtsTokenCount": 100,
    "totalTokenCount": 1_500,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1_000}],
}

Json = dict[str, Any]


class Provider:
    """A running stand-in."""

    def __init__(self) -> None:
        self.address = ""
        self.paths: list[str] = []
        self.arrived = threading.Event()
        """A request has come."""
        self.over = threading.Event()


@contextmanager
def provider() -> Iterator[Provider]:
    told = Provider()
    server = _Server(("127.0.0.1", 0), type("_Told", (_Handler,), {"told": told}))
    told.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        told.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes is nothing to tell."""


class _Handler(BaseHTTPRequestHandler):
    told: Provider

    def log_message(self, *_: object) -> None:
        """A test's output is its own."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.told.paths.append(self.path)
        self.told.arrived.set()
        asked = f"{request.get('model', '')} {self.path}"
        if SLOW in asked:
            self.told.over.wait(60)
        elif LIMITED in asked:
            self._send(429, _failed(429, "rate_limit_error", "RESOURCE_EXHAUSTED"))
        elif BROKEN in asked:
            self._send(500, _failed(500, "api_error", "INTERNAL"))
        elif self.path.startswith("/v1/messages") or "awPredict" in self.path:
            self._send(200, _claude_events() if request.get("stream") else claude())
        else:
            self._send(200, _of_google(self.path, request))

    def _send(self, status: int, body: Json | list[Json]) -> None:
        if isinstance(body, list):
            named = (f"event: {event['type']}\n" if "type" in event else "" for event in body)
            content = "".join(f"{name}data: {json.dumps(event)}\n\n" for name, event in zip(named, body)).encode()
        else:
            content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/event-stream" if isinstance(body, list) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _failed(code: int, kind: str, status: str) -> Json:
    error = {"type": kind, "code": code, "status": status, "message": "SECRET-PROMPT is not served"}
    return {"type": "error", "error": error}


def claude(**more: Any) -> Json:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": CLAUDE}
    content = [{"type": "text", "text": "".join(ANSWER)}]
    return {**head, "content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": CLAUDE_USAGE, **more}


def _claude_events() -> list[Json]:
    texts = [{"type": "text_delta", "text": text} for text in ANSWER]
    start = claude(content=[], stop_reason=None, usage={**CLAUDE_USAGE, "output_tokens": 1})
    return [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in texts),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 500},
        },
        {"type": "message_stop"},
    ]


def _of_google(path: str, request: Json) -> Json | list[Json]:
    if "streamGenerateContent" in path:
        return [_gemini(text) for text in ANSWER[:-1]] + [_gemini(ANSWER[-1], usageMetadata=GEMINI_USAGE)]
    if "mbedContent" in path:
        vectors = [{"values": [0.25, -0.5]}]
        return {"embeddings": vectors, "embedding": vectors[0], "usageMetadata": {"promptTokenCount": 89}}
    if ":predict" in path:
        return {"predictions": [{"bytesBase64Encoded": "AAAA", "mimeType": "image/png"}] * 2}
    if CALLER in path and len(request["contents"]) == 1:  # it calls a function first
        call = {"functionCall": {"name": "weather", "args": {}}}
        return {
            **_gemini("", usageMetadata=GEMINI_USAGE),
            "candidates": [{"content": {"role": "model", "parts": [call]}}],
        }
    return _gemini("".join(ANSWER), usageMetadata=GEMINI_USAGE)


def _gemini(text: str, **more: Any) -> Json:
    content = {"role": "model", "parts": [{"text": text}]}
    return {"candidates": [{"content": content, "index": 0}], "modelVersion": GEMINI, "responseId": "r1", **more}
