"""LangChain, pydantic-ai and LiteLLM through the gateway."""

import pytest

from tests.real_clients.frameworks import Frameworks, frameworks
from tests.real_clients.gateway import Entry, Gateway, cost, gateway

__all__ = ["frameworks", "gateway"]


def chat(tokens: int, read: int = 3) -> Entry:
    return Entry("openai", "gpt-4o-2024-08-06", "chat/completions", read, tokens, cost((read, "2.5"), (tokens, "10")))


def claude(tokens: int) -> Entry:
    return Entry("anthropic", "claude-opus-4-6", "messages", 3, tokens, cost((3, "5"), (tokens, "25")))


RESPONSE = chat(5)._replace(endpoint="responses")
EMBEDDING = Entry("openai", "text-embedding-3-small", "embeddings", 3, 0, cost((3, "0.02")))
EXPECTED: dict[str, list[Entry]] = {
    "LangChain, chat": [chat(5)],
    "LangChain, stream": [chat(5)],
    "LangChain, stream with usage": [chat(5)],
    "LangChain, responses": [RESPONSE],
    "LangChain, structured output": [chat(1)],
    "LangChain, tools": [chat(1)],
    "LangChain, embeddings": [EMBEDDING],
    "LangChain, message": [claude(5)],
    "LangChain, message in a stream": [claude(5)],
    "pydantic-ai": [chat(5), chat(5)],
    "pydantic-ai, responses": [RESPONSE, RESPONSE],
    "pydantic-ai, structured output": [chat(1), chat(1)],
    "pydantic-ai, tools": [chat(1), chat(5, 6), chat(1), chat(5, 6)],
    "LiteLLM, chat": [chat(5)],
    "LiteLLM, stream": [chat(5)],
    "LiteLLM, structured output": [chat(1)],
    "LiteLLM, responses": [RESPONSE],
    "LiteLLM, embeddings": [EMBEDDING],
    "LiteLLM, message": [claude(5)],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_call_gives_what_it_gives_directly_and_the_ledger_has_it_exactly(
    gateway: Gateway, frameworks: Frameworks, name: str
) -> None:
    assert gateway.same(lambda site: frameworks.called(name, site)) == EXPECTED[name]
