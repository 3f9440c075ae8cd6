"""OpenAI's clients, and those of who speaks its API: `OpenAI`, `AsyncOpenAI`, `AzureOpenAI`, `AsyncAzureOpenAI`."""

from __future__ import annotations

from typing import Any

from twinmeter.wrapping.operations import CHAT, EMBEDDING, IMAGE, SPEECH, TRANSCRIPTION, Operation
from twinmeter.wrapping.stainless import Fields, watch

OPERATIONS = {
    "/chat/completions": Operation(asks_for_usage=True),
    "/completions": Operation(asks_for_usage=True),
    "/responses": CHAT,
    "/responses/compact": CHAT,
    "/embeddings": EMBEDDING,
    "/images/generations": IMAGE,
    "/images/edits": IMAGE,
    "/images/variations": IMAGE,
    "/audio/transcriptions": TRANSCRIPTION,
    "/audio/translations": TRANSCRIPTION,
    "/audio/speech": SPEECH,
}
_PROVIDERS = {
    "azure.com": "azure",
    "groq.com": "groq",
    "mistral.ai": "mistral",
    "deepseek.com": "deepseek",
    "x.ai": "x-ai",
    "together.xyz": "together",
    "together.ai": "together",
    "fireworks.ai": "fireworks",
    "openrouter.ai": "openrouter",
    "perplexity.ai": "perplexity",
    "googleapis.com": "google",
    "anthropic.com": "anthropic",
    "cerebras.ai": "cerebras",
}
"""Others who speak OpenAI's API, by the end of the host's name."""


def wrap(client: Any, fields: Fields) -> None:
    """Report the calls of one client."""
    watch(client, OPERATIONS, fields, _provider_of)


def _provider_of(client: Any) -> str:
    if "Azure" in type(client).__name__:
        return "azure"
    host = str(getattr(client.base_url, "host", ""))
    ends = (provider for end, provider in _PROVIDERS.items() if host == end or host.endswith(f".{end}"))
    return next(ends, "openai")
