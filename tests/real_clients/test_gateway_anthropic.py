"""Anthropic's client through the gateway."""

from typing import Any

import pytest
from pydantic import BaseModel

from client.tests.sdks import anthropic
from tests.real_clients.gateway import Call, Entry, Gateway, Site, cost, gateway

__all__ = ["gateway"]

MODEL = "claude-opus-4-6"
MESSAGES: Any = [{"role": "user", "content": "one two three"}]
ASKED: Any = {"model": MODEL, "max_tokens": 1_000, "messages": MESSAGES}
TOOLS: Any = [{"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]
KEPT: Any = [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}]


class Weather(BaseModel):
    city: str
    days: int


def asked(path: str, **fields: Any) -> Call:
    """A method of the client, by its path; a stream is read to its end."""

    def call(site: Site) -> Any:
        with anthropic.Anthropic(base_url=site.base, api_key=site.key, max_retries=0) as client:
            method: Any = client
            for name in path.split("."):
                method = getattr(method, name)
            answer = method(**fields)
            return list(answer) if fields.get("stream") else answer

    return call


def helper(**more: Any) -> Call:
    def call(site: Site) -> Any:
        with (
            anthropic.Anthropic(base_url=site.base, api_key=site.key) as client,
            client.messages.stream(**ASKED, **more) as stream,
        ):
            return [list(stream), stream.get_final_message()]

    return call


def two_turns(site: Site) -> Any:
    with anthropic.Anthropic(base_url=site.base, auth_token=site.key, api_key=None) as client:
        first = client.messages.create(**ASKED, tools=TOOLS)
        called: Any = first.content[0]
        result: Any = {"type": "tool_result", "tool_use_id": called.id, "content": "sunny"}
        messages: Any = [
            *MESSAGES,
            {"role": "assistant", "content": [called.to_dict()]},
            {"role": "user", "content": [result]},
        ]
        return [first, client.messages.create(**{**ASKED, "messages": messages}, tools=TOOLS)]


def message(tokens: int, read: int = 3) -> Entry:
    return Entry("anthropic", MODEL, "messages", read, tokens, cost((read, "5"), (tokens, "25")))


CACHED = cost((5, "5"), (6_000, "0.5"), (2_000, "6.25"), (1_000, "10"), (5, "25"))
CALLS: dict[str, tuple[Call, list[Entry]]] = {
    "message": (asked("messages.create", **ASKED), [message(5)]),
    "stream": (asked("messages.create", **ASKED, stream=True), [message(5)]),
    "stream, helper": (helper(), [message(5)]),
    "tools": (two_turns, [message(1), message(3, 4)]),
    "tools in a stream": (helper(tools=TOOLS), [message(1)]),
    "structured output": (asked("messages.parse", **ASKED, output_format=Weather), [message(1)]),
    "caches": (
        asked("messages.create", **ASKED, system=KEPT),
        [message(5)._replace(input_tokens=9_005, cost=CACHED)],
    ),
    "caches in a stream": (
        asked("messages.create", **ASKED, system=KEPT, stream=True),
        [message(5)._replace(input_tokens=9_005, cost=CACHED)],
    ),
    "betas": (
        asked("beta.messages.create", **ASKED, betas=["token-efficient-tools-2025-02-19"]),
        [message(5)],
    ),
    "count of tokens": (asked("messages.count_tokens", model=MODEL, messages=MESSAGES), []),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_gives_what_it_gives_directly_and_the_ledger_has_it_exactly(gateway: Gateway, name: str) -> None:
    call, expected = CALLS[name]
    assert gateway.same(call) == expected


def test_models_are_listed_in_a_form_that_the_client_reads(gateway: Gateway) -> None:
    with anthropic.Anthropic(base_url=gateway.site.base, api_key=gateway.site.key) as client:
        assert {model.type for model in client.models.list(limit=1_000)} <= {"model"}
        assert client.models.retrieve(MODEL).id == MODEL
    assert gateway.ledger() == []
