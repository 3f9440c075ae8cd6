"""A stand-in for a provider that costs as little as it can, so that it is gateways that are measured.

python -m scripts.bench.gateway.stand_in prints its address, and serves until it is stopped. Every POST is a chat: an
answer at once, or, where it asks for a stream, an event each 20 ms. `scripts.provider` is the one that answers as real
providers do.
"""

import asyncio
import re
import sys
from typing import Any, cast

import msgspec
import uvloop

MODEL = "gpt-4o-mini"
INPUT_TOKENS, OUTPUT_TOKENS = 24, 100
EVENTS = 100
"""Of a stream, with text."""
PACE_S = 0.02
"""From one event of a stream to the next."""
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream" *: *true')
_USAGE = re.compile(rb'"include_usage" *: *true')
_SAME = {"id": "chatcmpl-bench", "created": 1_790_000_000, "model": MODEL, "system_fingerprint": "fp_bench"}
_TOKENS = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS}
_COUNTED: dict[str, Any] = {
    **_TOKENS,
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}


def _answer() -> bytes:
    message = {"role": "assistant", "content": "word " * OUTPUT_TOKENS, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = msgspec.json.encode(_SAME | {"object": "chat.completion", "choices": [choice], "usage": _COUNTED})
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _event(**fields: object) -> bytes:
    data = msgspec.json.encode(_SAME | {"object": "chat.completion.chunk"} | fields)
    return _chunk(b"data: %b\n\n" % data)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _delta(delta: dict[str, str], finish: str | None = None) -> bytes:
    return _event(choices=[{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}])


ANSWER = _answer()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
TEXTS = [_delta({"role": "assistant", "content": "word "}), *[_delta({"content": "word "})] * (EVENTS - 1)]
USAGE = _event(choices=[], usage=_COUNTED)
END = _delta({}, "stop")
LAST = _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Connection(asyncio.Protocol):
    """Requests one after the other; a body has a content-length."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is not one of asyncio's

    def data_received(self, data: bytes) -> None:
        received = self._received + data
        while (end := received.find(_END_OF_HEAD)) >= 0:
            found = _LENGTH.search(received, 0, end)
            body, size = end + len(_END_OF_HEAD), int(found[1]) if found else 0
            if len(received) < body + size:
                break
            self._respond(received[body : body + size])
            received = received[body + size :]
        self._received = received

    def _respond(self, body: bytes) -> None:
        if not _STREAM.search(body):
            self._transport.write(ANSWER)
            return
        self._transport.write(HEAD + TEXTS[0])
        last = END + (USAGE if _USAGE.search(body) else b"") + LAST
        self._later(1, last)

    def _later(self, number: int, last: bytes) -> None:
        asyncio.get_running_loop().call_later(PACE_S, self._send, number, last)

    def _send(self, number: int, last: bytes) -> None:
        if self._transport.is_closing():
            return
        if number < EVENTS:
            self._transport.write(TEXTS[number])
            self._later(number + 1, last)
        else:
            self._transport.write(last)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=1_024)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
