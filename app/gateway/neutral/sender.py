"""Between the way of a call and who asked in our own form: what is sent is turned into that form on its way."""

import re
from typing import Any
from urllib.parse import unquote

from litestar.types import Message, Send

from app.gateway.formats.base import Headers
from app.gateway.neutral.answers import Recorded, decoded, error_of, text_of, whole
from app.gateway.neutral.bodies import ANSWERS
from app.gateway.neutral.requests import Request

_PASSES = re.compile(
    rb"x-twinmeter-.+|age|retry-after(?:-ms)?|x-should-retry|x-request-id|(?:x-)?ratelimit(?:-.+)?|allow"
)
_EVENT_END = re.compile(rb"\r?\n\r?\n")
_DATA = re.compile(rb"(?:\A|\n)data: ?([^\r\n]*)")
_FAILED = 400
MOST_BYTES = 64_000_000
"""Of a whole answer, which is held until it can be turned. Pictures of ten are some 30 MB."""


class NeutralSender:
    """Of one call. It takes the place of `send`."""

    def __init__(self, request: Request, send: Send) -> None:
        self.recorded = Recorded()
        self._request = request
        self._send = send
        self._status = 200
        self._headers: Headers = []
        self._is_stream = False
        self._content: list[bytes] = []
        self._size = 0
        self._begun = self._ended = False

    async def send(self, message: Message) -> None:
        """What the way of a call sends."""
        if message["type"] == "http.response.start":
            self._status, given = message["status"], list(message["headers"])
            self._headers = [each for each in given if _PASSES.fullmatch(each[0])]
            kinds = [value for name, value in given if name == b"content-type"]
            self._is_stream = self._status < _FAILED and any(kind.startswith(b"text/event-stream") for kind in kinds)
            if self._is_stream:
                await self._start(200, b"text/event-stream; charset=utf-8")
        elif message["type"] == "http.response.body":
            is_end = not message.get("more_body", False)
            if self._is_stream:
                await self._pass_on(message.get("body", b""), is_end=is_end)
            else:
                self._hold(message.get("body", b""))
                if is_end:
                    await self._answer()

    async def close(self) -> None:
        """The way of the call has come to its end. A stream that had none is cut."""
        if not (self._begun or self._ended):
            message = "the upstream's answer ended before it was complete"
            await self._whole(502, ANSWERS.encode({"error": error_of({"error": message}, "upstream_cut")}))

    def _hold(self, content: bytes) -> None:
        """What is too large is read to its end, so that the call is known, and not held."""
        self._size += len(content)
        if self._size <= MOST_BYTES:
            self._content.append(content)
        else:
            self._content = []

    async def _answer(self) -> None:
        content = b"".join(self._content)
        request = self._request
        try:
            if self._status < _FAILED:
                body = whole(request.alias, request.api, content, self._told)
            else:
                body = ANSWERS.encode({"error": error_of(decoded(content), f"http_{self._status}")})
        except ValueError:
            message = "the provider's answer has not the form of its API"
            body = ANSWERS.encode({"error": error_of({"error": message}, "unexpected_answer")})
            self._status = max(self._status, 502) if self._status < _FAILED else self._status
        await self._whole(self._status, body)

    async def _pass_on(self, content: bytes, *, is_end: bool) -> None:
        *events, rest = _EVENT_END.split(b"".join((*self._content, content)))
        rest = rest if len(rest) <= MOST_BYTES else b""
        if is_end:
            events, rest = [*events, rest], b""
        self._content = [rest]
        told = b"".join(map(self._event, events))
        if is_end:
            self._ended = True
            told += _event({"done": True, **self._told})
        if told:
            await self._send({"type": "http.response.body", "body": told, "more_body": not is_end})

    def _event(self, event: bytes) -> bytes:
        if event.startswith(b":"):
            return event + b"\n\n"  # a sign of life
        found = _DATA.search(event)
        try:
            said = {} if found is None else decoded(found[1])
        except ValueError:
            return b""  # such as [DONE]
        if said.get("error") is not None:
            return _event({"error": error_of(said, "error")})
        text = text_of(self._request.api, said)
        return _event({"text": text}) if text else b""

    async def _whole(self, status: int, body: bytes) -> None:
        self._ended = True
        self._headers.append((b"content-length", str(len(body)).encode()))
        await self._start(status, b"application/json")
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def _start(self, status: int, content_type: bytes) -> None:
        self._begun = True
        headers = [(b"content-type", content_type), *self._headers]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    @property
    def _told(self) -> dict[str, Any]:
        ours = {name: value.decode() for name, value in self._headers if name.startswith(b"x-twinmeter-")}
        return self.recorded.told(ours[b"x-twinmeter-request-id"], unquote(ours[b"x-twinmeter-model"]))


def _event(value: object) -> bytes:
    return b"data: " + ANSWERS.encode(value) + b"\n\n"
