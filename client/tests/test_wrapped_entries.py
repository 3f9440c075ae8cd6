"""Wrapped clients before a real server: for each call the ledger has what `track_ai_call` records of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Callable, NamedTuple

import pytest
from client.tests import sdks
from client.tests.in_process import InProcess, by_hand
from client.tests.ledger import entries
from client.tests.providers import Provider, answers, upstream
from tests.patience import patience
from tests.real_clients.conftest import Account, Deployment

import twinmeter
from twinmeter import client as clients
from twinmeter.client import Client

__all__ = ["answers", "by_hand", "upstream"]

MESSAGES: list[Any] = [{"role": "user", "content": "SECRET-QUESTION"}]
ASKED: dict[str, Any] = {"model": "gpt-4o", "messages": MESSAGES}
TOOLS: list[Any] = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
WITH_USAGE: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
LLAMA: dict[str, Any] = {**ASKED, "model": "llama-3.3-70b-versatile"}
LARGE: dict[str, Any] = {**ASKED, "model": "mistral-large-latest"}
EMBEDDED: dict[str, Any] = {"model": "text-embedding-3-small", "input": "SECRET"}
SOUND: dict[str, Any] = {"model": "whisper-1", "file": ("a.mp3", b"sound")}
SHORT = 0.05


def openai(answers: Provider) -> sdks.openai.OpenAI:
    return sdks.openai.OpenAI(base_url=f"{answers.address}/v1", api_key="k", max_retries=0)


def openai_async(answers: Provider) -> sdks.openai.AsyncOpenAI:
    return sdks.openai.AsyncOpenAI(base_url=f"{answers.address}/v1", api_key="k", max_retries=0)


def azure(answers: Provider) -> sdks.openai.AzureOpenAI:
    return sdks.openai.AzureOpenAI(azure_endpoint=answers.address, api_key="k", api_version="2024-10-21", max_retries=0)


def azure_async(answers: Provider) -> sdks.openai.AsyncAzureOpenAI:
    return sdks.openai.AsyncAzureOpenAI(
        azure_endpoint=answers.address, api_key="k", api_version="2024-10-21", max_retries=0
    )


def groq(answers: Provider) -> sdks.groq.Groq:
    return sdks.groq.Groq(base_url=answers.address, api_key="k", max_retries=0)


def groq_async(answers: Provider) -> sdks.groq.AsyncGroq:
    return sdks.groq.AsyncGroq(base_url=answers.address, api_key="k", max_retries=0)


def mistral(answers: Provider) -> sdks.mistralai.Mistral:
    return sdks.mistralai.Mistral(server_url=f"{answers.address}/mistral", api_key="k")


class Case(NamedTuple):
    client: Callable[[Provider], Any]
    made: Callable[[Any], Any]
    """The call. What it returns is awaited and iterated, where it can be."""
    does: str | int = "answer"
    known: Mapping[str, Any] = MappingProxyType({})
    """What `track_ai_call` has to be told, and the wrapped client knows."""


async def cancelled(call: Any) -> Any:
    task = asyncio.ensure_future(call)
    await asyncio.sleep(0)  # it begins
    task.cancel()
    return await task


ASKED_FOR = {"model": "gpt-4o"}
LLAMA_ASKED_FOR = {"model": LLAMA["model"], "provider": "groq"}
LARGE_ASKED_FOR = {"model": LARGE["model"], "provider": "mistral"}
GROQ, MISTRAL, AZURE = {"provider": "groq"}, {"provider": "mistral"}, {"provider": "azure"}

CASES = {
    "openai chat": Case(openai, lambda c: c.chat.completions.create(**ASKED)),
    "openai async chat": Case(openai_async, lambda c: c.chat.completions.create(**ASKED)),
    "openai tool call": Case(openai, lambda c: c.chat.completions.create(**ASKED, tools=TOOLS)),
    "openai stream": Case(openai, lambda c: c.chat.completions.create(**ASKED, **WITH_USAGE)),
    "openai async stream": Case(openai_async, lambda c: c.chat.completions.create(**ASKED, **WITH_USAGE)),
    "openai stream that breaks": Case(openai, lambda c: c.chat.completions.create(**ASKED, stream=True), "cut"),
    "openai async stream that breaks": Case(
        openai_async, lambda c: c.chat.completions.create(**ASKED, stream=True), "cut"
    ),
    "openai responses": Case(openai, lambda c: c.responses.create(model="gpt-4o", input="SECRET")),
    "openai stream of responses": Case(openai, lambda c: c.responses.create(model="gpt-4o", input="x", stream=True)),
    "openai async responses": Case(openai_async, lambda c: c.responses.create(model="gpt-4o", input="x", stream=True)),
    "openai completions": Case(openai, lambda c: c.completions.create(model="gpt-3.5-turbo-instruct", prompt="x")),
    "openai embeddings": Case(
        openai, lambda c: c.embeddings.create(**EMBEDDED), "answer", {"service_type": "embedding"}
    ),
    "openai images": Case(
        openai,
        lambda c: c.images.generate(model="dall-e-3", prompt="x", n=2),
        "answer",
        {"service_type": "image", "model": "dall-e-3"},
    ),
    "openai transcription": Case(
        openai,
        lambda c: c.audio.transcriptions.create(**SOUND),
        "answer",
        {"service_type": "audio", "model": "whisper-1"},
    ),
    "openai 401": Case(openai, lambda c: c.chat.completions.create(**ASKED), 401, ASKED_FOR),
    "openai 429": Case(openai, lambda c: c.chat.completions.create(**ASKED), 429, ASKED_FOR),
    "openai 500": Case(openai, lambda c: c.chat.completions.create(**ASKED), 500, ASKED_FOR),
    "openai async 429": Case(openai_async, lambda c: c.chat.completions.create(**ASKED), 429, ASKED_FOR),
    "openai time-out": Case(openai, lambda c: c.chat.completions.create(**ASKED, timeout=SHORT), "hang", ASKED_FOR),
    "openai async time-out": Case(
        openai_async, lambda c: c.chat.completions.create(**ASKED, timeout=SHORT), "hang", ASKED_FOR
    ),
    "openai cancelled": Case(openai_async, lambda c: cancelled(c.chat.completions.create(**ASKED)), "hang", ASKED_FOR),
    "azure chat": Case(azure, lambda c: c.chat.completions.create(**ASKED), "answer", AZURE),
    "azure async stream": Case(
        azure_async, lambda c: c.chat.completions.create(**ASKED, **WITH_USAGE), "answer", AZURE
    ),
    "azure 429": Case(azure, lambda c: c.chat.completions.create(**ASKED), 429, {**ASKED_FOR, **AZURE}),
    "groq chat": Case(groq, lambda c: c.chat.completions.create(**LLAMA), "answer", GROQ),
    "groq stream": Case(groq, lambda c: c.chat.completions.create(**LLAMA, stream=True), "answer", GROQ),
    "groq async stream": Case(groq_async, lambda c: c.chat.completions.create(**LLAMA, stream=True), "answer", GROQ),
    "groq stream that breaks": Case(groq, lambda c: c.chat.completions.create(**LLAMA, stream=True), "cut", GROQ),
    "groq 401": Case(groq, lambda c: c.chat.completions.create(**LLAMA), 401, LLAMA_ASKED_FOR),
    "groq async 429": Case(groq_async, lambda c: c.chat.completions.create(**LLAMA), 429, LLAMA_ASKED_FOR),
    "groq 500": Case(groq, lambda c: c.chat.completions.create(**LLAMA), 500, LLAMA_ASKED_FOR),
    "groq time-out": Case(groq, lambda c: c.chat.completions.create(**LLAMA, timeout=SHORT), "hang", LLAMA_ASKED_FOR),
    "mistral chat": Case(mistral, lambda c: c.chat.complete(**LARGE), "answer", MISTRAL),
    "mistral async chat": Case(mistral, lambda c: c.chat.complete_async(**LARGE), "answer", MISTRAL),
    "mistral stream": Case(mistral, lambda c: c.chat.stream(**LARGE), "answer", MISTRAL),
    "mistral async stream": Case(mistral, lambda c: c.chat.stream_async(**LARGE), "answer", MISTRAL),
    "mistral stream that breaks": Case(mistral, lambda c: c.chat.stream(**LARGE), "cut", MISTRAL),
    "mistral embeddings": Case(
        mistral,
        lambda c: c.embeddings.create(model="mistral-embed", inputs=["x"]),
        "answer",
        {"service_type": "embedding", **MISTRAL},
    ),
    "mistral 401": Case(mistral, lambda c: c.chat.complete(**LARGE), 401, LARGE_ASKED_FOR),
    "mistral 429": Case(mistral, lambda c: c.chat.complete(**LARGE), 429, LARGE_ASKED_FOR),
    "mistral async 500": Case(mistral, lambda c: c.chat.complete_async(**LARGE), 500, LARGE_ASKED_FOR),
    "mistral time-out": Case(mistral, lambda c: c.chat.complete(**LARGE, timeout_ms=50), "hang", LARGE_ASKED_FOR),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_wrapped_call_is_recorded_as_track_ai_call_records_it(
    real: Client,
    account: Account,
    by_hand: InProcess,
    answers: Provider,
    monkeypatch: pytest.MonkeyPatch,
    case: Case,
) -> None:
    monkeypatch.setitem(clients._clients, "current", real)
    answers.does = case.does

    async def wrapped() -> None:
        async with closing(twinmeter.wrap(case.client(answers), user_id="wrapped", content_type="letter")) as client:
            async for _ in events_of(case.made(client)):
                pass

    async def recorded(call: Any) -> None:
        async with closing(case.client(answers)) as client:
            made = case.made(client)
            made = await made if isinstance(made, Awaitable) else made
            if hasattr(made, "__next__") or hasattr(made, "__anext__"):
                async for _ in call.stream(events_of(made)):
                    pass
            else:
                call.record(made)

    outcome = raised_by(wrapped)
    assert real.flush(patience(20)) == twinmeter.Flushed(1, 0, 0)
    assert (outcome is None) == (case.does == "answer")
    known = {"user_id": "by hand", "content_type": "letter", "provider": "openai", **case.known}
    by_hand.call(account, recorded, **known)

    (entry,) = by_hand.recorded(account, "wrapped")
    assert [entry] == by_hand.recorded(account, "by hand")
    assert "SECRET" not in repr(entry)


@asynccontextmanager
async def closing(client: Any) -> AsyncIterator[Any]:
    if hasattr(client, "close"):
        try:
            yield client
        finally:
            closed = client.close()
            if isinstance(closed, Awaitable):
                await closed
    else:
        with client:
            async with client:
                yield client


async def events_of(made: Any) -> Any:
    if isinstance(made, Awaitable):
        made = await made
    if hasattr(made, "__anext__"):
        async for event in made:
            yield event
    elif hasattr(made, "__next__"):
        for event in made:
            yield event


def raised_by(run: Callable[[], Any]) -> BaseException | None:
    try:
        asyncio.run(run())
    except (Exception, asyncio.CancelledError) as error:
        return error
    return None


def test_what_it_cost_is_exact(
    real: Client, account: Account, answers: Provider, monkeypatch: pytest.MonkeyPatch, deployment: Deployment
) -> None:
    """At priority 4.25, 2.125 and 17 dollars for a million tokens of input, of the cache and of output."""
    monkeypatch.setitem(clients._clients, "current", real)
    with openai(answers) as client:
        twinmeter.wrap(client).chat.completions.create(**ASKED)
        list(client.chat.completions.create(**ASKED, stream=True))
    real.flush(patience(20))

    for entry in entries(deployment, account):
        assert (entry["inputTokens"], entry["cacheReadTokens"], entry["outputTokens"]) == (1_234, 1_024, 567)
        assert entry["cost"].to_decimal() == Decimal("0.0127075")
    assert len(entries(deployment, account)) == 2


async def test_many_at_once_are_each_reported(
    real: Client, account: Account, answers: Provider, monkeypatch: pytest.MonkeyPatch, deployment: Deployment
) -> None:
    monkeypatch.setitem(clients._clients, "current", real)

    async with openai_async(answers) as client:
        twinmeter.wrap(client)

        async def one(number: int) -> None:
            with twinmeter.context(user_id=f"u{number % 4}", content_type="letter"):
                if number % 2:
                    await client.chat.completions.create(**ASKED)
                else:
                    async for _ in await client.chat.completions.create(**ASKED, stream=True):
                        pass

        await asyncio.gather(*(one(number) for number in range(40)))
    assert real.flush(patience(20)) == twinmeter.Flushed(40, 0, 0)

    stored = Counter((entry["userId"], entry["inputTokens"]) for entry in entries(deployment, account))
    assert stored == {(f"u{number}", 1_234): 10 for number in range(4)}
