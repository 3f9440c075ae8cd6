"""A stand-in for OpenAI's API on this machine: the answers are real in form, and known to the token.

What a request gets depends on its model: `RATE_LIMITED` gets status 429.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "gpt-4o-2024-08-06"
EMBEDDING_MODEL = "text-embedding-3-small"
RATE_LIMITED = "gpt-4o-mini"
USAGE = {
    "prompt_tokens": 1_234,
    "completion_tokens": 567,
    "total_tokens": 1_801,
    "prompt_tokens_details": {"cached_tokens": 1_024},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
EMBEDDING_USAGE = {"prompt_tokens": 89, "total_tokens": 89}
ANSWER = "SECRET-ANSWER"
EVENT_STREAM = "text/event-stream"

Json = dict[str, Any]


@contextmanager
def openai_upstream() -> Iterator[str]:
    """The `base_url` of a running stand-in."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if request["model"] == RATE_LIMITED:
            self._send(429, {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}})
        elif self.path == "/v1/embeddings":
            self._send(200, _embeddings())
        elif request.get("stream"):
            events = [f"data: {json.dumps(chunk)}\n\n" for chunk in _chunks(request)]
            self._send(200, "".join([*events, "data: [DONE]\n\n"]))
        else:
            self._send(200, _completion())

    def log_message(self, *_: object) -> None:
        """A test's output is its own."""

    def _send(self, status: int, body: Json | str) -> None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", EVENT_STREAM if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _completion() -> Json:
    message = {"role": "assistant", "content": ANSWER, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return {**_head("chat.completion"), "choices": [choice], "usage": USAGE}


def _chunks(request: Json) -> list[Json]:
    head = _head("chat.completion.chunk")
    deltas = [({"role": "assistant", "content": ANSWER}, None), ({}, "stop")]
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in deltas]
    if (request.get("stream_options") or {}).get("include_usage"):
        chunks.append({**head, "choices": [], "usage": USAGE})
    return chunks


def _head(kind: str) -> Json:
    return {"id": "chatcmpl-1", "object": kind, "created": 1_760_000_000, "model": MODEL, "service_tier": "default"}


def _embeddings() -> Json:
    vector = {"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}
    return {"object": "list", "data": [vector], "model": EMBEDDING_MODEL, "usage": EMBEDDING_USAGE}
