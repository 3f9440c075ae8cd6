"""Anthropic's clients: `Anthropic` and `AsyncAnthropic`, also those of Bedrock, Vertex and Foundry."""

from __future__ import annotations

from typing import Any

from twinmeter.wrapping.operations import CHAT
from twinmeter.wrapping.stainless import Fields, watch

OPERATIONS = {
    "/v1/messages": CHAT,
    "/v1/messages?beta=true": CHAT,
    "/v1/complete": CHAT,
}
_PROVIDERS = {"Bedrock": "aws", "Vertex": "google", "Foundry": "azure"}
"""Who sells it, by the name of the client's class."""


def wrap(client: Any, fields: Fields) -> None:
    """Report the calls of one client. Batches, and the counting of tokens, are none."""
    watch(client, OPERATIONS, fields, _provider_of)


def _provider_of(client: Any) -> str:
    names = " ".join(kind.__name__ for kind in type(client).__mro__)
    return next((provider for name, provider in _PROVIDERS.items() if name in names), "anthropic")
