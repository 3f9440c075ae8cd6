"""Google's client of Gemini through the gateway."""

from typing import Any

import pytest
from pydantic import BaseModel

from tests.real_clients.gateway import Call, Entry, Gateway, Site, cost, gateway

__all__ = ["gateway"]

MODEL = "gemini-2.5-flash"
TEXT = "one two three"


class Weather(BaseModel):
    city: str
    days: int


def weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


def asked(method: str, **fields: Any) -> Call:
    """A method of the client's models; a stream is read to its end."""

    def call(site: Site) -> Any:
        from google import genai  # noqa: PLC0415 - it takes a second

        with genai.Client(api_key=site.key, http_options={"base_url": site.base}) as client:
            answer = getattr(client.models, method)(**fields)
            found = list(answer) if "stream" in method else [answer]
            # beside the answer, the client keeps its headers
            return [each.model_dump(mode="json", exclude={"sdk_http_response"}) for each in found]

    return call


def generated(tokens: int, read: int = 3, *, stream: bool = False) -> Entry:
    wrote, endpoint = tokens + 100, "streamGenerateContent" if stream else "generateContent"
    return Entry("google", MODEL, endpoint, read, wrote, cost((read, "0.3"), (wrote, "2.5")))


CALLS: dict[str, tuple[Call, list[Entry]]] = {
    "content": (asked("generate_content", model=MODEL, contents=TEXT), [generated(5)]),
    "stream": (asked("generate_content_stream", model=MODEL, contents=TEXT), [generated(5, stream=True)]),
    "system and bounds": (
        asked(
            "generate_content",
            model=MODEL,
            contents=TEXT,
            config={"system_instruction": "be brief", "max_output_tokens": 4},
        ),
        [generated(4, 5)],
    ),
    "tools, called by the client itself": (
        asked("generate_content", model=MODEL, contents=TEXT, config={"tools": [weather]}),
        [generated(1), generated(5)],
    ),
    "structured output": (
        asked(
            "generate_content",
            model=MODEL,
            contents=TEXT,
            config={"response_mime_type": "application/json", "response_schema": Weather},
        ),
        [generated(1)],
    ),
    "count of tokens": (asked("count_tokens", model=MODEL, contents=TEXT), []),
    "embeddings": (
        asked("embed_content", model="gemini-embedding-001", contents=["one two", "three"]),
        [Entry("google", "gemini-embedding-001", "batchEmbedContents", 3, 0, cost((3, "0.15")))],
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_gives_what_it_gives_directly_and_the_ledger_has_it_exactly(gateway: Gateway, name: str) -> None:
    call, expected = CALLS[name]
    assert gateway.same(call) == expected


def test_models_are_listed_in_a_form_that_the_client_reads(gateway: Gateway) -> None:
    from google import genai  # noqa: PLC0415 - it takes a second

    with genai.Client(api_key=gateway.site.key, http_options={"base_url": gateway.site.base}) as client:
        assert all(str(model.name).startswith("models/") for model in client.models.list())
        assert client.models.get(model=MODEL).name == f"models/{MODEL}"
    assert gateway.ledger() == []
