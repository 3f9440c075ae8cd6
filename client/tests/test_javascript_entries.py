"""Wrapped clients of JavaScript before a real server: for each call the ledger has what `track_ai_call` records."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any, Callable

from client.tests import claude_and_gemini
from client.tests.claude_and_gemini import CLAUDE, LIMITED, SLOW
from client.tests.in_process import InProcess, by_hand
from client.tests.providers import provider
from client.tests.sdks import anthropic, groq, openai
from client.tests.test_javascript import needs_node, ran
from tests.real_clients.conftest import Account

__all__ = ["by_hand"]

pytestmark = needs_node

CLAUDE_ASKED: dict[str, Any] = {
    "model": CLAUDE,
    "max_tokens": 99,
    "messages": [{"role": "user", "content": "SECRET-QUESTION"}],
}
ASKED: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "SECRET-QUESTION"}]}
WITH_USAGE: dict[str, Any] = {"stream_options": {"include_usage": True}}
"""Groq's tell it unasked."""
TOOLS: list[Any] = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]

CLIENTS: dict[str, Callable[[str], Any]] = {
    "openai": lambda address: openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="k", max_retries=0),
    "azure": lambda address: openai.AsyncAzureOpenAI(
        azure_endpoint=address, api_key="k", api_version="2024-10-21", max_retries=0
    ),
    "anthropic": lambda address: anthropic.AsyncAnthropic(base_url=address, api_key="k", max_retries=0),
    "groq": lambda address: groq.AsyncGroq(base_url=address, api_key="k", max_retries=0),
}
CALLS: dict[str, Callable[[Any], Any]] = {
    "chat": lambda client: client.chat.completions.create(**ASKED),
    "tool call": lambda client: client.chat.completions.create(**ASKED, tools=TOOLS),
    "stream": lambda client: client.chat.completions.create(
        **ASKED, stream=True, **({} if isinstance(client, groq.AsyncGroq) else WITH_USAGE)
    ),
    "responses": lambda client: client.responses.create(model="gpt-4o", input="SECRET"),
    "stream of responses": lambda client: client.responses.create(model="gpt-4o", input="x", stream=True),
    "completions": lambda client: client.completions.create(model="gpt-3.5-turbo-instruct", prompt="x"),
    "embeddings": lambda client: client.embeddings.create(model="text-embedding-3-small", input="SECRET"),
    "images": lambda client: client.images.generate(model="dall-e-3", prompt="x", n=2),
    "transcription": lambda client: client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", b"sound")),
    "time-out": lambda client: client.chat.completions.create(**ASKED, timeout=0.05),
    "messages": lambda client: client.messages.create(**CLAUDE_ASKED),
    "messages streamed": lambda client: client.messages.create(**CLAUDE_ASKED, stream=True),
    "messages by the helper": lambda client: client.messages.create(**CLAUDE_ASKED, stream=True),
    "limited messages": lambda client: client.messages.create(**{**CLAUDE_ASKED, "model": LIMITED}),
    "slow messages": lambda client: client.messages.create(**{**CLAUDE_ASKED, "model": SLOW}, timeout=0.05),
}
"""As client/js/test/real/entries.js makes them."""
FAILS = {"model": "gpt-4o"}
KNOWN: dict[str, dict[str, Any]] = {
    "embeddings": {"service_type": "embedding"},
    "images": {"service_type": "image", "model": "dall-e-3"},
    "transcription": {"service_type": "audio", "model": "whisper-1"},
    "time-out": FAILS,
    "limited messages": {"model": LIMITED},
    "slow messages": {"model": SLOW},
}
"""What `track_ai_call` has to be told, and the wrapped client knows."""
CASES = [
    *(f"openai, {kind}" for kind in CALLS if kind != "time-out" and "messages" not in kind),
    *(f"anthropic, {kind}, claude" for kind in CALLS if "messages" in kind),
    *("openai, chat, 401", "openai, chat, 429", "openai, chat, 500"),
    *("openai, stream, cut", "openai, time-out, hang"),
    *("azure, chat", "azure, stream", "azure, chat, 429"),
    *("groq, chat", "groq, stream", "groq, stream, cut", "groq, chat, 401", "groq, chat, 429", "groq, time-out, hang"),
]
DOES = ("answer", "401", "429", "500", "cut", "hang")
OWN_NAMES = {"cut", "hang"}
"""What becomes of a request where the SDKs of Python and JavaScript raise errors of different names."""


def test_a_wrapped_call_of_javascript_is_recorded_as_track_ai_call_records_it(
    account: Account, by_hand: InProcess
) -> None:
    with ExitStack() as stack:
        stand_ins: dict[str, Any] = {
            does: stack.enter_context(provider()) for does in ("answer", "401", "429", "500", "cut", "hang")
        }
        for does, stand_in in stand_ins.items():
            stand_in.does = int(does) if does.isdigit() else does
        stand_ins["claude"] = stack.enter_context(claude_and_gemini.provider())
        addresses = json.dumps({does: stand_in.address for does, stand_in in stand_ins.items()})
        server = {"TWINMETER_URL": account.address, "TWINMETER_KEY": account.new_key("ingest")}
        said = ran(["node", "test/real/entries.js", *CASES], None, STAND_INS=addresses, **server)
        assert json.loads(said) == {"delivered": len(CASES), "rejected": 0, "waiting": 0}
        for case in CASES:
            name, kind, does = (*case.split(", "), "answer")[:3]
            _recorded(by_hand, account, case, (name, kind, stand_ins[does].address), does)

    for case in CASES:
        (wrapped,) = by_hand.recorded(account, case)
        (recorded,) = by_hand.recorded(account, f"by hand: {case}")
        if case.rpartition(", ")[2] in OWN_NAMES or "slow" in case:
            assert all(entry.pop("errorMessage") for entry in (wrapped, recorded))
        assert wrapped == recorded, case
        assert "SECRET" not in repr(wrapped)


def _recorded(by_hand: InProcess, account: Account, case: str, made: tuple[str, str, str], does: str) -> None:
    name, kind, address = made

    async def call(tracked: Any) -> None:
        async with CLIENTS[name](address) as client:
            response = await CALLS[kind](client)
            if hasattr(response, "__anext__"):
                async for _ in tracked.stream(response):
                    pass
            else:
                tracked.record(response)

    known = {**KNOWN.get(kind, {}), **(FAILS if does.isdigit() else {})}
    by_hand.call(account, call, user_id=f"by hand: {case}", content_type="letter", provider=name, **known)
