"""OpenAI's client through the gateway: what it gets, what the provider is asked, and what the ledger has."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from client.tests.sdks import openai
from tests.real_clients.gateway import Call, Entry, Gateway, Site, cost, gateway

__all__ = ["gateway"]

MESSAGES: Any = [{"role": "user", "content": "one two three"}]
CHAT: Any = {"model": "gpt-4o", "messages": MESSAGES}
RAN = "gpt-4o-2024-08-06"
TOOL: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": TOOL}}]
RESPONSE_TOOLS: Any = [{"type": "function", "name": "weather", "parameters": TOOL, "strict": False}]
RECORDING = ("recording.wav", b"RIFF" + bytes(8_000), "audio/wav")
"""Three seconds."""
PICTURE = b"\x89PNG" + bytes(1_000)


class Weather(BaseModel):
    city: str
    days: int


def asked(path: str, **fields: Any) -> Call:
    """A method of the client, by its path; a stream is read to its end."""

    def call(site: Site) -> Any:
        with openai.OpenAI(base_url=site.v1, api_key=site.key, max_retries=0) as client:
            method: Any = client
            for name in path.split("."):
                method = getattr(method, name)
            answer = method(**fields)
            return list(answer) if fields.get("stream") else answer

    return call


def helper(site: Site) -> Any:
    """The helper for streams: its events, and what it puts together from them."""
    with (
        openai.OpenAI(base_url=site.v1, api_key=site.key) as client,
        client.chat.completions.stream(**CHAT, response_format=Weather) as stream,
    ):
        events = [event.type for event in stream]
        return [events, stream.get_final_completion()]


def response_helper(site: Site) -> Any:
    with (
        openai.OpenAI(base_url=site.v1, api_key=site.key) as client,
        client.responses.stream(model="gpt-4o", input="one two three") as stream,
    ):
        return [list(stream), stream.get_final_response()]


def two_turns(site: Site) -> Any:
    """A tool is called, its result is told, and the model answers."""
    with openai.OpenAI(base_url=site.v1, api_key=site.key) as client:
        first = client.chat.completions.create(**CHAT, tools=TOOLS)
        called = first.choices[0].message
        result: Any = {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "sunny"}
        messages = [*MESSAGES, called.to_dict(), result]
        return [first, client.chat.completions.create(model="gpt-4o", messages=messages, tools=TOOLS)]


def spoken(model: str, **more: Any) -> Call:
    def call(site: Site) -> Any:
        asked: Any = {"model": model, "voice": "alloy", "input": "one two", **more}
        with (
            openai.OpenAI(base_url=site.v1, api_key=site.key) as client,
            client.audio.speech.with_streaming_response.create(**asked) as answer,
        ):
            return b"".join(answer.iter_bytes())

    return call


async def in_a_loop(site: Site) -> Any:
    async with openai.AsyncOpenAI(base_url=site.v1, api_key=site.key) as client:
        stream = await client.chat.completions.create(**CHAT, stream=True)
        return [chunk async for chunk in stream]


def chat(tokens: int, read: int = 3) -> Entry:
    price = cost((read, "2.5"), (tokens, "10"))
    return Entry("openai", RAN, "chat/completions", read, tokens, price)


def response(tokens: int) -> Entry:
    return chat(tokens)._replace(endpoint="responses")


CALLS: dict[str, tuple[Call, list[Entry]]] = {
    "chat": (asked("chat.completions.create", **CHAT), [chat(5)]),
    "chat, raw": (
        lambda site: json.loads(asked("chat.completions.with_raw_response.create", **CHAT)(site).text),
        [chat(5)],
    ),
    "chat of a reasoning model": (
        asked("chat.completions.create", **{**CHAT, "model": "o4-mini"}),
        [Entry("openai", "o4-mini-2025-04-16", "chat/completions", 3, 69, cost((3, "1.1"), (69, "4.4")))],
    ),
    "chat, three choices": (asked("chat.completions.create", **CHAT, n=3), [chat(15)]),
    "stream": (asked("chat.completions.create", **CHAT, stream=True), [chat(5)]),
    "stream with usage": (
        asked("chat.completions.create", **CHAT, stream=True, stream_options={"include_usage": True}),
        [chat(5)],
    ),
    "stream without obfuscation": (
        asked("chat.completions.create", **CHAT, stream=True, stream_options={"include_obfuscation": False}),
        [chat(5)],
    ),
    "tools": (two_turns, [chat(1), chat(3, 4)]),
    "tools in a stream": (asked("chat.completions.create", **CHAT, tools=TOOLS, stream=True), [chat(1)]),
    "structured output": (asked("chat.completions.parse", **CHAT, response_format=Weather), [chat(1)]),
    "structured output in a stream": (helper, [chat(1)]),
    "responses": (asked("responses.create", model="gpt-4o", input="one two three"), [response(5)]),
    "responses, stream": (
        asked("responses.create", model="gpt-4o", input="one two three", stream=True),
        [response(5)],
    ),
    "responses, helper": (response_helper, [response(5)]),
    "responses, tools": (
        asked("responses.create", model="gpt-4o", input="one two three", tools=RESPONSE_TOOLS, stream=True),
        [response(1)],
    ),
    "responses, structured output": (
        asked("responses.parse", model="gpt-4o", input="one two three", text_format=Weather),
        [response(1)],
    ),
    "embeddings": (
        asked("embeddings.create", model="text-embedding-3-small", input=["one two", "three"]),
        [Entry("openai", "text-embedding-3-small", "embeddings", 3, 0, cost((3, "0.02")))],
    ),
    "embeddings as numbers": (
        asked("embeddings.create", model="text-embedding-3-small", input="one", encoding_format="float"),
        [Entry("openai", "text-embedding-3-small", "embeddings", 1, 0, cost((1, "0.02")))],
    ),
    "image": (
        asked("images.generate", model="gpt-image-1", prompt="a red cat", quality="low"),
        [Entry("openai", "gpt-image-1", "images/generations", 3, 272, cost((3, "5"), (272, "40")))],
    ),
    "image in a stream": (
        asked("images.generate", model="gpt-image-1", prompt="a red cat", stream=True, partial_images=2),
        [Entry("openai", "gpt-image-1", "images/generations", 3, 1_256, cost((3, "5"), (1_256, "40")))],
    ),
    "image without tokens": (
        asked("images.generate", model="dall-e-3", prompt="a red cat", size="1024x1024", quality="hd"),
        [Entry("openai", "dall-e-3", "images/generations", cost=Decimal("0.08"))],
    ),
    "image edit": (
        asked("images.edit", model="gpt-image-1", prompt="a red cat", image=("cat.png", PICTURE, "image/png")),
        [Entry("openai", "gpt-image-1", "images/edits", 326, 1_056, cost((3, "5"), (323, "10"), (1_056, "40")))],
    ),
    "transcription by seconds": (
        asked("audio.transcriptions.create", model="whisper-1", file=RECORDING),
        [Entry("openai", "whisper-1", "audio/transcriptions", cost=3 * Decimal("0.006") / 60)],
    ),
    "transcription by tokens": (
        asked("audio.transcriptions.create", model="gpt-4o-transcribe", file=RECORDING),
        [Entry("openai", "gpt-4o-transcribe", "audio/transcriptions", 30, 9, cost((30, "6"), (9, "10")))],
    ),
    "transcription in a stream": (
        asked("audio.transcriptions.create", model="gpt-4o-transcribe", file=RECORDING, stream=True),
        [Entry("openai", "gpt-4o-transcribe", "audio/transcriptions", 30, 9, cost((30, "6"), (9, "10")))],
    ),
    "translation": (
        asked("audio.translations.create", model="whisper-1", file=RECORDING),
        [Entry("openai", "whisper-1", "audio/translations", cost=3 * Decimal("0.006") / 60)],
    ),
    "transcription as text, whose length nobody tells": (
        asked("audio.transcriptions.create", model="whisper-1", file=RECORDING, response_format="text"),
        [Entry("openai", "whisper-1", "audio/transcriptions", cost=None)],
    ),
    "transcription in detail": (
        asked("audio.transcriptions.create", model="whisper-1", file=RECORDING, response_format="verbose_json"),
        [Entry("openai", "whisper-1", "audio/transcriptions", cost=3 * Decimal("0.006") / 60)],
    ),
    "speech as events, by tokens": (
        spoken("gpt-4o-mini-tts", stream_format="sse"),
        [Entry("openai", "gpt-4o-mini-tts", "audio/speech", 2, 100, cost((2, "0.6"), (100, "12")))],
    ),
    "speech": (spoken("tts-1"), [Entry("openai", "tts-1", "audio/speech", cost=7 * Decimal(15) / 1_000_000)]),
}


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # what the client says of translations
@pytest.mark.parametrize("name", CALLS)
def test_a_call_gives_what_it_gives_directly_and_the_ledger_has_it_exactly(gateway: Gateway, name: str) -> None:
    call, expected = CALLS[name]
    assert gateway.same(call) == expected


def test_an_asynchronous_client_as_well(gateway: Gateway) -> None:
    assert gateway.same(lambda site: asyncio.run(in_a_loop(site))) == [chat(5)]


def test_models_are_listed_in_a_form_that_the_client_reads(gateway: Gateway) -> None:
    with openai.OpenAI(base_url=gateway.site.v1, api_key=gateway.site.key) as client:
        listed = {model.id: model.object for model in client.models.list()}
        assert set(listed.values()) <= {"model"}
        assert client.models.retrieve("gpt-4o").id == "gpt-4o"
    assert gateway.ledger() == []
