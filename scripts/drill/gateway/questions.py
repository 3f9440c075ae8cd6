"""What is asked, in each provider's API, and what the ledger must have of it."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from scripts.drill.gateway.asking import Leave

SAID = 2
"""Words that the stand-in puts in front of what it says again."""

Body = dict[str, Any]


class Way(NamedTuple):
    """An operation of an API."""

    path: str
    model: str
    body: Callable[[str, str, int], Body]
    """With the model, the text, and how many tokens may be answered."""
    mark: bytes = b""
    """The end of its stream; empty where only the end of the body says it."""
    streams: bool = True
    after_usage: int = 0
    """How many events follow the one that says what was used."""
    around: int = 0
    """How many events a stream has beside those of its words."""
    is_alias: bool = False
    """Whether the model is a name of the gateway's own, behind which no fault can be asked for."""


def _chat(model: str, text: str, most: int) -> Body:
    return {"model": model, "max_tokens": most, "messages": [{"role": "user", "content": text}]}


def _responses(model: str, text: str, most: int) -> Body:
    return {"model": model, "input": text, "max_output_tokens": most}


def _generate(_: str, text: str, most: int) -> Body:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], "generationConfig": {"maxOutputTokens": most}}


def _neutral(_: str, text: str, most: int) -> Body:
    return {"prompt": text, "maxTokens": most}


def _whole(way: Way, **more: Any) -> Way:
    return way._replace(streams=False, mark=b"", **more)


# a stream of chat: who speaks; the words; why it ends; what was used; that it ends
CHAT = Way("/v1/chat/completions", "gpt-4o-mini", _chat, b"data: [DONE]\n\n", after_usage=1, around=4)
MESSAGES = Way("/v1/messages", "claude-sonnet-4-5", _chat, b'{"type":"message_stop"}\n\n', after_usage=1, around=6)
RESPONSES = Way("/v1/responses", "gpt-4o-mini", _responses, b'"type":"response.completed"')
GENERATE = Way("/v1beta/models/{model}:streamGenerateContent?alt=sse", "gemini-2.0-flash", _generate)
NEUTRAL = Way("/v1/chat/stream", "gpt-4o-mini", _neutral, b'"done":', is_alias=True)
WAYS = {
    "chat": CHAT,
    "messages": MESSAGES,
    "responses": RESPONSES,
    "generate": GENERATE,
    "fallback": CHAT._replace(model="twice", is_alias=True),
    "neutral": NEUTRAL,
    "whole neutral": _whole(NEUTRAL, path="/v1/generate"),
    "whole chat": _whole(CHAT),
    "whole fallback": _whole(CHAT, model="twice", is_alias=True),
    "whole messages": _whole(MESSAGES),
    "whole generate": _whole(GENERATE, path="/v1beta/models/{model}:generateContent"),
}


class Question(NamedTuple):
    """One call."""

    number: int
    way: str
    words: int
    user: str
    key: str
    """The key's name."""
    fault: str = ""
    """What the stand-in is asked to do wrong."""
    breaks: bool = False
    """Whether it then has no proper end, and no client may take it for a whole answer."""
    fails: int = 0
    """Or with which status it fails."""
    leaves: Leave = Leave.NEVER
    canary: str = ""

    @property
    def name(self) -> str:
        """By which its entries are found."""
        return f"q-{self.number}"

    @property
    def word(self) -> str:
        """What its prompt and its answer are made of, and nobody else's."""
        return f"{self.canary}{self.number}x"

    @property
    def is_huge(self) -> bool:
        return self.fault.startswith("huge")

    @property
    def repeats_itself(self) -> bool:
        """Whether its answer has each word once for each time it was said."""
        return not self.is_huge and self.way != "responses"

    @property
    def tokens(self) -> tuple[int, int]:
        """Of the prompt, and of the answer."""
        return self.words, self.words + SAID

    def request(self, key: str) -> bytes:
        """All that is sent, with the text of the key."""
        way = WAYS[self.way]
        model = way.model + (f"--{self.fault}" if self.fault else "")
        body = way.body(model, " ".join([self.word] * self.words), self.words + SAID)
        if way.streams and way not in {GENERATE, NEUTRAL}:
            body["stream"] = True
        headers = {"authorization": f"Bearer {key}", "x-user-id": self.user}
        return sent(way.path.format(model=model), body, headers | {"x-twinmeter-conversation-id": self.name})


def sent(path: str, body: Body | bytes, headers: dict[str, str]) -> bytes:
    """A request as it goes over the wire."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    said = {"host": "drill", "content-type": "application/json", **headers, "content-length": str(len(content))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + content
