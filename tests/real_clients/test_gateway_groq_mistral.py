"""The clients of Groq and Mistral through the gateway, which have addresses and usage of their own."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from client.tests.sdks import groq, mistralai
from tests.real_clients.gateway import Call, Entry, Gateway, Site, cost, gateway

__all__ = ["gateway"]

LLAMA, MISTRAL = "llama-3.3-70b-versatile", "mistral-small-latest"
MESSAGES: Any = [{"role": "user", "content": "one two three"}]
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "description": "", "parameters": SCHEMA}}]
FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA}}
RECORDING = ("recording.wav", b"RIFF" + bytes(8_000), "audio/wav")
"""Three seconds."""


def _found(client: Any, path: str) -> Any:
    for name in path.split("."):
        client = getattr(client, name)
    return client


def by_groq(path: str, **fields: Any) -> Call:
    def call(site: Site) -> Any:
        with groq.Groq(base_url=site.base, api_key=site.key, max_retries=0) as client:
            answer = _found(client, path)(**fields)
            return list(answer) if fields.get("stream") else answer

    return call


def by_mistral(path: str, **fields: Any) -> Call:
    def call(site: Site) -> Any:
        with mistralai.Mistral(server_url=site.base, api_key=site.key) as client:
            answer = _found(client, path)(**fields)
            return list(answer) if "stream" in path else answer

    return call


def llama(tokens: int) -> Entry:
    return Entry("groq", LLAMA, "chat/completions", 3, tokens, cost((3, "0.59"), (tokens, "0.79")))


def mistral(tokens: int) -> Entry:
    return Entry("mistral", MISTRAL, "chat/completions", 3, tokens, cost((3, "0.15"), (tokens, "0.6")))


CHAT: Any = {"model": LLAMA, "messages": MESSAGES}
FROM_MISTRAL: Any = {"model": MISTRAL, "messages": MESSAGES}
# ten seconds at 0.111 USD an hour are billed of anything shorter
WHISPER: Callable[[str], Entry] = lambda endpoint: Entry(  # noqa: E731
    "groq", "whisper-large-v3", endpoint, cost=Decimal("0.000308333333333")
)
CALLS: dict[str, tuple[Call, list[Entry]]] = {
    "groq: chat": (by_groq("chat.completions.create", **CHAT), [llama(5)]),
    "groq: stream": (by_groq("chat.completions.create", **CHAT, stream=True), [llama(5)]),
    "groq: tools": (by_groq("chat.completions.create", **CHAT, tools=TOOLS), [llama(1)]),
    "groq: tools in a stream": (by_groq("chat.completions.create", **CHAT, tools=TOOLS, stream=True), [llama(1)]),
    "groq: structured output": (by_groq("chat.completions.create", **CHAT, response_format=FORMAT), [llama(1)]),
    "groq: transcription": (
        by_groq("audio.transcriptions.create", model="whisper-large-v3", file=RECORDING),
        [WHISPER("audio/transcriptions")],
    ),
    "groq: translation": (
        by_groq("audio.translations.create", model="whisper-large-v3", file=RECORDING),
        [WHISPER("audio/translations")],
    ),
    "mistral: chat": (by_mistral("chat.complete", **FROM_MISTRAL), [mistral(5)]),
    "mistral: stream": (by_mistral("chat.stream", **FROM_MISTRAL), [mistral(5)]),
    "mistral: tools": (by_mistral("chat.complete", **FROM_MISTRAL, tools=TOOLS), [mistral(1)]),
    "mistral: tools in a stream": (by_mistral("chat.stream", **FROM_MISTRAL, tools=TOOLS), [mistral(1)]),
    "mistral: structured output": (by_mistral("chat.complete", **FROM_MISTRAL, response_format=FORMAT), [mistral(1)]),
    "mistral: embeddings": (
        by_mistral("embeddings.create", model="mistral-embed", inputs=["one two", "three"]),
        [Entry("mistral", "mistral-embed", "embeddings", 3, 0, cost((3, "0.1")))],
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_gives_what_it_gives_directly_and_the_ledger_has_it_exactly(gateway: Gateway, name: str) -> None:
    call, expected = CALLS[name]
    assert replace(gateway, flavour=f"/{name.partition(':')[0]}").same(call) == expected
